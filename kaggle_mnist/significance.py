"""Whether two runs or two recipes differ significantly."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIGNIFICANT = 0.05
CHUNK = 4096  # images of every run that are counted at once
LEVELS = (np.arange(32) + 0.5) / 32  # of the quantiles of a variance that is only estimated


def format_p(p: float) -> str:
    """A p-value to stand behind the letter.

    >>> format_p(0.0123), format_p(3e-9)
    ('= 0.0123', '< 0.0001')
    """
    return "< 0.0001" if p < 0.0001 else f"= {p:.4f}"


@dataclass(frozen=True)
class Pair:
    """Two runs compared on the same images.

    Attributes
    ----------
    first, second : letters of the runs
    images : number of labeled images
    only_first, only_second : images that only one of the two got right out of fold
    difference : OOF accuracy of the first minus that of the second, from -1 to 1
    low, high : its confidence interval, which excludes 0 exactly if the verdict names a better run: of 95 %, corrected
        for the number of pairs as p is
    p : of the test that they do not differ, two-sided; see `compare.compare_pairs`
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


def only_one_right(correct: Sequence[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Count the images that one of two runs got right and the other did not, for every two runs.

    Parameters
    ----------
    correct : for each run, which images it got right, bool, shape ``(n,)``

    Returns
    -------
    Shape ``(runs, runs)``: right by the run of the row, wrong by that of the column.

    Examples
    --------
    >>> only_one_right([np.array([True, True, False]), np.array([True, False, True])]).tolist()
    [[0, 1], [1, 0]]
    """
    both = np.zeros((len(correct), len(correct)), np.int64)
    for start in range(0, len(correct[0]), CHUNK):
        chunk = np.stack([right[start : start + CHUNK] for right in correct]).astype(np.float32)  # (runs, CHUNK)
        both += (chunk @ chunk.T).astype(np.int64)  # exact: integers far below 2²⁴
    return np.diag(both)[:, None] - both


def standard_errors(
    correct: Sequence[NDArray[np.bool_]], fold_of: Sequence[NDArray[np.int64]], only: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate how far chance moves the difference of two runs' OOF accuracies, for every two runs.

    Images are not independent: those that a member held out share its luck, so that McNemar's test, which ignores
    this, calls 15 of 100 pairs of seeds of one recipe different (`benchmarks/RESULTS.md`). Here an image's difference
    is a mean, plus the effects of the members that judged it, all with one variance, plus a rest. Both variances are
    estimated by the method of moments (Searle, Casella & McCulloch, Variance Components, 1992, chapter 5).

    The variance of the effects is known only as well as a few members show it. So it gets a fiducial distribution, as
    for generalized p values (Tsui & Weerahandi, JASA 84, 1989): the members' sum of squares over chi-squared, less the
    rest, at least 0. Student's t is matched to the mean and variance of the precision that follows.

    Of a blend, only the folds of its first parent are known.

    Parameters
    ----------
    correct : for each run, which images it got right, bool, shape ``(n,)``
    fold_of : for each run, the fold in which each image was held out, int64, shape ``(repeats, n)``
    only : `only_one_right` of `correct`, shape ``(runs, runs)``

    Returns
    -------
    Standard errors in images, and the degrees of freedom of Student's t: at most the number of independent contrasts
    between members, which is that of the members of both runs less one for each repeat, or half of it if both have the
    same folds. Shape ``(runs, runs)`` each.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct, fold_of = rng.random((2, 1000)) < 0.9, rng.integers(0, 5, (2, 1, 1000))
    >>> errors, freedom = standard_errors(list(correct), list(fold_of), only_one_right(list(correct)))
    >>> float(errors[0, 1].round(1)), float(freedom[0, 1].round(1))
    (18.3, 6.7)
    """
    n, runs = len(correct[0]), len(correct)
    of_kind: dict[bytes, list[int]] = {}  # runs with the same seed have the same folds
    for run, folds in enumerate(fold_of):
        of_kind.setdefault(folds.tobytes(), []).append(run)
    kinds = [fold_of[same[0]] for same in of_kind.values()]
    rows = [row for folds in kinds for row in folds]
    sizes = [int(row.max()) + 1 for row in rows]  # members of every repeat
    kind_of = np.repeat([kind for kind, folds in enumerate(kinds) for _ in folds], sizes)  # (members,)
    share = np.array([1 / len(folds) for folds in kinds])[kind_of]  # that a member has in judging an image
    both_held_out, hits = _count_held_out(rows, sizes, correct)
    held_out, hits = np.diag(both_held_out) * share, hits * share[:, None]
    overlap = both_held_out * np.outer(share, share) - np.outer(held_out, held_out) / n
    of_images, spread, expected = np.zeros((3, runs, runs))  # variances: of images, of members as seen, by the rest
    contrasts = np.ones((runs, runs))
    groups = zip(of_kind.values(), (np.flatnonzero(kind_of == kind) for kind in range(len(kinds))), strict=True)
    for (first, own), (second, other) in itertools.combinations_with_replacement(groups, 2):
        members = np.concatenate([own, other])
        shared = overlap[np.ix_(members, members)]
        squared = shared @ shared
        scale = (held_out[members] ** 2).sum() / np.trace(squared)
        a, b = np.ix_(first, second)
        mean = (only[a, b] - only[b, a]) / n
        rest = (only[a, b] + only[b, a]) / n - mean**2  # variance of an image's difference
        both = hits[members]
        sums = both[:, a] - both[:, b] - held_out[members, None, None] * mean  # (members, first, second)
        found = n * rest, (sums**2).sum(0) * scale, rest * np.trace(shared) * scale
        for table, value in zip((of_images, spread, expected), found, strict=True):
            table[a, b], table[b.T, a.T] = value, value.T
        contrasts[a, b] = contrasts[b.T, a.T] = np.trace(squared) ** 2 / (squared**2).sum()
    return _match_t(of_images, spread, expected, contrasts)


def _match_t(
    of_images: NDArray[np.float64],
    spread: NDArray[np.float64],
    expected: NDArray[np.float64],
    contrasts: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and degrees of freedom for the variance ``of_images + max(0, spread / u - expected)``.

    `u` has the distribution of chi-squared with `contrasts` degrees of freedom over these.
    """
    from scipy.stats import chi2

    values, which = np.unique(contrasts.round(1), return_inverse=True)
    which = which.reshape(contrasts.shape)
    mean, square = np.zeros_like(spread), np.zeros_like(spread)  # of the precision
    for quantiles in chi2.ppf(LEVELS[:, None], values) / values:
        variance = of_images + np.maximum(spread / quantiles[which] - expected, 0)
        precision = 1 / np.maximum(variance, 1e-9)
        mean += precision / len(LEVELS)
        square += precision**2 / len(LEVELS)
    freedom = np.minimum(contrasts, 2 * mean**2 / np.maximum(square - mean**2, 1e-99))
    return np.where(of_images > 0, mean**-0.5, 0), freedom


def _count_held_out(
    rows: Sequence[NDArray[np.int64]], sizes: Sequence[int], correct: Sequence[NDArray[np.bool_]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For every two members, the images that both held out, ``(members, members)``; and those that each run got right.

    `rows` has the fold of every image, ``(n,)``, for each repeat, and `sizes` the number of its members.
    """
    members = sum(sizes)
    both, hits = np.zeros((members, members)), np.zeros((members, len(correct)))
    offsets = np.cumsum([0, *sizes[:-1]])[:, None]
    for start in range(0, len(correct[0]), CHUNK):
        numbers = np.stack([row[start : start + CHUNK] for row in rows]) + offsets  # (repeats, CHUNK)
        held_out = np.zeros((members, numbers.shape[1]), np.float32)
        held_out[numbers, np.arange(numbers.shape[1])] = 1
        right = np.stack([row[start : start + CHUNK] for row in correct]).astype(np.float32)  # (runs, CHUNK)
        both += held_out @ held_out.T  # exact: integers far below 2²⁴
        hits += held_out @ right.T
    return both, hits


def two_sided_p(
    difference: NDArray[np.float64], error: NDArray[np.float64], freedom: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Student's t-test of differences in images; one image is taken off (as by Edwards, Psychometrika 13, 1948).

    >>> two_sided_p(np.array([1.0, 30.0]), np.array([10.0, 10.0]), np.array([8.0, 8.0])).round(3)
    array([1.  , 0.02])
    """
    from scipy.stats import t

    p: NDArray[np.float64] = 2 * t.sf(np.maximum(np.abs(difference) - 1, 0) / np.maximum(error, 1e-9), freedom)
    return p


def holm(p: Sequence[float] | NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correct p values for their number (Holm, Scandinavian Journal of Statistics 6, 1979).

    Returns
    -------
    The corrected values, and for each the confidence at which an interval excludes 0 exactly if the corrected value is
    below `SIGNIFICANT`. Shape ``(pairs,)`` each.

    Examples
    --------
    >>> corrected, confidence = holm([0.01, 0.04, 0.5])
    >>> corrected.round(3), confidence.round(4)
    (array([0.03, 0.08, 0.5 ]), array([0.9833, 0.975 , 0.95  ]))
    """
    from statsmodels.stats.multitest import multipletests

    values = np.maximum(p, np.finfo(float).tiny)
    corrected = multipletests(values, method="holm")[1] if len(values) else values
    return corrected, 1 - SIGNIFICANT * values / corrected


@dataclass(frozen=True)
class Difference:
    """The difference between two recipes that were trained with the same seeds.

    Attributes
    ----------
    seeds : how many both were trained with
    mean : of the first recipe's accuracy minus the second's, from -1 to 1
    low, high : its confidence interval, of 95 % unless another confidence was asked for
    p : of the paired t-test, two-sided
    """

    seeds: int
    mean: float
    low: float
    high: float
    p: float


def paired_difference(
    first: Sequence[float], second: Sequence[float], images: int, confidence: float = 0.95
) -> Difference:
    """Compare two recipes by Student's paired t-test (Biometrika 6, 1908) on their accuracies, seed by seed.

    The seeds decide folds, initial weights and order; the images are the same throughout. So the test tells which
    recipe is better on these images, whatever the seed, and not what other images would say.

    An accuracy is a whole number of images, and rounding alone spreads a difference of two by ``1 / (images * 6**0.5)``
    (twice the variance of a uniform distribution). The spread of the differences counts as at least that, so that
    equal differences neither prove everything nor give an interval without width.

    Parameters
    ----------
    first, second : accuracies with the same seeds, in the same order; at least two
    images : of which each accuracy is a share
    confidence : of the interval, from 0 to 1

    Examples
    --------
    >>> found = paired_difference([0.9951, 0.9953, 0.9952], [0.9947, 0.9948, 0.9949], 42_000)
    >>> round(found.mean, 4), round(found.p, 3)
    (0.0004, 0.02)
    """
    from scipy.stats import t

    differences = np.subtract(first, second, dtype=float)
    n, mean = len(differences), float(differences.mean())
    error = max(float(differences.std(ddof=1)), 1 / (images * 6**0.5)) / n**0.5
    reach = float(t.ppf((1 + confidence) / 2, n - 1)) * error
    return Difference(n, mean, mean - reach, mean + reach, float(2 * t.sf(abs(mean) / error, n - 1)))
