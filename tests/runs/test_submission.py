from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kaggle_mnist.runs.submission import check_submission, submission_csv
from kaggle_mnist.utils.errors import BadData

GOOD = b"ImageId,Label\n1,3\n2,0\n3,9\n"


def verdict(content: bytes, expected: int = 3) -> tuple[list[str], list[str]]:
    path = Path("submission.csv")
    path.write_bytes(content)
    found = check_submission(path, expected)
    return found.errors, found.warnings


def test_the_csv_has_the_largest_output_of_every_image() -> None:
    outputs = np.zeros((3, 10), np.float32)
    outputs[[0, 1, 2], [3, 0, 9]] = 0.4
    assert submission_csv(outputs, np.array([1, 2, 3])) == GOOD


def test_a_valid_file_has_neither_errors_nor_warnings() -> None:
    assert verdict(GOOD) == ([], [])


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (b"\xef\xbb\xbf" + GOOD, "byte order mark"),
        (GOOD.replace(b"\n", b"\r\n"), "CRLF"),
        (b"ImageId,Label\n2,0\n1,3\n3,9\n", "not in order"),
    ],
)
def test_a_bom_crlf_and_another_order_only_give_a_warning(content: bytes, warning: str) -> None:
    errors, warnings = verdict(content)
    assert errors == []
    assert len(warnings) == 1
    assert warning in warnings[0]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "row 1: is ''"),
        (b"id,label\n1,3\n2,0\n3,9\n", "row 1: is 'id,label'; it must be 'ImageId,Label'"),
        (GOOD.replace(b"2,0", b"2,10"), "row 3: Label is '10'; it must be a digit from 0 to 9"),
        (GOOD.replace(b"2,0", b"2,"), "row 3: Label is ''"),
        (GOOD.replace(b"2,0", b"2,1.0"), "row 3: Label is '1.0'"),
        (GOOD.replace(b"2,0", "2,٣".encode()), "row 3: Label is '٣'"),
        (GOOD.replace(b"2,0", b"2,0,1"), "row 3: has 3 values; it must have 2"),
        (GOOD.replace(b"2,0", b"1,0"), "row 3: ImageId 1 is already in row 2"),
        (GOOD.replace(b"2,0", b"4,0"), "row 3: ImageId is '4'; it must be from 1 to 3"),
        (GOOD.replace(b"2,0\n", b""), "ImageIds without a row: 2 (1 in all)"),
        (GOOD.replace(b"2,0\n", b"\n2,0\n"), "row 3: has 0 values; it must have 2"),
        (GOOD + b"4,1\n", "row 5: ImageId is '4'"),
    ],
)
def test_each_error_is_reported_with_its_row(content: bytes, expected: str) -> None:
    errors, _ = verdict(content)
    assert any(error.startswith(expected) for error in errors), errors


def test_all_errors_are_reported() -> None:
    errors, _ = verdict(b"ImageId,Label\n1,x\n1,2\n9,3\n6,-\n", expected=7)
    assert errors == [
        "row 2: Label is 'x'; it must be a digit from 0 to 9",
        "row 3: ImageId 1 is already in row 2",
        "row 4: ImageId is '9'; it must be from 1 to 7",
        "row 5: Label is '-'; it must be a digit from 0 to 9",
        "ImageIds without a row: 2–5, 7 (5 in all)",
    ]


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="cannot be read"):
        check_submission(tmp_path / "none.csv")
    with pytest.raises(BadData, match="cannot be read"):
        check_submission(tmp_path)
    (tmp_path / "huge.csv").write_bytes(bytes(17 << 20))
    with pytest.raises(BadData, match="larger than 16 MB"):
        check_submission(tmp_path / "huge.csv")
