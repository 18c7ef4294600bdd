"""A look at digits before anything is trained on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.inspection import MNIST_INK, MNIST_OFFSET, inspect
from kaggle_mnist.utils.errors import BadData


def test_nothing_about_the_practice_set_is_unusual(practice: Digits) -> None:
    look = inspect(practice)
    assert look.warnings == []
    assert (look.distinct, look.repeated, look.in_both, look.constant) == (42_000, 0, 0, 0)
    assert look.ink == pytest.approx(MNIST_INK, abs=0.001)
    assert look.offset == pytest.approx(MNIST_OFFSET, abs=0.01)


def repeated(digits: Digits) -> Digits:
    order = [*range(1500), 3, 3, 8]
    return replace(digits, train_images=digits.train_images[order], train_labels=digits.train_labels[order])


def contradicting(digits: Digits) -> Digits:
    labels = np.append(digits.train_labels, (digits.train_labels[3] + 1) % 10)
    return replace(digits, train_images=digits.train_images[[*range(1500), 3]], train_labels=labels)


def in_both(digits: Digits) -> Digits:
    return replace(digits, test_images=np.concatenate([digits.test_images, digits.train_images[:2]]))


def blank(digits: Digits) -> Digits:
    return replace(digits, test_images=np.concatenate([digits.test_images, np.zeros((1, 28, 28), np.uint8)]))


def faint(digits: Digits) -> Digits:
    return replace(digits, train_images=digits.train_images // 20)


def shifted(digits: Digits) -> Digits:
    return replace(digits, train_images=np.roll(digits.train_images, 4, 1))


def inverted(digits: Digits) -> Digits:
    images = np.where((np.arange(1500) < 3)[:, None, None], 255 - digits.train_images, digits.train_images)
    return replace(digits, train_images=images)


def inverted_on_paper(digits: Digits) -> Digits:
    return replace(inverted(digits), turned_over=True)


def unbalanced(digits: Digits) -> Digits:
    kept = (digits.train_labels != 4) | (np.arange(1500) < 200)
    return replace(digits, train_images=digits.train_images[kept], train_labels=digits.train_labels[kept])


@pytest.mark.parametrize(
    ("change", "warnings"),
    [
        (repeated, ["3 labeled images are repeated; copies of an image are held out together"]),
        (
            contradicting,
            [
                "1 labeled image is repeated; copies of an image are held out together",
                "2 labeled images are repeated with another label",
            ],
        ),
        (in_both, ["2 unlabeled images are also labeled; the score on these says little"]),
        (blank, ["1 image is blank: all pixels are the same"]),
        (inverted, ["3 images are dark on light paper, unlike MNIST's"]),
        (
            inverted_on_paper,
            [
                "the images are dark on light paper; they have been turned over, as MNIST's are light on dark",
                "3 images are light on dark, unlike the others",
            ],
        ),
        (faint, ["the images have 0.6% ink, MNIST's 13.1%"]),
        (shifted, ["the ink is 3.9 pixels from the middle on average, MNIST's 0.8"]),
        (unbalanced, ["the commonest digit has 170 images, the rarest 27"]),
    ],
)
def test_what_is_unusual_is_said(few: Digits, change: Callable[[Digits], Digits], warnings: list[str]) -> None:
    found = inspect(change(few)).warnings
    assert found == warnings


@pytest.mark.parametrize("half", ["train_images", "test_images"])
def test_pixels_of_0_and_1_are_refused(few: Digits, half: str) -> None:
    with pytest.raises(BadData, match="no pixel is above 1; pixels are from 0 to 255: multiply them by 255"):
        inspect(replace(few, **{half: getattr(few, half) // 200}))
    with pytest.raises(BadData, match="no pixel is above 1"):  # dark on light, turned over
        inspect(replace(few, **{half: 255 - getattr(few, half) // 200}))


def test_copies_of_an_image_tell_no_more_than_it(few: Digits) -> None:
    assert inspect(few).independent == 1500
    five = replace(few, train_images=np.tile(few.train_images, (5, 1, 1)), train_labels=np.tile(few.train_labels, 5))
    assert inspect(five).independent == 1500
    assert inspect(repeated(few)).independent == pytest.approx(1503**2 / (1498 + 9 + 4))


def test_labeled_images_that_are_all_the_same_are_refused(few: Digits) -> None:
    same = replace(few, train_images=np.repeat(few.train_images[:1], 1500, axis=0))
    with pytest.raises(BadData, match="all 1,500 labeled images are the same"):
        inspect(same)
