"""How large a run is and how long it will take, from a few timed steps of throwaway members."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.device import training_settings
from kaggle_mnist.training.inference import all_outputs, member_outputs
from kaggle_mnist.training.memory import MemoryEstimate, available_memory, estimate_memory
from kaggle_mnist.training.trainer import RepeatTrainer, TrainingSet

WARM_UP = 2  # steps that are not timed: kernels are chosen and memory is taken in the first ones
TIMED = 3  # steps after those
PATIENCE = 0.15  # seconds for each of them; slow steps are timed from the second one on, and fewer
JUDGED = 64  # images whose outputs are timed


@dataclass(frozen=True)
class RunEstimate:
    """What a run will need.

    Attributes
    ----------
    parameters : of one member, of each variant that is trained
    all_parameters, members : of all members together, and their number
    memory : that the cross-validation adds to what the process holds
    available : bytes that the process can still take
    epochs : of training
    seconds_per_epoch : of all repeats, the look at held-out images included
    evaluation : seconds for the out-of-fold and test outputs
    """

    parameters: tuple[int, ...]
    all_parameters: int
    members: int
    memory: MemoryEstimate
    available: int
    epochs: int
    seconds_per_epoch: float
    evaluation: float

    @property
    def training(self) -> float:
        """Seconds of training."""
        return self.epochs * self.seconds_per_epoch


def estimate_run(
    digits: Digits,
    recipe: Recipe,
    folds: NDArray[np.int64],
    seed: int = 0,
    *,
    device: str | torch.device = "cpu",
    dropped: Sequence[int] = (),
    timed: int = TIMED,
) -> RunEstimate:
    """Train a repeat of every variant for a few steps, predict a few images, and scale the times.

    The members are thrown away, and all random numbers come from generators of their own, so that a run afterwards has
    the bytes that it would have had. Other programs, and a machine that slows down as it gets warm, change the times.

    Parameters
    ----------
    digits, recipe, folds, seed, device, dropped : as for `cross_validate`
    timed : steps of each variant whose median counts

    Examples
    --------
    >>> from kaggle_mnist import assign_folds, find_recipe, load_digits
    >>> digits = load_digits("practice").head(500, 100)
    >>> folds = assign_folds(digits.train_labels, n_splits=5)
    >>> estimate = estimate_run(digits, find_recipe("fast", ["hidden=[100]"]), folds)
    >>> estimate.parameters, estimate.all_parameters, estimate.epochs
    ((65910,), 329550, 8)
    """
    device, variants = torch.device(device), recipe.variants
    k, parameters, epoch, evaluation = int(folds.max()) + 1, [], 0.0, 0.0
    everything = 0
    with training_settings(device):
        training_set = TrainingSet.of(digits, dropped, device)
        for number, (variant, row) in enumerate(zip(variants, folds, strict=False)):
            fold_of, repeats = torch.from_numpy(row).to(device), len(range(number, len(folds), len(variants)))
            trainer = RepeatTrainer(training_set, fold_of, variant, seed=seed, repeat=number)
            size = sum(parameter.numel() for parameter in trainer.network.parameters())
            parameters.append(size // k)
            everything += repeats * size
            epoch += repeats * _seconds_per_epoch(trainer, timed)
            evaluation += repeats * _seconds_of_outputs(trainer, digits)
    memory = estimate_memory(
        recipe,
        images=len(digits.train_images),
        test_images=len(digits.test_images),
        folds=k,
        repeats=len(folds),
        device=device,
    )
    members = k * len(folds)
    return RunEstimate(
        tuple(parameters), everything, members, memory, available_memory(device), recipe.epochs, epoch, evaluation
    )


def _seconds_per_epoch(trainer: RepeatTrainer, timed: int) -> float:
    steps = itertools.chain.from_iterable(map(trainer.steps, itertools.count()))  # an epoch may have one step
    taken: list[float] = []
    while len(taken) < 2 or (len(taken) < WARM_UP + timed and sum(taken) < PATIENCE * timed):
        taken.append(_seconds(lambda: float(next(steps).sum())))  # float() waits for a GPU
    step = statistics.median(taken[WARM_UP:] or taken[-1:])
    watching = [_seconds(lambda: trainer.watch(0)) for _ in range(2)]
    return trainer.steps_per_epoch * step + trainer.network.members * watching[1]


def _seconds_of_outputs(trainer: RepeatTrainer, digits: Digits) -> float:
    """Every labeled image is shown to one member, every unlabeled one to all."""
    images = digits.train_images[:JUDGED]
    by_one = _seconds(lambda: member_outputs(trainer.network, 0, images, trainer.recipe))
    by_all = _seconds(lambda: all_outputs(trainer.network, images, trainer.recipe))
    return (len(digits.train_images) * by_one + len(digits.test_images) * by_all) / len(images)


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
