"""The earlier run that a training is compared with while it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.earlier import earlier_run
from kaggle_mnist.pipeline import Start
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.labels import Labels


def test_a_run_of_the_same_recipe_is_preferred_and_otherwise_what_differs_is_named(few: Digits, tiny: Recipe) -> None:
    starts: list[Start] = []

    def found(**changes: object) -> tuple[str, dict[int, float]]:
        pipeline.train(
            tiny.replaced(**{"epochs": 2, **changes}), input=few, folds=2, output="other", on_start=starts.append
        )
        return earlier_run(Path("submissions"), starts[-1].plan)

    small = tiny.replaced(epochs=2, hidden=(8,))
    assert found() == ("", {})
    run = pipeline.train(small, input=few, folds=2, seed=3, labels=Labels(name="small"))
    pipeline.train(tiny.replaced(epochs=2, hidden=(9,)), input=few, folds=2)
    pipeline.train(small.replaced(epochs=3), input=few, folds=2)
    name, accuracies = found(hidden=(8,))
    assert name == "small"
    expected = run.table("history").groupby("epoch").watched_accuracy.mean()
    assert accuracies == pytest.approx(dict(expected))
    assert found()[0].endswith("-tiny (hidden [9])")
    assert found(epochs=7) == ("", {})
    (run.path / "history.csv").write_text("damaged")
    assert found(hidden=(8,))[0].endswith("-tiny (hidden [9])")
    for path in list_runs(Path("submissions")):
        (path / "labels.json").write_text("{")
    assert found() == ("", {})
