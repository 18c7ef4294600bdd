"""Lines, tables and progress in the terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.segment import SegmentLines
from rich.table import Table

from kaggle_mnist.utils.errors import one_line

if TYPE_CHECKING:
    from kaggle_mnist.training.cross_validation import EpochEnd

PLAIN_SECONDS = 10  # between two lines of progress without a terminal
QUICK_SECONDS = 2  # shorter jobs show no progress
WIDEST = 10_000  # columns of a table

console = Console(highlight=False, soft_wrap=True)


def say(label: str, text: str) -> None:
    """Print one line, a label and a text; control characters and markup in the text are escaped."""
    console.print(f"{label:<12} {one_line(text)}", markup=False)


def new_table(*columns: str, numbers: bool = False) -> Table:
    """An empty table, narrower than Rich's default; columns of `numbers` are right-aligned and never wrapped."""
    table = Table(box=SIMPLE, pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(column, justify="right" if numbers else "left", no_wrap=numbers)
    return table


def show_table(table: Table, on: Console | None = None) -> None:
    """Print a table; in a terminal that is too narrow, row after row, a line for each cell that is not ``·``.

    In a file or a pipe, lines are as long as they must be.
    """
    screen = on or console
    for column in table.columns:
        if column.no_wrap:
            column.min_width = max(screen.measure(cell).maximum for cell in (column.header, *column.cells))
    least = Measurement.get(screen, screen.options.update(max_width=WIDEST), table).minimum
    if screen.is_terminal and least > screen.width:
        _show_stacked(table, screen)
        return
    lines = screen.render_lines(table, screen.options.update(width=max(screen.width, least)), pad=False)
    screen.print(SegmentLines(lines, new_lines=True), end="", soft_wrap=True)


def _show_stacked(table: Table, screen: Console) -> None:
    headers = [screen.render_str(str(column.header)).plain for column in table.columns]
    widest = max(map(len, headers))
    if table.title:
        screen.print(table.title)
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    if table.show_footer:
        rows.append(tuple(column.footer for column in table.columns))
    for row in rows:
        for header, cell in zip(headers, row, strict=True):
            if cell not in ("", "·"):
                screen.print(f"{escape(header):<{widest}}  {cell}")
        screen.print()


class Watcher:
    """Shows the progress of a long job: a bar with the time left, or plain lines if the output is not a terminal.

    Pass it as `progress`, and its `on_epoch` as `on_epoch`, to `train` and other long calls.

    Examples
    --------
    >>> with Watcher() as progress:
    ...     progress("Reading", 3, 3)
    """

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
        self.first = 0  # steps done when the stage started; above 0 in a resumed run
        self.announced = False  # whether the expected duration was shown

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
        """Show an epoch's accuracy, and after the first epoch how long training will take."""
        self._show("Training", event.epoch, event.epochs, f"held-out accuracy {event.accuracy:.4f}")
        left = event.epochs - event.epoch
        if not self.announced and left * event.seconds >= QUICK_SECONDS:
            say("Expected", f"{duration(left * event.seconds)} of training left, {event.seconds:.1f} s per epoch")
        self.announced = True

    def _show(self, stage: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.started, self.printed, self.first = stage, now, now, done
            self.task = self.bar.add_task(stage, total=total, completed=done, note=note)
        self.bar.update(self.task, completed=done, total=total, note=note)
        ended = done == total and now - self.started >= QUICK_SECONDS
        if not console.is_terminal and (ended or now - self.printed >= PLAIN_SECONDS):
            self.printed = now
            steps = done - self.first
            left = (now - self.started) / steps * (total - done) if steps else 0
            state = f"{done}/{total} {note}".rstrip()
            say(stage, f"{state}, {duration(left)} left")


def duration(seconds: float) -> str:
    """Format seconds as minutes and seconds, or hours, minutes and seconds.

    >>> duration(75), duration(3661)
    ('1:15', '1:01:01')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
