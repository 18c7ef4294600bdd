"""Confirming what a search has found: the best recipe and the start, trained again with fresh folds and seeds."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.prepare import MAX_SEED, plan_run
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs import checkpoint as checkpoints
from kaggle_mnist.runs.finding import other_runs
from kaggle_mnist.runs.folder import csv_bytes
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.score import score_run
from kaggle_mnist.significance import SIGNIFICANT, Difference, paired_difference
from kaggle_mnist.training import metrics
from kaggle_mnist.training.cross_validation import CrossValidation, EpochEnd, cross_validate
from kaggle_mnist.training.execution import Executor, Job
from kaggle_mnist.training.folds import fold_digits
from kaggle_mnist.training.memory import require_memory
from kaggle_mnist.trials.folder import CONFIRMATION, SearchFolder
from kaggle_mnist.utils.errors import BadRun, NotEnoughMemory

START, BEST = "start", "best"  # names of recipes in confirmation.csv
COLUMNS = ["recipe", "trial", "seed", "accuracy", "seconds", "run"]  # of confirmation.csv


@dataclass(frozen=True)
class Confirmation:
    """The best recipe and the one that the search started from, trained again with fresh folds and seeds.

    Attributes
    ----------
    start, best : OOF accuracy for each seed
    difference : of the best recipe from the start
    apparent : by how much the best trial exceeded the start during the search
    """

    start: tuple[float, ...]
    best: tuple[float, ...]
    difference: Difference
    apparent: float

    @property
    def luck(self) -> float:
        """How much of the apparent gain was luck."""
        return self.apparent - self.difference.mean

    @property
    def is_better(self) -> bool:
        """Whether the best recipe is better than the start: p below 0.05."""
        return self.difference.mean > 0 and self.difference.p < SIGNIFICANT


def confirm(
    folder: SearchFolder,
    executor: Executor,
    digits: Digits,
    recipe: Recipe,
    trial: int,
    apparent: float,
    *,
    on_change: Callable[[int, int], None],
) -> tuple[Confirmation, Run | None]:
    """Train the best recipe and the start with every fresh seed, and compare them seed by seed.

    What an earlier session has confirmed of the same trial is not trained again.

    Parameters
    ----------
    folder : of the search; gets `confirmation.csv`
    executor : has the digits
    recipe, trial : the best one, and its number
    apparent : by how much it exceeded the start during the search
    on_change : called with the trainings that are done, and their number in all

    Returns
    -------
    The comparison, and the run of the best recipe with the first seed: None if it is gone.
    """
    everything, plan = _read(folder), folder.plan
    rows = [row for row in everything if row["recipe"] == START or row["trial"] == trial]
    step = len(recipe.variants)  # a seed's repeats have the folds of the seeds after it
    seeds = [(plan.seed + step * (1 + i)) % MAX_SEED for i in range(plan.seeds)]

    def add(name: str, seed: int, accuracy: float, seconds: float, run: Run | None) -> None:
        row = {"recipe": name, "trial": trial if name == BEST else None, "seed": seed, "accuracy": accuracy}
        row |= {"seconds": seconds, "run": run.name if run and name == BEST and seed == seeds[0] else None}
        rows.append(row)
        everything.append(row)
        table = pd.DataFrame(everything, columns=COLUMNS).astype({"trial": "Int64"})
        folder.write(CONFIRMATION, csv_bytes(table).decode())

    run = None
    if not any(row["recipe"] == BEST and row["seed"] == seeds[0] for row in rows):
        run = _run_without_row(folder, recipe, seeds[0])
        if run is not None:
            add(BEST, seeds[0], run.record.scores.oof_accuracy, run.record.seconds["train"], run)
    jobs, of_job = [], {}
    for seed in seeds:
        for name, chosen in ((BEST, recipe), (START, plan.start)):
            if any(row["recipe"] == name and row["seed"] == seed for row in rows):
                continue
            fold_of = fold_digits(digits, n_splits=plan.folds, repeats=step, seed=seed)
            job = oof_job(f"{name}, seed {seed}", chosen, fold_of, seed)
            if name == BEST and seed == seeds[0]:
                job = Job(job.name, _cross_validate, job.arguments)
            jobs.append(job)
            of_job[job.name] = name, seed, fold_of
    total = len(rows) + len(jobs)
    on_change(len(rows), total)

    def after_epoch(job: Job, event: EpochEnd) -> bool:
        on_change(len(rows), total)
        return True

    for outcome in executor.run(iter(jobs), after_epoch):
        if outcome.error is not None:
            raise outcome.error
        (name, seed, fold_of), accuracy, seconds = of_job[outcome.job.name], outcome.value, outcome.seconds
        if isinstance(accuracy, CrossValidation):
            run = _write_run(folder, executor, digits, recipe, accuracy, fold_of, seed, seconds)
            accuracy = run.record.scores.oof_accuracy
        add(name, seed, accuracy, seconds, run)
        on_change(len(rows), total)
    found = {(row["recipe"], row["seed"]): row["accuracy"] for row in rows}
    start, best = (tuple(float(found[name, seed]) for seed in seeds) for name in (START, BEST))
    if run is None:
        [name] = [row["run"] for row in rows if row["recipe"] == BEST and row["seed"] == seeds[0]]
        with suppress(BadRun):
            run = read_run(folder.path.parent / f"{name}")
    difference = paired_difference(best, start, len(digits.train_labels))
    return Confirmation(start, best, difference, apparent), run


def _read(folder: SearchFolder) -> list[dict[str, Any]]:
    """What was confirmed in earlier sessions. Raises BadRun."""
    text = folder.read(CONFIRMATION)
    if text is None:
        return []
    try:
        rows = pd.read_csv(io.StringIO(text))[COLUMNS].astype({"seed": int, "accuracy": float}).to_dict("records")
    except (ValueError, KeyError) as error:
        raise BadRun(f"{folder.path / CONFIRMATION}: is damaged; remove it to confirm anew") from error
    return [{f"{name}": value for name, value in row.items()} for row in rows]


def _run_without_row(folder: SearchFolder, recipe: Recipe, seed: int) -> Run | None:
    """The run of the best recipe, if this search finished it and was killed before it noted its accuracy."""
    plan = folder.plan
    wanted = (recipe, plan.folds, len(recipe.variants), seed, (), plan.data.fingerprint)
    for run in (scored.run for scored in other_runs(folder.path.parent, [])):
        record = run.record
        found = (record.recipe, record.folds, record.repeats, record.seed, record.dropped, record.data.fingerprint)
        if found == wanted and run.created >= datetime.fromisoformat(plan.created):
            return run
    return None


def _write_run(
    folder: SearchFolder,
    executor: Executor,
    digits: Digits,
    recipe: Recipe,
    result: CrossValidation,
    fold_of: NDArray[np.int64],
    seed: int,
    seconds: float,
) -> Run:
    """Write the run beside the search's folder; the withheld labels stay closed."""
    plan = plan_run(recipe, executor, digits, fold_of, seed)
    times = {"load": 0.0, "train": seconds, "checkpoints": 0.0, "all": seconds}
    with checkpoints.begin(folder.path.parent, plan) as checkpoint:
        return score_run(checkpoint, digits, fold_of, result, plan.environment, times)


