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
        (b"", "is empty"),
        (b"id,label\n1,3\n2,0\n3,9\n", "row 1: is 'id,label'; it must be 'ImageId,Label'"),
        (GOOD.replace(b"2,0", b"2,10"), "row 3: Label is '10'; it must be a digit from 0 to 9"),
        (GOOD.replace(b"2,0", b"2,"), "row 3: Label is ''"),
        (GOOD.replace(b"2,0", b"2,1.0"), "row 3: Label is '1.0'"),
        (GOOD.replace(b"2,0", "2,٣".encode()), "row 3: Label is '٣'"),
        (GOOD.replace(b"2,0", b"2,0,1"), "row 3: has 3 values; it must have 2"),
        (GOOD.replace(b"2,0", b"2"), "row 3: has 1 value; it must have 2"),
        (GOOD.replace(b"2,0", b"1,0"), "row 3: ImageId 1 is already in row 2"),
        (GOOD.replace(b"2,0", b"4,0"), "row 3: ImageId is '4'; it must be from 1 to 3"),
        (GOOD.replace(b"2,0\n", b""), "ImageId without a row: 2"),
        (GOOD.replace(b"2,0\n", b"\n2,0\n"), "row 3: has no values; delete the row"),
        (GOOD + b"4,1\n", "row 5: ImageId is '4'"),
    ],
)
def test_each_error_is_reported_with_its_row(content: bytes, expected: str) -> None:
    errors, _ = verdict(content)
    assert any(error.startswith(expected) for error in errors), errors


def test_all_errors_are_reported() -> None:
    errors, _ = verdict(b"ImageId,Label\n1,x\n1,2\n9,3\n6,-\n", expected=7)
    assert errors == [
        "row 2: Label is 'x'; it must be a digit from 0 to 9 (2 rows in all)",
        "row 3: ImageId 1 is already in row 2",
        "row 4: ImageId is '9'; it must be from 1 to 7",
        "ImageIds without a row: 2–5, 7 (5 in all)",
    ]


def rows(labels: list[str], first: int = 1, header: str = "ImageId,Label") -> str:
    return "\n".join([header, *(f"{number},{label}" for number, label in enumerate(labels, first)), ""])


def test_a_cause_is_one_line_with_its_count_and_a_rare_one_is_in_sight() -> None:
    """A column of floats hid the one empty label behind 27,960 lines."""
    labels = [f"{i % 10}.0" for i in range(28_000)]
    labels[17_000:17_001], labels[20:23] = [""], ["12", "x", "y"]
    errors, warnings = verdict(rows(labels).encode(), 28_000)
    assert errors == [
        "row 2: Label is '0.0'; write it without decimals (27,996 rows in all)",
        "row 22: Label is '12'; it must be a digit from 0 to 9",
        "row 23: Label is 'x'; it must be a digit from 0 to 9 (2 rows in all)",
        "row 17002: Label is ''; it must be a digit from 0 to 9",
    ]
    assert warnings == []


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("Label,ImageId", "row 1: the columns are swapped; ImageId must be the first"),
        ("ImageId,Label", "row 2: ImageId and Label are swapped (28,000 rows in all)"),
    ],
)
def test_swapped_columns_are_one_line_and_hide_nothing_else(header: str, error: str) -> None:
    swapped = [f"{i % 10},{i + 1}" for i in range(28_000)]
    assert verdict("\n".join([header, *swapped, ""]).encode(), 28_000) == ([error], [])
    swapped[700] = "x,701"
    errors, _ = verdict("\n".join([header, *swapped, ""]).encode(), 28_000)
    assert errors == [error, "row 702: Label is 'x'; it must be a digit from 0 to 9"]


def test_ids_that_count_from_0_or_2_are_one_line() -> None:
    for first in (0, 2):
        errors, _ = verdict(rows(["7"] * 300, first).encode(), 300)
        assert errors == [f"row 2: ImageIds are {first} to {first + 299}; they must be 1 to 300 (300 rows in all)"]
    errors, _ = verdict(rows([*["7"] * 299, ""], 0).encode(), 300)
    assert [error.split(":")[0] for error in errors] == ["row 2", "row 301"]


