"""List runs: every run of a folder in a line, with its scores, what is special about it, and its user's notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaggle_mnist.forecast import Forecast, forecast_of
from kaggle_mnist.recipes.named import named_recipes
from kaggle_mnist.recipes.recipe import Recipe, did_you_mean
from kaggle_mnist.runs.labels import Labels
from kaggle_mnist.runs.listing import RunStatus, all_runs
from kaggle_mnist.settings import Settings, nearest_recipe
from kaggle_mnist.utils.errors import BadOption


@dataclass(frozen=True)
class Entry:
    """A run's line.

    Attributes
    ----------
    path, state, size : as in `RunStatus`
    labels : its name, note and tags
    recipe : its name, ``blend`` of a blend; None if the run cannot be read
    like : the named recipe that it is a variation of; None of a blend and of a run that cannot be read
    differs : the settings that differ from that recipe's and from the defaults of `train`
    parents : number of a blend's parents
    created : when it began, ISO 8601
    cv_accuracy, forecast, public_score : 0 to 1; None unless finished, and uploaded
    seconds : how long training took; None unless finished, and of a blend
    """

    path: Path
    state: str
    size: int
    labels: Labels
    recipe: str | None = None
    like: str | None = None
    differs: Settings | None = None
    parents: int = 0
    created: str | None = None
    cv_accuracy: float | None = None
    forecast: Forecast | None = None
    public_score: float | None = None
    seconds: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry in `runs --json`."""
        forecast = self.forecast
        return {
            "run": self.path.name,
            "name": self.labels.name,
            "recipe": self.recipe,
            "like": self.like,
            "differs": self.differs,
            "created": self.created,
            "cv_accuracy": self.cv_accuracy,
            "forecast": forecast and forecast.expected,
            "forecast_low": forecast and forecast.low,
            "forecast_high": forecast and forecast.high,
            "public_score": self.public_score,
            "seconds": self.seconds,
            "state": self.state,
            "size": self.size,
            "note": self.labels.note,
            "tags": list(self.labels.tags),
        }


@dataclass(frozen=True)
class Overview:
    """The runs of a folder.

    Attributes
    ----------
    entries : those that were asked for, in the order that was asked for
    of : how many runs there are in all
    nothing : why there are no entries, though there are runs
    """

    entries: list[Entry]
    of: int
    nothing: str = ""


CALLED = {"s": "seconds", "time": "seconds", "accuracy": "cv"}  # what a user may call a column
SORTS: dict[str, Callable[[Entry], Any]] = {  # smallest first; None last
    "run": lambda entry: entry.path.name,
    "cv": lambda entry: _best_first(entry.cv_accuracy),
    "forecast": lambda entry: _best_first(entry.forecast.expected if entry.forecast else None),
    "public": lambda entry: _best_first(entry.public_score),
    "recipe": lambda entry: entry.recipe,
    "seconds": lambda entry: entry.seconds,
    "note": lambda entry: entry.labels.note or None,
    "tags": lambda entry: entry.labels.tags or None,
    "state": lambda entry: entry.state,
    "size": lambda entry: -entry.size,
}


def _best_first(accuracy: float | None) -> float | None:
    return None if accuracy is None else -accuracy


def list_entries(
    output: str | Path = "submissions",
    *,
    sort: str | None = None,
    recipe: str | None = None,
    tags: Sequence[str] = (),
    last: int | None = None,
    verify: bool = False,
) -> Overview:
    """The runs of a folder, finished or not.

    Parameters
    ----------
    output : folder of the runs
    sort : one of `SORTS`: best, fastest, largest or first in the alphabet first; None for the oldest first
    recipe : only runs of that recipe
    tags : only runs with all of these tags
    last : only so many of them, the newest
    verify : compare every file of finished runs with its checksum, not only those that were changed since

    Raises
    ------
    BadOption
        There is no such column.

    Examples
    --------
    >>> list_entries("an-empty-folder", sort="cv").entries
    []
    """
    if sort is not None and sort.lower() not in SORTS:
        hint = did_you_mean(sort, SORTS, CALLED)
        raise BadOption(f"--sort {sort}: no such column{hint}; use one of {', '.join(SORTS)}")
    named = named_recipes()
    found = [_entry(status, named) for status in all_runs(Path(output), verify=verify)]
    entries = [entry for entry in found if recipe in (None, entry.recipe) and set(tags) <= set(entry.labels.tags)]
    nothing = "" if entries or not found else _why_nothing(found, recipe, tags)
    if last is not None:
        entries = entries[-last:]
    if sort is not None:
        keys = [(SORTS[sort.lower()](entry), entry) for entry in entries]
        known = sorted((pair for pair in keys if pair[0] is not None), key=lambda pair: pair[0])
        entries = [entry for _, entry in (*known, *(pair for pair in keys if pair[0] is None))]
    return Overview(entries, len(found), nothing)


def _why_nothing(found: Sequence[Entry], recipe: str | None, tags: Sequence[str]) -> str:
    """That no run has the recipe, or one of the tags, or all of them together."""
    of = "the only run does not have" if len(found) == 1 else f"none of the {len(found):,} runs has"
    recipes = {entry.recipe for entry in found if entry.recipe is not None}
    known = {tag for entry in found for tag in entry.labels.tags}
    if recipe is not None and recipe not in recipes:
        return f"{of} the recipe {recipe}{did_you_mean(recipe, sorted(recipes))}"
    for tag in tags:
        if tag not in known:
            return f"{of} the tag {tag}{did_you_mean(tag, sorted(known))}"
    asked = [*(() if recipe is None else (f"the recipe {recipe}",)), *(f"the tag {tag}" for tag in tags)]
    return f"{of} {' and '.join(asked)}"


def _entry(status: RunStatus, named: dict[str, Recipe]) -> Entry:
    made = status.made
    fixed = (status.path, status.state, status.size, status.labels)
    if made is None:
        return Entry(*fixed)
    like, differs = nearest_recipe(made, named) if made.recipe is not None else (None, None)
    if status.scored is None:  # unfinished
        name = None if made.recipe is None else made.recipe.name
        return Entry(*fixed, name, like, differs, created=made.created)
    record, submitted = status.scored.run.record, status.scored.submitted
    return Entry(
        *fixed,
        recipe=record.name,
        like=like,
        differs=differs,
        parents=len(record.parents),
        created=record.created,
        cv_accuracy=record.scores.cv_accuracy,
        forecast=forecast_of(status.scored),
        public_score=None if submitted is None else submitted.public_score,
        seconds=record.seconds.get("train"),
    )
