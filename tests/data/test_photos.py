"""Pictures as people have them: photographed, scanned, drawn; and as they should not be."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.photos import prepare_photo
from kaggle_mnist.models.registry import load_network
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.inference import ensemble_outputs
from kaggle_mnist.utils.errors import BadData


def written(image: np.ndarray, size: int) -> np.ndarray:
    """Ink from 0 to 1, ``(size, size)``: the digit with the sharp edges of a pen."""
    large = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC), float) / 255
    return np.clip((large - 0.35) / 0.3, 0, 1)


def on_page(ink: np.ndarray, height: int, width: int, top: int, left: int) -> np.ndarray:
    page = np.zeros((height, width))
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page


def save(grey: np.ndarray, name: str) -> Path:
    Image.fromarray((np.clip(grey, 0, 1) * 255).round().astype(np.uint8)).save(name)
    return Path(name)


def photograph(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Large, dark on light, off the centre, under uneven light, and noisy."""
    height, width = 420, 320
    size = int(random.integers(90, 200))
    page = on_page(written(image, size), height, width, random.integers(height - size), random.integers(width - size))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = np.clip(0.75 + 0.1 * (random.normal() * x + random.normal() * y) - 0.1 * (x * x + y * y), 0.35, 1)
    return light * (1 - random.uniform(0.4, 0.8) * page) + random.normal(0, 0.02, page.shape)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two images' pixels."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_an_image_of_mnists_form_comes_back_as_it_is(practice: Digits) -> None:
    for image in practice.train_images[:100]:
        Image.fromarray(image).save("digit.png")
        np.testing.assert_array_equal(prepare_photo(Path("digit.png")), image)
        Image.fromarray(255 - image).save("digit.png")
        np.testing.assert_array_equal(prepare_photo(Path("digit.png")), image)
        Image.fromarray(image).save("digit.jpg", quality=90)
        assert likeness(prepare_photo(Path("digit.jpg")), image) > 0.97


def test_photographs_are_recognized_nearly_as_well_as_the_digits_themselves(
    practice: Digits, few: Digits, tiny: Recipe
) -> None:
    recipe = tiny.replaced(hidden=(128,), epochs=12)
    run = pipeline.train(recipe, input=few, output="submissions", folds=3)
    images, labels = practice.train_images[2000:2100], practice.train_labels[2000:2100]
    random = np.random.default_rng(0)
    prepared = np.stack([prepare_photo(save(photograph(image, random), "photo.jpg")) for image in images])
    network = load_network(recipe.network, recipe.network_settings, run.weights())
    plain, photographed = (
        (ensemble_outputs(network, found, recipe).argmax(1) == labels).mean() for found in (images, prepared)
    )
    assert plain > 0.88
    assert photographed > plain - 0.04


def test_a_prepared_digit_has_mnists_size_and_place(practice: Digits) -> None:
    random = np.random.default_rng(1)
    for image in practice.train_images[:20]:
        prepared = prepare_photo(save(photograph(image, random), "photo.png"))
        rows, columns = np.nonzero(prepared > 25)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
        assert np.abs(np.array(ndimage.center_of_mass(prepared)) - 14).max() <= 0.51
        assert (prepared.max(), prepared.dtype, prepared.shape) == (255, np.uint8, (28, 28))
        assert ((prepared > 25) & (prepared < 230)).sum() > 15  # anti-aliased


@pytest.fixture
def digit(practice: Digits) -> np.ndarray:
    return practice.train_images[np.flatnonzero(practice.train_labels == 2)[5]]


def surroundings(digit: np.ndarray) -> dict[str, np.ndarray]:
    random = np.random.default_rng(2)
    page = on_page(written(digit, 350), 800, 800, 200, 200)
    noise = random.normal(0, 0.02, page.shape)
    paper = np.full(page.shape, 0.85)
    shadow = np.where(np.arange(800) < 380, 0.85, 0.47) * np.ones((800, 1))
    table = np.where(np.arange(800) < 650, 0.85, 0.25) * np.ones((800, 1))
    window = np.where(np.arange(800) < 120, 0.98, 0.6) * np.ones((800, 1))
    ruled = paper.copy()
    ruled[60::80] = ruled[61::80] = 0.76
    specks = on_page(written(digit, 350), 800, 800, 200, 200)
    for _ in range(60):
        y, x = random.integers(5, 790, 2)
        specks[y : y + 5, x : x + 5] = 1
    return {
        "chalk": 0.2 + 0.6 * page + noise,
        "shadow": ndimage.gaussian_filter(shadow, 4) * (1 - 0.7 * page) + noise,
        "table": table * (1 - 0.7 * page) + noise,
        "window": window * (1 - 0.7 * page) + noise,
        "ruled": ruled * (1 - 0.75 * page),
        "specks": paper * (1 - 0.8 * specks),
        "faint": paper * (1 - 0.15 * page) + noise / 2,
        "tight": 1 - page[215:535, 215:535],
    }


