"""Whether runs differ: standard errors, p values and intervals."""

from __future__ import annotations

import numpy as np
import pytest

from kaggle_mnist.compare import compare_pairs
from kaggle_mnist.significance import Pair, only_one_right, standard_errors
from tests.test_compare import row_of


def test_two_halves_of_chance_are_told_from_members_that_differ() -> None:
    """Members without any effect of their own leave McNemar's variance; members that differ widen it."""
    rng = np.random.default_rng(0)
    n, ratios = 10_000, {}
    for luck in (0.0, 0.03):
        found = []
        for _ in range(60):
            fold_of = [rng.integers(0, 5, (1, n)) for _ in range(2)]
            skill = [0.9 + luck * rng.standard_normal(5) for _ in range(2)]
            correct = [rng.random(n) < of_members[folds[0]] for of_members, folds in zip(skill, fold_of, strict=True)]
            errors, _ = standard_errors(correct, fold_of, only_one_right(correct))
            difference = int(correct[0].sum()) - int(correct[1].sum())
            found.append((difference**2, errors[0, 1] ** 2, 2 * n * 0.9 * 0.1))
        truth, estimate, mcnemar = np.mean(found, axis=0)
        ratios[luck] = estimate / truth, truth / mcnemar
    assert all(0.5 < of_truth < 2 for of_truth, _ in ratios.values())
    assert ratios[0.0][1] < 1.6
    assert ratios[0.03][1] > 2.5  # what a test that ignores the members would miss


def test_repeats_share_in_judging_an_image_and_runs_may_have_different_folds() -> None:
    rng = np.random.default_rng(1)
    correct = [rng.random(3000) < 0.9 for _ in range(3)]
    same, other = rng.integers(0, 5, (1, 3000)), rng.integers(0, 3, (3, 3000))
    errors, freedom = standard_errors(correct, [same, same, other], only_one_right(correct))
    assert np.array_equal(errors, errors.T)
    assert freedom[0].tolist() == [8, 8, 10]
    apart = (correct[0] ^ correct[2]).sum()
    assert 0.9 * apart < errors[0, 2] ** 2 < 2.5 * apart


def test_an_interval_excludes_zero_exactly_if_the_corrected_p_value_is_significant() -> None:
    rng = np.random.default_rng(1)
    correct = [rng.random(4000) < accuracy for accuracy in np.linspace(0.9, 0.96, 12)]
    fold_of = [rng.integers(0, 5, (1, 4000)) for _ in correct]
    pairs = compare_pairs([row_of(letter) for letter in "ABCDEFGHIJKL"], correct, fold_of)
    significant = [pair.p_corrected < 0.05 for pair in pairs]
    assert 5 < sum(significant) < len(pairs) - 5
    assert [pair.low > 0 or pair.high < 0 for pair in pairs] == significant
    assert all(pair.low <= pair.difference <= pair.high for pair in pairs)
    assert sum(pair.p < 0.05 for pair in pairs) > sum(significant)


def test_images_that_only_one_got_right_are_counted_across_chunks() -> None:
    rng = np.random.default_rng(0)
    correct = [rng.random(10_000) < share for share in (0.5, 0.9, 0.99)]
    counts = only_one_right(correct)
    assert counts.tolist() == [[int((a & ~b).sum()) for b in correct] for a in correct]


@pytest.mark.parametrize(
    ("difference", "p", "verdict"),
    [
        (0.01, 0.049, "A is better than B"),
        (-0.01, 0.049, "B is better than A"),
        (0.01, 0.05, "A and B do not differ significantly"),
    ],
)
def test_the_verdict_depends_on_the_corrected_p_value(difference: float, p: float, verdict: str) -> None:
    assert Pair("A", "B", 1000, 20, 10, difference, -0.1, 0.1, 0.001, p).verdict == verdict
