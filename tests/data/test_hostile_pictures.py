"""Malicious image folders and photos give an image or a one-line error, within bounded time and memory."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from pathlib import Path

import pytest
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.pages import read_digits
from kaggle_mnist.data.sources import load_digits
from tests.conftest import same_digits, write_folders
from tests.data.test_hostile_files import refused
from tests.harness.pictures import chunk


@pytest.fixture
def images(handful: Digits) -> Path:
    write_folders(handful, Path("files/images"))
    return Path("files/images")


def huge(kind: str) -> bytes:
    """A picture with hardly any data whose header claims a billion pixels or more."""
    if kind == "png":
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    Image.new("L", (8, 8)).save("small.jpg")
    content = bytearray(Path("small.jpg").read_bytes())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(content)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_picture_that_would_decompress_to_gigabytes_is_refused_by_its_header(kind: str, images: Path) -> None:
    (images / "test/img_1.png").write_bytes(huge(kind))
    refused(lambda: load_digits(images), "test/img_1.png", "pixels; every image must be 28×28")
    refused(lambda: read_digits(images / "test/img_1.png"), "test/img_1.png", "pixels; the limit is 64,000,000")


def test_a_picture_whose_text_chunk_decompresses_to_100_mb_is_refused(images: Path) -> None:
    plain = (images / "test/img_1.png").read_bytes()
    text = b"x\0\0" + zlib.compress(bytes(100 << 20), 1)
    (images / "test/img_1.png").write_bytes(plain[:33] + chunk(b"zTXt", text) + plain[33:])
    refused(lambda: load_digits(images), "test/img_1.png: cannot be decoded")
    refused(lambda: read_digits(images / "test/img_1.png"), "cannot be decoded")


def test_a_photo_with_very_many_parts_or_scans_is_refused() -> None:
    """Pillow reads every part, and every scan is another pass over the whole picture."""
    Image.new("L", (100, 100)).save("plain.jpg", progressive=True)
    plain = Path("plain.jpg").read_bytes()
    Path("parts.jpg").write_bytes(plain[:2] + b"\xff" * 300_000 + plain[2:])
    refused(lambda: read_digits(Path("parts.jpg")), "parts.jpg", "too many parts")
    scan = plain[plain.rindex(b"\xff\xda") : -2]
    Path("scans.jpg").write_bytes(plain[:-2] + scan * 1000 + b"\xff\xd9")
    refused(lambda: read_digits(Path("scans.jpg")), "scans.jpg", "200 scans")


def test_pillows_warnings_about_metadata_are_not_shown(images: Path, handful: Digits) -> None:
    Image.fromarray(handful.test_images[0]).save("plain.jpg")
    plain = Path("plain.jpg").read_bytes()
    tag = struct.pack(">HHHII", 1, 0x0112, 2, 9999, 100)  # claims 9,999 characters that are missing
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + tag
    content = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    (images / "test/img_1.png").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_digits(images)


@pytest.mark.parametrize("target", ["img_1.png", "../train", "..", "/etc/passwd", "/dev/zero", "nowhere", "/"])
def test_a_link_that_loops_or_leads_to_something_else_is_refused(target: str, images: Path) -> None:
    (images / "test/img_1.png").unlink()
    (images / "test/img_1.png").symlink_to(target)
    refused(lambda: load_digits(images), "test/img_1.png")


@pytest.mark.parametrize("place", ["train", "test", "train/3"])
def test_a_folder_that_links_to_itself_or_its_parent_is_refused(place: str, images: Path) -> None:
    for target in (images.resolve(), Path(place).name):
        (images / place).rename(f"was-{target}".replace("/", "-"))
        (images / place).symlink_to(target)
        refused(lambda: load_digits(images), "images")
        (images / place).unlink()
        Path(f"was-{target}".replace("/", "-")).rename(images / place)


def test_a_pipe_instead_of_a_file_does_not_block_the_program(images: Path, handful: Digits) -> None:
    (images / "test/img_1.png").unlink()
    os.mkfifo(images / "test/img_1.png")
    refused(lambda: load_digits(images), "test/img_1.png: cannot be read (it is not a regular file)")
    Path("csv").mkdir()
    os.mkfifo("csv/digits.zip")
    refused(lambda: load_digits("csv"), "digits.zip: cannot be read")
    export_csv(handful, Path("csv"))
    assert same_digits(load_digits("csv"), handful)
