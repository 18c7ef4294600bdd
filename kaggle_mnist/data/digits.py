"""The one form that every source's digits take in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

SIDE = 28  # pixels, of every image
CLASSES = 10


@dataclass(frozen=True)
class Digits:
    """A labeled training set and an unlabeled test set.

    Attributes
    ----------
    source : what a reader would call it: ``"Kaggle CSV"``, ``"image folders"``, ``"practice set"``
    path : where it came from, for messages
    train_images : uint8, shape ``(n, 28, 28)``, 0 background to 255 ink
    train_labels : int64, shape ``(n,)``, 0 to 9
    test_images : uint8, shape ``(m, 28, 28)``; image ``i`` has ImageId ``i + 1``
    input : what `load_digits` finds them by again
    """

    source: str
    path: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    input: str | None = None

    def head(self, labeled: int, unlabeled: int) -> Digits:
        """The first `labeled` and `unlabeled` images, for trying things out."""
        return replace(
            self,
            train_images=self.train_images[:labeled],
            train_labels=self.train_labels[:labeled],
            test_images=self.test_images[:unlabeled],
        )

    @property
    def test_ids(self) -> NDArray[np.int64]:
        """``1 … m``, shape ``(m,)``: the ImageId of each unlabeled image."""
        return np.arange(1, len(self.test_images) + 1)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of pixels, labels and their order, whatever files they came from."""
        return _sha256_of(self.train_images, self.train_labels.astype("<i8"), self.test_images)

    @cached_property
    def test_fingerprint(self) -> str:
        """SHA-256 of the unlabeled images: runs whose outputs for them may be averaged agree in it."""
        return _sha256_of(self.test_images)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Labeled images of each digit, shape ``(10,)``."""
        return np.bincount(self.train_labels, minlength=CLASSES)


def _sha256_of(*arrays: NDArray[np.generic]) -> str:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()
