from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from kaggle_mnist.data import pictures
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.pictures import FORMATS, SUFFIXES, WORKING, read_grey
from kaggle_mnist.utils.errors import BadData
from tests.harness.pictures import chunk


@pytest.fixture
def digit(handful: Digits) -> Image.Image:
    return Image.fromarray(handful.train_images[0])


def test_a_greyscale_png_is_read_without_loss(digit: Image.Image) -> None:
    digit.save("digit.png")
    grey = read_grey(Path("digit.png"))
    assert grey.dtype == np.float32
    np.testing.assert_array_equal(np.round(grey * 255), np.asarray(digit))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_belongs_to_a_format_that_is_read(suffix: str, digit: Image.Image) -> None:
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    digit.save(f"digit{suffix}")
    with Image.open(f"digit{suffix}") as image:
        assert image.format in (*FORMATS, "AVIF")
    assert np.abs(read_grey(Path(f"digit{suffix}")) * 255 - np.asarray(digit)).mean() < 10


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read_whatever_its_name_and_otherwise_the_cause_is_named(
    digit: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    digit.resize((2000, 1500)).transpose(Image.Transpose.ROTATE_180).save("phone.jpg", "AVIF", exif=exif)
    grey, expected = read_grey(Path("phone.jpg")), np.asarray(digit.resize((WORKING, WORKING * 3 // 4)), float)
    assert grey.shape == expected.shape
    assert np.abs(grey * 255 - expected).mean() < 10
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(BadData, match=r"^phone\.jpg: this Pillow cannot read AVIF; convert the images to PNG$"):
        read_grey(Path("phone.jpg"))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_picture_is_turned_upright_by_its_metadata(orientation: int, digit: Image.Image) -> None:
    turn = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    method = turn[orientation]
    stored = digit.transpose(method) if method is not None else digit
    exif = stored.getexif()
    exif[0x0112] = orientation
    stored.save("turned.png", exif=exif)
    np.testing.assert_array_equal(np.round(read_grey(Path("turned.png")) * 255), np.asarray(digit))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_large_picture_is_reduced_with_its_aspect_ratio(suffix: str, digit: Image.Image) -> None:
    digit.resize((2000, 1500)).save(f"large{suffix}")
    grey = read_grey(Path(f"large{suffix}"))
    assert grey.shape == (WORKING * 3 // 4, WORKING)
    assert 0 <= grey.min() <= grey.max() <= 1


@pytest.mark.parametrize(("ink", "paper"), [(0, 1), (255, 0)])
def test_transparent_pixels_are_paper_that_contrasts_with_the_ink(ink: int, paper: int, digit: Image.Image) -> None:
    picture = Image.new("RGBA", digit.size, (ink, ink, ink, 0))
    picture.putalpha(digit)
    picture.save("transparent.png")
    grey = read_grey(Path("transparent.png"))
    assert (grey[np.asarray(digit) == 0] == paper).all()
    assert (grey[np.asarray(digit) == 255] == 1 - paper).all()


def test_sixteen_bits_are_stretched_to_the_whole_range(digit: Image.Image) -> None:
    Image.fromarray(np.asarray(digit).astype(np.uint16) * 100 + 5000).save("deep.png")
    np.testing.assert_allclose(read_grey(Path("deep.png")), np.asarray(digit) / np.asarray(digit).max(), atol=1e-3)


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims that size."""
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100)))


UNREADABLE = {
    "other.jpg": b"\x01 etc.",
    "empty.jpg": b"",
    "pdf.jpg": b"%PDF-1.7 etc.",
    "heic.jpg": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "svg.png": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "login.png": b"<!DOCTYPE html><html><body>Sign in</body></html>",
}


def write_unusable(name: str, digit: Image.Image) -> None:
    match name:
        case "small.png":
            Image.new("L", (40, 5)).save(name)
        case "bomb.png":
            Path(name).write_bytes(bomb(60_000, 60_000))
        case "large.png":
            Path(name).write_bytes(bomb(9_000, 9_000))
        case "moving.gif":
            digit.save(name, save_all=True, append_images=[Image.eval(digit, lambda value: 255 - value)])
        case "truncated.jpg":
            digit.resize((300, 300)).save(name)
            Path(name).write_bytes(Path(name).read_bytes()[:1500])
        case "long.png":
            Image.new("L", (20_000, 200)).save(name)
        case "nan.tiff":
            Image.fromarray(np.full((50, 50), np.nan, np.float32)).save(name)
        case "huge.tiff":
            Image.fromarray(np.array([[-3e38, 3e38]] * 50, np.float32).repeat(25, 1)).save(name)
        case "folder.png":
            Path(name).mkdir()
        case _ if name in UNREADABLE:
            Path(name).write_bytes(UNREADABLE[name])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small.png", "is 40×5 pixels; it must be at least 8×8"),
        ("bomb.png", "has too many pixels; the limit is 64,000,000 in all"),
        ("large.png", "is 9000×9000 pixels; the limit is 64,000,000 in all"),
        ("moving.gif", "contains several pictures; save the one with the digit as a separate file"),
        ("truncated.jpg", "cannot be decoded, it may be truncated"),
        ("long.png", "is 20000×200 pixels, too long for its digits to be seen; cut it into pieces"),
        ("other.jpg", "not a supported image format; use JPEG, PNG, BMP, WEBP, GIF or TIFF"),
        ("empty.jpg", "not a supported image format (it is empty); use JPEG, PNG"),
        ("pdf.jpg", "not a supported image format (it is PDF); use JPEG, PNG"),
        ("heic.jpg", "not a supported image format (it is HEIC); use JPEG, PNG"),
        ("svg.png", "not a supported image format (it is SVG); use JPEG, PNG"),
        ("login.png", "not a supported image format (it is a web page); use JPEG, PNG"),
        ("nan.tiff", "contains NaN, infinite or huge pixels; save it as an 8-bit image"),
        ("huge.tiff", "contains NaN, infinite or huge pixels; save it as an 8-bit image"),
        ("folder.png", "not a file"),
        ("missing.png", "not a file"),
    ],
)
def test_an_unusable_picture_is_refused_in_one_line(digit: Image.Image, name: str, message: str) -> None:
    write_unusable(name, digit)
    with pytest.raises(BadData) as refused:
        read_grey(Path(name))
    assert str(refused.value).startswith(f"{name}: {message}")
    assert str(refused.value).isprintable()


def test_a_file_that_is_too_large_is_refused(digit: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    digit.resize((300, 300)).save("digit.bmp")
    monkeypatch.setattr(pictures, "MAX_BYTES", 64 << 10)
    with pytest.raises(BadData, match=r"digit\.bmp: too large \(88 kB\); the limit is 64 kB"):
        read_grey(Path("digit.bmp"))
