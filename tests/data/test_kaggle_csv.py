from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kaggle_mnist.data import kaggle_csv, places
from kaggle_mnist.data.csv_files import csv_sets
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv, load_csv
from kaggle_mnist.data.places import StoredFile, zip_place
from kaggle_mnist.utils.errors import BadData, OutputError
from tests.conftest import same_digits


def in_zip(path: Path) -> dict[str, StoredFile]:
    """The files at the top of a zip, by role."""
    return csv_sets(zip_place(path))[0].files


Change = Callable[[list[str]], list[str]]  # of the values of a row


@pytest.fixture
def folder(handful: Digits, tmp_path: Path) -> Path:
    export_csv(handful, tmp_path / "csv")
    return tmp_path / "csv"


def load(folder: Path) -> Digits:
    return load_csv(StoredFile(folder / "train.csv"), StoredFile(folder / "test.csv"))


def edit(path: Path, row: int, change: Change) -> None:
    """Apply `change` to the values of a row; the header is row 1."""
    lines = path.read_text().splitlines()
    lines[row - 1] = ",".join(change(lines[row - 1].split(",")))
    path.write_text("\n".join(lines) + "\n")


def test_exported_digits_load_unchanged(folder: Path, handful: Digits) -> None:
    assert same_digits(load(folder), handful)
    assert (folder / "train.csv").read_text().startswith("label,pixel0,pixel1,")
    assert (folder / "sample_submission.csv").read_text().startswith("ImageId,Label\n1,0\n2,0\n")


def test_export_does_not_overwrite(folder: Path, handful: Digits) -> None:
    with pytest.raises(OutputError, match=r"train\.csv: already exists"):
        export_csv(handful, folder)


def test_a_zip_is_read_without_extracting_it(folder: Path, handful: Digits, tmp_path: Path) -> None:
    path = tmp_path / "digit-recognizer.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    found = in_zip(path)
    assert same_digits(load_csv(found["train.csv"], found["test.csv"]), handful)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["cache", "csv", "here"]


def test_windows_line_endings_a_bom_and_blank_last_lines_are_accepted(folder: Path, handful: Digits) -> None:
    for name in ("train.csv", "test.csv"):
        text = (folder / name).read_bytes()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n") + b"\r\n")
    assert same_digits(load(folder), handful)


def test_progress_is_reported_in_megabytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaggle_csv, "CHUNK", 50)
    reported: list[str] = []
    load_csv(
        StoredFile(folder / "train.csv"),
        StoredFile(folder / "test.csv"),
        progress=lambda stage, done, total, note="": reported.append(f"{stage} {note}"),
    )
    assert reported == ["Reading CSV MB"] * 5  # the start, three chunks of train.csv, one of test.csv


def test_a_second_load_comes_from_the_cache(folder: Path, handful: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    load(folder)
    monkeypatch.setattr(kaggle_csv, "_read", None)
    assert same_digits(load(folder), handful)


ERRORS: dict[str, tuple[int, Change, str]] = {
    "a missing column": (1, lambda v: v[:-1], "train.csv, row 1: missing column 'pixel783'"),
    "an extra column": (1, lambda v: [*v, "x"], "row 1: unknown column 'x'"),
    "a renamed column": (
        1,
        lambda v: ["digit", *v[1:]],
        "missing column 'label' and unknown column 'digit'",
    ),
    "columns in another order": (
        1,
        lambda v: [*v[1:], v[0]],
        "row 1: the label is the last column; it must be the first",
    ),
    "no header": (1, lambda v: ["x"] * 785, "row 1: starts with 'x,x,x"),
    "an empty pixel": (7, lambda v: [*v[:9], "", *v[10:]], "row 7: pixel8 is empty"),
    "a word": (7, lambda v: [*v[:9], "grey", *v[10:]], "row 7: pixel8 is 'grey'"),
    "a fraction": (7, lambda v: [*v[:9], "0.5", *v[10:]], "row 7: pixel8 is '0.5'"),
    "not a number": (7, lambda v: [*v[:9], "nan", *v[10:]], "row 7: pixel8 is 'nan'"),
    "a negative pixel": (7, lambda v: [*v[:9], "-1", *v[10:]], "row 7: pixel8 is '-1'"),
    "a pixel over 255": (7, lambda v: [*v[:9], "256", *v[10:]], "row 7: pixel8 is '256'"),
    "a huge pixel": (7, lambda v: [*v[:9], "9" * 30, *v[10:]], "row 7: pixel8 is '9999"),
    "a label over 9": (7, lambda v: ["10", *v[1:]], "row 7: label is '10'; it must be a whole number from 0 to 9"),
    "a row with one value": (7, lambda v: v[:1], "row 7: has 1 value instead of 785"),
    "a short row": (7, lambda v: v[:-1], "row 7: has 784 values instead of 785"),
    "a long row": (7, lambda v: [*v, "0"], "row 7: has 786 values instead of 785"),
    "a truncated last line": (
        121,
        lambda v: v[:300],
        "row 121: has 300 values instead of 785; the file looks truncated",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_names_the_file_and_row(folder: Path, case: str) -> None:
    row, change, message = ERRORS[case]
    edit(folder / "train.csv", row, change)
    with pytest.raises(BadData) as error:
        load(folder)
    assert message in str(error.value)
    assert str(folder / "train.csv") in str(error.value)
    assert "\n" not in str(error.value)


def test_rows_that_all_have_an_extra_value_are_refused(folder: Path) -> None:
    header, *rows = (folder / "test.csv").read_text().splitlines()
    (folder / "test.csv").write_text("\n".join([header, *(f"0,{row}" for row in rows)]) + "\n")
    with pytest.raises(BadData, match=r"test\.csv, row 2: has 785 values instead of 784"):
        load(folder)


@pytest.mark.parametrize(("content", "message"), [(b"", "is empty"), (b"\x89PNG\r\n\x1a\n", "starts with")])
def test_a_file_that_is_not_csv_is_refused(folder: Path, content: bytes, message: str) -> None:
    (folder / "test.csv").write_bytes(content)
    with pytest.raises(BadData, match=message):
        load(folder)


def test_a_header_without_rows_is_refused(folder: Path) -> None:
    (folder / "test.csv").write_text((folder / "test.csv").read_text().splitlines()[0] + "\n")
    with pytest.raises(BadData, match="row 2: missing; the file has only a header"):
        load(folder)


def test_a_damaged_zip_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "digit-recognizer.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "train.csv", "train.csv")
        archive.write(folder / "test.csv", "test.csv")
    content = bytearray(path.read_bytes())
    content[2000:2050] = bytes(50)
    path.write_bytes(content)
    found = in_zip(path)
    with pytest.raises(BadData, match=r"digit-recognizer\.zip"):
        load_csv(found["train.csv"], found["test.csv"])
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadData, match="not a readable zip"):
        in_zip(path)


def test_a_zip_member_that_is_far_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_BYTES", 1000)
    path = tmp_path / "digit-recognizer.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.csv", "0" * 2000)
    with pytest.raises(BadData, match=r"train\.csv is too large \(2,000 bytes\)"):
        in_zip(path)
