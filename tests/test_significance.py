"""Whether runs differ: standard errors, p values and intervals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kaggle_mnist.compare import compare_pairs
from kaggle_mnist.significance import Pair, only_one_right, paired_difference, standard_errors, two_sided_p
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
    assert (freedom <= [[4, 4, 10], [4, 4, 10], [10, 10, 6]]).all()  # with the same folds, half as many contrasts
    apart = (correct[0] ^ correct[2]).sum()
    assert 0.9 * apart < errors[0, 2] ** 2 < 2.5 * apart


@pytest.mark.parametrize(("repeats", "same_folds", "luck"), [(1, True, 0.05), (1, False, 0.03), (4, False, 0.06)])
def test_seeds_of_one_recipe_are_rarely_called_different_however_much_members_differ(
    repeats: int, same_folds: bool, luck: float
) -> None:
    rng = np.random.default_rng(0)
    n, called = 2000, []
    for _ in range(60):
        common = rng.integers(0, 5, (repeats, n))
        fold_of = [common if same_folds else rng.integers(0, 5, (repeats, n)) for _ in range(10)]
        skill = 0.85 + luck * rng.standard_normal((10, repeats, 5))
        of_images = [np.take_along_axis(own, folds, 1).mean(0) for own, folds in zip(skill, fold_of, strict=True)]
        correct = [rng.random(n) < chance for chance in of_images]
        only = only_one_right(correct)
        p = two_sided_p((only - only.T).astype(float), *standard_errors(correct, fold_of, only))
        called.append(np.mean(p[np.triu_indices(10, 1)] < 0.05))
    assert 0.02 < np.mean(called) < 0.06


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


def test_runs_of_which_each_has_its_own_folds_are_all_counted_at_once() -> None:
    """What a run's members judged is counted as if it were compared alone with another."""
    rng = np.random.default_rng(2)
    correct = [rng.random(6000) < 0.9 for _ in range(5)]
    fold_of = [rng.integers(0, folds, (repeats, 6000)) for folds, repeats in ((5, 1), (3, 3), (5, 2), (2, 1))]
    fold_of.append(fold_of[2])
    errors, freedom = standard_errors(correct, fold_of, only_one_right(correct))
    for a, b in itertools.combinations(range(5), 2):
        two, folds = [correct[a], correct[b]], [fold_of[a], fold_of[b]]
        alone = standard_errors(two, folds, only_one_right(two))
        assert (errors[a, b], freedom[a, b]) == pytest.approx((alone[0][0, 1], alone[1][0, 1]))


def test_equal_differences_give_an_interval_as_wide_as_rounding_and_a_p_value_that_agrees() -> None:
    found = paired_difference([0.95, 0.96], [0.94, 0.95], images=1000)
    assert found.mean == pytest.approx(0.01)
    assert found.low < found.mean < found.high
    assert (found.low > 0) == (found.p < 0.05)
    assert found.high - found.low > 1 / 1000
    one_image = paired_difference([0.951, 0.961], [0.95, 0.96], images=1000)
    assert one_image.low < 0 < one_image.high and one_image.p > 0.05
    nothing = paired_difference([0.95, 0.96], [0.95, 0.96], images=1000)
    assert nothing.p == 1 and nothing.low < 0 < nothing.high


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
