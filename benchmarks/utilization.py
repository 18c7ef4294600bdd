"""How much of the machine's peak the training loop turns into useful arithmetic, and where the rest of the time goes.

    ./run.sh bench utilization [RECIPE] [--epochs N] [--set FIELD=VALUE …]

Useful arithmetic is what training the members requires: the products of each member's training images, forward, for the
gradients of the weights, and for those of the inputs in all layers but the first. Times are those of whole epochs,
including shuffling, augmentation, the optimizer and the history. The profile comes from a clock around each stage, on
the CPU. Of a recipe that varies from repeat to repeat, the first variant is trained.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from peak import peak, show, summary
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.flop_counter import FlopCounterMode

from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.models.registry import build_network, network_class
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training import trainer
from kaggle_mnist.training.cross_validation import EpochEnd, cross_validate
from kaggle_mnist.training.device import precision_of
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.trainer import RepeatTrainer

FOLDS = 5


def operations_per_epoch(recipe: Recipe, images: int, folds: int) -> float:
    """Floating-point operations of all members in one epoch: counted for one image a member, and scaled."""
    network = build_network(recipe.network, recipe.network_settings, [torch.Generator() for _ in range(folds)])
    with FlopCounterMode(display=False) as counter:
        network(
            torch.rand(folds, 1, math.prod(recipe.network_settings["shape"])), generator=torch.Generator()
        ).sum().backward()
    return float(counter.get_total_flops()) * images * (folds - 1) / folds


def clocked(
    seconds: dict[str, float], running: list[str], stage: str, function: Callable[..., Any]
) -> Callable[..., Any]:
    """`function`, with the time of its calls added to a stage's, unless they are part of another stage."""

    def timed(*args: Any, **kwargs: Any) -> Any:
        if running:
            return function(*args, **kwargs)
        running.append(stage)
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[stage] += time.perf_counter() - start
            running.pop()

    return timed


@contextmanager
def stages_clocked(network: type[torch.nn.Module]) -> Iterator[dict[str, float]]:
    """Seconds spent so far in each stage of training, by its name."""
    seconds: dict[str, float] = defaultdict(float)
    running: list[str] = []
    started = [0.0]

    def before_step(*_: Any) -> None:
        started[0] = time.perf_counter()

    def after_step(*_: Any) -> None:
        seconds["optimizer"] += time.perf_counter() - started[0]

    with ExitStack() as stack:
        for owner, name, stage in (
            (trainer, "augment", "normalization and augmentation"),
            (trainer, "compute_features", "features"),
            (RepeatTrainer, "watch", "history (held-out images)"),
            (network, "forward", "forward"),
            (torch.Tensor, "backward", "backward"),
        ):
            stack.enter_context(patch.object(owner, name, clocked(seconds, running, stage, getattr(owner, name))))
        stack.callback(register_optimizer_step_pre_hook(before_step).remove)
        stack.callback(register_optimizer_step_post_hook(after_step).remove)
        yield seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="mlp")
    parser.add_argument("--epochs", type=int, default=6, help="the first one warms up and is not counted")
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    if arguments.epochs < 2:
        parser.error("--epochs: at least 2, since the first is not counted")
    recipe = find_recipe(arguments.recipe, arguments.set, epochs=arguments.epochs).variants[0]
    digits = load_digits("practice")
    folds = assign_folds(digits.train_labels, n_splits=FOLDS)

    events: list[EpochEnd] = []
    profiles: list[dict[str, float]] = []
    rates, low_rates = [peak()], [peak(torch.bfloat16)]
    with stages_clocked(network_class(recipe.network)) as seconds:

        def after_epoch(event: EpochEnd) -> None:
            events.append(event)
            profiles.append(dict(seconds))

        cross_validate(digits, recipe, folds, on_epoch=after_epoch)
    rates.append(peak())
    low_rates.append(peak(torch.bfloat16))
    rate, low = statistics.mean(rates), statistics.mean(low_rates)

    epochs = [event.seconds for event in events[1:]]
    stages = {stage: profiles[-1][stage] - profiles[0].get(stage, 0.0) for stage in profiles[-1]}
    stages["shuffling, loss, and the rest"] = sum(epochs) - sum(stages.values())
    operations = operations_per_epoch(recipe, len(digits.train_labels), FOLDS)
    shares = [operations / epoch / rate / 1e9 * 100 for epoch in epochs]
    precision = precision_of(recipe, torch.device("cpu"))
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
        for stage, spent in sorted(stages.items(), key=lambda item: -item[1])
    ]
    show(rows)


if __name__ == "__main__":
    main()
