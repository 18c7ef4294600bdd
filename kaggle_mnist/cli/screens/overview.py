"""What `runs` and `label` print, and a note for every command that gives a name."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from kaggle_mnist.cli.console import dropped, new_table, say, say_hidden, show_table
from kaggle_mnist.runs.names import PAGE, named_runs
from kaggle_mnist.runs.run import as_argument
from kaggle_mnist.settings import as_text
from kaggle_mnist.utils.errors import one_line
from kaggle_mnist.utils.words import enumerated, plural

if TYPE_CHECKING:
    from pathlib import Path

    from kaggle_mnist.overview import Entry, Overview
    from kaggle_mnist.runs.labels import Labels

COLUMNS = ("run", "CV", "forecast", "public", "recipe", "differs", "seconds", "note", "tags", "state")
NUMBERS = ("CV", "forecast", "public", "seconds")
SPARE = ("seconds", "recipe", "tags", "forecast", "note", "differs", "public")  # the first to go
LEGIBLE = 16  # columns that a longer text gets
MAX_FIELDS = 4  # of what differs
MAX_NAMES = 5  # that are taken
STOPPED = re.compile(r"stopped after (?:epoch )?(\d+) of (\d+)")


def show_overview(overview: Overview, output: Path, asked: Collection[str] = ()) -> None:
    """Print a line for each run, what they take on disk, and how to resume those that were interrupted.

    Columns that were `asked` for are the last to go where there is no room.
    """
    entries = overview.entries
    if not entries:
        say("Runs", overview.nothing or _none(output))
        return
    rows = [_cells(entry) for entry in entries]
    shown = [name for name in COLUMNS if any(row[name] not in ("", "·") for row in rows)]
    if all(entry.state == "finished" for entry in entries):
        shown.remove("state")
    hidden = dropped(shown, sorted(SPARE, key=lambda name: name in asked), lambda names: _table(rows, names))
    show_table(_table(rows, shown))
    some = f"{len(entries):,} of " if overview.of > len(entries) else ""
    say("Total", f"{some}{plural(overview.of, 'run')}, {sum(entry.size for entry in entries) / 1e6:.0f} MB")
    say_hidden(hidden)
    for entry in entries:
        if entry.state.startswith("damaged: "):
            say("Damaged", entry.state.removeprefix("damaged: "))
        if entry.state.startswith("stopped"):
            say("To resume", f"kaggle-mnist resume {as_argument(entry.path)}")


def _none(output: Path) -> str:
    return f"none in {output}; `kaggle-mnist train` makes one"


def _cells(entry: Entry) -> dict[str, str]:
    folder, name = one_line(entry.path.name), entry.labels.name_beside(entry.path.name)
    differs = as_text(entry.differs or {}, MAX_FIELDS)
    if entry.parents:
        differs = f"{plural(entry.parents, 'run')} averaged"
    elif entry.like != entry.recipe:
        differs = f"{entry.like}{': ' if differs else ''}{differs}"
    cells = {
        "run": f"{folder}\n({name})" if name else folder,
        "CV": _rounded(entry.cv_accuracy),
        "forecast": _rounded(entry.forecast.expected if entry.forecast else None),
        "public": _rounded(entry.public_score, 5),
        "recipe": entry.recipe or "·",
        "differs": differs,
        "seconds": "·" if entry.seconds is None else f"{entry.seconds:.0f}",
        "note": entry.labels.note,
        "tags": ", ".join(entry.labels.tags),
        "state": STOPPED.sub(r"stopped \1/\2", entry.state.split(":")[0]),
    }
    return {name: escape(cell if name == "run" else one_line(cell)) for name, cell in cells.items()}


def _rounded(accuracy: float | None, digits: int = 4) -> str:
    return "·" if accuracy is None else f"{accuracy:.{digits}f}"


def _table(rows: list[dict[str, str]], shown: list[str]) -> Table:
    table = new_table(*shown)
    for column, name in zip(table.columns, shown, strict=True):
        column.justify = "right" if name in NUMBERS else "left"
        column.no_wrap = name in (*NUMBERS, "run")
        if not column.no_wrap:
            least = min(LEGIBLE, max(len(row[name]) for row in rows)) if name in ("differs", "note") else 0
            column.min_width = max(least, *(len(word) for row in rows for word in (name, *row[name].split())))
    for row in rows:
        table.add_row(*(row[name] for name in shown))
    return table


def print_csv(overview: Overview) -> None:
    """Print one row per run."""
    rows = [entry.as_dict() for entry in overview.entries]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_FIELDS)
    for row in rows:
        differs = "" if row["differs"] is None else json.dumps(row["differs"])
        writer.writerow({**row, "differs": differs, "tags": " ".join(row["tags"])}.values())


_FIELDS = ["run", "name", "recipe", "like", "differs", "created", "cv_accuracy", "forecast", "forecast_low"]
_FIELDS += ["forecast_high", "public_score", "seconds", "state", "size", "note", "tags"]


def print_json(overview: Overview) -> None:
    """Print everything as JSON."""
    print(json.dumps({"runs": [entry.as_dict() for entry in overview.entries]}, indent=2))


def show_namesakes(labels: Sequence[Labels], output: Path) -> None:
    """Print a note if other runs have the names: where one run is asked for, these will not do."""
    known = {run.name for run in named_runs(output)}
    taken = [one.name for one in labels if one.name is not None and one.name in known]
    if len(taken) == 1:
        say("Note", f"another run is called {taken[0]}, too; `kaggle-mnist label` gives one another name")
    elif taken:
        names = taken if len(taken) <= MAX_NAMES else [*taken[:MAX_NAMES], f"{len(taken) - MAX_NAMES:,} more"]
        say("Note", f"other runs are called {enumerated(names)}, too; `kaggle-mnist label` gives them other names")


def show_labels(run: Path, labels: Labels, *, changed: bool) -> None:
    """Print a run's folder, and its name, note and tags; and whether its page has those of before."""
    say("Run", f"{run}")
    say("Name", labels.name or "·")
    say("Note", labels.note or "·")
    say("Tags", ", ".join(labels.tags) or "·")
    if changed and (run / PAGE).exists():
        say("Page", f"{PAGE} shows what was before; `kaggle-mnist report {as_argument(run)}` writes it anew")