@pytest.mark.parametrize(
    ("end", "warning"),
    [(b"\n", "ends with a blank line"), (b"\r\n", "ends with a blank line"), (b"\n\n\n", "ends with 3 blank lines")],
)
def test_blank_lines_at_the_end_are_a_warning_and_others_an_error(end: bytes, warning: str) -> None:
    errors, warnings = verdict(GOOD + end)
    assert errors == []
    assert warning in warnings
    errors, _ = verdict(GOOD.replace(b"2,0\n", b"\n\n2,0\n") + end)
    assert errors == ["row 3: has no values; delete the row (2 rows in all)"]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (GOOD.replace(b",", b";"), "row 1: separated by semicolons; save it with commas"),
        (GOOD.replace(b",", b"\t"), "row 1: separated by tabs; save it with commas"),
        (GOOD.decode().encode("utf-16"), "is UTF-16; save it as UTF-8, which Excel calls 'CSV UTF-8'"),
        (
            b",ImageId,Label\n0,1,3\n1,2,0\n2,3,9\n",
            "row 1: saved with its index; save it without: index=False in pandas",
        ),
        (GOOD.partition(b"\n")[2], "row 1: is '1,3'; it must be 'ImageId,Label'"),
        (GOOD + GOOD.partition(b"\n")[0], "row 5: is the header again; delete the row"),
        (b"sep=,\n" + GOOD, "row 1: must be the header, which is in row 2; delete row 1"),
        (b"\n" + GOOD, "row 1: must be the header, which is in row 2; delete row 1"),
        (GOOD + b",\n  ,\n", "row 5: has no values; delete the row (2 rows in all)"),
        (GOOD.replace(b",", b"|"), "row 1: is 'ImageId|Label'; it must be 'ImageId,Label'"),
        (GOOD.replace(b"\n", b",0.9\n"), "row 1: is 'ImageId,Label,0.9'; it must be 'ImageId,Label'"),
        (b"Label\n3\n0\n9\n", "row 1: is 'Label'; it must be 'ImageId,Label'"),
        (b"ImageId,Label\n1,3,\n2,0,\n3,9,\n", "row 2: has 3 values; it must have 2 (3 rows in all)"),
        (b"ImageId,Label\nimg_1,3\nimg_2,0\n", "row 2: ImageId is 'img_1'; it must be from 1 to 3 (2 rows in all)"),
        (b" \n\n", "is empty"),
        (
            b"ImageId,Label\n1.0,3\n2.0,0\n3.0,9\n",
            "row 2: ImageId is '1.0'; write it without decimals (3 rows in all)",
        ),
    ],
)
def test_what_happens_to_a_whole_file_is_one_line(content: bytes, error: str) -> None:
    assert verdict(content) == ([error], [])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04....submission.csv", "is a zip, not a CSV; extract it and check the file inside"),
        (b"PK\x03\x04....xl/workbook.xml", "is an Excel workbook, not a CSV; save it as CSV"),
        (
            b"PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument",
            "is an OpenDocument spreadsheet, not a CSV; save",
        ),
        (b"\x1f\x8b\x08....", "is gzipped, not a CSV; extract it"),
        (b"BZh91AY&SY;;;;", "is compressed by bzip2, not a CSV; extract it"),
        (b"<!DOCTYPE html>\n<html>", "is a web page, not a CSV; download it again, signed in"),
        (GOOD + b'4,"' + b"7\n" * 70_000, r"submission\.csv, row 5: cannot be read as CSV .*a quote is not closed"),
    ],
)
def test_what_is_no_csv_is_called_what_it_is(content: bytes, kind: str) -> None:
    with pytest.raises(BadData, match=kind):
        verdict(content)


def test_other_names_and_ids_are_expected_where_a_competition_has_them() -> None:
    ids, path = np.array([30, 10, 20]), Path("submission.csv")
    path.write_bytes(submission_csv(np.eye(10, dtype=np.float32)[[7, 2, 1]], ids, ("id", "digit")))
    assert path.read_text() == "id,digit\n30,7\n10,2\n20,1\n"
    assert check_submission(path, ids, ("id", "digit")).errors == []
    path.write_text("id,digit\n30,7\n10,2\n21,1\n")
    assert check_submission(path, ids, ("id", "digit")).errors == [
        "row 4: id is '21'; it must be one of those in sample_submission.csv",
        "id without a row: 20",
    ]
    assert check_submission(path, ids).errors[0] == "row 1: is 'id,digit'; it must be 'ImageId,Label'"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="cannot be read"):
        check_submission(tmp_path / "none.csv")
    with pytest.raises(BadData, match="cannot be read"):
        check_submission(tmp_path)
    (tmp_path / "huge.csv").write_bytes(bytes(17 << 20))
    with pytest.raises(BadData, match="larger than 16 MB"):
        check_submission(tmp_path / "huge.csv")
