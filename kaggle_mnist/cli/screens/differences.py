"""The table of what differs between the lines of a comparison, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape

from kaggle_mnist.cli.console import console, fits, least_width, new_table, say, show_table
from kaggle_mnist.recipes.recipe import format_value
from kaggle_mnist.settings import changed
from kaggle_mnist.utils.errors import one_line, shortened

LONGEST = 30  # characters of a value


@dataclass(frozen=True)
class Line:
    """A line of a comparison.

    Attributes
    ----------
    letter : its short name
    name : of the run or recipe
    recipe : its name
    settings : what it was trained with; empty for a blend
    """

    letter: str
    name: str
    recipe: str
    settings: Mapping[str, Any]


def note_dropped() -> None:
    """Print that the scores of runs without suspect images, or of blends of such runs, are too good."""
    say("Note", "runs without the images that `audit` suspected look slightly better than they are:")
    say("", "models that had seen a held-out image helped to choose what to drop")


def show_differences(kind: str, lines: Sequence[Line]) -> None:
    """Print what all lines have in common, then their names and the settings that are not the same for all.

    Parameters
    ----------
    kind : what the lines are: ``"run"`` or ``"recipe"``
    lines : the best first
    """
    trained = [line for line in lines if line.settings]
    fields = changed([line.settings for line in trained])
    recipes = {line.recipe for line in trained}
    same = {name: value for name, value in trained[0].settings.items() if name not in fields} if trained else {}
    if shared := [*(recipes if len(recipes) == 1 else ()), *_in_words(same)]:
        say("In common", ", ".join(shared))
    if kind == "run" and len(recipes) > 1:
        fields = ["recipe", *fields]
    table = new_table("", kind, *fields)
    for line in lines:
        table.add_row(line.letter, _cell(line.name), *(_value(line, name) for name in fields))
    if fields and least_width(table) <= console.width:
        show_table(table)
        return
    table = new_table("", *(line.letter for line in lines))
    for name in fields:
        table.add_row(name, *(_value(line, name) for line in lines))  # a row for each field instead
    apart = fits(table)
    for line in lines:
        values = [f"{name} {_value(line, name)}" for name in fields if not apart and _value(line, name) != "·"]
        say(line.letter, ", ".join([line.name, *values]))
    if fields and apart:
        show_table(table)


def _cell(text: str) -> str:
    return escape(one_line(text))


def _value(line: Line, name: str) -> str:
    values = {"recipe": line.recipe, **line.settings} if line.settings else {}
    return _cell(shortened(format_value(values[name]), LONGEST)) if name in values else "·"


def _in_words(settings: Mapping[str, Any]) -> list[str]:
    """The settings that a reader wants to know first."""
    found = [f"hidden {format_value(settings['hidden'])}"] if "hidden" in settings else []
    for name in ("epochs", "folds", "repeats"):
        if (number := settings.get(name)) and (name != "repeats" or number > 1):
            found.append(f"{number} {name.removesuffix('s') if number == 1 else name}")
    return found + ([f"seed {settings['seed']}"] if "seed" in settings else [])
