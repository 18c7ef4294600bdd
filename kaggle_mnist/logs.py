"""Curves of a training for TensorBoard or MLflow, from the events of `train`."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from kaggle_mnist.pipeline import Start
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.utils.errors import BadOption, MissingPackage, OutputError, one_line, shortened

EXPERIMENT = "kaggle-mnist"
MAX_CAUSE = 200  # characters of a library's message


class Writer(Protocol):
    """Writes the curves of one run after another. It may raise anything."""

    def begin(self, start: Start) -> None:
        """Begin a run, or go on with one that is resumed."""

    def add(self, event: EpochEnd) -> None:
        """Add an epoch."""

    def end(self, failed: bool) -> None:
        """End the run."""


class Log:
    """Gives a writer the events of `train`: `on_start` and `on_epoch` are its callbacks. None writes nothing.

    Training does not depend on it: what cannot be written once a run has begun ends the log, and `tell` is called with
    a line that says why.

    Examples
    --------
    >>> from kaggle_mnist import load_digits, train
    >>> digits = load_digits("practice").head(500, 100)
    >>> with open_log("tensorboard") as log:
    ...     run = train("fast", input=digits, on_start=log.on_start, on_epoch=log.on_epoch)
    """

    def __init__(self, name: str, writer: Writer | None, tell: Callable[[str], object]):
        self.name, self.writer, self.tell = name, writer, tell
        self.runs, self.open = 0, False  # runs that were begun, and whether the last one is not ended

    def on_start(self, start: Start) -> None:
        """End the run before this one, and begin this one. Raises OutputError if it is the first and cannot begin."""
        self.close(failed=False)
        if self.writer is not None:
            self._attempt(self.writer.begin, start, refuse=not self.runs)
            self.runs, self.open = self.runs + 1, True

    def on_epoch(self, event: EpochEnd) -> None:
        """Add an epoch."""
        if self.writer is not None:
            self._attempt(self.writer.add, event)

    def close(self, failed: bool) -> None:
        """End the run, if one has begun."""
        if self.writer is not None and self.open:
            self._attempt(self.writer.end, failed)
            self.open = False

    def _attempt(self, step: Callable[[Any], None], argument: object, *, refuse: bool = False) -> None:
        try:
            step(argument)
        except KeyboardInterrupt:  # as while a server does not answer, which is not asked again
            self.writer = None
            raise
        except Exception as error:  # a server's, a file's or a database's
            self.writer = None
            if refuse:
                raise OutputError(f"{self.name}: {_cause(error)}; fix that, or leave out --log") from error
            self.tell(f"{self.name}: {_cause(error)}; the curves end here")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with nullcontext() if kind is None else suppress(KeyboardInterrupt):  # the first one says what is kept
            self.close(failed=kind is not None)


def _cause(error: Exception) -> str:
    match error:
        case OSError(strerror=str(reason), filename=str(name)):
            return one_line(f"{name}: {reason}")
        case OSError(strerror=str(reason)):
            return reason
        case _:
            return shortened(one_line(f"{error}".partition("\n")[0]) or type(error).__name__, MAX_CAUSE)


def open_log(kind: str | None, tell: Callable[[str], object] = warnings.warn) -> Log:
    """A log for ``"tensorboard"``, ``"mlflow"``, or None, which writes nothing. Raises BadOption and MissingPackage.

    `tell` is called with a line if the log ends before the training.
    """
    if kind is None:
        return Log("", None, tell)
    kinds: dict[str, tuple[str, type[Writer]]] = {
        "tensorboard": ("TensorBoard", TensorBoardWriter),
        "mlflow": ("MLflow", MLflowWriter),
    }
    if kind not in kinds:
        raise BadOption(f"--log {kind}: must be {' or '.join(kinds)}")
    name, writer = kinds[kind]
    try:
        return Log(name, writer(), tell)
    except ImportError:
        raise MissingPackage(f"{kind} is not installed: pip install 'kaggle-mnist[{kind}]'") from None


def metrics_of(event: EpochEnd) -> dict[str, float]:
    """What is logged after an epoch: means over the members, accuracies of single ones (0 to 1), and seconds.

    Where repeats are trained one by one, the means have a name for each repeat.

    Examples
    --------
    >>> from kaggle_mnist.training.cross_validation import MemberEpoch
    >>> members = MemberEpoch(1, 0, 0.001, 0.1, 0.2, 0.94), MemberEpoch(1, 1, 0.001, 0.1, 0.2, 0.96)
    >>> metrics = metrics_of(EpochEnd(3, 8, members, seconds=5.0))
    >>> round(metrics["held_out/accuracy"], 3), metrics["accuracy/repeat_1_fold_1"]
    (0.95, 0.96)
    >>> round(metrics_of(EpochEnd(11, 16, members, 5.0, repeat_epoch=3))["held_out/accuracy_repeat_1"], 3)
    0.95
    """
    number, first = len(event.members), event.members[0]
    of = "" if event.repeat_epoch is None else f"_repeat_{first.repeat}"
    return {
        f"held_out/accuracy{of}": event.accuracy,
        f"held_out/loss{of}": sum(member.watched_loss for member in event.members) / number,
        f"train/loss{of}": sum(member.train_loss for member in event.members) / number,
        f"train/learning_rate{of}": first.learning_rate,
        f"train/seconds{of}": event.seconds,
        **{f"accuracy/repeat_{member.repeat}_fold_{member.fold}": member.watched_accuracy for member in event.members},
    }


def _step_of(event: EpochEnd) -> int:
    """The epoch of the event's members."""
    return event.epoch if event.repeat_epoch is None else event.repeat_epoch


