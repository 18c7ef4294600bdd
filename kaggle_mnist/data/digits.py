"""Digits in memory, in the same form whatever their source."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

SIDE = 28  # pixels, of every image
CLASSES = 10
SUBMISSION = ("ImageId", "Label")  # the header of the Digit Recognizer's submissions


@dataclass(frozen=True)
class WithheldLabels:
    """The labels of a test set that came with some: kept apart, to be opened only to score a finished run.

    Attributes
    ----------
    sealed : int64 ``(m,)``, 0 to 9; call `open` instead

    Examples
    --------
    >>> WithheldLabels(np.array([7, 2]))
    WithheldLabels(of 2 images)
    """

    sealed: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"WithheldLabels(of {len(self.sealed):,} images)"

    def open(self) -> NDArray[np.int64]:
        """The labels, int64 ``(m,)``. Call this only to score a finished run, never to choose between recipes."""
        return self.sealed


@dataclass(frozen=True)
class Digits:
    """A labeled training set, and a test set whose labels are unknown or withheld.

    Attributes
    ----------
    source : kind of source: ``"Kaggle CSV"``, ``"image folders"`` or ``"practice set"``
    path : location, for messages
    train_images : uint8, shape ``(n, 28, 28)``, 0 background to 255 ink
    train_labels : int64, shape ``(n,)``, 0 to 9
    test_images : uint8, shape ``(m, 28, 28)``
    input : the argument with which `load_digits` loads them again
    turned_over : whether the images were dark on light paper and have been turned over
    header : names of the two columns of a submission
    ids : int64, shape ``(m,)``, the test images' ids in a submission; None for 1 to m
    competition : the Kaggle competition that they were downloaded from, as its URL names it; None if unknown
    withheld : labels of the test images, if they came with some

    Examples
    --------
    >>> images = np.zeros((4, 28, 28), np.uint8)
    >>> digits = Digits("practice set", "here", images, np.array([7, 2, 1, 7]), images[:2])
    >>> digits.counts.tolist(), digits.test_ids.tolist()
    ([0, 1, 1, 0, 0, 0, 0, 2, 0, 0], [1, 2])
    >>> digits.head(2, 1).train_labels.tolist()
    [7, 2]
    """

    source: str
    path: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    input: str | None = None
    turned_over: bool = False
    header: tuple[str, str] = SUBMISSION
    ids: NDArray[np.int64] | None = None
    competition: str | None = None
    withheld: WithheldLabels | None = None

    def head(self, labeled: int, unlabeled: int) -> Digits:
        """Return a smaller set for a quick trial: the first `labeled` and the first `unlabeled` images."""
        return replace(
            self,
            input=None,  # which names all of them
            train_images=self.train_images[:labeled],
            train_labels=self.train_labels[:labeled],
            test_images=self.test_images[:unlabeled],
            ids=None if self.ids is None else self.ids[:unlabeled],
            withheld=None if self.withheld is None else WithheldLabels(self.withheld.sealed[:unlabeled]),
        )

    @property
    def test_ids(self) -> NDArray[np.int64]:
        """Ids of the test images in a submission: `ids`, else 1 to m; int64, shape ``(m,)``."""
        return np.arange(1, len(self.test_images) + 1) if self.ids is None else self.ids

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all pixels and labels in order; the same digits from other files have the same fingerprint."""
        return _sha256_of(self.train_images, self.train_labels.astype("<i8"), self.test_images)

    @cached_property
    def test_fingerprint(self) -> str:
        """SHA-256 of the unlabeled images; only runs with the same value can be blended."""
        return _sha256_of(self.test_images)

    @cached_property
    def first_same(self) -> NDArray[np.int64]:
        """For each labeled image the number of the first one with the same pixels, int64, shape ``(n,)``."""
        first: dict[bytes, int] = {}
        return np.array([first.setdefault(image.tobytes(), i) for i, image in enumerate(self.train_images)], np.int64)

    @property
    def copies(self) -> NDArray[np.bool_]:
        """For each labeled image whether an earlier one has the same pixels, bool, shape ``(n,)``."""
        copies: NDArray[np.bool_] = self.first_same != np.arange(len(self.first_same))
        return copies

    @cached_property
    def test_images_in_train(self) -> int:
        """The number of unlabeled images that have the same pixels as a labeled one."""
        labeled = {image.tobytes() for image in self.train_images}
        return sum(image.tobytes() in labeled for image in self.test_images)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of labeled images of each digit, int64, shape ``(10,)``."""
        return np.bincount(self.train_labels, minlength=CLASSES)


def _sha256_of(*arrays: NDArray[np.generic]) -> str:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()
