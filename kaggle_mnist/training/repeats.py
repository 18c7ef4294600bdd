"""Cross-validation repeat by repeat: each is a job of its own, and its result can be stored until all are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import HISTORY, CrossValidation, EpochEnd, cross_validate, merge_repeats
from kaggle_mnist.training.execution import Executor, Job
from kaggle_mnist.training.memory import require_memory

MEMBERS = "members."  # what the names of members' tensors begin with when a repeat is stored


def cross_validate_by_repeats(
    executor: Executor,
    recipe: Recipe,
    folds: NDArray[np.int64],
    seed: int,
    *,
    dropped: Sequence[int] = (),
    done: Mapping[int, CrossValidation] | None = None,
    on_epoch: Callable[[EpochEnd], None] = lambda event: None,
    on_repeat: Callable[[int, CrossValidation], None] = lambda repeat, part: None,
) -> CrossValidation:
    """Cross-validate, every repeat as a job of `executor`; the bytes are those of `cross_validate`.

    Parameters
    ----------
    executor : has the digits
    recipe, folds, seed, dropped : as for `cross_validate`
    done : results of repeats, by number, that need not be computed again
    on_epoch : called after every epoch of every repeat; `epoch` and `epochs` count those of all repeats,
        `repeat_epoch` those of one unless there is only one; `seconds` are what one epoch has taken on average with all
        workers
    on_repeat : called with the number and the result of every repeat when it is done
    """
    parts = dict(done or {})
    jobs = {
        f"repeat {repeat}": Job(
            f"repeat {repeat}",
            _cross_validate_one,
            {"recipe": recipe, "fold_of": row, "seed": seed, "repeat": repeat, "dropped": tuple(dropped)},
        )
        for repeat, row in enumerate(folds)
        if repeat not in parts
    }
    before, epochs_of = len(parts) * recipe.epochs, dict.fromkeys(jobs, 0)
    started = time.perf_counter()

    def after_epoch(job: Job, event: EpochEnd) -> bool:
        epochs_of[job.name] = event.epoch
        here = sum(epochs_of.values())
        seconds = (time.perf_counter() - started) / here
        of_one = event.epoch if len(folds) > 1 else None
        on_epoch(EpochEnd(before + here, len(folds) * recipe.epochs, event.members, seconds, of_one))
        return True

    for outcome in executor.run(iter(jobs.values()), after_epoch):
        if outcome.error is not None:
            raise outcome.error
        epochs_of[outcome.job.name] = recipe.epochs  # the last event may come after the result
        repeat = outcome.job.arguments["repeat"]
        parts[repeat] = outcome.value
        on_repeat(repeat, outcome.value)
    return merge_repeats(recipe, [parts[repeat] for repeat in range(len(folds))])


def _cross_validate_one(
    digits: Digits,
    *,
    recipe: Recipe,
    fold_of: NDArray[np.int64],
    seed: int,
    repeat: int,
    dropped: tuple[int, ...],
    device: torch.device,
    on_epoch: Callable[[EpochEnd], None],
) -> CrossValidation:
    """One repeat, `fold_of` being ``(n,)``, wherever there is memory for it."""
    variant = recipe.variants[repeat % len(recipe.variants)]
    require_memory(variant, digits, folds=int(fold_of.max()) + 1, repeats=1, device=device)
    options: dict[str, Any] = {"repeats": [repeat], "device": device, "dropped": dropped, "on_epoch": on_epoch}
    return cross_validate(digits, recipe, fold_of[None], seed, **options)


def write_repeat(part: CrossValidation) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """A repeat's result as named tensors and rows of its history."""
    tensors = {MEMBERS + name: tensor for name, tensor in part.members.items()}
    tensors |= {name: torch.from_numpy(getattr(part, name)) for name in ("oof_outputs", "test_outputs")}
    rows = part.history.to_dict(orient="records")
    return tensors, [{f"{name}": value for name, value in row.items()} for row in rows]


def read_repeat(tensors: Mapping[str, Tensor], history: list[dict[str, Any]]) -> CrossValidation:
    """The result that `write_repeat` has taken apart."""
    members = {name.removeprefix(MEMBERS): t for name, t in tensors.items() if name.startswith(MEMBERS)}
    oof, test = (tensors[name].numpy() for name in ("oof_outputs", "test_outputs"))
    return CrossValidation(members, oof, test, pd.DataFrame(history, columns=HISTORY))
