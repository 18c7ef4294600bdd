"""How much of the machine's peak the training loop turns into useful arithmetic, and where the rest goes.

    ./run.sh bench utilization [RECIPE] [--epochs N] [--set FIELD=VALUE …]

Useful is what the members must do: products of the images that each of them may learn from, forward, for the gradients
of the weights, and for those of the inputs in all layers but the first. The time is that of whole epochs: drawing,
augmentation, optimizer and history included. The profile is taken by a clock around each stage, on the CPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from peak import peak, show, summary

from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.models.mlp import Members
from kaggle_mnist.recipes.recipe import Recipe, find_recipe, parse_setting
from kaggle_mnist.training import trainer as training
from kaggle_mnist.training.folds import assign_folds

FOLDS = 5


def operations_per_epoch(recipe: Recipe, images: int, folds: int) -> float:
    """Floating-point operations of all members in one epoch."""
    products = [n_in * n_out for n_in, n_out in pairwise((784, *recipe.hidden, 10))]
    per_image = 2 * (3 * sum(products) - products[0])
    return per_image * images * (folds - 1) / folds * folds


def clocked(seconds: dict[str, float], stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, which adds the time that its calls take to a stage's."""

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[stage] += time.perf_counter() - start

    return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="mlp")
    parser.add_argument("--epochs", type=int, default=6, help="the first one, which warms up, is not counted")
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    if arguments.epochs < 2:
        parser.error("--epochs: at least 2, since the first is not counted")
    settings = {**dict(map(parse_setting, arguments.set)), "epochs": arguments.epochs}
    recipe = find_recipe(arguments.recipe).replaced(**settings)
    digits = load_digits("practice")
    fold_of = assign_folds(digits.train_labels, n_splits=FOLDS)

    seconds: dict[str, float] = defaultdict(float)
    training.augment = clocked(seconds, "augmentation", training.augment)
    training._watch = clocked(seconds, "history (held-out images)", training._watch)
    Members.forward = clocked(seconds, "forward", Members.forward)  # type: ignore[method-assign]
    torch.Tensor.backward = clocked(seconds, "backward", torch.Tensor.backward)  # type: ignore[method-assign]
    optimizer_of = training._optimizer

    def optimizer(*args: Any) -> torch.optim.Optimizer:
        made = optimizer_of(*args)
        made.step = clocked(seconds, "optimizer", made.step)  # type: ignore[method-assign]
        return made

    training._optimizer = optimizer

    ends: list[float] = []
    profiles: list[dict[str, float]] = []

    def after_epoch(stage: str, done: int, total: int, note: str = "") -> None:
        ends.append(time.perf_counter())
        profiles.append(dict(seconds))

    rates, low_rates = [peak()], [peak(torch.bfloat16)]
    training.train_members(digits, fold_of, recipe, progress=after_epoch)
    rates.append(peak())
    low_rates.append(peak(torch.bfloat16))
    rate, low = statistics.mean(rates), statistics.mean(low_rates)

    epochs = [after - before for before, after in pairwise(ends)][1:]
    counted = {stage: profiles[-1][stage] - profiles[1].get(stage, 0.0) for stage in profiles[-1]}
    counted["drawing, loss, and the rest"] = sum(epochs) - sum(counted.values())
    operations = operations_per_epoch(recipe, len(digits.train_labels), FOLDS)
    shares = [operations / epoch / rate / 1e9 * 100 for epoch in epochs]
    precision = getattr(training, "precision_of", lambda *_: torch.float32)(recipe, torch.device("cpu"))
    print(f"{recipe.name}: {operations / 1e9:.0f} GFLOP an epoch, products in {str(precision).removeprefix('torch.')}")
    rows: list[dict[str, object]] = [
        {"figure": "peak, float32 (GFLOP/s)", **summary(rates, 0)},
        {"figure": "seconds an epoch", **summary(epochs)},
        {"figure": "useful, % of float32 peak", **summary(shares, 1)},
    ]
    if precision == torch.bfloat16:
        rows.insert(1, {"figure": "peak, bfloat16 (GFLOP/s)", **summary(low_rates, 0)})
        rows.append({"figure": "useful, % of bfloat16 peak", **summary([share * rate / low for share in shares], 1)})
    rows += [
        {"figure": f"time in {stage}, %", "n": len(epochs), "median": round(100 * spent / sum(epochs), 1)}
        for stage, spent in sorted(counted.items(), key=lambda item: -item[1])
    ]
    show(rows)


if __name__ == "__main__":
    main()
