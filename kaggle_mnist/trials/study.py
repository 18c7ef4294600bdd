"""The trials of a search as an Optuna study: proposed by TPE, pruned by successive halving, kept in a journal.

Every proposal has its own seed, made from the search's and the trial's number: a search that was killed goes on as it
would have done.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    from optuna.trial import FrozenTrial, Trial, TrialState
except ModuleNotFoundError as error:
    raise MissingPackage(
        f"Optuna is not installed (no module {error.name}): pip install 'kaggle-mnist[search]'"
    ) from None

NAME = "kaggle-mnist"  # of the study in its journal
MAX_PASSED_OVER = 100  # proposals in a row that were tried before, or do not fit together
MAX_ATTEMPTS = 3  # at a trial during which the search is killed
SECONDS, REASON = "seconds", "reason"  # attributes of a trial
PASSED_OVER, ATTEMPTS = "passed_over", "attempts"
START_ACCURACY, SPENT = "start_accuracy", "spent"  # attributes of the study
COLUMNS = ["trial", "state", "accuracy", "trained_epochs", "seconds", "reason"]  # of the table, before the fields
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
            _mend(journal)
            with quiet_optuna():
                place = f"{journal}"
                storage = JournalStorage(JournalFileBackend(place, lock_obj=JournalFileOpenLock(place)))
                self.study = optuna.create_study(
                    study_name=NAME, storage=storage, direction="maximize", load_if_exists=True, pruner=make_pruner()
                )
        except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
            raise BadRun(f"{journal}: cannot be read as Optuna's journal; restore it or search anew") from error
        self._take_up_again()

    def _take_up_again(self) -> None:
        """Trials that were running when the search was killed are tried again, but not for ever."""
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            attempts = trial.user_attrs.get(ATTEMPTS, 1)
            with quiet_optuna():
                if attempts >= MAX_ATTEMPTS:
                    self.fail(self._trial(trial), f"the search was killed {attempts} times while it ran")
                else:  # in this order: killed in between, it is only proposed once more
                    self.study.enqueue_trial(trial.params, user_attrs={ATTEMPTS: attempts + 1})
                    self.study.tell(trial.number, state=TrialState.FAIL)

    def _trial(self, frozen: FrozenTrial) -> Trial:
        return Trial(self.study, frozen._trial_id)

    def begin_with(self, accuracy: float, curve: dict[int, float], seconds: float) -> None:
        """Note the accuracy of the recipe that the search starts from, and its accuracy after each epoch.

        If the recipe is inside the space, it is a trial that the proposals learn from.
        """
        inside = self.space.start_parameters
        if inside is not None:
            options: dict[str, Any] = {"params": inside, "distributions": self.space.distributions}
            attributes = {SECONDS: seconds}
            with quiet_optuna():
                trial = optuna.create_trial(value=accuracy, intermediate_values=curve, user_attrs=attributes, **options)
                self.study.add_trial(trial)
        self.study.set_user_attr(START_ACCURACY, accuracy)

    def propose(self) -> tuple[Trial, Recipe] | None:
        """The next trial and its recipe; None if the sampler finds nothing that was not tried before."""
        known = [self.space.recipe_of(trial.params) for trial in self.all]
        passed_over = sum(PASSED_OVER in trial.user_attrs for trial in self.study.get_trials(deepcopy=False))
        for attempt in range(MAX_PASSED_OVER):
            with quiet_optuna():
                self.study.sampler = make_sampler(self.seed, len(known) + passed_over + attempt)
                trial = self.study.ask(self.space.distributions)
                with suppress(BadRecipe):  # values that do not fit together
                    if (recipe := self.space.recipe_of(trial.params)) not in known:
                        return trial, recipe
                trial.set_user_attr(PASSED_OVER, True)
                self.study.tell(trial, state=TrialState.FAIL)
        return None

    def should_stop(self, trial: Trial, epoch: int, epochs: int, accuracy: float) -> bool:
        """Note a trial's accuracy after an epoch; whether successive halving gives it up."""
        trial.report(accuracy, epoch)
        return epoch < epochs and trial.should_prune()

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
    def seconds_of_one(self) -> float | None:
        """How long a trial takes that is not pruned, the median; None before one is finished."""
        finished = (trial for trial in self.all if trial.state == TrialState.COMPLETE)
        seconds = [trial.user_attrs[SECONDS] for trial in finished]
        return statistics.median(seconds) if seconds else None

    @property
    def start_accuracy(self) -> float | None:
        """Out-of-fold accuracy of the recipe that the search starts from, once it is known."""
        known: float | None = self.study.user_attrs.get(START_ACCURACY)
        return known

    @property
    def seconds(self) -> float:
        """How long the search has taken so far, over all its sessions."""
        return float(self.study.user_attrs.get(SPENT, 0.0))

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self.study.set_user_attr(SPENT, seconds)

    def table(self) -> pd.DataFrame:
        """A row for every trial, with `COLUMNS` and the fields of the space."""
        rows = []
        for trial in self.all:
            row: dict[str, Any] = {"trial": trial.number, "state": STATES.get(trial.state, "failed")}
            row |= {"accuracy": trial.value if trial.state == TrialState.COMPLETE else None}
            row |= {"trained_epochs": trial.last_step, "seconds": trial.user_attrs.get(SECONDS)}
            row |= {"reason": trial.user_attrs.get(REASON), **trial.params}
            rows.append(row)
        fields = [dimension.field for dimension in self.space.dimensions]
        table = pd.DataFrame(rows, columns=[*COLUMNS, *fields])
        return table.astype({"trained_epochs": "Int64"})


def _mend(journal: Path) -> None:
    """Remove what a process that was killed has left: Optuna's lock, and half a line to which Optuna would append."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)  # the search's folder has a lock of its own
    with suppress(FileNotFoundError), journal.open("r+b") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


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
