"""Runs that version 0.1 wrote stay usable: the finished and the interrupted one in `version-0.1/`.

Both are of the practice set's first 300 labeled and 60 unlabeled digits. Their recipe has a setting without effect
(`momentum`, with AdamW), which version 0.1 accepted and a recipe may no longer have.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kaggle_mnist import pipeline
from kaggle_mnist.blend import blend_runs
from kaggle_mnist.compare import compare_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.predict import run_outputs
from kaggle_mnist.report.page import write_report
from kaggle_mnist.runs.listing import all_runs
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.utils.errors import BadRecipe

FINISHED, INTERRUPTED = "20261124-200000-old", "20261124-210000-old"


@pytest.fixture
def digits(practice: Digits) -> Digits:
    return practice.head(300, 60)


@pytest.fixture
def output() -> Path:
    """A copy of both runs in the test's own folder."""
    return Path(shutil.copytree(Path(__file__).parent / "version-0.1", "submissions"))


@pytest.fixture
def old(output: Path) -> Run:
    return read_run(output / FINISHED)


@pytest.fixture
def new(old: Run, digits: Digits, output: Path) -> Run:
    """A run of the same recipe, but for the setting without effect, with another seed."""
    assert old.record.recipe
    recipe = old.record.recipe.model_copy(update={"name": "new", "momentum": 0.9})
    return pipeline.train(recipe, input=digits, output=output, folds=3, seed=1)


def test_it_is_read_and_verified(old: Run, digits: Digits) -> None:
    old.verify()
    assert old.record.format == 1
    assert old.record.recipe
    assert old.record.recipe.momentum == 0.5
    assert old.record.data.fingerprint == digits.fingerprint
    np.testing.assert_array_equal(old.outputs().y_true, digits.train_labels)
    for name, rows in (("folds", 3), ("history", 12), ("confusion", 10), ("digits", 10)):
        assert len(old.table(name)) == rows


def test_both_are_listed_with_their_state(output: Path) -> None:
    states = {run.path.name: run.state for run in all_runs(output)}
    assert states == {FINISHED: "finished", INTERRUPTED: "stopped after epoch 2 of 4"}


def test_it_is_compared_with_a_new_run_image_by_image(old: Run, new: Run, output: Path) -> None:
    comparison = compare_runs([], output)
    assert {row.run for row in comparison.rows} == {old.name, new.name}
    [pair] = comparison.pairs
    assert pair.images == 300
    assert comparison.passed_over == []


def test_its_report_is_written(old: Run, digits: Digits) -> None:
    page = write_report(old, digits).read_text("utf-8")
    assert f"{old.cv_accuracy:.4f}" in page
    assert 'id="weights"' in page
    assert page.count("<svg") == 5


def test_its_members_predict_what_they_predicted_then(old: Run, digits: Digits) -> None:
    np.testing.assert_allclose(run_outputs(old, digits.test_images), old.outputs().test, atol=1e-4)


def test_it_is_blended_with_a_new_run_and_the_blend_predicts(old: Run, new: Run, digits: Digits, output: Path) -> None:
    blend = blend_runs([old.name, new.name], output)
    mean = (old.outputs().test + new.outputs().test) / 2
    np.testing.assert_allclose(blend.outputs().test, mean, atol=1e-6)
    np.testing.assert_allclose(run_outputs(blend, digits.test_images), mean, atol=1e-4)


def test_its_recipe_can_be_trained_again(old: Run, digits: Digits) -> None:
    assert old.record.recipe
    again = pipeline.train(old.record.recipe, input=digits, output="again", folds=3)
    assert again.record.recipe == old.record.recipe
    with pytest.raises(BadRecipe, match="momentum has no effect"):
        old.record.recipe.replaced(epochs=5)


def test_an_interrupted_run_resumes_to_the_result_of_the_finished_one(old: Run, digits: Digits, output: Path) -> None:
    export_csv(digits, Path("digits"))
    resumed = pipeline.resume(INTERRUPTED, output=output, input="digits")
    assert resumed.record.resumed
    then, now = old.outputs(), resumed.outputs()
    np.testing.assert_array_equal(now.fold_of, then.fold_of)
    np.testing.assert_allclose(now.oof, then.oof, atol=1e-4)
    np.testing.assert_allclose(now.test, then.test, atol=1e-4)
    assert resumed.submission.read_bytes() == old.submission.read_bytes()
    assert read_run(resumed.path).record == resumed.record
