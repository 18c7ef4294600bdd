"""Whether digits are light on dark, as MNIST's, or dark on light paper: then the whole set is turned over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.utils.errors import BadData

BRIGHT = 127  # mean of an image's outermost pixels from which its background is paper
STRAY = 0.05  # share of labeled or of unlabeled images that may differ, such as those with ink at the border; or one
EXAMPLES = 3  # that a message names


def with_dark_background(digits: Digits) -> Digits:
    """The digits, turned over (255 minus every pixel) if their background is bright.

    Raises BadData if some have a bright background and others a dark one.
    """
    halves = [_is_bright(digits.train_images), _is_bright(digits.test_images)]
    if all(_are_few(half) for half in halves):
        return digits
    if all(_are_few(~half) for half in halves):
        train, test = 255 - digits.train_images, 255 - digits.test_images
        return replace(digits, train_images=train, test_images=test, turned_over=True)
    bright = np.concatenate(halves)
    share = float(bright.mean())
    names, others = (_examples(np.flatnonzero(kind), len(digits.train_images)) for kind in (bright, ~bright))
    raise BadData(
        f"{digits.path}: {share:.0%} of the images are dark on light paper (such as {names}),"
        f" the others light on dark (such as {others}); turn over one kind"
    )


def _are_few(images: NDArray[np.bool_]) -> bool:
    return int(images.sum()) <= max(1, STRAY * len(images))


def _is_bright(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    edges = [images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]]
    bright: NDArray[np.bool_] = np.concatenate(edges, axis=1).mean(1) > BRIGHT
    return bright


def _examples(numbers: NDArray[np.int64], labeled: int) -> str:
    """The first of these images; `numbers` count from 0, the labeled ones first."""
    kind, before = ("labeled", 0) if numbers[0] < labeled else ("unlabeled", labeled)
    first = [f"{i - before + 1:,}" for i in numbers[:EXAMPLES] if (i < labeled) == (before == 0)]
    return f"{kind} images {', '.join(first)}"
