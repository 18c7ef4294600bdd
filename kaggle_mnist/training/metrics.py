"""Metrics of outputs: scikit-learn's, the recipe's loss, and calibration."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    mean_squared_error,
    precision_recall_fscore_support,
)

from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.recipes.recipe import Recipe

DIGITS = list(range(CLASSES))
LEAST = 1e-12  # lower bound on an output used as a probability
BINS = 15  # confidence bins, as in Guo et al., On Calibration of Modern Neural Networks, ICML 2017
TEMPERATURES = (0.05, 20.0)  # that outputs may be calibrated by


def accuracy(outputs: NDArray[np.float32], y_true: NDArray[np.int64]) -> float:
    """Share of images whose largest output is that of their label, from 0 to 1.

    >>> accuracy(np.eye(10, dtype=np.float32), np.arange(10))
    1.0
    """
    return float(accuracy_score(y_true, outputs.argmax(1)))


def loss(outputs: NDArray[np.float32], y_true: NDArray[np.int64], recipe: Recipe | None = None) -> float:
    """The loss that the recipe minimizes, without label smoothing: log loss, or the mean squared error of the outputs.

    `outputs` are ``(n, 10)``, `y_true` is ``(n,)``. Without a recipe, the log loss.
    """
    if recipe and recipe.loss == "squared_error":
        wrong, right = recipe.targets
        return float(mean_squared_error(np.where(np.eye(CLASSES)[y_true] > 0, right, wrong), outputs))
    return float(log_loss(y_true, shares_of(outputs), labels=DIGITS))


def shares_of(outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sigmoid outputs ``(n, 10)`` as probabilities: float64, above 0, and each row sums to 1."""
    shares: NDArray[np.float64] = np.maximum(outputs.astype(np.float64), LEAST)
    shares /= shares.sum(1, keepdims=True)
    return shares


def fold_scores(
    outputs: NDArray[np.float32],
    y_true: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    recipe: Recipe | None = None,
) -> pd.DataFrame:
    """A row for each member: repeat, fold, number of held-out images, and accuracy and loss on them.

    `outputs` are out-of-fold outputs ``(repeats, n, 10)``, `y_true` is ``(n,)`` and `fold_of` is ``(repeats, n)``. CV
    accuracy is the mean of the accuracy column.
    """
    rows = []
    for repeat, fold_row in enumerate(fold_of):
        for fold in np.unique(fold_row):
            held_out = fold_row == fold
            y, out = y_true[held_out], outputs[repeat, held_out]
            rows.append((repeat, int(fold), len(y), accuracy(out, y), loss(out, y, recipe)))
    return pd.DataFrame(rows, columns=["repeat", "fold", "images", "accuracy", "loss"])


def confusion(outputs: NDArray[np.float32], y_true: NDArray[np.int64]) -> pd.DataFrame:
    """Number of images by true digit (rows) and predicted digit (columns)."""
    counts = confusion_matrix(y_true, outputs.argmax(1), labels=DIGITS)
    return pd.DataFrame(counts, index=pd.Index(DIGITS, name="true"), columns=DIGITS)


def digit_scores(outputs: NDArray[np.float32], y_true: NDArray[np.int64]) -> pd.DataFrame:
    """Precision and recall of each digit."""
    precision, recall, _, support = precision_recall_fscore_support(
        y_true, outputs.argmax(1), labels=DIGITS, zero_division=0.0
    )
    return pd.DataFrame({"digit": DIGITS, "images": support, "precision": precision, "recall": recall})


def oof_tables(outputs: NDArray[np.float32], y_true: NDArray[np.int64]) -> dict[str, pd.DataFrame]:
    """The tables of out-of-fold outputs ``(n, 10)`` that every run keeps: ``confusion`` and ``digits``."""
    return {"confusion": confusion(outputs, y_true).reset_index(), "digits": digit_scores(outputs, y_true)}


def reliability(outputs: NDArray[np.float32], y_true: NDArray[np.int64], bins: int = BINS) -> pd.DataFrame:
    """A row for each confidence bin with images: from, to, images, mean confidence and accuracy.

    An image's confidence is the largest of its outputs, scaled to sum to 1. Bins have equal width and include their
    upper edge.
    """
    confidence = shares_of(outputs).max(1)
    found = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)  # (n,), each image's bin
    right = outputs.argmax(1) == y_true
    rows = [
        (i / bins, (i + 1) / bins, int(inside.sum()), float(confidence[inside].mean()), float(right[inside].mean()))
        for i in np.unique(found)
        for inside in [found == i]
    ]
    return pd.DataFrame(rows, columns=["from", "to", "images", "confidence", "accuracy"])


def expected_calibration_error(outputs: NDArray[np.float32], y_true: NDArray[np.int64], bins: int = BINS) -> float:
    """Expected calibration error (Guo et al., ICML 2017): the mean over images of the difference between confidence and
    accuracy in their bin, from 0 to 1."""
    table = reliability(outputs, y_true, bins)
    return float(np.average((table.accuracy - table.confidence).abs(), weights=table.images))


def estimate_gain(
    oof: NDArray[np.float32], y_true: NDArray[np.int64], fold_test: NDArray[np.floating], test: NDArray[np.float32]
) -> float:
    """Estimate how much more accurate the mean of all members is than what judges an OOF image, without a label.

    One temperature calibrates the OOF outputs (Guo et al., On Calibration of Modern Neural Networks, ICML 2017).
    Applied to the mean test outputs, it gives the probability of every answer; the gain is that of the mean's answers
    less that of the answers of each fold, on average.

    Parameters
    ----------
    oof : out-of-fold outputs, shape ``(n, 10)``, from 0 to 1
    y_true : labels, shape ``(n,)``, 0 to 9
    fold_test : test outputs of each fold's members, averaged over the repeats, shape ``(k, m, 10)``
    test : test outputs of all members, shape ``(m, 10)``

    Returns
    -------
    A difference of accuracies, usually between 0 and 0.01.

    Examples
    --------
    Two folds disagree on one of two images, and their mean chooses the more certain one:

    >>> y_true = np.arange(20) % 10
    >>> oof = (0.01 + 0.9 * np.eye(10)[y_true]).astype(np.float32)
    >>> fold_test = (0.01 + np.array([[[0.9] * 10] * 2, [[0.9] * 10] * 2]) * np.eye(10)[[[3, 4], [3, 5]]])
    >>> fold_test[1, 1, 5] = 0.5
    >>> round(estimate_gain(oof, y_true, fold_test, fold_test.mean(0).astype(np.float32)), 2)
    0.25
    """
    shares = _tempered(np.log(shares_of(test)), _temperature(oof, y_true))  # (m, 10)
    images = np.arange(len(test))
    of_mean = shares[images, test.argmax(1)].mean()
    of_folds = np.mean([shares[images, outputs.argmax(1)].mean() for outputs in fold_test])
    return float(of_mean - of_folds)


def _temperature(outputs: NDArray[np.float32], y_true: NDArray[np.int64]) -> float:
    """The temperature that minimizes the log loss."""
    logs, images = np.log(shares_of(outputs)), np.arange(len(y_true))

    def loss(log_temperature: float) -> float:
        truth = _tempered(logs, math.exp(log_temperature))[images, y_true]
        return float(-np.log(np.maximum(truth, np.finfo(float).tiny)).mean())

    return math.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x)


def _tempered(logs: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities ``(n, 10)`` from logarithms of others."""
    raised = np.exp((logs - logs.max(1, keepdims=True)) / temperature)
    tempered: NDArray[np.float64] = raised / raised.sum(1, keepdims=True)
    return tempered
