"""Lines, tables and progress in the terminal."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.measure import Measurement
from rich.segment import SegmentLines
from rich.table import Table
from rich.text import Text

from kaggle_mnist.cli.widths import share
from kaggle_mnist.utils.errors import one_line

if TYPE_CHECKING:
    from kaggle_mnist.pipeline import Start
    from kaggle_mnist.training.cross_validation import EpochEnd

PLAIN_SECONDS = 10  # between two lines of progress without a terminal
QUICK_SECONDS = 2  # shorter jobs show no progress
WIDEST = 10_000  # columns of a table
ACCENT = "color(31)"  # the only color: a blue, #0087af, that reads on light and on dark
LABEL = 12  # columns
SHORTEST_BAR, WIDEST_BAR = 6, 40  # columns
SPARE = 3  # columns right of the bar's line: a terminal shows Ctrl-C as ^C, and must not wrap then
REDRAWS = 4  # of the bar, a second
BLOCKS = "▁▂▃▄▅▆▇█"
FEWEST_BLOCKS, MOST_BLOCKS = 6, 40  # columns of a sparkline

console = Console(highlight=False, soft_wrap=True)


def say(label: str, text: str) -> None:
    """Print a label and a text; control characters and markup in the text are escaped.

    In a terminal, a text that is too long goes on under itself, not under the label. Elsewhere it is one line.
    """
    whole = one_line(text)
    lines = wrapped(whole, console.width - LABEL - 1) if console.is_terminal else [whole]
    for number, line in enumerate(lines):
        console.print(f"{'' if number else label:<{LABEL}} {line}", markup=False)


def wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines between words, and words that are wider than a line after a slash.

    >>> wrapped("written to submissions/20261126-fast/submission.csv", 24)
    ['written to submissions/', '20261126-fast/', 'submission.csv']
    """
    lines, line = [], ""
    for word in text.split(" "):
        parts = re.findall(r".+?(?:/|$)", word) if cell_len(word) > width else [word]
        for number, part in enumerate(parts):
            longer = f"{line}{' ' if line and not number else ''}{part}"
            if line and cell_len(longer) > width:
                lines.append(line)
                longer = part
            line = longer
    return [*lines, line]


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
    least = least_width(table, screen)
    if screen.is_terminal and least > screen.width:
        _show_stacked(table, screen)
        return
    width = max(screen.width, least)
    share(table, width - least, screen)
    lines = screen.render_lines(table, screen.options.update(width=width), pad=False)
    screen.print(SegmentLines(lines, new_lines=True), end="", soft_wrap=True)


def least_width(table: Table, on: Console | None = None) -> int:
    """The columns of a terminal that a table takes at least."""
    screen = on or console
    for column in table.columns:
        if column.no_wrap:
            column.min_width = max(screen.measure(cell).maximum for cell in (column.header, *column.cells))
    return Measurement.get(screen, screen.options.update(max_width=WIDEST), table).minimum


def fits(table: Table) -> bool:
    """Whether the terminal has room for a table; outside of one there always is."""
    return not console.is_terminal or least_width(table) <= console.width


def dropped(shown: list[str], spare: Sequence[str], table_of: Callable[[list[str]], Table]) -> list[str]:
    """Take columns from `shown`, those in `spare` one after another, until the terminal has room for the rest.

    Returns what was taken; outside of a terminal, nothing.
    """
    taken: list[str] = []
    for name in (name for name in spare if name in shown):
        if fits(table_of(shown)):
            break
        shown.remove(name)
        taken.append(name)
    return taken


def say_hidden(columns: Sequence[str]) -> None:
    """Name the columns for which there was no room, if any."""
    if columns:
        say("Hidden", f"{', '.join(columns)} (use a wider terminal, --csv or --json)")


def _show_stacked(table: Table, screen: Console) -> None:
    headers = [screen.render_str(str(column.header)).plain for column in table.columns]
    room = screen.width - (widest := max(map(len, headers))) - 2
    screen.print(table.title or "")
    cells = [(*column.cells, *([column.footer] if table.show_footer else [])) for column in table.columns]
    for row in zip(*cells, strict=True):
        for column, header, cell in zip(table.columns, headers, row, strict=True):
            text = screen.render_str(f"{cell}").plain
            lines = f"{cell}".split("\n") if column.no_wrap or cell_len(text) <= room else wrapped(escape(text), room)
            for number, line in enumerate(lines if cell not in ("", "·") else []):
                screen.print(f"{'' if number else escape(header):<{widest}}  {line}")
        screen.print()


