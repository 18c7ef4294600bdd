"""How accurate an earlier run of the same length was, epoch by epoch."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.labels import read_labels
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.runs.unfinished import Plan
from kaggle_mnist.settings import as_text, differing, settings_of
from kaggle_mnist.utils.errors import BadRun

MAX_FIELDS = 2  # of what differs


def earlier_run(output: Path, plan: Plan) -> tuple[str, dict[int, float]]:
    """The newest finished run in `output` on the same digits with as many epochs; if there is one, of the same recipe.

    Returns
    -------
    What it is called and, in brackets, in what its recipe differs; and by epoch the mean of its members' accuracies on
    held-out images, from 0 to 1. Nothing if there is no such run. Damaged runs are passed over.

    Examples
    --------
    >>> from kaggle_mnist.pipeline import Start
    >>> def on_start(start: Start) -> None:
    ...     print(earlier_run(start.run.parent, start.plan))
    """
    found: tuple[str, dict[int, float]] | None = None
    for path in reversed(list_runs(output)):
        with suppress(BadRun):
            run = read_run(path)
            recipe, same_digits = run.record.recipe, run.record.data.fingerprint == plan.data.fingerprint
            if recipe is None or not same_digits or recipe.epochs != plan.recipe.epochs:
                continue
            differs = differing(settings_of(run.record), {**settings_of(plan), "seed": run.record.seed})
            if found is None or not differs:
                called = read_labels(run.path).name or run.path.name
                found = f"{called} ({as_text(differs, MAX_FIELDS)})" if differs else called, _accuracies(run)
            if not differs:
                break
    return found or ("", {})


def _accuracies(run: Run) -> dict[int, float]:
    means = run.table("history").groupby("epoch", as_index=False).watched_accuracy.mean()
    return dict(zip(means.epoch, means.watched_accuracy, strict=True))
