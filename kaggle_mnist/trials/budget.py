"""How far a search has come, and how long it goes on: so many trials, or so many minutes with the confirmation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kaggle_mnist.trials.folder import MAX_SEEDS, SearchPlan
from kaggle_mnist.trials.study import Trials
from kaggle_mnist.utils.errors import BadOption
from kaggle_mnist.utils.words import plural


@dataclass(frozen=True)
class SearchState:
    """A search at one moment; what a screen shows.

    Attributes
    ----------
    path, plan : its folder and settings
    trials : as `Trials.table`; `accuracy` and `seconds` of running trials are those so far
    start_accuracy : of the recipe that the search started from, None before it is known
    seconds, seconds_left : since the search began, and until it ends by its budget, as far as can be told
    changed : what is different in the environment since the search began
    confirmed, to_confirm : trainings of the confirmation that are done, and in all; 0 before it begins
    """

    path: Path
    plan: SearchPlan
    trials: pd.DataFrame
    start_accuracy: float | None
    seconds: float
    seconds_left: float | None
    changed: tuple[str, ...] = ()
    confirmed: int = 0
    to_confirm: int = 0

    @property
    def done(self) -> int:
        """The number of trials that are over."""
        return int((self.trials.state != "running").sum())


def check_budget(trials: int | None, minutes: float | None, seeds: int = MAX_SEEDS) -> None:
    """Raise BadOption for a number of trials, minutes or seeds of the confirmation that makes no sense."""
    if trials is not None and trials < 1:
        raise BadOption(f"{plural(trials, 'trial')}: must be at least 1")
    if minutes is not None and not 0 < minutes < math.inf:
        raise BadOption(f"{minutes:g} minutes: must be a number above 0")
    if not 3 <= seeds <= MAX_SEEDS:
        raise BadOption(f"{plural(seeds, 'seed')}: a confirmation needs from 3 to {MAX_SEEDS}")


@dataclass(frozen=True)
class Budget:
    """When the last trial of a search may begin.

    Attributes
    ----------
    plan : with the numbers of trials and minutes
    trials : those so far
    """

    plan: SearchPlan
    trials: Trials

    def allows(self, running: int, seconds: float, workers: int) -> bool:
        """Whether one more trial may begin beside those that are running; the first may always.

        `seconds` is how long the search has taken so far, `workers` how many jobs are carried out at once.
        """
        begun = self.trials.done + running
        if self.plan.trials is not None and begun >= self.plan.trials:
            return False
        left = self._seconds_for_trials(seconds, workers)
        return left is None or left > 0 or begun == 0

    def seconds_left(self, seconds: float, workers: int, confirmed: int) -> float | None:
        """Until the search ends with its confirmation, of which so many trainings are done; None if not known yet."""
        one, done = self.trials.seconds_of_one, self.trials.done
        limits = []
        if (by_minutes := self._seconds_for_trials(seconds, workers)) is not None:
            limits.append(max(0.0, by_minutes))
        if self.plan.trials is not None and done:
            limits.append(max(0, self.plan.trials - done) * seconds / done)
        if not limits or one is None:
            return None
        return min(limits) + one * math.ceil((2 * self.plan.seeds - confirmed) / max(1, workers))

    def _seconds_for_trials(self, seconds: float, workers: int) -> float | None:
        """Until the last trial may begin, so that confirmation and all end in time; None without a limit."""
        if self.plan.minutes is None:
            return None
        rounds = 1 + math.ceil(2 * self.plan.seeds / max(1, workers))
        return self.plan.minutes * 60 - seconds - rounds * (self.trials.seconds_of_one or 0.0)
