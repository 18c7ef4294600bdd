"""What `search` shows while it runs, and when it is done."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kaggle_mnist.cli.console import (
    ACCENT,
    LABEL,
    PLAIN_SECONDS,
    SHORTEST_BAR,
    Watcher,
    console,
    duration,
    fits,
    new_table,
    say,
    show_table,
)
from kaggle_mnist.significance import format_p
from kaggle_mnist.trials.page import count_states, format_number, verdict_of
from kaggle_mnist.trials.study import COLUMNS
from kaggle_mnist.utils.words import plural

if TYPE_CHECKING:
    from kaggle_mnist.search import SearchResult
    from kaggle_mnist.trials.budget import SearchState

MAX_TRIALS = 10  # lines of a table of trials
REDRAWS = 4  # a second


class SearchScreen:
    """Shows a search: in a terminal a bar and the best trials, otherwise a line for every trial that is over."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher  # shows how the digits are loaded
        self.live = Live(console=console, transient=True, auto_refresh=False)
        self.begun = False
        self.told: set[int] = set()
        self.last = 0.0

    def __enter__(self) -> SearchScreen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def __call__(self, state: SearchState) -> None:
        """Show the state, at most a few times a second."""
        if not self.begun:
            self.begun = True
            self.watcher.stop()
            _show_start(state)
            if console.is_terminal:
                self.live.start()
        now = time.monotonic()
        if not console.is_terminal:
            self._tell(state, now)
        elif now - self.last >= 1 / REDRAWS:
            self.last = now
            self.live.update(_picture(state), refresh=True)

    def _tell(self, state: SearchState, now: float) -> None:
        for row in state.trials.to_dict("records"):
            if row["state"] != "running" and row["trial"] not in self.told:
                self.told.add(row["trial"])
                self.last = now
                say(f"Trial {row['trial']}", f"{_how_it_ended(row)}; {', '.join(_summary(state))}")
        if state.to_confirm and now - self.last >= PLAIN_SECONDS:
            self.last = now
            say("Confirming", f"{state.confirmed}/{state.to_confirm}, {_time_left(state)}")


def _show_start(state: SearchState) -> None:
    plan = state.plan
    say("Digits", f"{plan.data.source}: {plan.data.train_images:,} labeled ({plan.data.path})")
    say("Search", f"{state.path}")
    say("Start", f"{plan.start.name}, {plan.folds} folds, seed {plan.seed}")
    for i, dimension in enumerate(plan.space):
        say("Space" if i == 0 else "", dimension)
    budget = [plural(plan.trials, "trial")] if plan.trials else []
    budget += [plural(plan.minutes, "minute")] if plan.minutes else []
    if state.changed:
        say("Note", f"changed since the search was started: {'; '.join(state.changed)};")
        say("", "trials before and after may not be comparable")
    say("Budget", f"{', '.join(budget)}; then start and best again with {plan.seeds} fresh seeds")


def _picture(state: SearchState) -> Group:
    trials = new_trials_table(state.trials, console.width, max(3, min(MAX_TRIALS, console.height - 8)))
    if state.to_confirm:
        label, done, total = "Confirming", state.confirmed, state.to_confirm
    else:
        label, done, total = "Searching", state.done, state.plan.trials or 0
    if not total:  # a budget of minutes only
        done, total = round(state.seconds), round((state.plan.minutes or 0) * 60)
    while not fits(trials):
        del trials.columns[-1]
    parts = _summary(state)
    while LABEL + 1 + len(", ".join(parts)) > console.width and len(parts) > 2:
        del parts[1]  # how many are done, and the time left, remain
    room = min(24, console.width - LABEL - 2 - len(", ".join(parts)))
    styles: dict[str, Any] = {"style": "dim", "complete_style": ACCENT, "finished_style": ACCENT}
    bar = [ProgressBar(total=total, completed=min(done, total), width=room, **styles)] if room >= SHORTEST_BAR else []
    line = Table.grid(padding=(0, 1))
    line.add_row(f"{label:<{LABEL}}", *bar, Text(", ".join(parts), no_wrap=True))
    return Group(trials, line)


