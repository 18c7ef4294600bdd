"""Digits are found under the names and in the folders, zips and compressions in which people have them."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kaggle_mnist.data import places
from kaggle_mnist.data.csv_files import role_of
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.utils.errors import AmbiguousData, BadData, DataNotFound
from tests.conftest import same_digits

Files = dict[str, bytes]  # content by path


def zip_of(files: Files) -> bytes:
    """These files as one zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def write(files: Files, folder: str = "input") -> None:
    for name, content in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def halves(handful: Digits) -> tuple[bytes, bytes]:
    """The content of train.csv and test.csv."""
    export_csv(handful, Path("files"))
    return Path("files/train.csv").read_bytes(), Path("files/test.csv").read_bytes()


FORMS: dict[str, Callable[[bytes, bytes], Files]] = {
    "two zips": lambda a, b: {"train.csv.zip": zip_of({"train.csv": a}), "test.csv.zip": zip_of({"test.csv": b})},
    "one half zipped": lambda a, b: {"train.csv.zip": zip_of({"train.csv": a}), "test.csv": b},
    "one half zipped and extracted": lambda a, b: {"a.zip": zip_of({"train.csv": a}), "train.csv": a, "test.csv": b},
    "gzip": lambda a, b: {"train.csv.gz": gzip.compress(a, 1), "Test.csv.GZ": gzip.compress(b, 1)},
    "gzip in a zip": lambda a, b: {"all.zip": zip_of({"train.csv.gz": gzip.compress(a, 1), "test.csv": b})},
    "copies of a browser": lambda a, b: {"train (1).csv": a, "test.csv (2).zip": zip_of({"test.csv": b})},
    "an original and its copy": lambda a, b: {"train (1).csv": a, "train.csv": a, "test.csv": b},
    "capitals": lambda a, b: {"Train.CSV": a, "TEST.csv": b},
    "a zip in capitals": lambda a, b: {"Archive.ZIP": zip_of({"Train.csv": a, "Test.csv": b})},
    "a folder in a folder": lambda a, b: {"digits/csv/train.csv": a, "digits/csv/test.csv": b},
    "a folder in a folder in a zip": lambda a, b: {"x.zip": zip_of({"x/csv/train.csv": a, "x/csv/test.csv": b})},
    "backslashes in a zip": lambda a, b: {"x.zip": zip_of({"x\\train.csv": a, "x\\test.csv": b})},
    "zips named as CSV files": lambda a, b: {"train.csv": zip_of({"train.csv": a}), "test.csv": b},
    "gzip named as CSV files": lambda a, b: {"train.csv": gzip.compress(a, 1), "test.csv": b},
    "zips of other names than the CSV files": lambda a, b: {
        "x/train.zip": zip_of({"train.csv": a}),
        "x/Test (1).zip": zip_of({"test.csv": b}),
    },
    "a folder for each half": lambda a, b: {"digits/train/train.csv": a, "digits/test/test.csv": b},
    "a zip in a folder for each": lambda a, b: {
        "mnist_train/train.csv.zip": zip_of({"train.csv": a}),
        "mnist_test/test.csv/test.csv": b,
    },
    "a folder for each": lambda a, b: {"train.csv/train.csv": a, "test.csv/test.csv": b},
    "leftovers of macOS": lambda a, b: {
        "x.zip": zip_of({"train.csv": a, "test.csv": b, "__MACOSX/train.csv": b"x", "__MACOSX/._test.csv": b"x"}),
        "__MACOSX/train.csv": b"x",
        "._train.csv": b"x",
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_csv_files_are_found_in_the_forms_in_which_they_are_passed_around(
    form: str, halves: tuple[bytes, bytes], handful: Digits
) -> None:
    write(FORMS[form](*halves))
    assert same_digits(load_digits(), handful)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("train.csv", ("", "train.csv")),
        ("train.csv(1).zip", ("", "train.csv")),
        ("mnist_test.csv", ("mnist_", "test.csv")),
        ("Fashion-MNIST_train.csv", ("fashion-mnist_", "train.csv")),
        ("sampleSubmission.csv", ("", "sample_submission.csv")),
        *((name, None) for name in ("Dig-MNIST.csv", "submission.csv", "train.txt", "my_train.csv", "latest.csv")),
    ],
)
def test_a_name_says_which_half_a_file_is(name: str, role: tuple[str, str] | None) -> None:
    assert role_of(name) == role


