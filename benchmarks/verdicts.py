"""How often `compare` calls two seeds of one recipe different: at most 5 of 100 pairs should be.

    ./run.sh bench verdicts [--recipe NAME] [--epochs N] [--seeds N] [--repeats N] [--same-folds] [--blends]

A run is trained for every seed on the practice set, each with its own folds or all with the same, and every pair is
compared; with `--blends`, every pair of the averages of two seeds each. Beside the share of pairs called different
before correction: that of McNemar's exact test, which takes images for independent, and the variance of the difference
over the one that McNemar's test expects, as found and as estimated. The withheld labels are not used.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from peak import machine
from scipy.stats import binom

from kaggle_mnist.data.practice import load_practice
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.significance import SIGNIFICANT, only_one_right, standard_errors, two_sided_p
from kaggle_mnist.training.cross_validation import cross_validate
from kaggle_mnist.training.folds import fold_digits
from kaggle_mnist.weighting import averaged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="benchmarks/sprint.toml")
    parser.add_argument("--epochs", type=int, help="of training, instead of the recipe's")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--same-folds", action="store_true", help="for all seeds")
    parser.add_argument("--blends", action="store_true", help="compare averages of two seeds each")
    arguments = parser.parse_args()
    recipe, digits = find_recipe(arguments.recipe), load_practice().head(42_000, 1)
    if arguments.epochs:
        recipe = recipe.replaced(epochs=arguments.epochs, warmup=min(recipe.warmup, arguments.epochs / 2))
    outputs, fold_of = [], []
    for seed in range(arguments.seeds):
        fold_seed = 0 if arguments.same_folds else seed
        folds = fold_digits(digits, n_splits=5, repeats=arguments.repeats, seed=fold_seed)
        outputs.append(cross_validate(digits, recipe, folds, seed).oof_outputs.mean(0))
        fold_of.append(folds)
        print(f"seed {seed}: {np.mean(outputs[-1].argmax(1) == digits.train_labels):.4f}", flush=True)
    if arguments.blends:
        pairs = zip(outputs[::2], outputs[1::2], strict=False)
        outputs = [averaged(np.stack(pair), np.full(2, 1 / 2)) for pair in pairs]
        fold_of = [folds[:1] for folds in fold_of[: 2 * len(outputs) : 2]]  # as a blend has them
    what = "blends" if arguments.blends else "seeds"
    print(f"{recipe.name}, {recipe.epochs} epochs, {arguments.repeats} repeats, {len(outputs)} {what}")
    show([oof.argmax(1) == digits.train_labels for oof in outputs], fold_of)
    print(machine())


def show(correct: list[NDArray[np.bool_]], fold_of: list[NDArray[np.int64]]) -> None:
    """Compare every two of the runs, `correct` ``(n,)`` and `fold_of` ``(repeats, n)`` each."""
    only = only_one_right(correct)
    errors, freedom = standard_errors(correct, fold_of, only)
    pairs = np.triu_indices(len(correct), 1)
    first, second = only[pairs], only.T[pairs]
    difference, error = (first - second).astype(float), errors[pairs]
    p = two_sided_p(difference, error, freedom[pairs])
    mcnemar = np.minimum(1, 2 * binom.cdf(np.minimum(first, second), first + second, 0.5))
    shares = [f"{name} {np.mean(values < SIGNIFICANT):.1%}" for name, values in (("compare", p), ("McNemar", mcnemar))]
    print(f"{len(p)} pairs called different: {', '.join(shares)}")
    expected = np.mean(first + second)
    found, estimated = np.mean(difference**2) / expected, np.mean(error**2) / expected
    print(f"variance over McNemar's: found {found:.2f}, estimated {estimated:.2f}")


if __name__ == "__main__":
    main()