def _summary(state: SearchState) -> list[str]:
    running = int((state.trials.state == "running").sum())
    finished = state.trials[state.trials.state == "finished"]
    best = f"best {finished.accuracy.max():.4f}" if len(finished) else "none finished yet"
    counts = f"{state.done} done" + (f" of {state.plan.trials}" if state.plan.trials else "")
    pruned = int((state.trials.state == "pruned").sum())
    return [counts, f"{running} running", f"{pruned} pruned", best, _time_left(state)]


def _time_left(state: SearchState) -> str:
    return "time left unknown" if state.seconds_left is None else f"{duration(state.seconds_left)} left"


def _how_it_ended(row: dict[Any, Any]) -> str:
    values = ", ".join(f"{name} {format_number(row[name])}" for name in row if name not in COLUMNS)
    if row["state"] == "finished":
        return f"{row['accuracy']:.4f} in {row['seconds']:.0f} s: {values}"
    why = f"after epoch {row['trained_epochs']}" if pd.isna(row["reason"]) else f"({row['reason']})"
    return f"{row['state']} {why}: {values}"


def new_trials_table(trials: pd.DataFrame, width: int, most: int) -> Table:
    """The trials, the best first: a column for each field if there is room, else one for all."""
    table = trials.sort_values(["accuracy", "trial"], ascending=[False, True], na_position="last").head(most)
    fields = [name for name in trials.columns if name not in COLUMNS]
    values = [[format_number(value) for value in row] for row in table[fields].to_numpy(dtype=object)]
    widths = [max([len(name), *(len(row[i]) for row in values)]) for i, name in enumerate(fields)]
    apart = sum(widths) + 2 * len(widths) + 42 <= width
    shown = new_table("trial", "state", "accuracy", "epochs", "s", *(fields if apart else ["values"]))
    for column in (*shown.columns[:1], *shown.columns[2:5], *(shown.columns[5:] if apart else ())):
        column.justify = "right"
    for row, cells in zip(table.to_dict("records"), values, strict=True):
        accuracy = "·" if pd.isna(row["accuracy"]) else f"{row['accuracy']:.4f}"
        epochs = "·" if pd.isna(row["trained_epochs"]) else f"{row['trained_epochs']}"
        seconds = "·" if pd.isna(row["seconds"]) else f"{row['seconds']:.0f}"
        rest = cells if apart else [", ".join(f"{name} {cell}" for name, cell in zip(fields, cells, strict=True))]
        shown.add_row(f"{row['trial']}", row["state"], accuracy, epochs, seconds, *map(escape, rest))
    return shown


def show_search(found: SearchResult) -> None:
    """Print the best trials, the confirmation and what was written."""
    show_table(new_trials_table(found.trials, console.width, MAX_TRIALS))
    say("Trials", count_states(found.trials) + ("; the space has no others" if found.exhausted else ""))
    if found.confirmation is not None:
        confirmation, difference = found.confirmation, found.confirmation.difference
        start, best = (sum(accuracies) / len(accuracies) for accuracies in (confirmation.start, confirmation.best))
        say("Confirmed", f"best {best:.4f}, start {start:.4f}: means over {difference.seeds} fresh seeds")
        interval = f"({difference.low:+.4f} to {difference.high:+.4f}), p {format_p(difference.p)}"
        say("Difference", f"{difference.mean:+.4f} {interval}")
        say("Luck", f"{confirmation.luck:+.4f} of the {confirmation.apparent:+.4f} that it was ahead among the trials")
    say("Verdict", verdict_of(found.start, found.confirmation))
    if found.best is not None:
        say("Recipe", f"{found.path / 'recipe.toml'}")
    say("Search", f"{found.path / 'report.html'}")
    if found.run is not None:
        say("Submission", f"{found.run.submission}")
