"""The CSV of training labels that look wrong: what `audit` writes, and `train --drop-suspects` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.reading import read_bounded

COLUMNS = ("image", "label")  # all that is read; a table made by hand needs no others
HEADER = b"image,label,suggested,self_confidence,place\n"  # of what `audit` writes
MAX_BYTES = 16 << 20  # one with a row for each of 60,000 images has 3 MB


def suspects_csv(suspects: pd.DataFrame) -> bytes:
    """A row for each suspect, ranked; `self_confidence` with six decimals, so that it can be read."""
    return suspects.to_csv(index=False, lineterminator="\n", float_format="%.6f").encode("utf-8", "surrogateescape")


def read_suspects(file: Path, y_true: NDArray[np.int64]) -> tuple[int, ...]:
    """The numbers of the images in a CSV file with the columns `image` and `label`, in ascending order.

    An image is known by its position among the labeled ones, from 0. Its label in the file must be the one in `y_true`,
    shape ``(n,)``: otherwise the file belongs to other digits.

    Raises BadData, naming file and row (the header is row 1), for whatever cannot be used.
    """
    try:
        content = read_bounded(file, MAX_BYTES, pipe=True)
    except OSError as error:
        raise BadData(f"{file}: cannot be read as a list of suspects ({error.strerror})") from error
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig", errors="replace"), newline=""))
    row_of: dict[int, int] = {}
    try:
        header = next(rows, [])
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise BadData(f"{file}, row 1: has no column {missing[0]}; `kaggle-mnist audit` writes such a file")
        column = {name: header.index(name) for name in COLUMNS}
        for row in filter(None, rows):
            place = f"{file}, row {rows.line_num}"
            image = _number(row, "image", column, len(y_true) - 1, place)
            label = _number(row, "label", column, 9, place)
            if image in row_of:
                raise BadData(f"{place}: image {image} is in row {row_of[image]} already; keep one of them")
            if label != y_true[image]:
                raise BadData(
                    f"{place}: image {image} has the label {y_true[image]} here, not {label};"
                    f" the file belongs to other digits"
                )
            row_of[image] = rows.line_num
    except csv.Error as error:
        raise BadData(f"{file}, row {rows.line_num}: cannot be read as CSV ({error})") from error
    return tuple(sorted(row_of))


def _number(row: Sequence[str], name: str, column: Mapping[str, int], largest: int, place: str) -> int:
    if len(row) <= column[name]:
        raise BadData(f"{place}: has no {name}; is the row cut off?")
    text = row[column[name]].strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= largest):
        raise BadData(f"{place}: {name} is {text[:20]!r}; it must be a whole number from 0 to {largest}")
    return int(text)
