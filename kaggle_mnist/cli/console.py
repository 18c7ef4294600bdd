"""What a person sees in the terminal: lines, tables and progress; one module for each group of commands."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from kaggle_mnist.utils.errors import one_line

if TYPE_CHECKING:
    from kaggle_mnist.training.cross_validation import EpochEnd

PLAIN_SECONDS = 10  # between two lines of progress where there is no terminal
QUICK_SECONDS = 2  # a job that is done sooner needs none

console = Console(highlight=False, soft_wrap=True)


def say(label: str, text: str) -> None:
    """One line: a label, then what there is to say, whatever signs it holds."""
    console.print(f"{label:<12} {one_line(text)}", markup=False)


def new_table(*columns: str, numbers: bool = False) -> Table:
    """An empty table that fits 80 characters more often than Rich's own; `numbers` are set to the right."""
    table = Table(box=SIMPLE, pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(column, justify="right" if numbers else "left")
    return table


class Watcher:
    """Shows a long job's progress: a bar with the time left, or plain lines where the output is no terminal."""

    def __init__(self) -> None:
        self.bar = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            disable=not console.is_terminal,
            speed_estimate_period=600,
        )
        self.stage, self.task = "", TaskID(0)
        self.started = self.printed = 0.0
        self.first = 0  # steps of the stage that were done when it began
        self.timed = False  # whether an epoch was

    def __enter__(self) -> Watcher:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def __call__(self, stage: str, done: int, total: int, unit: str = "") -> None:
        self._show(stage, done, total, unit)

    def on_epoch(self, event: EpochEnd) -> None:
        """Show an epoch's accuracy; after the first one, how long training will take."""
        self._show("Training", event.epoch, event.epochs, f"held-out accuracy {event.accuracy:.4f}")
        left = event.epochs - event.epoch
        if not self.timed and left * event.seconds >= QUICK_SECONDS:
            say("Expected", f"{duration(left * event.seconds)} more of training, {event.seconds:.2g} s an epoch")
        self.timed = True

    def _show(self, stage: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.started, self.printed, self.first = stage, now, now, done
            self.task = self.bar.add_task(stage, total=total, completed=done, note=note)
        self.bar.update(self.task, completed=done, total=total, note=note)
        ended = done == total and now - self.started >= QUICK_SECONDS
        if not console.is_terminal and (ended or now - self.printed >= PLAIN_SECONDS):
            self.printed = now
            steps = done - self.first  # those of a resumed run were not timed
            left = (now - self.started) / steps * (total - done) if steps else 0
            said = f"{done}/{total} {note}".rstrip()
            say(stage, f"{said}, {duration(left)} left")


def duration(seconds: float) -> str:
    """Minutes and seconds, or hours, minutes and seconds.

    >>> duration(75), duration(3661)
    ('1:15', '1:01:01')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
