"""Curves for TensorBoard and MLflow."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pandas as pd
import pytest

from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.logs import open_log
from kaggle_mnist.pipeline import Start
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs import checkpoint
from kaggle_mnist.runs.run import Run
from kaggle_mnist.seeds import train_seeds
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.utils.errors import BadOption, Interrupted
from kaggle_mnist.utils.progress import in_turn
from tests.cli.invoke import invoke
from tests.cli.test_training import QUICK

TENSORBOARD = Path("submissions/tensorboard")


class Param(NamedTuple):
    key: str
    value: str


class Metric(NamedTuple):
    key: str
    value: float
    timestamp: int
    step: int


@dataclass
class MLflowRun:
    """What a server knows of a run."""

    name: str
    status: str = "RUNNING"
    params: list[Param] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)

    @property
    def info(self) -> SimpleNamespace:
        return SimpleNamespace(run_id=self.name, run_name=self.name, status=self.status)


class Server:
    """Stands in for MLflow, as far as `MLflowWriter` uses it; `refuse` may raise, and is given the name of the call."""

    def __init__(self) -> None:
        self.runs: dict[str, MLflowRun] = {}
        self.experiments: list[str] = []
        self.addresses: list[str] = []
        self.refuse: Callable[[str], None] = lambda call: None

    def client(self, tracking_uri: str) -> Client:
        self.addresses.append(tracking_uri)
        return Client(self)


class Client:
    def __init__(self, server: Server):
        self.server = server

    def get_experiment_by_name(self, name: str) -> SimpleNamespace | None:
        self.server.refuse("get_experiment_by_name")
        return SimpleNamespace(experiment_id=name) if name in self.server.experiments else None

    def create_experiment(self, name: str) -> str:
        self.server.experiments.append(name)
        return name

    def search_runs(self, experiment_ids: list[str], filter_string: str) -> list[MLflowRun]:
        assert experiment_ids == self.server.experiments
        return [run for run in self.server.runs.values() if filter_string == f"attributes.run_name = '{run.name}'"]

    def create_run(self, experiment_id: str, run_name: str) -> MLflowRun:
        return self.server.runs.setdefault(run_name, MLflowRun(run_name))

    def update_run(self, run_id: str, status: str) -> None:
        self.server.runs[run_id].status = status

    def log_batch(self, run_id: str, metrics: list[Metric] | None = None, params: list[Param] | None = None) -> None:
        self.server.refuse("log_batch")
        self.server.runs[run_id].params += params or []
        self.server.runs[run_id].metrics += metrics or []

    def set_terminated(self, run_id: str, status: str) -> None:
        self.server.refuse("set_terminated")
        self.server.runs[run_id].status = status


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that `import mlflow` leads to, whether MLflow is installed or not."""
    server, module = Server(), ModuleType("mlflow")
    module.__dict__.update(MlflowClient=server.client, entities=SimpleNamespace(Param=Param, Metric=Metric))
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return server


def in_tensorboard(run: Path, tag: str = "held_out/accuracy") -> list[tuple[int, float]]:
    """Epochs and values of a curve, as TensorBoard reads it."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(TENSORBOARD / run.name)).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def in_mlflow(run: MLflowRun, key: str = "held_out/accuracy") -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in run.metrics if metric.key == key]


def mean_accuracy(run: Run, repeat: int | None = None) -> list[tuple[int, Any]]:
    """Epochs, and the mean accuracy on held-out images of all members, or of a repeat's."""
    history: pd.DataFrame = run.table("history")
    chosen = history if repeat is None else history[history.repeat == repeat]
    means = chosen.groupby("epoch").watched_accuracy.mean()
    return [(int(epoch), pytest.approx(value)) for epoch, value in zip(means.index, means, strict=True)]


def refuse_after(batches: int) -> Callable[[str], None]:
    """For a server that takes so many batches, the first of which has the parameters, and nothing after that."""
    taken = 0

    def refuse(call: str) -> None:
        nonlocal taken
        taken += call == "log_batch"
        if taken > batches:
            raise ConnectionError(f"503: no {call} here\n(traceback)")

    return refuse


