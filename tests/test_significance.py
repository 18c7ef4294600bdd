"""McNemar's exact test and its interval, against statsmodels and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar

from kaggle_mnist.significance import Pair, count_both_right, difference_interval, mcnemar_p


def test_p_values_and_intervals_are_those_of_statsmodels_and_scipy() -> None:
    rng = np.random.default_rng(0)
    only_a, only_b = (rng.integers(0, [3, 20, 2000], (40, 3)).ravel() for _ in range(2))
    only_a[:6], only_b[:6] = (0, 0, 7, 300, 5, 300), (0, 7, 0, 300, 5, 0)
    p, (low, high) = mcnemar_p(only_a, only_b), difference_interval(only_a, only_b)
    for i, (a, b) in enumerate(zip(only_a.tolist(), only_b.tolist(), strict=True)):
        assert p[i] == pytest.approx(mcnemar([[0, a], [b, 0]], exact=True).pvalue if a + b else 1, rel=1e-9)
        share = binomtest(a, a + b).proportion_ci(0.95, method="exact") if a + b else None
        bounds = ((a + b) * (2 * share.low - 1), (a + b) * (2 * share.high - 1)) if share else (0, 0)
        assert (low[i], high[i]) == pytest.approx(bounds, abs=1e-7)
    assert set(p[only_a == only_b]) == {1.0}
    assert f"{low[0]:+.1f}" == "+0.0"


def test_images_that_both_got_right_are_counted_across_chunks() -> None:
    rng = np.random.default_rng(0)
    correct = [rng.random(10_000) < share for share in (0.5, 0.9, 0.99)]
    counts = count_both_right(correct)
    assert counts.tolist() == [[int((a & b).sum()) for b in correct] for a in correct]


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