class Watcher:
    """Shows the progress of a long job, and forgets it when the job is done.

    In a terminal: a line with a bar and the time left, and below it how an epoch's accuracy compares with earlier ones.
    A narrow terminal leaves out the bar first. Elsewhere: plain lines, one every ten seconds.

    Pass it as `progress`, and its `on_epoch` as `on_epoch`, to `train` and other long calls.

    Examples
    --------
    >>> with Watcher() as progress:
    ...     progress("Reading", 3, 3)
    """

    def __init__(self) -> None:
        self.stage, self.done, self.total, self.unit = "", 0, 0, ""
        self.started = self.updated = self.printed = 0.0
        self.first = 0  # steps done when the stage started; above 0 in a resumed run
        self.announced = False  # whether the expected duration was shown
        self.curve = Curve()
        self.live = Live(console=console, transient=True, get_renderable=self._picture, refresh_per_second=REDRAWS)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Remove the bar; the next step of a job shows one again."""
        self.live.stop()

    def __call__(self, stage: str, done: int, total: int, unit: str = "") -> None:
        self._show(stage, done, total, unit)

    def on_start(self, start: Start) -> None:
        """Find an earlier run of the same length, to compare with in a terminal."""
        from kaggle_mnist.earlier import earlier_run

        self.announced = start.estimate is not None  # else after the first epoch
        self.curve = Curve()
        if console.is_terminal:
            self.curve.earlier = earlier_run(start.run.parent, start.plan)

    def on_epoch(self, event: EpochEnd) -> None:
        """Show an epoch's accuracy, and after the first epoch how long training will take."""
        self.curve.add(event)
        self._show("Training", event.epoch, event.epochs, f"held-out accuracy {event.accuracy:.4f}")
        left = event.epochs - event.epoch
        if not self.announced and left * event.seconds >= QUICK_SECONDS:
            say("Expected", f"{duration(left * event.seconds)} of training left, {event.seconds:.1f} s per epoch")
        self.announced = True

    def _show(self, stage: str, done: int, total: int, unit: str) -> None:
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.started, self.printed, self.first = stage, now, now, done
        self.done, self.total, self.unit, self.updated = done, total, unit, now
        if console.is_terminal:
            self.live.start(refresh=True)
            return
        ended = done == total and now - self.started >= QUICK_SECONDS
        if ended or now - self.printed >= PLAIN_SECONDS:
            self.printed = now
            say(stage, f"{f'{done}/{total} {unit}'.rstrip()}, {self._left() or '0:00 left'}")

    def _left(self) -> str:
        """The time left, if the steps so far are a measure; it runs down between two steps."""
        steps = self.done - self.first
        if not steps:
            return ""
        expected = (self.updated - self.started) / steps * (self.total - self.done)
        return f"{duration(max(0, expected - (time.monotonic() - self.updated)))} left"

    def _picture(self) -> Text:
        curve = self.curve if self.stage == "Training" else Curve()
        count = f"{self.done}/{self.total}"
        line = Text(f"{self.stage:<{LABEL}} ", no_wrap=True, overflow="crop")
        for unit in ("" if curve.accuracies else self.unit, ""):
            end = "  ".join(part for part in (count, unit, self._left()) if part)
            if len(line) + len(end) < console.width:
                break
        room = min(WIDEST_BAR, console.width - len(line) - len(end) - 2 - SPARE)
        if room >= SHORTEST_BAR:
            filled = round(room * self.done / max(1, self.total))
            line.append("━" * filled, ACCENT).append("━" * (room - filled), "dim").append("  ")
        line.append(end)
        for below in curve.lines(console.width - LABEL - 1 - SPARE):
            line.append("\n" + " " * (LABEL + 1)).append(below)
        return line


@dataclass
class Curve:
    """The accuracies on held-out images, epoch after epoch, and those of an earlier run of the same length.

    Attributes
    ----------
    accuracies : from 0 to 1, by epoch
    earlier : the name of an earlier run, and its accuracies by epoch
    of : what is trained, if that has to be said
    """

    accuracies: dict[int, float] = field(default_factory=dict)
    earlier: tuple[str, dict[int, float]] = ("", {})
    of: str = ""

    def add(self, event: EpochEnd) -> None:
        """Note the accuracy of an epoch of all repeats; those of single ones would make one zigzag."""
        if event.repeat_epoch is None:
            self.accuracies[event.epoch] = event.accuracy

    def lines(self, width: int) -> list[Text]:
        """What there is to say after the last epoch, in lines of at most `width` columns; the rest is left out.

        >>> [line.plain for line in Curve({1: 0.9, 2: 0.95, 3: 0.94}, ("mlp", {3: 0.93})).lines(60)]
        ['held-out 0.9400  best 0.9500  ▁█▆', '0.9300 at this epoch: mlp']
        """
        if not self.accuracies:
            return []
        epoch, values = max(self.accuracies), [self.accuracies[epoch] for epoch in sorted(self.accuracies)]
        name, earlier = self.earlier
        first = Text(f"{self.of}{'  ' if self.of else ''}held-out {values[-1]:.4f}")
        best = f"  best {max(values):.4f}"
        if len(first) + len(best) <= width:
            first.append(best)
        if (room := min(width - len(first) - 2, MOST_BLOCKS)) >= FEWEST_BLOCKS:
            first.append("  ").append(sparkline(values, room), ACCENT)
        second = f"{earlier[epoch]:.4f} at this epoch: {name}" if epoch in earlier else ""
        return [line for line in (first, Text(second)) if 0 < len(line) <= width]


def sparkline(accuracies: Sequence[float], width: int) -> str:
    """A block for each accuracy, from 0 to 1, or for `width` evenly chosen ones; higher by the logarithm of the error.

    >>> sparkline([0.9, 0.99, 0.999], 10), sparkline([0.9, 0.97, 0.99, 0.997, 0.999], 3)
    ('▁▅█', '▁▅█')
    """
    if (last := len(accuracies) - 1) >= width:
        accuracies = [accuracies[round(place * last / (width - 1))] for place in range(width)]
    errors = [math.log(max(1 - accuracy, 1e-6)) for accuracy in accuracies]
    most, spread = max(errors), max(errors) - min(errors)
    return "".join(BLOCKS[round((most - error) / spread * (len(BLOCKS) - 1)) if spread else 0] for error in errors)


def duration(seconds: float) -> str:
    """Format seconds as minutes and seconds, or hours, minutes and seconds.

    >>> duration(75), duration(3661)
    ('1:15', '1:01:01')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
