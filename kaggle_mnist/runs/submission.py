"""The CSV that Kaggle accepts: writing it, and checking it as Kaggle would."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.digits import SUBMISSION
from kaggle_mnist.utils.dialect import INDEX, SEPARATORS, encoding_of, is_blank, separator_of
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.formats import require_csv
from kaggle_mnist.utils.reading import read_bounded
from kaggle_mnist.utils.words import plural

COMPETITION_IDS = 28_000
MAX_BYTES = 16 << 20  # a submission has 0.2 MB
MAX_ROWS = 1_000_000  # checked of a file; the competition's has 28,000
MAX_RANGES = 20  # of missing ids listed
DECIMALS = re.compile(r"[0-9]{1,9}\.0*", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
NO_INDEX = "saved with its index; save it without: index=False in pandas"


def submission_csv(outputs: NDArray[np.float32], ids: NDArray[np.int64], header: tuple[str, str] = SUBMISSION) -> bytes:
    """The content of `submission.csv`, with the digit of each image's largest output.

    Parameters
    ----------
    outputs : ``(n, 10)``
    ids : ``(n,)``, the ids of the images
    header : names of the two columns

    Examples
    --------
    >>> submission_csv(np.eye(10, dtype=np.float32)[[7, 2]], np.array([1, 2]))
    b'ImageId,Label\\n1,7\\n2,2\\n'
    """
    rows = (f"{image_id},{label}\n" for image_id, label in zip(ids, outputs.argmax(1), strict=True))
    return (f"{','.join(header)}\n" + "".join(rows)).encode()


@dataclass
class Verdict:
    """The result of checking a submission.

    Attributes
    ----------
    errors : why Kaggle would reject the file: a line for each cause, with its first row and how many rows have it
    warnings : what Kaggle accepts although it is unusual
    """

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_submission(
    path: Path,
    expected: int | Sequence[int] | NDArray[np.int64] = COMPETITION_IDS,
    header: tuple[str, str] = SUBMISSION,
) -> Verdict:
    """Check a submission as Kaggle would. Rows are counted from 1, the header.

    Parameters
    ----------
    path : the CSV file, or a pipe
    expected : the ids that the file must have; a number means 1 to that number
    header : names of the two columns

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
    require_csv(path, content, then=" and check the file inside")
    wanted = range(1, expected + 1) if isinstance(expected, int) else [int(number) for number in expected]
    check = _Check(wanted, header)
    try:
        return check.check(content)
    except csv.Error as error:
        quote = f"{error}; perhaps a quote is not closed there"
        raise BadData(f"{path}, row {check.read + 1}: cannot be read as CSV ({quote})") from error


