"""What is wrong with a CSV file that is not in Kaggle's format, in words and with its row."""

from __future__ import annotations

import csv
import io
import re
from typing import IO

from kaggle_mnist.utils.dialect import split_line
from kaggle_mnist.utils.words import plural

MAX_START = 1 << 16  # bytes that contain the header, 7 kB, and the first row
MAX_LINE = 1 << 14  # bytes; a row has at most 4 kB
MAX_BLANK = 1 << 16  # blank lines accepted
LIMITS = {"label": 9, "id": 10**9, "index": 10**9}  # the largest values; of a pixel, 255
WHOLE = re.compile(r"[0-9]{1,20}(?:\.0*)?", re.ASCII)


def header_error(line: str, columns: list[str], separator: str = ",") -> str | None:
    """Describe what is wrong with the header of a file; None if nothing is.

    Parameters
    ----------
    line : the file's first line, without a byte order mark
    columns : the names expected, in order
    separator : between the names

    Examples
    --------
    >>> header_error("label,pixel0,x", ["label", "pixel0", "pixel1"])
    "row 1: missing column 'pixel1' and unknown column 'x'; expected label,pixel0,…,pixel1"
    """
    found = split_line(line, separator)
    if found == columns:
        return None
    missing = [name for name in columns if name not in set(found)]
    extra = [name for name in found if name not in set(columns)]
    if len(missing) == len(columns):
        error = f"starts with {line[:40]!r} instead of the header"
    elif missing or extra:
        error = " and ".join(
            _listed(what, names) for what, names in (("missing", missing), ("unknown", extra)) if names
        )
    elif len(found) > len(columns):
        error = "has a duplicate column"
    else:
        at = next(i for i, (a, b) in enumerate(zip(found, columns, strict=True)) if a != b)
        error = f"columns are out of order: column {at + 1} is {found[at]!r} instead of {columns[at]!r}"
    return f"row 1: {error}; expected {','.join(columns[:2])},…,{columns[-1]}"


def _listed(what: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"{what} column {names[0][:30]!r}"
    first = ", ".join(repr(name[:30]) for name in names[:3])
    return f"{what} columns {first}{' …' if len(names) > 3 else ''} ({len(names)} in all)"


def first_error(stream: IO[bytes], columns: list[str], separator: str = ",", *, header: bool = True) -> str | None:
    r"""Describe the first row that is not in the format; None if every row is.

    Parameters
    ----------
    stream : the whole file, in UTF-8
    columns : the names of the columns: `label` is a whole number from 0 to 9, `id` and `index` are from 0 to 10⁹, and
        the others from 0 to 255; all may be written with decimals that are 0
    separator : between the values
    header : whether row 1 is a header

    Examples
    --------
    >>> first_error(io.BytesIO(b"label,pixel0\n7,255\n7,256\n7,0\n"), ["label", "pixel0"])
    "row 3: pixel0 is '256'; it must be a whole number from 0 to 255"
    """
    usual, blank, number = _usual_row(columns, separator), 0, int(header)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace")
    names = split_line(text.readline(MAX_START).lower(), separator) if header else None
    while line := text.readline(MAX_LINE):
        number += 1
        if usual.fullmatch(line):
            continue
        if not line.strip(f" \t\r\n{separator}"):  # pandas skips blank lines, and Excel leaves separators
            blank += 1
            if blank > MAX_BLANK:
                return f"row {number}: more than {MAX_BLANK:,} blank rows; delete them"
        elif split_line(line.lower(), separator) == names:
            return f"row {number}: is the header again; delete the row"
        elif error := _row_error(line, columns, separator):
            values = line.rstrip("\r\n").split(separator)
            unfinished = len(values) < len(columns) or (len(values) == len(columns) and not values[-1])
            cut = unfinished and not text.readline(1)
            return f"row {number}: {error}{'; the file looks truncated, download it again' if cut else ''}"
    return None if number - blank > header else "row 2: missing; the file has only a header"


def _usual_row(columns: list[str], separator: str) -> re.Pattern[str]:
    """A pattern for the common form of a valid row."""
    pixel = "(?:[0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])(?:\\.0)?"
    leading = {"label": "[0-9](?:\\.0)?", "id": "[0-9]{1,9}(?:\\.0)?", "index": "[0-9]{1,9}(?:\\.0)?"}
    firsts = [leading[name] for name in columns if name in leading]
    pixels = f"{pixel}(?:{separator}{pixel}){{{len(columns) - len(firsts) - 1}}}"
    return re.compile(f"{separator.join([*firsts, pixels])}\n?")


def _row_error(line: str, columns: list[str], separator: str) -> str | None:
    if len(line) >= MAX_LINE:
        return f"has more than {MAX_LINE:,} characters"
    try:
        row = next(csv.reader([line], delimiter=separator))  # one line: a value cannot continue in the next
    except csv.Error as error:
        return f"not valid CSV ({error})"
    if len(row) == len(columns) + 1 and not row[-1].strip():
        return "ends with an empty value; remove the separator at the end of the rows"
    if len(row) != len(columns):
        return f"has {plural(len(row), 'value')} instead of {len(columns)}"
    for name, text in zip(columns, row, strict=True):
        limit, value = LIMITS.get(name, 255), text.strip(" \t")
        if not (WHOLE.fullmatch(value) and float(value) <= limit):
            shown = repr(value[:20]) if value else "empty"
            return f"{name} is {shown}; it must be a whole number from 0 to {limit}"
    return None
