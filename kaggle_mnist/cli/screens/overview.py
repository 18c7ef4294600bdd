"""What `runs` and `label` print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaggle_mnist.cli.console import say

if TYPE_CHECKING:
    from pathlib import Path

    from kaggle_mnist.runs.labels import Labels


def show_labels(run: Path, labels: Labels) -> None:
    """Print a run's folder, and its name, note and tags."""
    say("Run", f"{run}")
    say("Name", labels.name or "·")
    say("Note", labels.note or "·")
    say("Tags", ", ".join(labels.tags) or "·")
