"""Where no digits are found, the file that may have them is named, with what to do; and doing that helps."""

from __future__ import annotations

import errno
import io
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.utils.errors import BadData, DataNotFound
from tests.conftest import same_digits
from tests.data.test_csv_files import Files, halves, write, zip_of

__all__ = ["halves"]  # a fixture
WORKBOOK = zip_of({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"})
CONVERT = "save its images as train.csv (label,pixel0,…,pixel783) and test.csv"


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x_train=np.zeros(3))
    return file.getvalue()


def zipped(files: Files) -> Files:
    return {"digit-recognizer.zip": zip_of(files)}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train.csv.xz": b"", "test.csv.xz": b""}, "test.csv.xz: is compressed in a way that is not read; extract it"),
        ({"digit-recognizer.7z": b""}, "digit-recognizer.7z: is an archive that is not read; extract it"),
        ({"mnist/mnist_png.tar.gz": b""}, "mnist/mnist_png.tar.gz: is an archive that is not read; extract it"),
        ({"train.parquet": b"", "readme.txt": b""}, f"train.parquet: is in a form that is not read; {CONVERT}"),
        ({"mnist.npz": npz()}, f"mnist.npz: is in a form that is not read; {CONVERT}"),
        ({"train.xlsx": WORKBOOK, "test.xlsx": WORKBOOK}, "test.xlsx: is a spreadsheet; save it as CSV"),
        (
            {"train-images-idx3-ubyte.gz": b"", "train-labels-idx1-ubyte.gz": b""},
            f"train-images-idx3-ubyte.gz: is in the format IDX, which is not read; {CONVERT}",
        ),
        (
            zipped({"mnist/train-images.idx3-ubyte": b""}),
            "digit-recognizer.zip/mnist/train-images.idx3-ubyte: is in the format IDX",
        ),
        (zipped({"train.csv.zip": b"", "x.csv": b""}), "digit-recognizer.zip/train.csv.zip: is a zip inside a zip"),
        ({"digit-recognizer.zip.crdownload": b""}, "digit-recognizer.zip.crdownload: is an unfinished download"),
        ({"Train.csv.txt": b""}, "Train.csv.txt: is not named as a CSV file; rename it to train.csv"),
    ],
)
def test_a_form_that_is_not_read_is_named_with_what_to_do(files: Files, message: str) -> None:
    write(files)
    with pytest.raises(DataNotFound) as error:
        load_digits()
    assert str(error.value).startswith(f"input/{message}")
    assert str(error.value).endswith("(or use --input practice)")
    with pytest.raises(DataNotFound) as error:
        load_digits("input")
    assert str(error.value).startswith(f"input/{message}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.csv.bz2", b"", "is compressed in a way that is not read"),
        ("train.tsv", b"", "is not named as a CSV file; rename it to train.csv"),
        ("train.csv", WORKBOOK, "/xl/workbook.xml: is part of an Excel workbook; save that as CSV"),
        ("train.csv", npz(), "/x_train.npy: is in a form that is not read"),
    ],
)
def test_a_missing_half_in_another_form_is_not_called_missing(
    name: str, content: bytes, message: str, halves: tuple[bytes, bytes]
) -> None:
    write({name: content, "test.csv": halves[1], "notes.txt": b"x", "marks.xlsx": b"x"})
    with pytest.raises(DataNotFound, match=rf"input/{name}.*{message}"):
        load_digits()
    Path("input", name).unlink()
    with pytest.raises(DataNotFound, match=r"input: found input/test\.csv but no train\.csv; provide both"):
        load_digits()


def test_what_the_messages_advise_helps(halves: tuple[bytes, bytes], handful: Digits) -> None:
    packed = {"train.csv.zip": zip_of({"train.csv": halves[0]}), "test.csv.zip": zip_of({"test.csv": halves[1]})}
    write(zipped(packed))
    with pytest.raises(DataNotFound, match="is a zip inside a zip; extract both"):
        load_digits()
    write(packed)
    assert same_digits(load_digits(), handful)
    write({"train.csv": halves[0], "test.csv": halves[1], "train.csv.xz": lzma.compress(halves[0])})
    assert same_digits(load_digits(), handful)


def encrypted(packed: bytes) -> bytes:
    return packed.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")


def by_method_9(packed: bytes) -> bytes:
    """What Windows calls Deflate64."""
    return packed.replace(b"\x14\x03\x14\x00\x00\x00\x08", b"\x14\x03\x14\x00\x00\x00\x09")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (encrypted, "input/archive.zip: the zip is encrypted; extract it with its password"),
        (by_method_9, "input/archive.zip: the zip is compressed in a way that is not read; extract it"),
        (
            lambda packed: b"<!DOCTYPE html><html>",
            "input/archive.zip: is a web page, not a zip; download it again, sign",
        ),
        (
            lambda packed: b"version https://git-lfs.github.com/spec/v1\n",
            "input/archive.zip: is only a pointer of Git LFS, not a zip; get the file itself with: git lfs pull",
        ),
    ],
)
def test_a_zip_that_another_download_does_not_mend_is_called_what_it_is(
    change: Callable[[bytes], bytes], message: str, halves: tuple[bytes, bytes], handful: Digits
) -> None:
    files = {"train.csv": halves[0], "test.csv": halves[1]}
    write({"archive.zip": change(zip_of(files))})
    with pytest.raises(BadData) as error:
        load_digits()
    assert str(error.value).startswith(message)
    write(files)  # extracted, beside it
    assert same_digits(load_digits(), handful)


def test_a_zip_without_that_ending_can_be_named(halves: tuple[bytes, bytes], handful: Digits) -> None:
    write({"download": zip_of({"train.csv": halves[0], "test.csv": halves[1]})})
    assert same_digits(load_digits("input/download"), handful)


def test_a_zip_or_workbook_named_as_a_csv_in_a_zip_is_called_that(halves: tuple[bytes, bytes]) -> None:
    for content, what in ((zip_of({"train.csv": halves[0]}), "a zip"), (WORKBOOK, "an Excel workbook")):
        write(zipped({"train.csv": content, "test.csv": halves[1]}))
        with pytest.raises(BadData, match=rf"digit-recognizer\.zip/train\.csv: is {what}, not a CSV"):
            load_digits()


@pytest.mark.parametrize("half", ["train.csv", "test.csv.gz"])
def test_a_csv_by_its_name_alone_is_called_what_it_is(half: str, halves: tuple[bytes, bytes]) -> None:
    write({"train.csv": halves[0], "test.csv": halves[1]})
    Path("input", half.removesuffix(".gz")).unlink()
    write({half: lzma.compress(halves[0])})
    with pytest.raises(BadData) as error:
        load_digits()
    assert str(error.value) == f"input/{half}: is compressed by xz, not a CSV; extract it"


def test_a_folder_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def denied(path: Path) -> object:  # root may read every folder
        if Path(path).name == "mine":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), f"{path}")
        return scandir(path)

    Path("input/digits/mine").mkdir(parents=True)
    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(DataNotFound, match=r"input/digits/mine: cannot be read \(Permission denied\)"):
        load_digits()
