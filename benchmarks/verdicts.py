"""How often `compare` calls two seeds of one recipe different: at most 5 of 100 pairs should be.

    ./run.sh bench verdicts [--recipe NAME] [--epochs N] [--seeds N] [--same-folds]

A run is trained for every seed on the practice set, each with its own folds or all with the same, and every pair is
compared. Beside the share of pairs called different before correction: that of McNemar's exact test, which takes images
for independent, and the variance of the difference over the one that McNemar's test expects, as found and as estimated.
The withheld labels are not used.
"""

from __future__ import annotations

import argparse

import numpy as np
from peak import machine
from scipy.stats import binom, t

from kaggle_mnist.data.practice import load_practice
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.significance import SIGNIFICANT, only_one_right, standard_errors
from kaggle_mnist.training.cross_validation import cross_validate
from kaggle_mnist.training.folds import fold_digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="benchmarks/sprint.toml")
    parser.add_argument("--epochs", type=int, help="of training, instead of the recipe's")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--same-folds", action="store_true", help="for all seeds")
    arguments = parser.parse_args()
    recipe, digits = find_recipe(arguments.recipe), load_practice().head(42_000, 1)
    if arguments.epochs:
        recipe = recipe.replaced(epochs=arguments.epochs, warmup=min(recipe.warmup, arguments.epochs / 2))
    correct, fold_of = [], []
    for seed in range(arguments.seeds):
        folds = fold_digits(digits, n_splits=5, seed=0 if arguments.same_folds else seed)
        outputs = cross_validate(digits, recipe, folds, seed).oof_outputs[0]
        correct.append(outputs.argmax(1) == digits.train_labels)
        fold_of.append(folds)
        print(f"seed {seed}: {correct[-1].mean():.4f}", flush=True)
    only = only_one_right(correct)
    errors, freedom = standard_errors(correct, fold_of, only)
    pairs = np.triu_indices(len(correct), 1)
    first, second = only[pairs], only.T[pairs]
    difference, error = first - second, errors[pairs]
    p = 2 * t.sf(np.maximum(np.abs(difference) - 1, 0) / error, freedom[pairs])
    mcnemar = np.minimum(1, 2 * binom.cdf(np.minimum(first, second), first + second, 0.5))
    shares = [f"{name} {np.mean(values < SIGNIFICANT):.1%}" for name, values in (("compare", p), ("McNemar", mcnemar))]
    print(f"{recipe.name}, {recipe.epochs} epochs, {len(correct)} seeds, {len(p)} pairs")
    print(f"called different: {', '.join(shares)}")
    expected = np.mean(first + second)
    found, estimated = np.mean(difference**2) / expected, np.mean(error**2) / expected
    print(f"variance over McNemar's: found {found:.2f}, estimated {estimated:.2f}")
    print(machine())


if __name__ == "__main__":
    main()
