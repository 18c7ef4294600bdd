"""Descriptions of invalid CSV files; `test_kaggle_csv.py` tests the messages that a user sees."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from kaggle_mnist.data.csv_errors import MAX_BLANK, first_error, header_error
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import COLUMNS

TRAIN, TEST = COLUMNS["train.csv"], COLUMNS["test.csv"]


def rows_of(digits: Digits) -> list[str]:
    """The rows of `train.csv` without the header."""
    table = np.column_stack([digits.train_labels, digits.train_images.reshape(-1, 784)])
    return [",".join(map(str, row)) for row in table]


def described(rows: list[str], *, end: str = "\n") -> str:
    """What is wrong with the first bad row of a file with these rows; nothing if they are all valid."""
    return first_error(io.BytesIO(end.join([",".join(TRAIN), *rows, ""]).encode()), TRAIN) or ""


def test_a_valid_header_has_no_error_with_or_without_quotes() -> None:
    for columns in (TRAIN, TEST):
        for quote in ("", '"'):
            assert header_error(",".join(f"{quote}{name}{quote}" for name in columns), columns) is None


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (TRAIN[:-1], "missing column 'pixel783'"),
        (TRAIN[:1], "missing columns 'pixel0', 'pixel1', 'pixel2' … (784 in all)"),
        ([*TRAIN, "x", "y"], "unknown columns 'x', 'y' (2 in all)"),
        (["digit", *TEST], "missing column 'label' and unknown column 'digit'"),
        ([*TRAIN, "label"], "has a duplicate column"),
        ([*TEST, "label"], "columns are out of order: column 1 is 'pixel0' instead of 'label'"),
        (["5"] * 785, f"starts with {','.join(['5'] * 20) + ','!r} instead of the header"),
    ],
)
def test_each_error_in_a_header_is_described(header: list[str], error: str) -> None:
    expected = f"row 1: {error}; expected label,pixel0,…,pixel783"
    assert header_error(",".join(header), TRAIN) == expected


def test_the_first_of_several_bad_rows_is_described(handful: Digits) -> None:
    rows = rows_of(handful)
    rows[5], rows[90] = "X" + rows[5][1:], "too short"
    assert described(rows) == "row 7: label is 'X'; it must be a whole number from 0 to 9"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_count_as_rows_but_are_not_errors(handful: Digits, end: str) -> None:
    rows = rows_of(handful)
    rows[7] = rows[7].replace(",0", ",256", 1)
    assert described(["", *rows], end=end).startswith(
        "row 10: pixel0 is '256'; it must be a whole number from 0 to 255"
    )


def test_a_file_that_ends_within_a_row_looks_truncated(handful: Digits) -> None:
    rows = rows_of(handful)
    assert described([*rows[:-1], rows[-1][:600]]).endswith("; the file looks truncated, download it again")
    assert described([*rows[:-1], rows[-1].rpartition(",")[0] + ","], end="\r\n").endswith("download it again")
    assert not described([rows[0][:600], *rows[1:]]).endswith("download it again")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda row: "x" + row[1:], "label is 'x'; it must be a whole number from 0 to 9"),
        (lambda row: f"{row},", "ends with an empty value; remove the separator at the end of the rows"),
        (lambda row: f"{row},7", "has 786 values instead of 785"),
        (lambda row: ",".join(f'"{name.upper()}"' for name in TRAIN), "is the header again; delete the row"),
        (lambda row: ",".join(TRAIN), "is the header again; delete the row"),
    ],
)
def test_a_whole_row_at_the_end_does_not_look_truncated(
    change: Callable[[str], str], error: str, handful: Digits
) -> None:
    rows = rows_of(handful)
    assert described([*rows[:-1], change(rows[-1])]) == f"row 121: {error}"
    assert described([*rows[:50], change(rows[50]), *rows[51:]]) == f"row 52: {error}"


def test_a_file_without_rows_or_with_endless_blank_lines_is_described() -> None:
    assert described([]) == "row 2: missing; the file has only a header"
    assert described([""] * (MAX_BLANK + 10)) == f"row {MAX_BLANK + 2}: more than 65,536 blank rows; delete them"
