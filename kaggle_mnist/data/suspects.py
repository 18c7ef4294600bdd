"""The CSV of suspect training labels, which `audit` writes and `train --drop-suspects` reads."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kaggle_mnist.utils.dialect import encoding_of, is_blank, separator_of
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.files import sha256_of
from kaggle_mnist.utils.formats import require_csv
from kaggle_mnist.utils.reading import open_regular, read_bounded

COLUMNS = ("image", "label")  # all that is read; other columns are optional
TABLES = ("audit.csv", "audit-all.csv")  # beside each, a picture of the same name with the table's checksum
HEADER = b"image,label,suggested,self_confidence,place\n"  # as `audit` writes it
WHOLE = re.compile(r"[0-9]{1,9}(?:\.0{0,9})?", re.ASCII)
START = 1 << 12  # bytes of a PNG that contain its metadata
MAX_BYTES = 16 << 20  # a file with 60,000 rows has 3 MB


def suspects_csv(suspects: pd.DataFrame) -> bytes:
    """Format the suspects as CSV, one row each in the given order, `self_confidence` with six decimals.

    Parameters
    ----------
    suspects : columns `image`, `label`, `suggested`, `self_confidence` and `place`, as in `Audit.suspects`

    Examples
    --------
    >>> columns = ["image", "label", "suggested", "self_confidence", "place"]
    >>> suspects_csv(pd.DataFrame([[17, 4, 9, 0.02, "train.csv, row 19"]], columns=columns)).splitlines()
    [b'image,label,suggested,self_confidence,place', b'17,4,9,0.020000,"train.csv, row 19"']
    """
    return suspects.to_csv(index=False, lineterminator="\n", float_format="%.6f").encode("utf-8", "surrogateescape")


def is_edited(table: Path) -> bool:
    """Whether a table may no longer be as `audit` wrote it: its checksum is not in the picture beside it.

    Raises OSError if the table cannot be read.
    """
    try:
        with open_regular(table.with_suffix(".png")) as picture:
            start = picture.read(START)
    except OSError:
        return True
    return sha256_of(table).encode() not in start


def read_suspects(file: Path, y_true: NDArray[np.int64]) -> tuple[int, ...]:
    r"""Read the image numbers from a CSV with the columns `image` and `label`.

    Parameters
    ----------
    file : a file as `audit` writes it, one made by hand, or either as Excel saves it (with semicolons or tabs, in
        UTF-16, with rows that were emptied); a pipe is accepted too
    y_true : the labels of the training set, 0 to 9, shape ``(n,)``; those in the file must match them, otherwise the
        file belongs to a different data set

    Returns
    -------
    tuple of int
        Positions in the training set, from 0 to n − 1, in ascending order.

    Raises
    ------
    BadData
        The file is invalid; the message names it and the row (the header is row 1).

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "audit.csv").write_text("image,label\n2,9\n0,4\n")
    ...     read_suspects(Path(folder, "audit.csv"), np.array([4, 1, 9]))
    (0, 2)
    """
    try:
        content = read_bounded(file, MAX_BYTES, pipe=True)
    except OSError as error:
        raise BadData(f"{file}: cannot be read ({error.strerror}); use a CSV from `kaggle-mnist audit`") from error
    require_csv(file, content)
    text = content.decode(encoding_of(content), errors="replace").removeprefix("\ufeff")
    separator = separator_of(text.partition("\n")[0])
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    row_of: dict[int, int] = {}
    last = 0  # row read
    try:
        header = [name.strip() for name in next(rows, [])]
        last = rows.line_num
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise BadData(f"{file}, row 1: has no column {missing[0]}; use a CSV from `kaggle-mnist audit`")
        column = {name: header.index(name) for name in COLUMNS}
        for row in rows:
            last = rows.line_num
            if is_blank(row):
                continue
            place = f"{file}, row {rows.line_num}"
            image = _number(row, "image", column, len(y_true) - 1, place)
            label = _number(row, "label", column, 9, place)
            if image in row_of:
                raise BadData(f"{place}: image {image} is already in row {row_of[image]}; delete one of the rows")
            if label != y_true[image]:
                raise BadData(
                    f"{place}: image {image} has the label {y_true[image]} in the training set, not {label};"
                    " use the file from an audit of these digits"
                )
            row_of[image] = rows.line_num
    except csv.Error as error:
        raise BadData(f"{file}, row {last + 1}: is not valid CSV ({error}); perhaps a quote is not closed") from error
    return tuple(sorted(row_of))


def _number(row: Sequence[str], name: str, column: Mapping[str, int], largest: int, place: str) -> int:
    if len(row) <= column[name]:
        raise BadData(f"{place}: has no {name}; complete the row")
    text = row[column[name]].strip()
    if not (WHOLE.fullmatch(text) and int(float(text)) <= largest):
        raise BadData(f"{place}: {name} is {text[:20]!r}; it must be a whole number from 0 to {largest}")
    return int(float(text))
