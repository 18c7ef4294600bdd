"""How accurate an earlier run of the same length was, epoch by epoch."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.run import read_run
from kaggle_mnist.runs.unfinished import Plan
from kaggle_mnist.utils.errors import BadRun


def earlier_run(output: Path, plan: Plan) -> tuple[str, dict[int, float]]:
    """The newest finished run in `output` on the same digits with as many epochs.

    Returns
    -------
    Its folder's name, and by epoch the mean of its members' accuracies on held-out images, from 0 to 1; an empty name
    and nothing if there is no such run. Damaged runs are passed over.

    Examples
    --------
    >>> from kaggle_mnist.pipeline import Start
    >>> def on_start(start: Start) -> None:
    ...     print(earlier_run(start.run.parent, start.plan))
    """
    for path in reversed(list_runs(output)):
        with suppress(BadRun):
            run = read_run(path)
            record = run.record
            same_digits = record.data.fingerprint == plan.data.fingerprint
            if same_digits and record.recipe is not None and record.recipe.epochs == plan.recipe.epochs:
                accuracies = run.table("history").groupby("epoch", as_index=False).watched_accuracy.mean()
                return path.name, dict(zip(accuracies.epoch, accuracies.watched_accuracy, strict=True))
    return "", {}
