"""Forecasts of a run's score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kaggle_mnist.blend import blend_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.forecast import forecast, predict_score
from kaggle_mnist.runs.finding import find_run, list_runs
from kaggle_mnist.runs.run import Run
from kaggle_mnist.training.cross_validation import cross_validate
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.metrics import accuracy, estimate_gain
from tests.conftest import TINY


@pytest.fixture
def run(submissions: Path) -> Run:
    return find_run(list_runs(submissions)[0].name, submissions)


def test_the_interval_is_that_of_the_noise_of_both_sets() -> None:
    found = forecast(0.9, 0.0, 15_000, 750)
    assert found.expected == 0.9
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * (0.09 * (1 / 15_000 + 1 / 750)) ** 0.5, rel=0.01)


@pytest.mark.parametrize("oof_accuracy", [0.0, 1.0])
def test_a_perfect_score_still_leaves_doubt(oof_accuracy: float) -> None:
    found = forecast(oof_accuracy, 0.001, 1500, 300)
    assert 0 <= found.low <= found.expected <= found.high <= 1
    assert found.high - found.low > 0.005


def test_the_gain_of_the_ensemble_is_added_on_kaggles_share_of_the_test_images(run: Run) -> None:
    scores = run.record.scores
    assert scores.ensemble_gain is not None
    found = predict_score(run)
    assert found == forecast(scores.oof_accuracy, scores.ensemble_gain, 1500, 300 // 4)
    older = scores.model_copy(update={"ensemble_gain": None})  # format 2
    without = predict_score(Run(run.path, run.record.model_copy(update={"scores": older})))
    assert without == forecast(scores.oof_accuracy, 0.0, 1500, 75)


def test_copies_of_labeled_images_do_not_narrow_the_interval(run: Run) -> None:
    data, scores = run.record.data, run.record.scores
    assert data.look is not None
    copied = data.model_copy(update={"look": data.look.model_copy(update={"independent": 300.0})})
    found = predict_score(Run(run.path, run.record.model_copy(update={"data": copied})))
    assert found == forecast(scores.oof_accuracy, scores.ensemble_gain or 0.0, 300, 75)


def test_the_gain_is_found_without_labels_of_the_test_images(practice: Digits) -> None:
    """8,000 test images with labels, so that the true gain is known."""
    test = slice(2000, 10_000)
    digits = replace(practice.head(2000, 1), test_images=practice.train_images[test])
    fold_of = assign_folds(digits.train_labels, n_splits=5)
    result = cross_validate(digits, TINY, fold_of)
    oof, members = result.oof_outputs.mean(0), result.test_outputs.mean(0)
    test_labels = practice.train_labels[test]
    one = np.mean([accuracy(outputs, test_labels) for outputs in members])
    gain = accuracy(members.mean(0), test_labels) - one
    assert gain > 0.003
    assert estimate_gain(oof, digits.train_labels, members, members.mean(0)) == pytest.approx(gain, rel=0.5)


def test_members_that_agree_gain_nothing(run: Run) -> None:
    outputs = run.outputs()
    same = np.repeat(outputs.test[None], 5, axis=0)
    assert estimate_gain(outputs.oof, outputs.y_true, same, outputs.test) == 0


def test_a_blend_knows_its_gain_if_its_parents_do(submissions: Path) -> None:
    names = [path.name for path in list_runs(submissions)[:2]]
    blend = blend_runs(names, submissions)
    parts = [find_run(name, submissions).outputs().fold_test for name in names]
    stored = blend.outputs().fold_test
    assert stored is not None
    assert np.allclose(stored, np.mean([part for part in parts if part is not None], axis=0), atol=1e-3)
    assert blend.record.scores.ensemble_gain is not None
    assert -0.01 < blend.record.scores.ensemble_gain < 0.1
