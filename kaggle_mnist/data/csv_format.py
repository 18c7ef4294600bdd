"""The forms in which CSV files of digits are passed around: their header, extra columns, separator and encoding."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kaggle_mnist.data.csv_errors import header_error
from kaggle_mnist.utils.dialect import INDEX, SEPARATORS, encoding_of, separator_of, split_line
from kaggle_mnist.utils.words import plural

INDEX_COLUMN, ID, LABEL = "index", "id", "label"  # columns before the pixels; the index is not used
IDS = re.compile(r"id|image[ _]?id", re.IGNORECASE)
LABELS = re.compile(r"label|class", re.IGNORECASE)
NUMBERED = re.compile(r"(?:pixel|px)?[ _.]?([0-9]{1,4})", re.IGNORECASE)
GRID = re.compile(r"([0-9]{1,2})x([0-9]{1,2})")
MANGLED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3})?")  # pandas numbers equal names: 0, 0.1, 0.2
WHOLE = re.compile(r"[0-9]{1,9}(?:\.0*)?")
# Sets of the same form with other classes than ten digits, by their number of classes.
OTHER_SETS = {24: "Sign Language MNIST", 26: "EMNIST Letters", 47: "EMNIST Balanced", 49: "Kuzushiji-49"}
OTHER_SETS |= {36: "EMNIST's digits and capitals", 62: "EMNIST ByClass"}
MANY = 0.1  # share of labels above 9 that are no slips


@dataclass(frozen=True)
class Format:
    """How a CSV of digits is read.

    Attributes
    ----------
    leading : the columns before the pixels, in order: `INDEX_COLUMN`, `ID` and `LABEL`
    pixels : names of the other columns, for messages
    header : whether the first row has names
    separator, encoding : of the text
    """

    leading: tuple[str, ...]
    pixels: tuple[str, ...]
    header: bool = True
    separator: str = ","
    encoding: str = "utf-8-sig"

    @property
    def columns(self) -> list[str]:
        """Names of all columns, for messages."""
        return [*self.leading, *self.pixels]


def recognize(start: bytes, expected: Sequence[str]) -> Format | str:
    """How to read a CSV, by its first row; or what is wrong with it, where that is not clear.

    Parameters
    ----------
    start : the first bytes of the file, at least the whole first row; not blank
    expected : the columns in the competition's own file, with or without a label

    Returns
    -------
    A `Format`, which has a label if `expected` has one, and may have one otherwise. A message begins with the row.

    Examples
    --------
    >>> recognize(b"label;1x1;1x2;2x1;2x2", ["label", "pixel0", "pixel1", "pixel2", "pixel3"]).separator
    ';'
    >>> recognize(b"7,0,255", ["pixel0", "pixel1"]).leading
    ('label',)
    >>> recognize(b"0,7,0,255", ["label", "pixel0", "pixel1"])
    'row 1: has 4 values instead of 3; if it was saved with its index, save it without: index=False in pandas'
    """
    encoding = encoding_of(start)
    line = (start.decode(encoding, "replace").removeprefix("\ufeff").splitlines() or [""])[0]
    separator = separator_of(line)
    names, wants_label = split_line(line, separator), expected[0] == LABEL
    pixels = tuple(expected[wants_label:])
    leading, rest = names[: -len(pixels)], names[-len(pixels) :]
    kinds = _leading(leading, rest)
    if len(names) < len(pixels):
        pass
    elif all(map(WHOLE.fullmatch, names)):
        counting = [int(name) for name in names if name.isdigit()]
        header = counting in (list(range(len(names))), list(range(1, len(names) + 1)))  # names that pandas gave
        if len(leading) == 1 or (not leading and not wants_label):
            named = tuple(rest) if header else pixels
            return Format((LABEL,) if leading else (), named, header, separator, encoding)
        if len(leading) > 1:
            index = (
                "; if it was saved with its index, save it without: index=False in pandas" if len(leading) == 2 else ""
            )
            return f"row 1: has {plural(len(names), 'value')} instead of {len(expected)}{index}"
    elif all(map(MANGLED.fullmatch, names)):
        return "row 1: is an image that pandas took for the header; read that file with header=None, and save it again"
    elif kinds is not None and (LABEL in kinds or not wants_label):
        return Format(kinds, tuple(rest), True, separator, encoding)
    if problem := _misplaced(names, len(pixels)):
        return f"row 1: {problem}"
    problem = header_error(line, list(expected), separator) or "row 1: not the names of columns"
    return problem if separator == "," else f"{problem}; the values are separated by {SEPARATORS[separator]}"


def _leading(names: Sequence[str], pixels: Sequence[str]) -> tuple[str, ...] | None:
    """The kinds of the columns before the pixels; None unless these names and those of the pixels are known."""
    if not _in_order(pixels):
        return None
    patterns = {INDEX_COLUMN: INDEX, ID: IDS, LABEL: LABELS}
    kinds = [next((kind for kind, known in patterns.items() if known.fullmatch(name)), "") for name in names]
    in_order = tuple(kind for kind in patterns if kind in kinds)
    return in_order if kinds == list(in_order) else None


def _misplaced(names: Sequence[str], pixels: int) -> str | None:
    """What is wrong with a header whose names are known: a column too many or elsewhere, or images of another size."""
    if not any(names):
        return "is blank; delete it"
    if not names[-1] and all(names[:-1]):
        return "ends with an empty name; remove the separator at the end of the rows"
    if LABELS.fullmatch(names[-1]) and _in_order(names[-pixels - 1 : -1]):
        return "the label is the last column; it must be the first"
    if sum(name.lower().startswith("unnamed: ") for name in names) > 1:
        return "saved with its index several times; save it without: index=False in pandas"
    for images in (names, names[1:], names[2:]):
        side = math.isqrt(len(images))
        if side > 1 and side * side == len(images) != pixels and _in_order(images):
            return f"has images of {side}×{side} pixels; every image must be {math.isqrt(pixels)}×{math.isqrt(pixels)}"
    return None


def _in_order(names: Sequence[str]) -> bool:
    """Whether names count the pixels from 0 or 1 (`pixel0`, `pixel1`, … or `1`, `2`, …), or rows and columns."""
    side = math.isqrt(len(names))
    numbers = [int(found[1]) for name in names if (found := NUMBERED.fullmatch(name))]
    places = [(int(found[1]), int(found[2])) for name in names if (found := GRID.fullmatch(name))]
    return any(
        numbers == list(range(first, first + len(names)))
        or places == [(row, column) for row in range(first, first + side) for column in range(first, first + side)]
        for first in (0, 1)
    )


def other_classes(labels: Sequence[int]) -> str | None:
    """What a set with other classes than ten digits is, by its labels; None for digits, with or without slips.

    Examples
    --------
    >>> other_classes([*range(47)] * 3)
    '47 classes, as EMNIST Balanced'
    >>> other_classes([*range(10)] * 100 + [11]) is None
    True
    """
    classes = set(labels)
    if sum(label > 9 for label in labels) <= MANY * len(labels):
        return None
    known = OTHER_SETS.get(len(classes))
    return f"{len(classes)} classes{f', as {known}' if known else ''}"


def are_ids(values: Sequence[int]) -> bool:
    """Whether the column before the pixels numbers the rows, or has ids, and so no labels.

    Examples
    --------
    >>> are_ids([0, 1, 2]), are_ids([28000, 28001, 28002]), are_ids([7, 2, 1, 0])
    (True, True, False)
    """
    if len(values) < 3:
        return False
    running = list(values) == [values[0] + row for row in range(len(values))]
    return running or len(set(values)) == len(values) > max(OTHER_SETS)  # more than there are classes
