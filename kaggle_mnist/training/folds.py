"""The folds: for every repeat and image, the number of the fold in which the image is held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.utils.errors import BadFolds


def assign_folds(y_true: NDArray[np.int64], *, n_splits: int, repeats: int = 1, seed: int = 0) -> NDArray[np.int64]:
    """`fold_of`, int64 of shape ``(repeats, n)`` with values from 0 to ``n_splits - 1``.

    Raises BadFolds for fewer than 2 folds or 1 repeat, and for a digit with fewer images than folds.
    """
    if n_splits < 2 or repeats < 1:
        raise BadFolds(f"{n_splits} folds, {repeats} repeats: there must be at least 2 folds and 1 repeat")
    counts = np.bincount(y_true, minlength=CLASSES)
    scarce = int(counts.argmin())
    if counts[scarce] < n_splits:
        raise BadFolds(
            f"digit {scarce} has {counts[scarce]} labeled images, fewer than the {n_splits} folds;"
            f" add images of it or take fewer --folds"
        )
    fold_of = np.empty((repeats, len(y_true)), np.int64)
    for repeat, row in enumerate(fold_of):
        splitter = StratifiedKFold(n_splits, shuffle=True, random_state=seed + repeat)
        for fold, (_, held_out) in enumerate(splitter.split(y_true, y_true)):
            row[held_out] = fold
    return fold_of
