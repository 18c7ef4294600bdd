"""Whether two runs differ significantly: McNemar's exact test on the images that only one of them got right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIGNIFICANT = 0.05
CHUNK = 4096  # images of every run that are counted at once


@dataclass(frozen=True)
class Pair:
    """Two runs compared on the same images.

    Attributes
    ----------
    first, second : letters of the runs
    images : number of labeled images
    only_first, only_second : images that only one of the two got right out of fold
    difference : OOF accuracy of the first minus that of the second, from -1 to 1
    low, high : its 95 % confidence interval
    p : of McNemar's exact test, two-sided
    p_corrected : the same after Holm's correction for the number of pairs

    Examples
    --------
    >>> Pair("A", "B", 1000, 30, 10, 0.02, 0.007, 0.03, 0.002, 0.002).verdict
    'A is better than B'
    """

    first: str
    second: str
    images: int
    only_first: int
    only_second: int
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float

    @property
    def verdict(self) -> str:
        """Which run is better, or that the two do not differ significantly."""
        return verdict_of(self.first, self.second, self.difference, self.p_corrected)


def verdict_of(first: str, second: str, difference: float, p: float) -> str:
    """Which of the two is better by p below `SIGNIFICANT`, or that they do not differ significantly.

    >>> verdict_of("A", "B", -0.002, 0.01)
    'B is better than A'
    """
    if p >= SIGNIFICANT:
        return f"{first} and {second} do not differ significantly"
    better, worse = (first, second) if difference > 0 else (second, first)
    return f"{better} is better than {worse}"


def count_both_right(correct: Sequence[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Count the images that both of two runs got right, for every two runs.

    Parameters
    ----------
    correct : for each run, which images it got right, bool, shape ``(n,)``

    Returns
    -------
    Shape ``(runs, runs)``; the diagonal is the number of images that a run got right.

    Examples
    --------
    >>> count_both_right([np.array([True, True, False]), np.array([True, False, True])]).tolist()
    [[2, 1], [1, 2]]
    """
    counts = np.zeros((len(correct), len(correct)), np.int64)
    for start in range(0, len(correct[0]), CHUNK):
        chunk = np.stack([right[start : start + CHUNK] for right in correct]).astype(np.float32)  # (runs, CHUNK)
        counts += (chunk @ chunk.T).astype(np.int64)  # exact: integers far below 2²⁴
    return counts


def mcnemar_p(only_a: NDArray[np.int64], only_b: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute two-sided p values of McNemar's exact test.

    Parameters
    ----------
    only_a, only_b : images that only one of the two got right, shape ``(pairs,)``

    Returns
    -------
    Shape ``(pairs,)``, from 0 to 1; 1 where the counts are equal.

    Examples
    --------
    >>> mcnemar_p(np.array([30, 5]), np.array([10, 5])).round(4)
    array([0.0022, 1.    ])
    """
    from scipy.stats import binom

    p: NDArray[np.float64] = np.minimum(1, 2 * binom.cdf(np.minimum(only_a, only_b), only_a + only_b, 0.5))
    return p


def difference_interval(
    only_a: NDArray[np.int64], only_b: NDArray[np.int64], confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute a confidence interval for `only_a - only_b`, in images.

    It is Clopper and Pearson's interval for the share of `only_a`, given the sum of both counts.

    Parameters
    ----------
    only_a, only_b : images that only one of the two got right, shape ``(pairs,)``
    confidence : from 0 to 1

    Returns
    -------
    Lower and upper bounds, shape ``(pairs,)`` each; both 0 where both counts are 0.

    Examples
    --------
    >>> low, high = difference_interval(np.array([30]), np.array([10]))
    >>> low.round(1), high.round(1)
    (array([7.]), array([29.8]))
    """
    from scipy.stats import beta

    total, tail = only_a + only_b, (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(only_a > 0, beta.ppf(tail, only_a, only_b + 1), 0)
        high = np.where(only_b > 0, beta.ppf(1 - tail, only_a + 1, only_b), 1)
    return total * (2 * low - 1) + 0.0, total * (2 * high - 1)  # + 0.0: no -0.0


@dataclass(frozen=True)
class Difference:
    """The difference between two recipes that were trained with the same seeds.

    Attributes
    ----------
    seeds : how many both were trained with
    mean : of the first recipe's accuracy minus the second's, from -1 to 1
    low, high : its 95 % confidence interval
    p : of the paired t-test, two-sided
    """

    seeds: int
    mean: float
    low: float
    high: float
    p: float


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Compare two recipes by Student's paired t-test (Biometrika 6, 1908) on their accuracies, seed by seed.

    The seeds decide folds, initial weights and order; the images are the same throughout. So the test tells which
    recipe is better on these images, whatever the seed, and not what other images would say.

    Parameters
    ----------
    first, second : accuracies with the same seeds, in the same order; at least two. Differences that are all the same
        prove nothing: p is 1 then

    Examples
    --------
    >>> found = paired_difference([0.9951, 0.9953, 0.9952], [0.9947, 0.9948, 0.9949])
    >>> round(found.mean, 4), round(found.p, 3)
    (0.0004, 0.02)
    """
    from scipy.stats import t

    differences = np.subtract(first, second, dtype=float)
    n, mean, spread = len(differences), float(differences.mean()), float(differences.std(ddof=1))
    if spread < 1e-12:
        return Difference(n, mean, mean, mean, 1.0)
    error = spread / n**0.5
    reach = float(t.ppf(0.975, n - 1)) * error
    return Difference(n, mean, mean - reach, mean + reach, float(2 * t.sf(abs(mean) / error, n - 1)))
