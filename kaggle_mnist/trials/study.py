"""The trials of a search as an Optuna study: proposed by TPE, pruned by successive halving, kept in a journal.

Every proposal has its own seed, made from the search's and the trial's number: a search that was killed goes on as it
would have done.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.trials.space import Space
from kaggle_mnist.utils.errors import BadRecipe, BadRun, MissingPackage

try:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
    from optuna.trial import FrozenTrial, Trial, TrialState
except ModuleNotFoundError as error:
    raise MissingPackage(
        f"Optuna is not installed (no module {error.name}): pip install 'kaggle-mnist[search]'"
    ) from None

NAME = "kaggle-mnist"  # of the study in its journal
STALE = 3  # seconds after which the journal's own lock is taken from a process that was killed
MAX_REPEATED = 100  # proposals in a row that were all tried before
START, SECONDS, REASON, REPEATED = "start", "seconds", "reason", "repeated"  # attributes of a trial
START_ACCURACY, SPENT = "start_accuracy", "spent"  # attributes of the study
STATES = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.RUNNING: "running"}


class Trials:
    """The trials of one search.

    Parameters
    ----------
    journal : Optuna's journal; a new one if it does not exist
    space : what is searched
    seed : of the proposals

    Raises
    ------
    BadRun
        The journal cannot be read.
    """

    def __init__(self, journal: Path, space: Space, seed: int):
        self.space, self.seed = space, seed
        try:
            _drop_incomplete_line(journal)
            with quiet_optuna():
                place = f"{journal.absolute()}"  # the lock is a symbolic link to it
                lock = JournalFileSymlinkLock(place, grace_period=STALE)
                storage = JournalStorage(JournalFileBackend(place, lock_obj=lock))
                self.study = optuna.create_study(
                    study_name=NAME, storage=storage, direction="maximize", load_if_exists=True, pruner=make_pruner()
                )
        except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
            raise BadRun(f"{journal}: cannot be read as Optuna's journal; restore it or search anew") from error
        self._take_up_again()
        inside = space.start_parameters
        if not self.study.get_trials(deepcopy=False) and inside is not None:
            self.study.enqueue_trial(inside, user_attrs={START: True})

    def _take_up_again(self) -> None:
        """Trials that were running when the search was killed are tried again."""
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            kept = {START: True} if trial.user_attrs.get(START) else {}
            with quiet_optuna():
                self.study.tell(trial.number, state=TrialState.FAIL)
                self.study.enqueue_trial(trial.params, user_attrs=kept)

    def propose(self) -> tuple[Trial, Recipe] | None:
        """The next trial and its recipe; None if the sampler finds nothing that was not tried before."""
        for _ in range(MAX_REPEATED):
            known = [trial.params for trial in self.all]
            repeated = sum(REPEATED in trial.user_attrs for trial in self.study.get_trials(deepcopy=False))
            with quiet_optuna():
                self.study.sampler = make_sampler(self.seed, len(known) + repeated)
                trial = self.study.ask(self.space.distributions)
                if trial.params in known:
                    trial.set_user_attr(REPEATED, True)
                    self.study.tell(trial, state=TrialState.FAIL)
                    continue
            try:
                return trial, self.space.recipe_of(trial.params)
            except BadRecipe as error:
                self.fail(trial, f"{error}")
        return None

    def should_stop(self, trial: Trial, epoch: int, epochs: int, accuracy: float) -> bool:
        """Note a trial's accuracy after an epoch; whether successive halving gives it up. The start is never."""
        trial.report(accuracy, epoch)
        return epoch < epochs and START not in trial.user_attrs and trial.should_prune()

    def finish(self, trial: Trial, accuracy: float | None, seconds: float) -> None:
        """Note a trial's out-of-fold accuracy; None if it was pruned."""
        trial.set_user_attr(SECONDS, seconds)
        if accuracy is None:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, accuracy)

    def fail(self, trial: Trial, reason: str) -> None:
        """Note why a trial has no accuracy; it is not tried again."""
        trial.set_user_attr(REASON, reason)
        self.study.tell(trial, state=TrialState.FAIL)

    @property
    def all(self) -> list[FrozenTrial]:
        """The trials that are running or over, by number, without those that only repeat others or were interrupted."""
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state in STATES or REASON in trial.user_attrs]

    @property
    def done(self) -> int:
        """The number of trials that are over."""
        return sum(trial.state != TrialState.RUNNING for trial in self.all)

    @property
    def best(self) -> FrozenTrial | None:
        """The finished trial with the highest accuracy, the first of several."""
        finished = [trial for trial in self.all if trial.state == TrialState.COMPLETE]
        return max(finished, key=lambda trial: (trial.value or 0, -trial.number), default=None)

    @property
    def start_accuracy(self) -> float | None:
        """Out-of-fold accuracy of the recipe that the search starts from, once it is known."""
        if self.space.start_parameters is None:
            known: float | None = self.study.user_attrs.get(START_ACCURACY)
            return known
        return next((trial.value for trial in self.all if START in trial.user_attrs), None)

    @start_accuracy.setter
    def start_accuracy(self, accuracy: float) -> None:
        self.study.set_user_attr(START_ACCURACY, accuracy)

    @property
    def seconds(self) -> float:
        """How long the search has taken so far, over all its sessions."""
        return float(self.study.user_attrs.get(SPENT, 0.0))

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self.study.set_user_attr(SPENT, seconds)

    def table(self) -> pd.DataFrame:
        """A row for every trial: trial, state, accuracy, epochs, seconds, reason, and the fields of the space."""
        rows = []
        for trial in self.all:
            row: dict[str, Any] = {"trial": trial.number, "state": STATES.get(trial.state, "failed")}
            row |= {"accuracy": trial.value if trial.state == TrialState.COMPLETE else None}
            row |= {"epochs": trial.last_step, "seconds": trial.user_attrs.get(SECONDS)}
            row |= {"reason": trial.user_attrs.get(REASON), **trial.params}
            rows.append(row)
        fields = [dimension.field for dimension in self.space.dimensions]
        table = pd.DataFrame(rows, columns=["trial", "state", "accuracy", "epochs", "seconds", "reason", *fields])
        return table.astype({"epochs": "Int64"})


def _drop_incomplete_line(journal: Path) -> None:
    """Cut off what a process that was killed has written of its last line; Optuna would append to it."""
    try:
        with journal.open("r+b") as file:
            content = file.read()
            if not content.endswith(b"\n"):
                file.truncate(content.rfind(b"\n") + 1)
    except FileNotFoundError:
        pass


def make_sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """TPE for the proposal of that number, with a seed of its own."""
    key = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=key, multivariate=True, constant_liar=True)


def make_pruner() -> optuna.pruners.BasePruner:
    """Successive halving; `benchmarks/RESULTS.md` has what it was compared with."""
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Without Optuna's log lines and warnings: that something may change, or that trials are few."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)