@pytest.mark.parametrize("name", ["chalk", "shadow", "table", "window", "ruled", "specks", "faint", "tight"])
def test_light_paper_and_what_lies_around_do_not_matter(digit: np.ndarray, name: str) -> None:
    prepared = prepare_photo(save(surroundings(digit)[name], "photo.jpg"))
    assert likeness(prepared, digit) > 0.9


def modes(digit: np.ndarray) -> dict[str, Image.Image]:
    ink = written(digit, 300)
    grey = Image.fromarray(((1 - ink) * 255).astype(np.uint8))
    clear = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    white_ink = Image.new("RGBA", grey.size, (255, 255, 255, 0))
    for image in (clear, white_ink):
        image.putalpha(Image.fromarray((ink * 255).astype(np.uint8)))
    turned = grey.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # to be shown turned by 90° clockwise
    return {
        "black.png": clear,
        "white.png": white_ink,
        "sixteen.png": Image.fromarray(((1 - 0.5 * ink) * 40000).astype(np.uint16)),
        "bits.png": grey.convert("1"),
        "palette.gif": grey.convert("P"),
        "cmyk.tif": grey.convert("CMYK"),
        "float.tiff": Image.fromarray((5 - ink).astype(np.float32)),
        "colour.webp": Image.merge("RGB", (grey, grey, Image.new("L", grey.size, 255))),
        "plain.bmp": grey.convert("RGB"),
        "turned.jpg": turned,
    }


@pytest.mark.parametrize("name", list(modes(np.zeros((28, 28), np.uint8))))
def test_every_form_of_picture_is_read(digit: np.ndarray, name: str) -> None:
    image = modes(digit)[name]
    image.save(name, **({"exif": image.getexif()} if name == "turned.jpg" else {}))
    assert likeness(prepare_photo(Path(name)), digit) > 0.9


def test_a_five_in_two_pieces_stays_whole_and_a_thin_pens_stroke_is_thickened() -> None:
    image = Image.new("L", (400, 400), 250)
    draw = ImageDraw.Draw(image)
    draw.line([(180, 80), (280, 80)], 20, 6)
    draw.line([(160, 110), (155, 170)], 20, 6)
    draw.arc((130, 170, 270, 320), -140, 140, 20, 6)
    image.save("five.png")
    prepared = prepare_photo(Path("five.png"))
    _, pieces = ndimage.label(prepared > 100)
    rows, _ = np.nonzero(prepared > 100)
    assert np.ptp(rows) >= 18
    assert pieces <= 3
    assert np.median(prepared[prepared > 0]) > 100
    assert prepared.max() == 255


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be that large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100)))


def faulty(name: str, digit: np.ndarray) -> None:
    random = np.random.default_rng(3)
    match name:
        case "blank.png":
            save(np.full((300, 300), 0.8), name)
        case "noisy.png":
            save(0.8 + random.normal(0, 0.03, (300, 300)), name)
        case "slope.jpg":
            save(np.linspace(0.2, 0.9, 300) + random.normal(0, 0.02, (300, 300)), name)
        case "small.png":
            save(np.zeros((5, 40)), name)
        case "bomb.png":
            Path(name).write_bytes(bomb(60_000, 60_000))
        case "large.png":
            Path(name).write_bytes(bomb(9_000, 9_000))
        case "moving.gif":
            frames = [Image.fromarray(digit), Image.fromarray(255 - digit)]
            frames[0].save(name, save_all=True, append_images=frames[1:])
        case "cut.jpg":
            save(1 - written(digit, 300), name)
            Path(name).write_bytes(Path(name).read_bytes()[:1500])
        case "other.jpg":
            Path(name).write_bytes(b"%PDF-1.7 and so on")
        case "nan.tiff":
            Image.fromarray(np.full((50, 50), np.nan, np.float32)).save(name)
        case "folder.png":
            Path(name).mkdir()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blank.png", "no ink found"),
        ("noisy.png", "no ink found"),
        ("slope.jpg", "no ink found"),
        ("small.png", "is 40×5 pixels; a digit needs 8×8"),
        ("bomb.png", "60000"),
        ("large.png", "is 9000×9000 pixels; make it smaller than 64,000,000 in all"),
        ("moving.gif", "holds several pictures; save the one with the digit by itself"),
        ("cut.jpg", "cannot be decoded, it may be cut off"),
        ("other.jpg", "is no picture in one of the formats JPEG, PNG, BMP, WEBP, GIF, TIFF"),
        ("nan.tiff", "has pixels that are no numbers"),
        ("folder.png", "is no file"),
    ],
)
def test_what_is_no_picture_of_a_digit_is_told_in_a_line(digit: np.ndarray, name: str, message: str) -> None:
    faulty(name, digit)
    with pytest.raises(BadData) as refused:
        prepare_photo(Path(name))
    assert str(refused.value).startswith(f"{name}: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
