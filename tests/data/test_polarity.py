"""Digits that are dark on light paper."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.inspection import inspect
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.polarity import with_dark_background
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.pipeline import train
from kaggle_mnist.utils.errors import BadData
from tests.conftest import TINY, same_digits, write_folders


def redraw(folder: Path, changed: Callable[[NDArray[np.uint8]], NDArray[Any]]) -> None:
    """Change the pixels of every picture; with another axis, of length 2 or 4, it also gets an alpha channel."""
    for file in sorted(folder.rglob("*.png")):
        Image.fromarray(changed(np.asarray(Image.open(file)))).save(file)


def negative(digits: Digits) -> Digits:
    return replace(digits, train_images=255 - digits.train_images, test_images=255 - digits.test_images)


def test_dark_digits_on_light_paper_give_the_bytes_of_light_ones_on_dark(few: Digits) -> None:
    plain = few.head(200, 20)
    runs = []
    for name, digits in (("plain", plain), ("negative", negative(plain))):
        export_csv(digits, Path(name))
        runs.append(train(TINY.replaced(epochs=1), input=name, output=f"of {name}", folds=2))
    for file in ("submission.csv", "outputs.npz", "members.safetensors", "history.csv"):
        assert len({(run.path / file).read_bytes() for run in runs}) == 1, file
    looks = [run.record.data.look for run in runs]
    assert [look is not None and look.turned_over for look in looks] == [False, True]
    assert looks[1] is not None
    assert looks[1].warnings[0].startswith("the images are dark on light paper; they have been turned over")


def test_the_practice_set_is_left_as_it_is(practice: Digits) -> None:
    assert with_dark_background(practice) is practice


def test_some_digits_that_touch_the_border_do_not_matter(few: Digits) -> None:
    images = few.train_images.copy()
    images[:20] = 255 - images[:20]
    odd = replace(few, train_images=images)
    assert with_dark_background(odd) is odd


def test_a_mixture_is_refused_with_examples(few: Digits) -> None:
    images = few.train_images.copy()
    images[700:] = 255 - images[700:]
    with pytest.raises(
        BadData, match=r"\(such as labeled images 701, 702, 703\).*such as labeled images 1, 2, 3\); turn"
    ):
        with_dark_background(replace(few, train_images=images))


@pytest.mark.parametrize("number", [300, 10])
def test_a_test_set_of_the_other_kind_is_a_mixture_however_small(few: Digits, number: int) -> None:
    test = few.test_images[:number]
    with pytest.raises(BadData, match="such as unlabeled images 1, 2, 3"):
        with_dark_background(replace(few, test_images=255 - test))
    with pytest.raises(BadData, match="such as labeled images 1, 2, 3"):
        with_dark_background(replace(few, train_images=255 - few.train_images, test_images=test))


@pytest.mark.parametrize("paper", [(110, 110), (60, 190)], ids=["dim", "of any brightness"])
def test_grey_paper_is_turned_over(few: Digits, paper: tuple[int, int]) -> None:
    """Digits of a brightness of 10 on paper that may be darker than half of white."""
    rng = np.random.default_rng(0)

    def drawn(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        bright = rng.integers(*paper, len(images), endpoint=True)[:, None, None]
        return np.rint(bright - images / 255 * (bright - 10)).astype(np.uint8)

    train, test = drawn(few.train_images), drawn(few.test_images)
    found = with_dark_background(replace(few, train_images=train, test_images=test))
    assert found.turned_over
    assert np.array_equal(found.train_images, 255 - train)
    with pytest.raises(BadData, match="300 of the 1,800 images are dark on light paper"):
        with_dark_background(replace(few, test_images=test))


def test_chalk_on_a_grey_board_is_left_as_it_is(few: Digits) -> None:
    chalk = replace(
        few, train_images=(140 + few.train_images * 0.4).astype(np.uint8), test_images=140 + few.test_images // 4
    )
    assert with_dark_background(chalk) is chalk


@pytest.mark.parametrize(("board", "ink"), [(140, 255), (145, 255), (135, 230), (105, 10), (110, 20), (115, 20)])
def test_the_noise_of_jpg_on_a_grey_background_makes_no_mixture(few: Digits, board: int, ink: int) -> None:
    def as_jpg(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        grey = np.rint(board + (ink - board) * (images / 255)).astype(np.uint8)
        sheet = io.BytesIO()
        Image.fromarray(grey.reshape(-1, 28)).save(sheet, "JPEG", quality=50)
        return np.asarray(Image.open(sheet)).reshape(images.shape)

    read = with_dark_background(
        replace(few, train_images=as_jpg(few.train_images), test_images=as_jpg(few.test_images))
    )
    assert read.turned_over == (ink < board)
    assert inspect(read).inverted == 0


@pytest.mark.parametrize("over", [False, True], ids=["light on dark", "dark on light"])
def test_a_rare_digit_of_the_other_kind_is_a_mixture_and_its_files_are_named(few: Digits, over: bool) -> None:
    """Its background would give it away, and 27 of some 600 images are too few to be a mixture otherwise."""
    few = few.head(600, 100)
    kept = (few.train_labels != 4) | (np.arange(600) < 200)
    images, labels = few.train_images[kept], few.train_labels[kept]
    images = np.where((labels == 4)[:, None, None], 255 - images, images)
    odd = replace(few, train_images=images, train_labels=labels)
    export_csv(negative(odd) if over else odd, Path("input"))
    rows = [
        [f"train.csv, row {row + 2}" for row in np.flatnonzero((labels == 4) == kind)[:3]] for kind in (True, False)
    ]
    dark, light = ("; ".join(rows[i]) for i in ((1, 0) if over else (0, 1)))
    with pytest.raises(BadData) as error:
        load_digits()
    assert f"dark on light paper (such as {dark}), the others light on dark (such as {light}); turn" in str(error.value)


def test_transparent_pictures_are_one_set_whatever_the_colour_of_their_ink(few: Digits) -> None:
    plain, folder = few.head(100, 20), Path("drawn")
    write_folders(plain, folder)
    inks = itertools.cycle([0, 255, 255])
    redraw(folder, lambda alpha: np.dstack([np.full((28, 28, 3), next(inks), np.uint8), alpha]))
    assert same_digits(load_digits(folder), plain)
    for file in folder.rglob("*.png"):
        if file.name not in ("img_7.png", "img_8.png"):  # the others are drawn on white paper
            Image.fromarray(255 - np.asarray(Image.open(file))[..., 3]).save(file)
    digits = load_digits(folder)
    assert digits.turned_over
    assert same_digits(digits, plain)


@pytest.mark.parametrize("ink", [0, 1], ids=["black", "white"])
def test_paper_may_be_half_transparent(few: Digits, ink: int) -> None:
    plain, folder = few.head(100, 20), Path("drawn")
    write_folders(plain, folder)
    redraw(folder, lambda own: np.dstack([own if ink else 255 - own, (180 + own / 255 * 75).astype(np.uint8)]))
    found = load_digits(folder)
    assert found.turned_over == (not ink)
    assert found.train_images[:, 0].max() == 0
    assert np.abs(found.train_images.astype(int) - plain.train_images).mean() < 5


def test_one_opacity_for_a_whole_picture_does_not_matter(few: Digits) -> None:
    plain, folder = few.head(100, 20), Path("drawn")
    write_folders(plain, folder)
    opacities = itertools.cycle([0, 100, 255])
    redraw(folder, lambda ink: np.dstack([255 - ink, np.full_like(ink, next(opacities))]))
    assert same_digits(load_digits(folder), plain)


@pytest.mark.parametrize("ink", [0, 255], ids=["black", "white"])
def test_ink_in_the_alpha_channel_is_read(few: Digits, ink: int) -> None:
    plain, folder = few.head(100, 20), Path("drawn")
    write_folders(plain, folder)
    redraw(folder, lambda alpha: np.dstack([np.full_like(alpha, ink), alpha]))
    assert same_digits(load_digits(folder), plain)


def test_16_bits_are_scaled_to_8(few: Digits) -> None:
    plain, folder = few.head(100, 20), Path("deep")
    write_folders(plain, folder)
    redraw(folder, lambda pixels: pixels.astype(np.uint16) * 257)
    assert same_digits(load_digits(folder), plain)
