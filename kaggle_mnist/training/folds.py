"""The folds: for every repeat and image, the fold in which the image is held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from kaggle_mnist.data.digits import CLASSES, Digits
from kaggle_mnist.utils.errors import BadFolds
from kaggle_mnist.utils.words import plural


def check_folds(
    y_true: NDArray[np.int64], *, n_splits: int, repeats: int, copies: int = 0, classes: int = CLASSES
) -> None:
    """Raise BadFolds for fewer than 2 folds or 1 repeat, and for a digit with fewer images than folds.

    `copies` is the number of images that `y_true` leaves out because they are copies of others.
    """
    if n_splits < 2 or repeats < 1:
        given = f"{plural(n_splits, 'fold')}, {plural(repeats, 'repeat')}"
        raise BadFolds(f"{given}: there must be at least 2 folds and 1 repeat")
    counts = np.bincount(y_true, minlength=classes)
    rarest = int(counts.argmin())
    if counts[rarest] < n_splits:
        images = {0: "no labeled image", 1: "1 labeled image"}.get(counts[rarest], f"{counts[rarest]} labeled images")
        fewer = " or use fewer --folds" if counts[rarest] > 1 else ""
        images += " (copies of an image count once)" if copies else ""
        raise BadFolds(f"digit {rarest} has {images}, fewer than the {n_splits} folds; add images of it{fewer}")


def assign_folds(
    y_true: NDArray[np.int64],
    *,
    n_splits: int,
    repeats: int = 1,
    seed: int = 0,
    first_same: NDArray[np.int64] | None = None,
    classes: int = CLASSES,
) -> NDArray[np.int64]:
    """Draw stratified folds, new ones for each repeat.

    An image that occurs several times is held out as a whole: its copies in the training images would otherwise give it
    away. Folds are drawn over the distinct images, so that the others' folds do not depend on copies.

    Parameters
    ----------
    y_true : int64 ``(n,)``, labels from 0 to 9
    n_splits : folds, at least 2
    repeats : at least 1
    seed : repeat ``r`` is drawn by scikit-learn's `StratifiedKFold` with the random state ``seed + r``
    first_same : `Digits.first_same`, int64 ``(n,)``: for each image the number of the first one that is the same; by
        default all are distinct
    classes : that there are, at most 10

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
    first_same = np.arange(len(y_true)) if first_same is None else first_same
    distinct, which = np.unique(first_same, return_inverse=True)
    labels = y_true[distinct]
    check_folds(labels, n_splits=n_splits, repeats=repeats, copies=len(y_true) - len(labels), classes=classes)
    fold_of = np.empty((repeats, len(y_true)), np.int64)
    of_distinct = np.empty(len(distinct), np.int64)
    for repeat, row in enumerate(fold_of):
        splitter = StratifiedKFold(n_splits, shuffle=True, random_state=seed + repeat)
        for fold, (_, held_out) in enumerate(splitter.split(labels, labels)):
            of_distinct[held_out] = fold
        row[:] = of_distinct[which]
    return fold_of


def fold_digits(digits: Digits, *, n_splits: int, repeats: int = 1, seed: int = 0) -> NDArray[np.int64]:
    """Draw folds for the labeled images of `digits`, the copies of an image in one; see `assign_folds`."""
    options = {"n_splits": n_splits, "repeats": repeats, "seed": seed}
    return assign_folds(digits.train_labels, **options, first_same=digits.first_same)
