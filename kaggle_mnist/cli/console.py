"""What a person sees in the terminal: lines, tables and progress; one module for each group of commands."""

from __future__ import annotations

import time
from types import TracebackType

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from kaggle_mnist.utils.errors import one_line

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

    def __enter__(self) -> Watcher:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.started, self.printed = stage, now, now
            self.task = self.bar.add_task(stage, total=total, note=note)
        self.bar.update(self.task, completed=done, total=total, note=note)
        ended = done == total and now - self.started >= QUICK_SECONDS
        if not console.is_terminal and (ended or now - self.printed >= PLAIN_SECONDS):
            self.printed = now
            left = round((now - self.started) / done * (total - done)) if done else 0
            said = f"{done}/{total} {note}".rstrip()
            say(stage, f"{said}, {left // 60}:{left % 60:02} left")
