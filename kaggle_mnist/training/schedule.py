"""The learning rate over a run."""

from __future__ import annotations

import math

from kaggle_mnist.recipes.recipe import Recipe


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The learning rate at a moment, in epochs since the start.

    >>> recipe = Recipe(learning_rate=0.01, epochs=10)
    >>> round(learning_rate(recipe, 5.0), 6)
    0.005
    """
    if recipe.schedule == "steps":
        passed = [rate for start, rate in recipe.steps if start <= epoch]
        rate = passed[-1] if passed else recipe.learning_rate
    else:
        share = max(0.0, epoch - recipe.warmup) / max(recipe.epochs - recipe.warmup, 1e-9)
        rate = recipe.learning_rate * (1 + math.cos(math.pi * min(share, 1.0))) / 2
    warm = (epoch + 0.01) / recipe.warmup if recipe.warmup else 1.0  # the very first step is not wasted
    return rate * min(1.0, warm)
