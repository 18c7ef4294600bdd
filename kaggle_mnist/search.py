"""Searching for a better recipe: many trials on the same folds, then the best one again on fresh folds and seeds.

The best of forty trials is partly the luckiest of forty. What is reported is therefore not its accuracy among the
trials but that of the confirmation, beside the recipe that the search started from. The withheld labels stay closed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from kaggle_mnist.confirm import START, Confirmation, confirm, oof_job
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.prepare import check_seed, open_executor
from kaggle_mnist.recipes.named import find_recipe, recipe_as_toml
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.folder import csv_bytes, ensure_writable
from kaggle_mnist.runs.record import Data
from kaggle_mnist.runs.run import Run
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.device import changes_of
from kaggle_mnist.training.execution import Executor, Job, Local
from kaggle_mnist.training.folds import fold_digits
from kaggle_mnist.training.memory import require_memory
from kaggle_mnist.trials import folder as folders
from kaggle_mnist.trials.budget import Budget, SearchState, check_budget
from kaggle_mnist.trials.folder import SearchFolder, SearchPlan
from kaggle_mnist.trials.page import search_page
from kaggle_mnist.trials.space import Space, default_space
from kaggle_mnist.trials.study import Trials
from kaggle_mnist.utils.progress import Progress, quiet


@dataclass(frozen=True)
class SearchResult:
    """A finished search.

    Attributes
    ----------
    path : its folder
    trials : as `Trials.table`
    start, best : the recipe that it started from and the best one found; None if no trial exceeded the start
    confirmation : what training both again gave; None without a best recipe
    run : a run of the best recipe, with its submission
    exhausted : whether every recipe of the space was tried
    """

    path: Path
    trials: pd.DataFrame
    start: Recipe
    best: Recipe | None
    confirmation: Confirmation | None
    run: Run | None
    exhausted: bool = False


def search(
    recipe: str | Recipe = "mlp",
    space: Sequence[str] = (),
    *,
    input: str | Path | Digits | None = None,
    output: str | Path = "submissions",
    folds: int = 5,
    seed: int = 0,
    trials: int | None = None,
    minutes: float | None = None,
    seeds: int = 5,
    device: str = "auto",
    cluster: str | None = None,
    on_change: Callable[[SearchState], None] | None = None,
    progress: Progress = quiet,
) -> SearchResult:
    """Search for a recipe with a higher out-of-fold accuracy, and confirm what is found.

    Parameters
    ----------
    recipe : where the search starts, as for `train`
    space : the dimensions, such as ``"learning_rate=1e-3..1e-2:log"``, ``"rotation=0..15"`` or
        ``"hidden=[[512, 256], [1024, 512]]"``; by default `trials.space.default_space`
    input, output, folds, device, cluster : as for `train`; the folds are the same for all trials
    seed : of the folds, the members and the proposals
    trials, minutes : the budget, in trials or in minutes with the confirmation; 30 trials if neither is given
    seeds : with how many fresh seeds the best recipe and the start are trained again, at least 3
    on_change : called after every epoch of every trial
    progress : called while digits are loaded

    Raises
    ------
    kaggle_mnist.utils.errors.UserError
        One of its subclasses. A search with a trial that is over can be resumed.

    Examples
    --------
    >>> found = search("fast", ["learning_rate=1e-3..1e-2:log"], trials=40)  # doctest: +SKIP
    >>> found.confirmation.is_better  # doctest: +SKIP
    False
    """
    created = datetime.now().astimezone()
    start = find_recipe(recipe)
    dimensions = Space.of(start, space or default_space(start)).texts
    check_seed(seed)
    check_budget(trials, minutes, seeds)
    ensure_writable(output := Path(output))
    digits = input if isinstance(input, Digits) else load_digits(input, progress=progress)
    fold_digits(digits, n_splits=folds, repeats=len(start.variants), seed=seed)  # raises if it cannot
    with open_executor(cluster, digits, device) as executor:
        if isinstance(executor, Local):
            repeats = len(start.variants)
            require_memory(start, digits, folds=folds, repeats=repeats, device=executor.device)
        plan = SearchPlan(
            created=created.isoformat(timespec="milliseconds"),
            start=start,
            space=dimensions,
            folds=folds,
            seed=seed,
            trials=30 if trials is minutes is None else trials,
            minutes=minutes,
            seeds=seeds,
            device=executor.device.type,
            threads=executor.threads,
            input=digits.input,
            data=Data.of(digits),
            environment=executor.environment(start),
        )
        with folders.begin_search(output, f"{created:%Y%m%d-%H%M%S}-search-{start.name}", plan) as folder:
            return _Search(folder, executor, digits, on_change).carry_out()


def resume_search(
    search: str | None = None,
    *,
    output: str | Path = "submissions",
    input: str | Path | Digits | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    cluster: str | None = None,
    on_change: Callable[[SearchState], None] | None = None,
    progress: Progress = quiet,
) -> SearchResult:
    """Go on with a search that was interrupted, or with a finished one under a larger budget.

    Parameters
    ----------
    search : a path, a folder's name below `output`, or None for the newest
    trials, minutes : a new budget, in all; by default the one that the search began with
    output, input, cluster, on_change, progress : as for `search`

    Raises
    ------
    BadRun
        There is no such search, or another process carries it out.
    BadData
        The digits have changed since the search began.
    """
    check_budget(trials, minutes)
    with folders.reopen_search(folders.find_search(search, Path(output))) as folder:
        plan = folder.plan
        if trials is not None or minutes is not None:
            folder.plan = plan = plan.model_copy(update={"trials": trials, "minutes": minutes})
        place = plan.input if input is None else input
        digits = place if isinstance(place, Digits) else load_digits(place, progress=progress)
        plan.data.require_same(digits)
        with open_executor(cluster, digits, plan.device, plan.threads) as executor:
            folder.write_plan()
            return _Search(folder, executor, digits, on_change).carry_out()


class _Search:
    """One session of a search."""

    def __init__(
        self,
        folder: SearchFolder,
        executor: Executor,
        digits: Digits,
        on_change: Callable[[SearchState], None] | None,
    ):
        self.folder, self.plan, self.executor, self.digits = folder, folder.plan, executor, digits
        self.on_change = on_change
        self.space = Space.of(self.plan.start, self.plan.space)
        self.trials = Trials(folder.path / folders.JOURNAL, self.space, self.plan.seed)
        self.budget = Budget(self.plan, self.trials)
        self.before, self.opened = self.trials.seconds, time.monotonic()
        self.running: dict[str, tuple[Any, float, EpochEnd | None]] = {}  # by name of job: trial, begun, last epoch
        self.curve: dict[int, float] = {}  # of the start: accuracy by epoch
        self.confirmed = self.to_confirm = 0
        self.exhausted = False
        self.changed = tuple(changes_of(self.plan.environment, executor.environment(self.plan.start)))

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.opened

    def carry_out(self) -> SearchResult:
        for outcome in self.executor.run(self._jobs(), self._after_epoch):
            trial, begun, _ = self.running.pop(outcome.job.name)
            if trial is None:
                if outcome.error is not None:
                    raise outcome.error
                self.trials.begin_with(outcome.value, self.curve, outcome.seconds)
            elif outcome.error is not None:
                self.trials.fail(trial, f"{outcome.error}")
            else:
                self.trials.finish(trial, outcome.value, outcome.seconds or time.monotonic() - begun)
            self.trials.seconds = self.seconds
            self.folder.write(folders.TRIALS, csv_bytes(self.trials.table()).decode())
            self._show()
        return self._confirm()

    def _jobs(self) -> Iterator[Job]:
        repeats = len(self.plan.start.variants)
        fold_of = fold_digits(self.digits, n_splits=self.plan.folds, repeats=repeats, seed=self.plan.seed)
        if self.trials.start_accuracy is None:
            self.running[START] = None, time.monotonic(), None
            self._show()
            yield oof_job(START, self.plan.start, fold_of, self.plan.seed)
        while self._has_budget():
            proposal = self.trials.propose()
            if proposal is None:
                self.exhausted = True
                return
            trial, recipe = proposal
            name = f"trial {trial.number}"
            self.running[name] = trial, time.monotonic(), None
            self._show()
            yield oof_job(name, recipe, fold_of, self.plan.seed)

    def _has_budget(self) -> bool:
        inside = self.space.start_parameters is not None  # then the start is a trial, too
        running = sum(inside or trial is not None for trial, _, _ in self.running.values())
        return self.budget.allows(running, self.seconds, self.executor.workers)

    def _after_epoch(self, job: Job, event: EpochEnd) -> bool:
        trial, begun, _ = self.running[job.name]
        self.running[job.name] = trial, begun, event
        if trial is None:
            self.curve[event.epoch] = event.accuracy
        go_on = trial is None or not self.trials.should_stop(trial, event.epoch, event.epochs, event.accuracy)
        self._show()
        return go_on

    def _show(self) -> None:
        if self.on_change is None:
            return
        table = self.trials.table().set_index("trial", drop=False).rename_axis(None)
        for trial, begun, event in self.running.values():
            if trial is not None and trial.number in table.index:
                table.loc[trial.number, "seconds"] = time.monotonic() - begun
                if event is not None:
                    table.loc[trial.number, "accuracy"] = event.accuracy
        state = SearchState(
            path=self.folder.path,
            plan=self.plan,
            trials=table,
            start_accuracy=self.trials.start_accuracy,
            seconds=self.seconds,
            seconds_left=self.budget.seconds_left(self.seconds, self.executor.workers, self.confirmed),
            changed=self.changed,
            confirmed=self.confirmed,
            to_confirm=self.to_confirm,
        )
        self.on_change(state)

    def _confirm(self) -> SearchResult:
        best, start = self.trials.best, self.trials.start_accuracy
        assert start is not None  # trained first
        if best is None or best.value is None or best.value <= start:
            return self._result(None, None, None)
        name = self.plan.start.name.encode()[:170].decode(errors="ignore")[:50]  # room for a suffix
        recipe = self.space.recipe_of(best.params).replaced(name=f"{name}-found")
        text = recipe_as_toml(recipe, f"Trial {best.number} of {self.folder.path.name}")
        self.folder.write(folders.RECIPE, text)

        def show(confirmed: int, to_confirm: int) -> None:
            self.trials.seconds = self.seconds
            self.confirmed, self.to_confirm = confirmed, to_confirm
            self._show()

        confirmation, run = confirm(
            self.folder, self.executor, self.digits, recipe, best.number, best.value - start, on_change=show
        )
        return self._result(recipe, confirmation, run)

    def _result(self, best: Recipe | None, confirmation: Confirmation | None, run: Run | None) -> SearchResult:
        page = search_page(self.folder.path.name, self.plan, self.trials, confirmation)
        self.folder.write(folders.PAGE, page)
        table = self.trials.table()
        return SearchResult(self.folder.path, table, self.plan.start, best, confirmation, run, self.exhausted)
