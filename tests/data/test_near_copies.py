"""Images that are nearly the same as others."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.near_copies import near_copies


def as_jpg(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return np.asarray(Image.open(buffer))


def test_no_two_digits_of_the_practice_set_are_nearly_the_same(few: Digits) -> None:
    assert near_copies(few.train_images, few.first_same).shape == (0, 2)


@pytest.mark.parametrize(
    "change",
    [as_jpg, lambda image: np.roll(image, (1, -2), (0, 1)), lambda image: (image * 0.8).astype(np.uint8)],
    ids=["saved again as a JPG", "shifted", "darkened"],
)
def test_changed_copies_are_found_with_their_originals(few: Digits, change: object) -> None:
    images = np.concatenate([few.train_images[:500], [change(image) for image in few.train_images[:100]]])  # type: ignore[operator]
    found = near_copies(images, np.arange(600))
    assert len(found) >= 95
    assert (found[:, 0] - 500 == found[:, 1]).all()


def test_a_grey_background_does_not_make_digits_alike(few: Digits) -> None:
    grey = (145 + few.train_images * 0.4).astype(np.uint8)
    assert near_copies(grey, few.first_same).shape == (0, 2)


def test_exact_copies_and_blank_images_are_not_counted(few: Digits) -> None:
    images = np.concatenate([few.train_images[:50], few.train_images[:50], np.zeros((3, 28, 28), np.uint8)])
    first_same = np.concatenate([np.arange(50), np.arange(50), [100, 100, 100]])
    assert near_copies(images, first_same).shape == (0, 2)
