"""Whether forecasts come true: the practice set's 70,000 digits, dealt anew into 42,000 labeled and 28,000 unlabeled.

    ./run.sh bench forecast [--recipe NAME] [--deals N] [--epochs N] [--every]

For each deal a fold ensemble is trained, its score on the 28,000 is forecast, and then looked up. The table says how
often the score was inside the 95 % interval; the mean error of the forecast (score less forecast), and what it would be
without the ensemble's gain; and the interval's width beside the one that the errors found would need.
The withheld labels are used, to judge forecasts; no recipe is chosen here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from peak import machine

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.practice import load_practice, open_withheld_labels
from kaggle_mnist.forecast import NORMAL_95, forecast
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import cross_validate
from kaggle_mnist.training.folds import fold_digits
from kaggle_mnist.training.metrics import accuracy, estimate_gain


def deals(number: int) -> Iterator[tuple[Digits, NDArray[np.int64]]]:
    """Digits of a deal, and the labels of its unlabeled images."""
    practice = load_practice()
    images = np.concatenate([practice.train_images, practice.test_images])  # (70,000, 28, 28)
    labels = np.concatenate([practice.train_labels, open_withheld_labels()])
    n = len(practice.train_images)
    for deal in range(number):
        order = np.random.default_rng(deal).permutation(len(images))
        train, test = order[:n], order[n:]
        dealt = replace(practice, train_images=images[train], train_labels=labels[train], test_images=images[test])
        yield dealt, labels[test]


def judge(digits: Digits, test_labels: NDArray[np.int64], recipe: Recipe, seed: int) -> dict[str, float]:
    """Forecast and score of one deal."""
    result = cross_validate(digits, recipe, fold_digits(digits, n_splits=5, seed=seed), seed)
    oof, members = result.oof_outputs.mean(0), result.test_outputs.mean(0)  # (n, 10), (k, m, 10)
    test = members.mean(0)
    oof_accuracy, score = accuracy(oof, digits.train_labels), accuracy(test, test_labels)
    gain = estimate_gain(oof, digits.train_labels, members, test)
    found = forecast(oof_accuracy, gain, len(oof), len(test))
    one = float(np.mean([accuracy(outputs, test_labels) for outputs in members]))
    return {
        "score": score, "oof": oof_accuracy, "forecast": found.expected, "low": found.low, "high": found.high,
        "gain": gain, "true gain": score - one,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="benchmarks/sprint.toml")
    parser.add_argument("--deals", type=int, default=100)
    parser.add_argument("--epochs", type=int, help="of training, instead of the recipe's")
    parser.add_argument("--every", action="store_true", help="print every deal")
    arguments = parser.parse_args()
    recipe = find_recipe(arguments.recipe)
    if arguments.epochs:
        recipe = recipe.replaced(epochs=arguments.epochs, warmup=min(recipe.warmup, arguments.epochs / 2))
    began, rows = time.monotonic(), []
    for seed, (digits, test_labels) in enumerate(deals(arguments.deals)):
        rows.append(judge(digits, test_labels, recipe, seed))
        if arguments.every:
            print({name: round(value, 5) for name, value in rows[-1].items()}, flush=True)
    table = pd.DataFrame(rows)
    error = table.score - table.forecast
    half_width = float((table.high - table.low).mean() / 2)
    needed = NORMAL_95 * float((error**2).mean() ** 0.5)
    inside = int(table.score.between(table.low, table.high).sum())
    plain = int(((table.score - table.oof).abs() <= half_width).sum())
    print(f"{recipe.name}, {recipe.epochs} epochs, {len(table)} deals, {time.monotonic() - began:.0f} s")
    print(f"inside the interval: {inside} of {len(table)}; without the gain: {plain}")
    print(f"mean error {error.mean():+.5f} ± {error.std() / len(table) ** 0.5:.5f}; ", end="")
    print(f"without the gain: {(table.score - table.oof).mean():+.5f}")
    print(f"gain: estimated {table.gain.mean():.5f}, true {table['true gain'].mean():.5f}")
    print(f"half width {half_width:.5f}; the errors need {needed:.5f}: {half_width / needed:.2f} times as wide")
    print(machine())


if __name__ == "__main__":
    main()
