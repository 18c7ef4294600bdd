"""Curves for TensorBoard and MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.logs import open_log
from kaggle_mnist.pipeline import Start
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.utils.errors import BadOption
from kaggle_mnist.utils.progress import in_turn


def logged(folder: Path) -> dict[int, float]:
    """The mean accuracy on held-out images by epoch, as TensorBoard reads it."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder)).Reload()
    return {event.step: event.value for event in events.Scalars("held_out/accuracy")}


def test_tensorboard_reads_the_curves_of_a_run(few: Digits, tiny: Recipe) -> None:
    with open_log("tensorboard") as log:
        run = pipeline.train(tiny, input=few, folds=2, on_start=log.on_start, on_epoch=log.on_epoch)
    expected = run.table("history").groupby("epoch").watched_accuracy.mean()
    assert logged(Path("submissions/tensorboard") / run.path.name) == pytest.approx(dict(expected))


def test_a_resumed_run_goes_on_in_the_same_log(few: Digits, tiny: Recipe) -> None:
    def stop(event: EpochEnd) -> None:
        if event.epoch == 2:
            raise KeyboardInterrupt

    starts: list[Start] = []
    with pytest.raises(KeyboardInterrupt), open_log("tensorboard") as log:
        on_start = in_turn(log.on_start, starts.append)
        pipeline.train(
            tiny.replaced(epochs=3), input=few, folds=2, on_start=on_start, on_epoch=in_turn(log.on_epoch, stop)
        )
    with open_log("tensorboard") as log:
        run = pipeline.resume(input=few, on_start=log.on_start, on_epoch=log.on_epoch)
    assert run.path.name == starts[0].run.name
    expected = run.table("history").groupby("epoch").watched_accuracy.mean()
    assert logged(Path("submissions/tensorboard") / run.path.name) == pytest.approx(dict(expected))


def test_mlflow_gets_the_recipe_and_every_epoch(few: Digits, tiny: Recipe, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    with open_log("mlflow") as log:
        run = pipeline.train(tiny, input=few, folds=2, on_start=log.on_start, on_epoch=log.on_epoch)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{Path('submissions/mlflow.db').absolute()}")
    (found,) = client.search_runs([client.get_experiment_by_name("kaggle-mnist").experiment_id])
    assert (found.info.run_name, found.info.status) == (run.path.name, "FINISHED")
    assert found.data.params["epochs"] == str(tiny.epochs)
    history = client.get_metric_history(found.info.run_id, "held_out/accuracy")
    expected = run.table("history").groupby("epoch").watched_accuracy.mean()
    assert {metric.step: metric.value for metric in history} == pytest.approx(dict(expected))


def test_an_unknown_log_is_refused() -> None:
    with pytest.raises(BadOption, match="--log wandb: must be tensorboard or mlflow"):
        open_log("wandb")
