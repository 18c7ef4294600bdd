"""The folds: for every repeat and image, the fold in which the image is held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.utils.errors import BadFolds


def check_folds(y_true: NDArray[np.int64], *, n_splits: int, repeats: int) -> None:
    """Raise BadFolds for fewer than 2 folds or 1 repeat, and for a digit with fewer images than folds."""
    if n_splits < 2 or repeats < 1:
        raise BadFolds(f"{n_splits} folds, {repeats} repeats: there must be at least 2 folds and 1 repeat")
    counts = np.bincount(y_true, minlength=CLASSES)
    rarest = int(counts.argmin())
    if counts[rarest] < n_splits:
        raise BadFolds(
            f"digit {rarest} has {counts[rarest]} labeled images, fewer than the {n_splits} folds;"
            f" add images of it or use fewer --folds"
        )


def assign_folds(y_true: NDArray[np.int64], *, n_splits: int, repeats: int = 1, seed: int = 0) -> NDArray[np.int64]:
    """Draw stratified folds, new ones for each repeat.

    Parameters
    ----------
    y_true : int64 ``(n,)``, labels from 0 to 9
    n_splits : folds, at least 2
    repeats : at least 1
    seed : repeat ``r`` is drawn by scikit-learn's `StratifiedKFold` with the random state ``seed + r``

    Returns
    -------
    int64 ``(repeats, n)`` with values from 0 to ``n_splits - 1``

    Raises
    ------
    BadFolds
        As `check_folds` raises it.

    Examples
    --------
    >>> folds = assign_folds(np.repeat(np.arange(10), 6), n_splits=3, repeats=2)
    >>> folds.shape, np.bincount(folds[0]).tolist()
    ((2, 60), [20, 20, 20])
    """
    check_folds(y_true, n_splits=n_splits, repeats=repeats)
    fold_of = np.empty((repeats, len(y_true)), np.int64)
    for repeat, row in enumerate(fold_of):
        splitter = StratifiedKFold(n_splits, shuffle=True, random_state=seed + repeat)
        for fold, (_, held_out) in enumerate(splitter.split(y_true, y_true)):
            row[held_out] = fold
    return fold_of