def test_two_different_files_for_the_same_half_are_an_error_that_names_both(halves: tuple[bytes, bytes]) -> None:
    write({"train.csv": halves[0], "train (1).csv": halves[0][:-1], "test.csv": halves[1]})
    with pytest.raises(AmbiguousData, match=r"two files for train\.csv: input/train\.csv; input/train \(1\)\.csv"):
        load_digits()


def test_two_sets_of_other_names_are_an_error_and_halves_of_two_sets_are_no_set(halves: tuple[bytes, bytes]) -> None:
    write({"mnist_train.csv": halves[0], "test.csv": halves[1]})
    with pytest.raises(DataNotFound, match=r"input: found input/test\.csv but no train\.csv; provide both"):
        load_digits()
    write({"mnist_test.csv": halves[1], "fashion-mnist_train.csv": halves[0], "fashion-mnist_test.csv": halves[1][:-5]})
    with pytest.raises(AmbiguousData, match=r"found two data sets: .*mnist_train\.csv.*fashion-mnist_train\.csv"):
        load_digits()
    chosen = load_digits("input/mnist_train.csv")
    assert chosen.path == "input/mnist_train.csv and input/mnist_test.csv"
    assert load_digits(chosen.input).fingerprint == chosen.fingerprint


@pytest.mark.parametrize(
    "pair", [("2024/{}", "2025/{}"), ("{}", "old/{}"), ("a.zip/{}", "b.zip/{}"), ("x/{}", "y.zip/{}")]
)
def test_halves_of_unrelated_folders_are_an_error_that_names_both(
    pair: tuple[str, str], halves: tuple[bytes, bytes], handful: Digits
) -> None:
    train, test = pair[0].format("train.csv"), pair[1].format("test.csv")
    for path, content in zip((train, test), halves, strict=True):
        folder, _, name = path.rpartition("/")
        write({folder: zip_of({name: content})} if folder.endswith(".zip") else {path: content})
    with pytest.raises(DataNotFound) as error:
        load_digits()
    assert str(error.value) == f"input: found input/{train} and input/{test}, in unrelated folders; put both in one"
    write({"train.csv": halves[0], "test.csv": halves[1]})  # the same
    assert same_digits(load_digits(), handful)


def test_a_folder_named_after_one_half_is_searched_itself(halves: tuple[bytes, bytes], handful: Digits) -> None:
    write({"train.csv": halves[0], "test.csv.zip": zip_of({"test.csv": halves[1]})}, "mnist_train")
    assert same_digits(load_digits("mnist_train"), handful)


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused(
    halves: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"train.csv.gz": gzip.compress(halves[0]), "test.csv": halves[1]})
    monkeypatch.setattr(places, "MAX_BYTES", len(halves[0]) - 1)
    with pytest.raises(BadData, match=r"train\.csv\.gz: is too large \(more than"):
        load_digits()


@pytest.mark.parametrize("damage", [lambda packed: packed[:-20], lambda packed: packed[:-6] + b"x" + packed[-5:]])
def test_a_damaged_gzip_file_is_refused(damage: Callable[[bytes], bytes], halves: tuple[bytes, bytes]) -> None:
    write({"train.csv.gz": damage(gzip.compress(halves[0])), "test.csv": halves[1]})
    with pytest.raises(BadData, match=r"input/train\.csv\.gz: cannot be read"):
        load_digits()


def test_a_second_load_of_compressed_files_comes_from_the_cache_until_one_changes(
    halves: tuple[bytes, bytes], handful: Digits
) -> None:
    write({"train.csv.gz": gzip.compress(halves[0]), "test.csv": halves[1]})
    load_digits()
    write({"train.csv.gz": gzip.compress(b"".join(halves[0].splitlines(keepends=True)[:-20]))})
    assert len(load_digits().train_images) == len(handful.train_images) - 20
