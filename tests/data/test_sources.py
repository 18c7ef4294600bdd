from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from kaggle_mnist.data import finding
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.practice import FINGERPRINT
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.utils.errors import AmbiguousData, BadData, DataNotFound
from tests.conftest import same_digits, write_folders


def zipped(digits: Digits, path: Path, inside: str = "") -> None:
    folder = path.parent / "to-zip"
    export_csv(digits, folder)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, inside + file.name)
            file.unlink()
    folder.rmdir()


def test_without_files_in_input_the_practice_set_is_loaded() -> None:
    assert load_digits().fingerprint == FINGERPRINT
    Path("input").mkdir()
    Path("input/README.md").write_text("put your files here")
    assert load_digits().fingerprint == FINGERPRINT
    assert load_digits("practice").fingerprint == FINGERPRINT


def test_unrecognized_files_in_input_are_an_error() -> None:
    Path("input").mkdir()
    Path("input/notes.pdf").write_text("x")
    with pytest.raises(DataNotFound, match=r"input: contains notes\.pdf but no digits; expected .*--input practice"):
        load_digits()
    assert load_digits("practice").fingerprint == FINGERPRINT


@pytest.mark.parametrize("place", ["input", "input/digit-recognizer", "input/subfolder"])
def test_csv_files_in_input_are_preferred_to_the_practice_set(place: str, handful: Digits) -> None:
    export_csv(handful, Path(place))
    assert same_digits(load_digits(), handful)


@pytest.mark.parametrize("inside", ["", "digit-recognizer/"])
@pytest.mark.parametrize("name", ["digit-recognizer.zip", "digit-recognizer (1).zip"])
def test_the_zip_is_found_in_input(inside: str, name: str, handful: Digits) -> None:
    Path("input").mkdir()
    zipped(handful, Path("input") / name, inside)
    assert same_digits(load_digits(), handful)


def test_image_folders_are_found_in_input(handful: Digits) -> None:
    write_folders(handful, Path("input"))
    assert same_digits(load_digits(), handful)


def test_in_a_kaggle_notebook_the_mounted_files_are_found(
    handful: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_csv(handful, tmp_path / "kaggle")
    monkeypatch.setattr(finding, "KAGGLE_INPUTS", (tmp_path / "kaggle",))
    assert same_digits(load_digits(), handful)


def test_a_zip_and_its_extracted_files_are_one_data_set(handful: Digits) -> None:
    export_csv(handful, Path("input/digit-recognizer"))
    zipped(handful, Path("input/digit-recognizer.zip"))
    assert same_digits(load_digits(), handful)
    Path("input/digit-recognizer/test.csv").unlink()  # train.csv is still a part of the zip
    assert same_digits(load_digits(), handful)


def test_a_broken_zip_is_an_error_only_where_there_are_no_other_digits(handful: Digits) -> None:
    export_csv(handful, Path("input"))
    for folder in ("input", "input/old/attempts"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, "digits.zip").write_bytes(b"PK\x03\x04 cut off")
    assert same_digits(load_digits(), handful)
    Path("input/test.csv").unlink()  # it may be in the zip
    with pytest.raises(BadData, match=r"input/digits\.zip: not a readable zip .*; download it again"):
        load_digits()


@pytest.mark.parametrize("content", [b"", b"# Rules\n1. No peeking.", b"\xff\xfe\x00", b"x" * 5000, None])
def test_somebody_elses_competition_txt_does_not_matter(content: bytes | None, handful: Digits) -> None:
    export_csv(handful, Path("input"))
    if content is None:
        Path("input/competition.txt").mkdir()
    else:
        Path("input/competition.txt").write_bytes(content)
    assert load_digits().competition is None


def test_two_different_data_sets_are_an_error_that_names_both(handful: Digits) -> None:
    export_csv(replace(handful, test_images=handful.test_images[::-1]), Path("input"))
    zipped(handful, Path("input/digit-recognizer.zip"))
    with pytest.raises(AmbiguousData, match=r"input/test\.csv.*input/digit-recognizer\.zip/train\.csv.*--input"):
        load_digits()


def test_images_and_csv_files_together_are_an_error_that_names_both(handful: Digits) -> None:
    export_csv(handful, Path("input"))
    write_folders(handful, Path("input/jpg"))
    with pytest.raises(AmbiguousData, match=r"input/train\.csv.*input/jpg/train"):
        load_digits()


def test_half_a_data_set_does_not_fall_back_to_the_practice_set(handful: Digits) -> None:
    export_csv(handful, Path("input"))
    Path("input/test.csv").unlink()
    with pytest.raises(DataNotFound, match=r"input: found input/train\.csv but no test\.csv"):
        load_digits()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nowhere", "no such file or folder"),
        ("nowhere.zip", "no such file or folder"),
        ("input/README.md/input", "no such file or folder"),
        ("loop", r"loop: cannot be read \(Too many levels of symbolic links\)"),
        ("x" * 300, r"x: cannot be read \(File name too long\)"),
    ],
)
def test_a_path_that_does_not_exist_is_an_error(name: str, problem: str) -> None:
    Path("loop").symlink_to("loop")
    Path("input").mkdir()
    Path("input/README.md").write_text("put your files here")
    with pytest.raises(DataNotFound, match=problem):
        load_digits(name)


def test_a_path_without_digits_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"contains no digits; expected train\.csv and test\.csv"):
        load_digits(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("notes.txt", "x")
    with pytest.raises(DataNotFound, match=r"contains neither train\.csv nor test\.csv"):
        load_digits(tmp_path / "a.zip")
    (tmp_path / "b.zip").write_text("x")
    with pytest.raises(BadData, match="not a readable zip"):
        load_digits(tmp_path / "b.zip")
    (tmp_path / "train.csv").write_text("x")
    with pytest.raises(DataNotFound, match="not a folder or zip"):
        load_digits(tmp_path / "train.csv")
