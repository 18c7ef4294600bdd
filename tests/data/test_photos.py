"""Photographs, scans and drawings become images like MNIST's; unusable files are refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.ink import NoInk
from kaggle_mnist.data.pages import find_digits, read_digits
from kaggle_mnist.models.registry import load_network
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.inference import ensemble_outputs
from kaggle_mnist.utils.errors import BadData

Image28 = NDArray[np.uint8]
Grey = NDArray[np.floating]


def drawn(image: Image28, size: int) -> Grey:
    """Ink from 0 to 1, shape ``(size, size)``: the digit with sharp edges as if drawn with a pen."""
    large = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC), float) / 255
    ink: Grey = np.clip((large - 0.35) / 0.3, 0, 1)
    return ink


def on_page(ink: Grey, height: int, width: int, top: int, left: int) -> Grey:
    page = np.zeros((height, width))
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page


def prepare_photo(file: Path) -> Image28:
    """The only digit in a picture, in MNIST's form."""
    [digit] = read_digits(file)
    return digit.image


def save(grey: Grey, name: str) -> Path:
    Image.fromarray((np.clip(grey, 0, 1) * 255).round().astype(np.uint8)).save(name)
    return Path(name)


def photograph(image: Image28, random: np.random.Generator) -> Grey:
    """A large page with a dark digit off the centre, unevenly lit and noisy."""
    height, width = 420, 320
    size = int(random.integers(90, 200))
    top, left = int(random.integers(height - size)), int(random.integers(width - size))
    page = on_page(drawn(image, size), height, width, top, left)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = np.clip(0.75 + 0.1 * (random.normal() * x + random.normal() * y) - 0.1 * (x * x + y * y), 0.35, 1)
    photo: Grey = light * (1 - random.uniform(0.4, 0.8) * page) + random.normal(0, 0.02, page.shape)
    return photo


def correlation(a: Image28, b: Image28) -> float:
    """Pearson correlation of two images' pixels."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_an_image_in_mnists_form_is_not_changed(practice: Digits) -> None:
    for image in practice.train_images[:100]:
        Image.fromarray(image).save("digit.png")
        np.testing.assert_array_equal(prepare_photo(Path("digit.png")), image)
        Image.fromarray(255 - image).save("digit.png")
        np.testing.assert_array_equal(prepare_photo(Path("digit.png")), image)
        Image.fromarray(image).save("digit.jpg", quality=90)
        assert correlation(prepare_photo(Path("digit.jpg")), image) > 0.97


@pytest.mark.slow
def test_photographs_are_recognized_nearly_as_well_as_the_digits_themselves(
    practice: Digits, few: Digits, tiny: Recipe
) -> None:
    recipe = tiny.replaced(hidden=(128,), epochs=12)
    run = pipeline.train(recipe, input=few, output="submissions", folds=3)
    images, labels = practice.train_images[2000:2100], practice.train_labels[2000:2100]
    random = np.random.default_rng(0)
    prepared = np.stack([prepare_photo(save(photograph(image, random), "photo.jpg")) for image in images])
    network = load_network(recipe.network, recipe.network_settings, run.weights())
    clean, photographed = (
        (ensemble_outputs([(network, recipe)], tested).argmax(1) == labels).mean() for tested in (images, prepared)
    )
    assert clean > 0.88
    assert photographed > clean - 0.04


def test_a_prepared_digit_has_mnists_size_and_position(practice: Digits) -> None:
    random = np.random.default_rng(1)
    for image in practice.train_images[:20]:
        prepared = prepare_photo(save(photograph(image, random), "photo.png"))
        rows, columns = np.nonzero(prepared > 25)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
        assert np.abs(np.array(ndimage.center_of_mass(prepared)) - 14).max() <= 0.51
        assert (prepared.max(), prepared.dtype.name, prepared.shape) == (255, "uint8", (28, 28))
        assert ((prepared > 25) & (prepared < 230)).sum() > 15  # anti-aliased


@pytest.fixture
def digit(practice: Digits) -> Image28:
    image: Image28 = practice.train_images[np.flatnonzero(practice.train_labels == 2)[5]]
    return image


def surroundings(digit: Image28) -> dict[str, Grey]:
    random = np.random.default_rng(2)
    page = on_page(drawn(digit, 350), 800, 800, 200, 200)
    noise = random.normal(0, 0.02, page.shape)
    paper = np.full(page.shape, 0.85)
    shadow = np.where(np.arange(800) < 380, 0.85, 0.47) * np.ones((800, 1))
    table = np.where(np.arange(800) < 650, 0.85, 0.25) * np.ones((800, 1))
    window = np.where(np.arange(800) < 120, 0.98, 0.6) * np.ones((800, 1))
    ruled = paper.copy()
    ruled[60::80] = ruled[61::80] = 0.76
    specks = on_page(drawn(digit, 350), 800, 800, 200, 200)
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
def test_lighting_paper_and_surroundings_do_not_matter(digit: Image28, name: str) -> None:
    prepared = prepare_photo(save(surroundings(digit)[name], "photo.jpg"))
    assert correlation(prepared, digit) > 0.9


def formats(digit: Image28) -> dict[str, Image.Image]:
    ink = drawn(digit, 300)
    grey = Image.fromarray(((1 - ink) * 255).astype(np.uint8))
    clear = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    white_ink = Image.new("RGBA", grey.size, (255, 255, 255, 0))
    for image in (clear, white_ink):
        image.putalpha(Image.fromarray((ink * 255).astype(np.uint8)))
    turned = grey.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # rotate by 90° clockwise for display
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


@pytest.mark.parametrize("name", list(formats(np.zeros((28, 28), np.uint8))))
def test_every_image_format_and_mode_is_read(digit: Image28, name: str) -> None:
    image = formats(digit)[name]
    if name == "turned.jpg":
        image.save(name, exif=image.getexif())
    else:
        image.save(name)
    assert correlation(prepare_photo(Path(name)), digit) > 0.9


def test_a_five_in_two_pieces_stays_complete_and_a_thin_stroke_is_thickened() -> None:
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


@pytest.mark.parametrize("name", ["blank", "noisy", "gradient"])
def test_a_page_without_ink_is_refused_in_one_line(name: str) -> None:
    random = np.random.default_rng(3)
    page = {
        "blank": np.full((300, 300), 0.8),
        "noisy": 0.8 + random.normal(0, 0.03, (300, 300)),
        "gradient": np.linspace(0.2, 0.9, 300) + random.normal(0, 0.02, (300, 300)),
    }[name]
    with pytest.raises(BadData) as refused:
        prepare_photo(save(page, "page.png"))
    assert str(refused.value).startswith("page.png: no ink found")
    assert str(refused.value).isprintable()


def test_an_array_without_ink_raises_an_error_that_names_no_file() -> None:
    with pytest.raises(NoInk, match=r"^no ink found"):
        find_digits(np.full((100, 80), 0.5, np.float32))
