"""What a shell offers while a word is typed: names of runs, recipes and tags. Nothing slow is imported."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from typer import Context

RECIPES = Path(__file__).parent.parent / "recipes"

Offer = tuple[str, str]  # a word and, for shells that show it, what it is


def complete_run(ctx: Context, incomplete: str) -> list[Offer]:
    """Names of the runs in `--output`, recipes and folders, newest first, but no words that a shell would quote."""
    from kaggle_mnist.runs.names import LATEST, named_runs

    runs = named_runs(Path(ctx.params.get("output") or "submissions"))[::-1]
    names = [(run.name, run.path.name) for run in runs if run.name]
    recipes = [(run.recipe, "recipe") for run in runs if run.recipe]
    folders = [(run.path.name, run.name or run.recipe or "") for run in runs]
    return _fitting(incomplete, [(LATEST, "the newest run"), *names, *recipes, *folders])


def complete_unfinished(ctx: Context, incomplete: str) -> list[Offer]:
    """As `complete_run`, of runs that can be resumed."""
    from kaggle_mnist.runs.names import named_runs

    runs = [run for run in named_runs(Path(ctx.params.get("output") or "submissions")) if not run.finished][::-1]
    return _fitting(incomplete, [(word, run.path.name) for run in runs for word in (run.name, run.path.name) if word])


def complete_recipe(incomplete: str) -> list[Offer]:
    """The named recipes, and TOML files here."""
    named = [(file.stem, "recipe") for file in sorted(RECIPES.glob("*.toml"))]
    return _fitting(incomplete, [*named, *((f"{file}", "") for file in sorted(_here(incomplete)))])


def _here(incomplete: str) -> Iterator[Path]:
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    return folder.glob("*.toml")


def _fitting(incomplete: str, offers: list[Offer]) -> list[Offer]:
    found: dict[str, str] = {}
    for word, what in offers:
        if word.startswith(incomplete) and shlex.quote(word) == word:
            found.setdefault(word, what)
    return list(found.items())