class _Check:
    """One check: what is unusual about the whole file first, then row by row, each cause once."""

    def __init__(self, wanted: Sequence[int], header: tuple[str, str]):
        self.verdict = Verdict()
        self.header, self.wanted, self.allowed = header, wanted, frozenset(wanted)
        self.id, self.label = header
        self.causes: dict[str, list[int]] = {}  # by message: its first row, and how many rows
        self.kinds: dict[str, str] = {}  # by kind of cause: the message of the first
        self.row_of: dict[int, int] = {}  # by id
        self.skip, self.swapped, self.first = 0, False, 2  # columns of an index, whether labels are first, first row
        self.blank = self.read = 0  # blank rows at the end, rows read
        self.width, self.has_rows = 2, False  # columns that the header names, whether anything is below it

    def check(self, content: bytes) -> Verdict:
        self._decode(content)
        if not self.text.strip():
            self.verdict.errors.append("is empty")
            return self.verdict
        self.separator = separator_of(self.text.partition("\n")[0])
        self._check_header(next(self._reader(), []))
        self._check_swapped()
        shifted = self._check_shift()
        self._check_rows()
        for message, (first, times) in sorted(self.causes.items(), key=lambda cause: cause[1][0]):
            in_all = f" ({times:,} rows in all)" if times > 1 else ""
            self.verdict.errors.append(f"row {first}: {message}{in_all}")
        missing = [number for number in self.wanted if number not in self.row_of]
        if missing and not shifted and (self.row_of or not self.has_rows):
            ids = f"{self.id}s" if len(missing) > 1 else self.id
            in_all = f" ({len(missing)} in all)" if len(missing) > 1 else ""
            self.verdict.errors.append(f"{ids} without a row: {_ranges(missing)}{in_all}")
        if self.blank:
            blank = "a blank line" if self.blank == 1 else f"{self.blank:,} blank lines"
            self.verdict.warnings.append(f"ends with {blank}")
        if list(self.row_of) != sorted(self.row_of):
            self.verdict.warnings.append(f"the {self.id}s are not in order")
        return self.verdict

    def _decode(self, content: bytes) -> None:
        encoding = encoding_of(content)
        self.text = content.decode(encoding, "replace").removeprefix("\ufeff")
        if encoding != "utf-8-sig":
            self.verdict.errors.append("is UTF-16; save it as UTF-8, which Excel calls 'CSV UTF-8'")
        elif content.startswith(b"\xef\xbb\xbf"):
            self.verdict.warnings.append("starts with a byte order mark (BOM)")
        if "\r\n" in self.text:
            self.verdict.warnings.append("has Windows line endings (CRLF)")

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(io.StringIO(self.text, newline=""), delimiter=self.separator)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Rows with their numbers, without the header, an index and blank rows at the end; id first."""
        blank = 0
        for number, row in enumerate(self._reader(), start=1):
            self.read = number
            if number < self.first:
                continue
            if number > MAX_ROWS:
                self.causes["too many rows; it was not checked, nor was any row below"] = [number, 1]
                return
            if not row:
                blank += 1
                continue
            for before in range(number - blank, number):
                yield before, []
            blank = 0
            yield number, row[self.skip :][:: -1 if self.swapped else 1]
        self.blank = blank

    def _check_header(self, found: list[str]) -> None:
        header = list(self.header)
        if self.separator != ",":
            self.verdict.errors.append(f"row 1: separated by {SEPARATORS[self.separator]}; save it with commas")
        if len(found) == 3 and found[1:] == header and INDEX.fullmatch(found[0]):
            self.skip, found = 1, found[1:]
            self.verdict.errors.append(f"row 1: {NO_INDEX}")
        if found == header:
            return
        if found == header[::-1]:
            self.swapped = True
            self.verdict.errors.append(f"row 1: the columns are swapped; {self.id} must be the first")
            return
        if next(itertools.islice(self._reader(), 1, None), []) == header:
            self.first = 3
            self.verdict.errors.append("row 1: must be the header, which is in row 2; delete row 1")
            return
        self.width = len(found) or 2  # then this line says it of every row
        if len(found) == 2 and all(map(NUMBER.fullmatch, found)):
            self.first = 1  # a row like the others
        self.verdict.errors.append(f"row 1: is {','.join(found[:10])[:60]!r}; it must be {','.join(header)!r}")

    def _check_swapped(self) -> None:
        """Most rows make sense only with the label first."""
        swapped = rows = 0
        for _, row in self._rows():
            rows += 1
            swapped += len(row) == 2 and _is_label(row[0]) and not _is_label(row[1]) and self._is_id(row[1])
        if 2 * swapped > rows:
            self.swapped = True
            self.causes[f"{self.id} and {self.label} are swapped"] = [self.first, rows]

    def _is_id(self, text: str) -> bool:
        return bool(NUMBER.fullmatch(text)) and int(text) in self.allowed

    def _check_shift(self) -> bool:
        """Whether the ids are the expected ones minus 1 or plus 1; then that is the only thing to say of them."""
        found: set[int] = set()
        for _, row in self._rows():
            if len(row) == 2 and NUMBER.fullmatch(row[0]) and len(found) <= len(self.allowed):
                found.add(int(row[0]))
        shifted = [{number + shift for number in self.allowed} for shift in (-1, 1)]
        if len(found) < 2 or found not in shifted:
            return False
        there, expected = (f"{min(ids)} to {max(ids)}" for ids in (found, self.allowed))
        self.causes[f"{self.id}s are {there}; they must be {expected}"] = [self.first, len(found)]
        self.allowed = frozenset(found)
        return True

    def _check_rows(self) -> None:
        least, most = (min(self.wanted), max(self.wanted)) if self.wanted else (0, 0)
        whole = most - least + 1 == len(self.allowed)
        wanted = f"from {least} to {most}" if whole else "one of those in sample_submission.csv"
        for number, row in self._rows():
            self.has_rows = True
            if tuple(row) == self.header:
                self._note("header", number, "is the header again; delete the row")
                continue
            if is_blank(row):
                self._note("blank", number, "has no values; delete the row")
                continue
            if len(row) != 2 and len(row) == self.width:
                continue
            if len(row) != 2:
                self._note("values", number, f"has {plural(len(row), 'value')}; it must have 2")
                continue
            image_id, label = row
            if not _is_label(label):
                self._note_value(self.label, label, number, "a digit from 0 to 9")
            if not self._is_id(image_id):
                self._note_value(self.id, image_id, number, wanted)
            if not (NUMBER.fullmatch(image_id) or DECIMALS.fullmatch(image_id)):
                continue
            known = int(float(image_id))
            if known in self.row_of:
                self._note("twice", number, f"{self.id} {known} is already in row {self.row_of[known]}")
            elif known in self.allowed:
                self.row_of[known] = number

    def _note_value(self, column: str, text: str, number: int, wanted: str) -> None:
        kind = _kind(text)
        advice = "write it without decimals" if kind == "decimals" else f"it must be {wanted}"
        self._note(f"{column} {kind}", number, f"{column} is {text[:20]!r}; {advice}")

    def _note(self, kind: str, number: int, message: str) -> None:
        first = self.kinds.setdefault(kind, message)
        self.causes.setdefault(first, [number, 0])[1] += 1


def _is_label(text: str) -> bool:
    return len(text) == 1 and text in "0123456789"


def _kind(text: str) -> str:
    """What a wrong value is: causes of one kind share a line."""
    kinds = {"empty": not text.strip(), "decimals": DECIMALS.fullmatch(text), "number": NUMBER.fullmatch(text)}
    return next((kind for kind, found in kinds.items() if found), "text")


def _ranges(numbers: Collection[int]) -> str:
    """`1–3, 7` for 1, 2, 3, 7."""
    numbers = sorted(numbers)
    starts = [n for i, n in enumerate(numbers) if i == 0 or numbers[i - 1] != n - 1]
    ends = [n for i, n in enumerate(numbers) if i == len(numbers) - 1 or numbers[i + 1] != n + 1]
    shown = [f"{a}" if a == b else f"{a}–{b}" for a, b in zip(starts, ends, strict=True)]
    return ", ".join(shown if len(shown) <= MAX_RANGES else [*shown[:MAX_RANGES], "…"])
