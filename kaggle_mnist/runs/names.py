"""What runs may be called, read without pydantic or NumPy: a shell waits for it while it completes a word."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kaggle_mnist.utils.files import SUMS
from kaggle_mnist.utils.reading import read_bounded

CHECKPOINT = "checkpoint"  # the folder inside a run folder from which `resume` continues
LATEST = "latest"  # as RUN: the newest
PAGE = "report.html"
LABELS = "labels.json"  # a run's name, note and tags; not among the checksums
MAX_LABELS, MAX_SETTINGS = 1 << 16, 4 << 20  # bytes; usual are 100 B and 2 kB
NAME = r"^\w[\w.-]{0,59}$"  # that a user gives a run


@dataclass(frozen=True)
class RunNames:
    """A run's folder, and what else it is called.

    Attributes
    ----------
    path : the run folder
    finished : whether it has checksums
    name : given by the user; None if there is none, or it cannot be read
    recipe : of its recipe, or ``blend``; None if it cannot be read
    tags : given by the user
    """

    path: Path
    finished: bool
    name: str | None
    recipe: str | None
    tags: tuple[str, ...] = ()


def named_runs(output: Path) -> list[RunNames]:
    """The runs in `output`, finished or not, oldest first.

    Examples
    --------
    >>> named_runs(Path("an-empty-folder"))
    []
    """
    folders = {place.parent for mark in (SUMS, CHECKPOINT) for place in output.glob(f"[!.]*/{mark}")}
    return [names_of(path) for path in oldest_first(folders)]


def names_of(path: Path) -> RunNames:
    """The names of the run in a folder.

    Examples
    --------
    >>> names_of(Path("nowhere")).recipe is None
    True
    """
    labels, settings = _content(path / LABELS, MAX_LABELS), _settings(path)
    tags = labels["tags"] if isinstance(labels.get("tags"), list) else []
    recipe = settings["recipe"].get("name") if isinstance(settings.get("recipe"), dict) else settings.get("name")
    return RunNames(
        path, (path / SUMS).exists(), _if_word(labels.get("name")), _if_word(recipe), tuple(filter(_if_word, tags))
    )


def oldest_first(folders: set[Path] | list[Path]) -> list[Path]:
    """Run folders in the order in which the runs began, and first those whose settings cannot be read."""
    return sorted(folders, key=lambda path: (_start_time(path), path.name))


def _start_time(path: Path) -> float:
    """When a run began, in seconds since 1970; 0 if its settings cannot be read, which reading the run reports."""
    try:
        return datetime.fromisoformat(_settings(path)["created"]).timestamp()
    except (KeyError, TypeError, ValueError, OSError, OverflowError):
        return 0.0


def _settings(path: Path) -> dict[str, Any]:
    """The content of a finished run's record, or of an unfinished run's plan."""
    file = path / "run.json" if (path / SUMS).exists() else path / CHECKPOINT / "plan.json"
    return _content(file, MAX_SETTINGS)


def _content(file: Path, most: int) -> dict[str, Any]:
    try:
        content = json.loads(read_bounded(file, most))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _if_word(name: object) -> str | None:
    return name if isinstance(name, str) and re.fullmatch(r"[\w.-]{1,120}", name) else None
