"""Curves of a training for TensorBoard or MLflow, from the events of `train`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from kaggle_mnist.pipeline import Start
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.utils.errors import BadOption, MissingPackage, OutputError

EXPERIMENT = "kaggle-mnist"


class Log:
    """Writes nothing; its subclasses write the curves while they grow. `on_start` and `on_epoch` are for `train`.

    Examples
    --------
    >>> from kaggle_mnist import load_digits, train
    >>> digits = load_digits("practice").head(500, 100)
    >>> with open_log("tensorboard") as log:
    ...     run = train("fast", input=digits, on_start=log.on_start, on_epoch=log.on_epoch)
    """

    def on_start(self, start: Start) -> None:
        """Begin a training, or go on with one after `start.epoch` epochs."""

    def on_epoch(self, event: EpochEnd) -> None:
        """Add an epoch."""

    def close(self, failed: bool) -> None:
        """Finish the log."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=kind is not None)


def open_log(kind: str | None) -> Log:
    """A log for ``"tensorboard"``, ``"mlflow"``, or None, which writes nothing. Raises BadOption and MissingPackage."""
    if kind is None:
        return Log()
    kinds: dict[str, type[Log]] = {"tensorboard": TensorBoardLog, "mlflow": MLflowLog}
    if kind not in kinds:
        raise BadOption(f"--log {kind}: must be {' or '.join(kinds)}")
    try:
        return kinds[kind]()
    except ImportError:
        raise MissingPackage(f"{kind} is not installed: pip install 'kaggle-mnist[{kind}]'") from None


def metrics_of(event: EpochEnd) -> dict[str, float]:
    """What is logged after an epoch: means over the members, accuracies of single ones (0 to 1), and seconds.

    >>> from kaggle_mnist.training.cross_validation import MemberEpoch
    >>> members = MemberEpoch(0, 0, 0.001, 0.1, 0.2, 0.94), MemberEpoch(0, 1, 0.001, 0.1, 0.2, 0.96)
    >>> event = EpochEnd(3, 8, members, seconds=5.0)
    >>> metrics = metrics_of(event)
    >>> round(metrics["held_out/accuracy"], 3), metrics["accuracy/repeat_0_fold_1"]
    (0.95, 0.96)
    """
    number = len(event.members)
    return {
        "held_out/accuracy": event.accuracy,
        "held_out/loss": sum(member.watched_loss for member in event.members) / number,
        "train/loss": sum(member.train_loss for member in event.members) / number,
        "train/learning_rate": event.members[0].learning_rate,
        "train/seconds": event.seconds,
        **{f"accuracy/repeat_{member.repeat}_fold_{member.fold}": member.watched_accuracy for member in event.members},
    }


class TensorBoardLog(Log):
    """Event files in `tensorboard/<run>/` beside the run's folder; `tensorboard --logdir` shows that of all runs."""

    def __init__(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.open = SummaryWriter
        self.writer: Any = None

    def on_start(self, start: Start) -> None:
        """Write the recipe; epochs that an interrupted run had logged after its last checkpoint are replaced."""
        folder = start.run.parent / "tensorboard" / start.run.name
        self.writer = self.open(str(folder), purge_step=start.epoch + 1 if start.epoch else None)
        fields = "\n".join(f"    {name} = {value!r}" for name, value in start.plan.recipe.in_use().items())
        self.writer.add_text("recipe", f"{start.plan.recipe.name}, seed {start.plan.seed}\n\n{fields}")

    def on_epoch(self, event: EpochEnd) -> None:
        """Write the epoch's metrics."""
        for name, value in metrics_of(event).items():
            self.writer.add_scalar(name, value, event.epoch)
        self.writer.flush()

    def close(self, failed: bool) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()


class MLflowLog(Log):
    """A run in MLflow's experiment `kaggle-mnist`, at `MLFLOW_TRACKING_URI` or in `mlflow.db` beside the run's folder.

    MLflow's store of plain files, `mlruns/`, is in maintenance mode and refused by MLflow 3, so it is SQLite here.
    """

    def __init__(self) -> None:
        from mlflow import MlflowClient, entities
        from mlflow.exceptions import MlflowException

        self.connect, self.entities, self.failure = MlflowClient, entities, MlflowException
        self.client: Any = None
        self.run = ""

    def on_start(self, start: Start) -> None:
        """Begin a run with the recipe's fields as parameters, or go on with the one of this name."""
        with self._named_failures():
            self._begin(start)

    def _begin(self, start: Start) -> None:
        place = start.run.parent.absolute() / "mlflow.db"
        self.client = self.connect(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{place}")
        found = self.client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else self.client.create_experiment(EXPERIMENT)
        same = self.client.search_runs([experiment], f"attributes.run_name = '{start.run.name}'") if start.epoch else []
        if same:
            self.run = same[0].info.run_id
            self.client.update_run(self.run, status="RUNNING")
            return
        self.run = self.client.create_run(experiment, run_name=start.run.name).info.run_id
        fields = {**start.plan.recipe.in_use(), "seed": start.plan.seed, "folds": start.plan.folds}
        parameters = [self.entities.Param(name, str(value)) for name, value in fields.items()]
        self.client.log_batch(self.run, params=parameters)

    def on_epoch(self, event: EpochEnd) -> None:
        """Send the epoch's metrics."""
        now = int(time.time() * 1000)
        metrics = [self.entities.Metric(name, value, now, event.epoch) for name, value in metrics_of(event).items()]
        with self._named_failures():
            self.client.log_batch(self.run, metrics=metrics)

    def close(self, failed: bool) -> None:
        """Mark the run as finished or failed."""
        if self.run:
            with self._named_failures():
                self.client.set_terminated(self.run, "FAILED" if failed else "FINISHED")

    @contextmanager
    def _named_failures(self) -> Iterator[None]:
        try:
            yield
        except self.failure as error:
            raise OutputError(f"MLflow: {error}; `kaggle-mnist resume` goes on without a log") from error