def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train repeats one by one, as on a cluster."""
    monkeypatch.setattr(pipeline, "Local", Server)  # which no executor is


def stop_at(step: tuple[int, int]) -> Callable[[EpochEnd], None]:
    """An `on_epoch` that interrupts after an epoch of a repeat."""

    def on_epoch(event: EpochEnd) -> None:
        if (event.members[0].repeat, event.repeat_epoch or event.epoch) == step:
            raise KeyboardInterrupt

    return on_epoch


def test_tensorboard_reads_the_curves_of_a_run(few: Digits, tiny: Recipe) -> None:
    with open_log("tensorboard") as log:
        run = pipeline.train(tiny, input=few, folds=2, on_start=log.on_start, on_epoch=log.on_epoch)
    assert in_tensorboard(run.path) == mean_accuracy(run)


def test_a_resumed_run_goes_on_in_the_same_log(few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(event: EpochEnd) -> None:
        if event.epoch == 1:
            monkeypatch.setattr(checkpoint, "PRICE", 1e9)  # no state after this one
        if event.epoch == 3:
            raise ZeroDivisionError  # keeps nothing, as a kill would

    starts: list[Start] = []
    monkeypatch.setattr(checkpoint, "PRICE", 0)
    with pytest.raises(ZeroDivisionError), open_log("tensorboard") as log:
        pipeline.train(tiny, input=few, folds=2, on_start=log.on_start, on_epoch=in_turn(log.on_epoch, end))
    with open_log("tensorboard") as log:
        on_start = in_turn(log.on_start, starts.append)
        run = pipeline.resume(input=few, on_start=on_start, on_epoch=log.on_epoch)
    assert starts[0].epoch == 1
    assert in_tensorboard(run.path) == mean_accuracy(run)


def test_mlflow_gets_the_recipe_and_every_epoch(few: Digits, tiny: Recipe, mlflow: Server) -> None:
    with open_log("mlflow") as log:
        run = pipeline.train(tiny, input=few, folds=2, on_start=log.on_start, on_epoch=log.on_epoch)
    assert mlflow.addresses == [f"sqlite:///{Path('submissions/mlflow.db').absolute()}"]
    assert mlflow.experiments == ["kaggle-mnist"]
    [logged] = mlflow.runs.values()
    assert (logged.name, logged.status) == (run.path.name, "FINISHED")
    assert {Param("epochs", "4"), Param("hidden", "(48,)"), Param("folds", "2"), Param("seed", "0")} <= set(
        logged.params
    )
    assert in_mlflow(logged) == mean_accuracy(run)


def test_the_installed_mlflow_takes_all_this(few: Digits, tiny: Recipe) -> None:
    installed = pytest.importorskip("mlflow")
    with pytest.raises(KeyboardInterrupt), open_log("mlflow") as log:
        on_epoch = in_turn(log.on_epoch, stop_at((0, 2)))
        pipeline.train(tiny, input=few, folds=2, on_start=log.on_start, on_epoch=on_epoch)
    client = installed.MlflowClient(tracking_uri=f"sqlite:///{Path('submissions/mlflow.db').absolute()}")
    experiment = client.get_experiment_by_name("kaggle-mnist").experiment_id
    assert [found.info.status for found in client.search_runs([experiment])] == ["FAILED"]
    with open_log("mlflow") as log:
        run = pipeline.resume(input=few, on_start=log.on_start, on_epoch=log.on_epoch)
    [found] = client.search_runs([experiment])
    assert (found.info.run_name, found.info.status) == (run.path.name, "FINISHED")
    assert found.data.params["epochs"] == "4"
    history = client.get_metric_history(found.info.run_id, "held_out/accuracy")
    assert sorted((metric.step, metric.value) for metric in history) == mean_accuracy(run)


def test_mlflow_may_be_a_server(few: Digits, tiny: Recipe, mlflow: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://curves.example:5000")
    with open_log("mlflow") as log:
        pipeline.train(tiny.replaced(epochs=1), input=few, folds=2, on_start=log.on_start)
    assert mlflow.addresses == ["http://curves.example:5000"]


def test_an_interrupted_run_has_failed_until_it_is_resumed(few: Digits, tiny: Recipe, mlflow: Server) -> None:
    with pytest.raises(KeyboardInterrupt), open_log("mlflow") as log:
        on_epoch = in_turn(log.on_epoch, stop_at((0, 2)))
        pipeline.train(tiny, input=few, folds=2, on_start=log.on_start, on_epoch=on_epoch)
    assert [logged.status for logged in mlflow.runs.values()] == ["FAILED"]
    states: list[str] = []
    with open_log("mlflow") as log:
        on_start = in_turn(log.on_start, lambda start: states.append(mlflow.runs[start.run.name].status))
        run = pipeline.resume(input=few, on_start=on_start, on_epoch=log.on_epoch)
    [logged] = mlflow.runs.values()
    assert (states, logged.status) == (["RUNNING"], "FINISHED")
    assert in_mlflow(logged) == mean_accuracy(run)


def test_the_run_of_each_seed_is_ended_before_the_next(few: Digits, tiny: Recipe, mlflow: Server) -> None:
    states: list[list[str]] = []
    with open_log("mlflow") as log:
        on_start = in_turn(log.on_start, lambda _: states.append([logged.status for logged in mlflow.runs.values()]))
        runs = train_seeds(tiny, [0, 1, 2], input=few, folds=2, on_start=on_start, on_epoch=log.on_epoch)
    assert states == [["RUNNING"], ["FINISHED", "RUNNING"], ["FINISHED", "FINISHED", "RUNNING"]]
    assert [logged.status for logged in mlflow.runs.values()] == ["FINISHED"] * 3
    assert [in_mlflow(mlflow.runs[run.path.name]) for run in runs] == [mean_accuracy(run) for run in runs]


def test_repeats_that_are_trained_one_by_one_have_a_curve_each(
    few: Digits, tiny: Recipe, mlflow: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one(monkeypatch)
    with open_log("mlflow") as log, open_log("tensorboard") as other:
        on_start, on_epoch = in_turn(log.on_start, other.on_start), in_turn(log.on_epoch, other.on_epoch)
        run = pipeline.train(tiny, input=few, folds=2, repeats=2, on_start=on_start, on_epoch=on_epoch)
    logged = mlflow.runs[run.path.name]
    assert in_mlflow(logged) == []
    for repeat in (0, 1):
        assert in_mlflow(logged, f"held_out/accuracy_repeat_{repeat}") == mean_accuracy(run, repeat)
        assert in_tensorboard(run.path, f"held_out/accuracy_repeat_{repeat}") == mean_accuracy(run, repeat)
        assert [step for step, _ in in_mlflow(logged, f"accuracy/repeat_{repeat}_fold_1")] == [1, 2, 3, 4]


def test_a_run_that_is_resumed_after_some_repeats_stays_one_run(
    few: Digits, tiny: Recipe, mlflow: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one(monkeypatch)
    with pytest.raises(KeyboardInterrupt), open_log("mlflow") as log:
        on_epoch = in_turn(log.on_epoch, stop_at((1, 2)))
        pipeline.train(tiny, input=few, folds=2, repeats=2, on_start=log.on_start, on_epoch=on_epoch)
    with open_log("mlflow") as log:
        run = pipeline.resume(input=few, on_start=log.on_start, on_epoch=log.on_epoch)
    assert mlflow.runs.keys() == {run.path.name}
    logged = mlflow.runs[run.path.name]
    assert (logged.status, len(logged.params)) == ("FINISHED", len(set(logged.params)))
    assert in_mlflow(logged, "held_out/accuracy_repeat_0") == mean_accuracy(run, 0)
    assert [step for step, _ in in_mlflow(logged, "held_out/accuracy_repeat_1")] == [1, 2, 1, 2, 3, 4]


def test_a_server_that_fails_ends_the_curves_but_not_the_training(few: Digits, mlflow: Server) -> None:
    export_csv(few, Path("input"))
    mlflow.refuse = refuse_after(batches=2)
    done = invoke("train", *QUICK, "--epochs", "4", "--log", "mlflow")
    assert done.exit_code == 0, done.output
    assert done.output.count("MLflow") == 1
    assert "\nNote         MLflow: 503: no log_batch here; the curves end here\n" in done.output
    assert [step for logged in mlflow.runs.values() for step, _ in in_mlflow(logged)] == [1]
    assert len(list(Path("submissions").glob("*-mlp/submission.csv"))) == 1


def test_a_full_disk_ends_the_curves_but_not_the_training(few: Digits, tiny: Recipe) -> None:
    pytest.importorskip("tensorboard")

    def fill(event: EpochEnd) -> None:
        if event.epoch == 2:
            [file] = TENSORBOARD.glob("*/*")
            file.unlink()
            file.mkdir()

    with pytest.warns(UserWarning, match=r"^TensorBoard: \S+tfevents\S+: .*; the curves end here$") as warned:  # noqa: SIM117
        with open_log("tensorboard") as log:
            on_epoch = in_turn(log.on_epoch, fill)
            run = pipeline.train(tiny, input=few, folds=2, on_start=log.on_start, on_epoch=on_epoch)
    assert len(warned) == 1
    assert run.submission.exists()


@pytest.mark.parametrize("waiting", ["log_batch", "set_terminated"])
def test_ctrl_c_while_a_server_does_not_answer_says_what_is_kept(
    waiting: str, few: Digits, tiny: Recipe, mlflow: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def wait(call: str) -> None:
        calls.append(call)
        if call == waiting and calls.count("log_batch") == 3:  # the second epoch
            raise KeyboardInterrupt

    mlflow.refuse = wait
    monkeypatch.setattr(checkpoint, "PRICE", 0)
    with pytest.raises(Interrupted, match="epoch 2 of 4 is kept"), open_log("mlflow") as log:
        on_epoch = in_turn(log.on_epoch, stop_at((0, 2)))
        pipeline.train(tiny, input=few, folds=2, on_start=log.on_start, on_epoch=on_epoch)
    assert calls.count("set_terminated") == (waiting == "set_terminated")


@pytest.mark.parametrize("call", ["get_experiment_by_name", "set_terminated"])
def test_a_server_that_fails_between_two_seeds_does_not_end_the_series(
    call: str, few: Digits, tiny: Recipe, mlflow: Server
) -> None:
    def refuse(called: str) -> None:
        if mlflow.runs and called == call:
            raise ConnectionError("gone")

    said: list[str] = []
    mlflow.refuse = refuse
    with open_log("mlflow", said.append) as log:
        runs = train_seeds(tiny, [0, 1, 2], input=few, folds=2, on_start=log.on_start, on_epoch=log.on_epoch)
    assert len(runs) == 3
    assert said == ["MLflow: gone; the curves end here"]


def test_a_log_that_cannot_begin_is_refused_and_leaves_no_run(few: Digits, mlflow: Server) -> None:
    export_csv(few, Path("input"))
    mlflow.refuse = refuse_after(batches=-1)
    TENSORBOARD.parent.mkdir()
    TENSORBOARD.write_text("a file\n")
    for kind, line in {
        "mlflow": "MLflow: 503: no get_experiment_by_name here",
        "tensorboard": r"TensorBoard: submissions/tensorboard/\S+: Not a directory",
    }.items():
        refused = invoke("train", *QUICK, "--log", kind)
        assert refused.exit_code == 2
        assert re.fullmatch(rf"kaggle-mnist: {line}; fix that, or leave out --log\n", refused.stderr)
        assert list(Path("submissions").iterdir()) == [TENSORBOARD]


def test_an_unknown_log_is_refused() -> None:
    with pytest.raises(BadOption, match="--log wandb: must be tensorboard or mlflow"):
        open_log("wandb")
