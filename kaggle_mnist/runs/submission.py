"""The CSV that Kaggle accepts: writing it, and checking it as Kaggle would."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.reading import read_bounded

HEADER = ["ImageId", "Label"]
COMPETITION_IDS = 28_000
MAX_BYTES = 16 << 20  # a submission has 0.2 MB
MAX_ERRORS = 100_000  # reported for a file; the competition's has 28,000 rows
MAX_RANGES = 20  # of missing ImageIds listed


def submission_csv(outputs: NDArray[np.float32], ids: NDArray[np.int64]) -> bytes:
    """The content of `submission.csv`, with the digit of each image's largest output.

    Parameters
    ----------
    outputs : ``(n, 10)``
    ids : ``(n,)``, the ImageIds

    Examples
    --------
    >>> submission_csv(np.eye(10, dtype=np.float32)[[7, 2]], np.array([1, 2]))
    b'ImageId,Label\\n1,7\\n2,2\\n'
    """
    rows = (f"{image_id},{label}\n" for image_id, label in zip(ids, outputs.argmax(1), strict=True))
    return ("ImageId,Label\n" + "".join(rows)).encode()


@dataclass
class Verdict:
    """The result of checking a submission.

    Attributes
    ----------
    errors : why Kaggle would reject the file, each with its row
    warnings : what Kaggle accepts although it is unusual
    """

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_submission(path: Path, expected: int = COMPETITION_IDS) -> Verdict:
    """Check a submission as Kaggle would. Rows are counted from 1, the header.

    Parameters
    ----------
    path : the CSV file, or a pipe
    expected : the file must have the ImageIds 1 to this number

    Raises
    ------
    BadData
        The file cannot be read as CSV.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "submission.csv"
    ...     _ = file.write_text("ImageId,Label\\n1,3\\n2,x\\n")
    ...     check_submission(file, 2).errors
    ["row 3: Label is 'x'; it must be a digit from 0 to 9"]
    """
    try:
        content = read_bounded(path, MAX_BYTES, pipe=True)
    except OSError as error:
        raise BadData(f"{path}: cannot be read as a submission ({error.strerror})") from error
    verdict = Verdict()
    if content.startswith(b"\xef\xbb\xbf"):
        verdict.warnings.append("starts with a byte order mark (BOM)")
    if b"\r\n" in content:
        verdict.warnings.append("has Windows line endings (CRLF)")
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig", errors="replace"), newline=""))
    try:
        header = next(rows, [])
        if header != HEADER:
            verdict.errors.append(f"row 1: is {','.join(header[:10])[:60]!r}; it must be 'ImageId,Label'")
        _check_rows(rows, expected, verdict)
    except csv.Error as error:
        raise BadData(f"{path}: cannot be read as CSV ({error})") from error
    return verdict


def _check_rows(rows: Iterable[list[str]], expected: int, verdict: Verdict) -> None:
    row_of: dict[int, int] = {}
    for number, row in enumerate(rows, start=2):
        if len(verdict.errors) >= MAX_ERRORS:
            verdict.errors.append(f"row {number}: not checked, nor any row below; there are too many errors")
            return
        if len(row) != 2:
            verdict.errors.append(f"row {number}: has {len(row)} values; it must have 2")
            continue
        image_id, label = row
        if not (len(label) == 1 and label in "0123456789"):
            verdict.errors.append(f"row {number}: Label is {label[:20]!r}; it must be a digit from 0 to 9")
        if not (image_id.isascii() and image_id.isdigit() and len(image_id) < 10 and 1 <= int(image_id) <= expected):
            verdict.errors.append(f"row {number}: ImageId is {image_id[:20]!r}; it must be from 1 to {expected}")
        elif int(image_id) in row_of:
            verdict.errors.append(f"row {number}: ImageId {image_id} is already in row {row_of[int(image_id)]}")
        else:
            row_of[int(image_id)] = number
    missing = [image_id for image_id in range(1, expected + 1) if image_id not in row_of]
    if missing:
        verdict.errors.append(f"ImageIds without a row: {_ranges(missing)} ({len(missing)} in all)")
    if list(row_of) != sorted(row_of):
        verdict.warnings.append("the ImageIds are not in order")


def _ranges(numbers: list[int]) -> str:
    """`1–3, 7` for 1, 2, 3, 7."""
    starts = [n for i, n in enumerate(numbers) if i == 0 or numbers[i - 1] != n - 1]
    ends = [n for i, n in enumerate(numbers) if i == len(numbers) - 1 or numbers[i + 1] != n + 1]
    shown = [f"{a}" if a == b else f"{a}–{b}" for a, b in zip(starts, ends, strict=True)]
    return ", ".join(shown if len(shown) <= MAX_RANGES else [*shown[:MAX_RANGES], "…"])
