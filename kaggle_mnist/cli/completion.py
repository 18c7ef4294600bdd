"""What a shell offers while a word is typed: names of runs, recipes and tags. Nothing slow is imported."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Context

if TYPE_CHECKING:
    from kaggle_mnist.runs.names import RunNames

RECIPES = Path(__file__).parent.parent / "recipes"

Offer = tuple[str, str]  # a word and, for shells that show it, what it is


def complete_run(ctx: Context, incomplete: str) -> list[Offer]:
    """Names of the runs in `--output`, recipes and folders, newest first, but no words that a shell would quote."""
    from kaggle_mnist.runs.names import LATEST

    return _fitting(incomplete, [(LATEST, "the newest run"), *_words_of(_runs(ctx))])


def complete_unfinished(ctx: Context, incomplete: str) -> list[Offer]:
    """As `complete_run`, of runs that can be resumed."""
    return _fitting(incomplete, _words_of([run for run in _runs(ctx) if not run.finished]))


def complete_in_full(ctx: Context, incomplete: str) -> list[Offer]:
    """As `complete_run`, but only what stands for a run by itself: names and folders."""
    return _fitting(incomplete, _words_of(_runs(ctx), recipes=False))


def complete_used_recipe(ctx: Context, incomplete: str) -> list[Offer]:
    """The recipes of the runs in `--output`."""
    return _fitting(incomplete, [(run.recipe, "recipe") for run in _runs(ctx) if run.recipe])


def complete_tag(ctx: Context, incomplete: str) -> list[Offer]:
    """The tags of the runs in `--output`."""
    return _fitting(incomplete, [(tag, "tag") for run in _runs(ctx) for tag in run.tags])


def complete_recipe(incomplete: str) -> list[Offer]:
    """The named recipes, and TOML files here."""
    named = [(file.stem, "recipe") for file in sorted(RECIPES.glob("*.toml"))]
    return _fitting(incomplete, [*named, *((f"{file}", "") for file in sorted(_here(incomplete)))])


def _runs(ctx: Context) -> list[RunNames]:
    """Newest first."""
    from kaggle_mnist.runs.names import named_runs

    return named_runs(Path(ctx.params.get("output") or "submissions"))[::-1]


def _words_of(runs: list[RunNames], *, recipes: bool = True) -> list[Offer]:
    """Names, recipes, then folders."""
    names = [(run.name, run.path.name) for run in runs if run.name]
    used = [(run.recipe, "recipe") for run in runs if run.recipe and recipes]
    return [*names, *used, *((run.path.name, run.name or run.recipe or "") for run in runs)]


def _here(incomplete: str) -> Iterator[Path]:
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    return folder.glob("*.toml")


def _fitting(incomplete: str, offers: list[Offer]) -> list[Offer]:
    found: dict[str, str] = {}
    for word, what in offers:
        if word.startswith(incomplete) and shlex.quote(word) == word:
            found.setdefault(word, what)
    return list(found.items())
