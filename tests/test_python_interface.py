"""What `import kaggle_mnist` offers: training with overrides, and runs as objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kaggle_mnist
from kaggle_mnist.blend import blend_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.utils.errors import BadRecipe, BadRun
from tests.conftest import TINY


def test_every_name_that_is_offered_is_there() -> None:
    assert sorted(kaggle_mnist.__all__) == kaggle_mnist.__all__
    assert all(callable(getattr(kaggle_mnist, name)) for name in kaggle_mnist.__all__)


def test_training_takes_overrides_of_a_recipe(few: Digits) -> None:
    run = kaggle_mnist.train("article", epochs=2, set={"hidden": [20], "batch_size": 200}, input=few, folds=2)
    assert run.record.recipe == find_recipe("article", ["hidden=[20]", "batch_size=200"], epochs=2)
    with pytest.raises(BadRecipe, match="hiden: no such field"):
        kaggle_mnist.train(TINY, set={"hiden": [20]}, input=few)


def test_a_run_is_an_object_with_arrays_and_data_frames(submissions: Path, few: Digits) -> None:
    run = kaggle_mnist.load_run("latest")
    assert isinstance(run, kaggle_mnist.Run)
    assert run.path == kaggle_mnist.load_run(str(run.path), submissions).path
    outputs = run.outputs()
    assert (outputs.oof.shape, outputs.test.shape, outputs.fold_of.shape) == ((1500, 10), (300, 10), (1, 1500))
    np.testing.assert_array_equal(outputs.y_true, few.train_labels)
    scores = run.fold_scores
    assert list(scores.columns) == ["repeat", "fold", "images", "accuracy", "loss"]
    assert scores.accuracy.mean() == pytest.approx(run.cv_accuracy)
    assert run.history.groupby("fold").epoch.max().tolist() == [TINY.epochs] * 3
    blend = blend_runs([run.name, "20261124-200000-a"])
    assert len(blend.fold_scores) == 3
    with pytest.raises(BadRun, match="a blend has no history; use one of its parents"):
        _ = blend.history
