"""A look at digits before anything is trained on them: repeated and constant images, ink, balance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kaggle_mnist.data.digits import SIDE, Digits
from kaggle_mnist.data.polarity import on_paper_all_around
from kaggle_mnist.utils.errors import BadData

# Of the practice set's labeled images, as `inspect` finds them.
MNIST_INK, MNIST_OFFSET = 0.131, 0.77
INK = (0.02, 0.6)  # shares of ink that are usual; Fashion-MNIST has 0.29
OFFSET = 3.0  # pixels from the centre that are unusual, as a mean
BALANCE = 5.0  # times as many images of one digit as of another that are unusual
CHUNK = 4096  # images converted to float at once

Count = Annotated[int, Field(ge=0)]


class Look(BaseModel):
    """What a look at labeled and unlabeled images finds.

    Attributes
    ----------
    distinct : labeled images without copies of earlier ones
    repeated : labeled images that are copies of earlier ones
    contradicting : labeled images that have a copy with another label
    in_both : unlabeled images that are copies of labeled ones
    constant : images, labeled or not, whose pixels are all the same
    ink : mean of the labeled images' pixels, from 0 to 1
    offset : mean distance of their centres of mass from the middle, in pixels
    fewest, most : images of the rarest and of the commonest digit
    turned_over : whether all images were dark on light paper, and have been turned over
    inverted : images, labeled or not, that are dark on light paper all the same
    independent : distinct labeled images that would tell accuracy as well as all of them do; None in older runs
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    distinct: Count
    repeated: Count
    contradicting: Count
    in_both: Count
    constant: Count
    ink: Annotated[float, Field(ge=0, le=1)]
    offset: Annotated[float, Field(ge=0, le=SIDE)]
    fewest: Count
    most: Count
    turned_over: bool = False
    inverted: Count = 0
    independent: Annotated[float, Field(ge=1)] | None = None

    @property
    def warnings(self) -> list[str]:
        """A line for everything that is unusual."""
        return list(self._warnings())

    def _warnings(self) -> Iterator[str]:
        if self.turned_over:
            yield "the images are dark on light paper; they have been turned over, as MNIST's are light on dark"
        if self.inverted:
            odd = "light on dark, unlike the others" if self.turned_over else "dark on light paper, unlike MNIST's"
            yield f"{_images(self.inverted)} {odd}"
        if self.repeated:
            yield f"{_images(self.repeated, 'labeled')} repeated; copies of an image are held out together"
        if self.contradicting:
            yield f"{_images(self.contradicting, 'labeled')} repeated with another label"
        if self.in_both:
            yield f"{_images(self.in_both, 'unlabeled')} also labeled; the score on these says little"
        if self.constant:
            yield f"{_images(self.constant)} blank: all pixels are the same"
        if not INK[0] <= self.ink <= INK[1]:
            yield f"the images have {self.ink:.1%} ink, MNIST's {MNIST_INK:.1%}"
        if self.offset > OFFSET:
            yield f"the ink is {self.offset:.1f} pixels from the middle on average, MNIST's {MNIST_OFFSET:.1f}"
        if self.most > BALANCE * self.fewest:
            yield f"the commonest digit has {self.most:,} images, the rarest {self.fewest:,}"


def inspect(digits: Digits) -> Look:
    """Look at all images.

    Raises
    ------
    BadData
        All labeled images are the same, or no pixel of the labeled or of the unlabeled images is above 1.

    Examples
    --------
    >>> from kaggle_mnist.data.practice import load_practice
    >>> look = inspect(load_practice().head(1000, 100))
    >>> look.distinct, look.repeated, look.constant, look.warnings
    (1000, 0, 0, [])
    """
    first, labels, copies = digits.first_same, digits.train_labels, digits.copies
    if len(first) > 1 and copies.sum() == len(first) - 1:
        what = f"all {len(first):,} labeled images are the same"
        raise BadData(f"{digits.path}: {what}; nothing can be learned from them: make the files anew")
    if any(images.size and np.ptp(images) == 1 for images in (digits.train_images, digits.test_images)):
        raise BadData(f"{digits.path}: no pixel is above 1; pixels are from 0 to 255: multiply them by 255")
    contradicted = np.unique(first[labels != labels[first]])
    ink, offset = _ink(digits.train_images)
    times = np.bincount(first).astype(float)  # that each distinct image occurs
    return Look(
        distinct=int((~copies).sum()),
        repeated=int(copies.sum()),
        contradicting=int(np.isin(first, contradicted).sum()),
        in_both=digits.test_images_in_train,
        constant=sum(_constant(images) for images in (digits.train_images, digits.test_images)),
        ink=ink,
        offset=offset,
        fewest=int(digits.counts.min()),
        most=int(digits.counts.max()),
        turned_over=digits.turned_over,
        inverted=sum(int(on_paper_all_around(images).sum()) for images in (digits.train_images, digits.test_images)),
        independent=len(first) ** 2 / float((times**2).sum()),  # Kish, Survey Sampling, 1965
    )


def _images(number: int, kind: str = "") -> str:
    return f"{number:,} {kind + ' ' if kind else ''}{'image is' if number == 1 else 'images are'}"


def _constant(images: NDArray[np.uint8]) -> int:
    flat = images.reshape(len(images), -1)
    return int((flat.min(1) == flat.max(1)).sum())


def _ink(images: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean pixel, from 0 to 1, and mean distance of the centres of mass from the middle, in pixels."""
    place = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    y, x = np.meshgrid(place, place, indexing="ij")
    weights = np.stack([np.ones_like(x), x, y], -1).reshape(-1, 3)  # (784, 3)
    parts = [images[i : i + CHUNK].reshape(-1, SIDE * SIDE) for i in range(0, len(images), CHUNK)]
    sums = np.concatenate([part.astype(np.float32) @ weights for part in parts])  # (n, 3)
    inked = sums[sums[:, 0] > 0].astype(np.float64)
    offsets = np.hypot(inked[:, 1], inked[:, 2]) / inked[:, 0]
    return float(sums[:, 0].mean(dtype=np.float64) / SIDE**2 / 255), float(offsets.mean()) if len(inked) else 0.0
