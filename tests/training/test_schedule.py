from __future__ import annotations

import pytest

from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.schedule import learning_rate


def test_the_articles_learning_rate_goes_down_in_its_steps() -> None:
    article = find_recipe("article")
    at = {0: 1e-3, 14.99: 1e-3, 15: 1e-4, 39.99: 1e-4, 40: 1e-5, 59.99: 1e-5, 60: 5e-6, 99.99: 5e-6}
    assert {epoch: learning_rate(article, epoch) for epoch in at} == at


def test_the_cosine_warms_up_peaks_and_ends_near_zero() -> None:
    recipe = Recipe(learning_rate=1.0, warmup=2.0, epochs=10)
    rates = [learning_rate(recipe, epoch) for epoch in (0, 1, 2, 6, 9.99)]
    assert 0 < rates[0] < 0.01
    assert rates[1] == pytest.approx(0.5, abs=0.01)
    assert rates[2] == 1.0
    assert rates[3] == pytest.approx(0.5)
    assert rates[4] < 1e-4
