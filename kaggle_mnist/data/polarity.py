"""Whether digits are light on dark, as MNIST's, or dark on light paper: then the whole set is turned over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.digits import CLASSES, Digits
from kaggle_mnist.utils.errors import BadData

BRIGHT = 127  # mean of an image's outermost pixels from which its background is paper
STRAY = 0.05  # share of labeled or of unlabeled images that may differ, such as those with ink at the border; or one
EXAMPLES = 3  # that a message names


def with_dark_background(digits: Digits, places: Callable[[], Sequence[str]] | None = None) -> Digits:
    """The digits, turned over (255 minus every pixel) if their background is bright.

    An image's is if its border is brighter than 127 and than the middle between its darkest and its brightest pixel. If
    nearly all borders are brighter than that middle, they are on grey paper.

    Parameters
    ----------
    digits : as they were read
    places : gives the place of every labeled image, then of every unlabeled one, for messages; by default, they are
        counted from 1

    Raises
    ------
    BadData
        Some have a bright background and others a dark one, in all, or one of the digits in contrast to the others.
    """
    halves = [_Half(digits.train_images), _Half(digits.test_images)]
    turned_over = not all(half.may_be_dark for half in halves)
    if turned_over and not all(half.may_be_light for half in halves):
        _refuse_mixture(digits, np.concatenate([half.bright | half.brighter for half in halves]), places)
    if turned_over:
        train, test = 255 - digits.train_images, 255 - digits.test_images
        digits = replace(digits, train_images=train, test_images=test, turned_over=True)
    odd = on_paper_all_around(digits.train_images)
    images, odd_ones = digits.counts, np.bincount(digits.train_labels[odd], minlength=CLASSES)
    if ((odd_ones > 1) & (2 * odd_ones >= images)).any():  # the background would give these digits away
        bright = np.concatenate([odd, on_paper_all_around(digits.test_images)]) ^ turned_over
        _refuse_mixture(digits, bright, places)
    return digits


def on_paper_all_around(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which images are dark on light paper without any doubt: no pixel at the border is dark, and one inside is.

    The border is also nearer to the brightest pixel than to the darkest: light ink on a grey board may have dark noise.
    `images` are ``(n, 28, 28)``, the result is ``(n,)``.
    """
    border = _border(images)
    found: NDArray[np.bool_] = border.min(1) > BRIGHT
    darkest, brightest = images[found].min((1, 2)), images[found].max((1, 2))
    found[found] = (darkest < BRIGHT) & (border[found].mean(1) > (darkest.astype(float) + brightest) / 2)
    return found


def with_one_paper(images: NDArray[np.uint8], transparent: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Turn transparent pictures over whose paper differs from that of the others, or of most if all are transparent.

    Their paper is white or black depending on their ink only. `images` are ``(n, 28, 28)``, `transparent` is ``(n,)``.
    """
    if not transparent.any():
        return images
    bright = _border(images).mean(1) > BRIGHT
    others = bright if transparent.all() else bright[~transparent]
    differ = transparent & (bright != (others.mean() > 0.5))
    return np.where(differ[:, None, None], 255 - images, images)


class _Half:
    """The labeled or the unlabeled images: which have a bright border, and what their background may be."""

    def __init__(self, images: NDArray[np.uint8]):
        border = _border(images).mean(1)
        middle = (images.min((1, 2)).astype(float) + images.max((1, 2))) / 2
        self.bright: NDArray[np.bool_] = (border > BRIGHT) & (border >= middle)  # not chalk on a grey board
        self.brighter: NDArray[np.bool_] = border > middle
        grey_paper = _are_few(~self.brighter) and not _are_few(self.brighter)
        self.may_be_light = grey_paper or _are_few(~self.bright)
        self.may_be_dark = _are_few(self.bright) and not grey_paper


def _are_few(images: NDArray[np.bool_]) -> bool:
    return int(images.sum()) <= max(1, STRAY * len(images))


def _border(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The outermost pixels, shape ``(n, 108)``."""
    return np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)


def _refuse_mixture(digits: Digits, bright: NDArray[np.bool_], places: Callable[[], Sequence[str]] | None) -> None:
    """Raise BadData that names images of both kinds; `bright` has the labeled ones first."""
    labeled, named = len(digits.train_images), places() if places else None
    examples, others = (_examples(np.flatnonzero(kind), labeled, named) for kind in (bright, ~bright))
    raise BadData(
        f"{digits.path}: {bright.sum():,} of the {len(bright):,} images are dark on light paper (such as {examples}),"
        f" the others light on dark (such as {others}); turn over one kind"
    )


def _examples(numbers: NDArray[np.int64], labeled: int, places: Sequence[str] | None) -> str:
    """The first of these images; `numbers` count from 0, the labeled ones first."""
    kind, before = ("labeled", 0) if numbers[0] < labeled else ("unlabeled", labeled)
    first = [i for i in numbers[:EXAMPLES] if (i < labeled) == (before == 0)]
    if places is not None:
        return "; ".join(places[i] for i in first)
    return f"{kind} images {', '.join(f'{i - before + 1:,}' for i in first)}"