def oof_job(name: str, recipe: Recipe, fold_of: NDArray[np.int64], seed: int) -> Job:
    """The job whose value is the accuracy of a recipe's out-of-fold outputs; `fold_of` is ``(repeats, n)``."""
    return Job(name, _oof_accuracy, {"recipe": recipe, "fold_of": fold_of, "seed": seed})


def _cross_validate(
    digits: Digits,
    *,
    recipe: Recipe,
    fold_of: NDArray[np.int64],
    seed: int,
    device: torch.device,
    on_epoch: Callable[[EpochEnd], None],
) -> CrossValidation:
    """A recipe's cross-validation, wherever there is memory for it."""
    require_memory(recipe, digits, folds=int(fold_of.max()) + 1, repeats=len(fold_of), device=device)
    try:
        return cross_validate(digits, recipe, fold_of, seed, device=device, on_epoch=on_epoch)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise NotEnoughMemory(f"recipe {recipe.name}: out of memory while training") from error


def _oof_accuracy(digits: Digits, **arguments: Any) -> float:
    """The accuracy of a recipe's out-of-fold outputs; the unlabeled images are not looked at."""
    result = _cross_validate(digits.head(len(digits.train_images), 0), **arguments)
    return metrics.accuracy(result.oof_outputs.mean(0), digits.train_labels)