class TensorBoardWriter:
    """Event files in `tensorboard/<run>/` beside the run's folder; `tensorboard --logdir` shows that of all runs.

    They are written at once: the thread of PyTorch's `SummaryWriter` prints a traceback where the disk is full.
    """

    def __init__(self) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
        from torch.utils.tensorboard.summary import text

        self.event, self.session, self.summary, self.records = Event, SessionLog, Summary, RecordWriter
        self.text: Any = text
        self.file = Path()

    def begin(self, start: Start) -> None:
        """Write the recipe; epochs that an interrupted run had logged after its last checkpoint are replaced."""
        folder = start.run.parent / "tensorboard" / start.run.name
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / f"events.out.tfevents.{time.time_ns()}"
        self._write(file_version="brain.Event:2")
        if start.epoch:
            self._write(step=start.epoch + 1, session_log=self.session(status=self.session.START))
        fields = "\n".join(f"    {name} = {value!r}" for name, value in start.plan.recipe.in_use().items())
        said = f"{start.plan.recipe.name}, seed {start.plan.seed}\n\n{fields}"
        self._write(summary=self.text("recipe", said))

    def add(self, event: EpochEnd) -> None:
        """Write the epoch's metrics."""
        values = [self.summary.Value(tag=name, simple_value=value) for name, value in metrics_of(event).items()]
        self._write(step=_step_of(event), summary=self.summary(value=values))

    def end(self, failed: bool) -> None:
        """Nothing to do: no file is kept open."""

    def _write(self, **fields: Any) -> None:
        with self.file.open("ab") as file:
            self.records(file).write(self.event(wall_time=time.time(), **fields).SerializeToString())


class MLflowWriter:
    """A run in MLflow's experiment `kaggle-mnist`, at `MLFLOW_TRACKING_URI` or in `mlflow.db` beside the run's folder.

    MLflow's store of plain files, `mlruns/`, is in maintenance mode and refused by MLflow 3, so it is SQLite here.
    """

    def __init__(self) -> None:
        from mlflow import MlflowClient, entities

        self.connect, self.entities = MlflowClient, entities
        self.client: Any = None
        self.run = ""

    def begin(self, start: Start) -> None:
        """Begin a run with the recipe's fields as parameters, or go on with the one of this name."""
        place = start.run.parent.absolute() / "mlflow.db"
        self.client = self.connect(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{place}")
        found = self.client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else self.client.create_experiment(EXPERIMENT)
        resumed = start.epoch or start.repeats
        same = self.client.search_runs([experiment], f"attributes.run_name = '{start.run.name}'") if resumed else []
        if same:
            self.run = same[0].info.run_id
            self.client.update_run(self.run, status="RUNNING")
            return
        self.run = self.client.create_run(experiment, run_name=start.run.name).info.run_id
        fields = {**start.plan.recipe.in_use(), "seed": start.plan.seed, "folds": start.plan.folds}
        parameters = [self.entities.Param(name, str(value)) for name, value in fields.items()]
        self.client.log_batch(self.run, params=parameters)

    def add(self, event: EpochEnd) -> None:
        """Send the epoch's metrics."""
        now, step = int(time.time() * 1000), _step_of(event)
        metrics = [self.entities.Metric(name, value, now, step) for name, value in metrics_of(event).items()]
        self.client.log_batch(self.run, metrics=metrics)

    def end(self, failed: bool) -> None:
        """Mark the run as finished or failed."""
        self.client.set_terminated(self.run, "FAILED" if failed else "FINISHED")
