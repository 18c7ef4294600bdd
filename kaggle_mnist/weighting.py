"""Weights for averaging the outputs of several runs, chosen by their OOF outputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.training import metrics

SAME_SUM = 1e-4  # rows of softmax outputs sum to 1 within this, in float32
STEPS = 50  # of a selection: weights are multiples of 1/50 or coarser


def averaged(outputs: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Compute the weighted average of outputs.

    Parameters
    ----------
    outputs : sigmoid outputs, shape ``(runs, n, 10)``, from 0 to 1
    weights : shape ``(runs,)``, from 0 to 1, with sum 1

    Returns
    -------
    Shape ``(n, 10)``, from 0 to 1.

    Examples
    --------
    >>> averaged(np.array([[[0.0, 1.0]], [[1.0, 0.0]]], np.float32), np.array([0.25, 0.75]))
    array([[0.75, 0.25]], dtype=float32)
    """
    mean = np.tensordot(weights, outputs.astype(np.float64), 1)
    return np.clip(mean, 0, 1).astype(np.float32)


def fit_weights(outputs: NDArray[np.float32], y_true: NDArray[np.int64]) -> NDArray[np.float64]:
    """Fit the weights that minimize the log loss of the weighted average.

    The loss is the one that a blend reports: outputs are averaged, then each row is scaled to sum 1 (`metrics.loss` of
    `averaged`). With a run's output ``t`` for the true digit and the sum ``s`` of its ten outputs, an image's loss is
    ``-log((w @ t) / (w @ s))``. Softmax outputs have ``s = 1``, so the loss is convex in the weights. Sigmoid outputs
    (``loss="squared_error"``) have other sums, a run with large sums counts for more, and there may be several minima;
    the search then also starts near each single run, and the best result is returned.

    Parameters
    ----------
    outputs : sigmoid outputs, shape ``(runs, n, 10)``, from 0 to 1
    y_true : labels, shape ``(n,)``, 0 to 9

    Returns
    -------
    Shape ``(runs,)``, from 0 to 1, with sum 1.

    Examples
    --------
    >>> y_true = np.arange(20) % 10
    >>> good = (0.01 + 0.9 * np.eye(10)[y_true]).astype(np.float32)  # (n, 10)
    >>> useless = np.full_like(good, 0.1)
    >>> fit_weights(np.stack([good, useless]), y_true).round(3)
    array([1., 0.])
    """
    from scipy.optimize import minimize

    raised = np.maximum(outputs.astype(np.float64), metrics.LEAST)
    of_truth, sums = raised[:, np.arange(len(y_true)), y_true], raised.sum(2)  # (runs, n)

    def loss_and_gradient(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        truth, total = weights @ of_truth, weights @ sums
        return float(np.log(total / truth).mean()), (sums / total - of_truth / truth).mean(1)

    runs = len(outputs)
    starts, candidates = [np.full(runs, 1 / runs)], []
    if np.ptp(sums, axis=0).max() > SAME_SUM:
        candidates = list(np.eye(runs))
        starts += [0.99 * alone + 0.01 / runs for alone in candidates]
    candidates += [
        minimize(
            loss_and_gradient,
            start,
            jac=True,
            method="SLSQP",
            options={"ftol": 1e-12},
            bounds=[(1e-9, 1)] * runs,
            constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like},
        ).x
        for start in starts
    ]
    rounded = [np.clip(weights, 0, 1).round(6) for weights in candidates]
    best: NDArray[np.float64] = min((w / w.sum() for w in rounded), key=lambda weights: loss_and_gradient(weights)[0])
    return best


def select_weights(outputs: NDArray[np.float32], y_true: NDArray[np.int64], most: int) -> NDArray[np.float64]:
    """Select runs one by one, each time the one that lowers the log loss of the average most; a run may come again.

    Ensemble selection (Caruana, Niculescu-Mizil, Crew & Ksikes, Ensemble selection from libraries of models, ICML
    2004): greedy, forward, with replacement. Of the averages on the way, the one with the lowest log loss is returned;
    a run's weight is its share in the selection.

    Parameters
    ----------
    outputs : sigmoid outputs, shape ``(runs, n, 10)``, from 0 to 1
    y_true : labels, shape ``(n,)``, 0 to 9
    most : different runs in the selection, at least 1

    Returns
    -------
    Shape ``(runs,)``, from 0 to 1, with sum 1; at most `most` are above 0.

    Examples
    --------
    >>> y_true = np.arange(20) % 10
    >>> good = (0.01 + 0.9 * np.eye(10)[y_true]).astype(np.float32)  # (n, 10)
    >>> select_weights(np.stack([np.full_like(good, 0.1), good]), y_true, most=2)
    array([0., 1.])
    """
    images, runs = np.arange(len(y_true)), len(outputs)
    raised = [np.maximum(output.astype(np.float64), metrics.LEAST) for output in outputs]
    of_truth, sums = [output[images, y_true] for output in raised], [output.sum(1) for output in raised]  # (n,) each
    counts, truth, total = np.zeros(runs, np.int64), np.zeros(len(images)), np.zeros(len(images))
    best, least = counts, np.inf
    for _ in range(STEPS):
        full = (counts > 0).sum() == most
        allowed = [run for run in range(runs) if counts[run] or not full]
        losses = [float(np.log((total + sums[run]) / (truth + of_truth[run])).mean()) for run in allowed]
        chosen = allowed[int(np.argmin(losses))]
        counts[chosen] += 1
        truth, total = truth + of_truth[chosen], total + sums[chosen]
        if min(losses) < least:
            best, least = counts.copy(), min(losses)
    weights: NDArray[np.float64] = best / best.sum()
    return weights


def nested_fit(
    outputs: NDArray[np.float32],
    y_true: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    choose: Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float64]] = fit_weights,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Average each fold with weights chosen on the other folds.

    Parameters
    ----------
    outputs : OOF outputs, shape ``(runs, n, 10)``, from 0 to 1
    y_true : labels, shape ``(n,)``, 0 to 9
    fold_of : the fold that holds each image out, shape ``(n,)``
    choose : finds weights, shape ``(runs,)``, for outputs and labels of some of the images

    Returns
    -------
    The averaged outputs, shape ``(n, 10)``, and the weights chosen on all images, shape ``(runs,)``.
    """
    blended = np.empty(outputs.shape[1:], np.float32)
    for fold in np.unique(fold_of):
        held_out = fold_of == fold
        weights = choose(outputs[:, ~held_out], y_true[~held_out])
        blended[held_out] = averaged(outputs[:, held_out], weights)
    return blended, choose(outputs, y_true)
