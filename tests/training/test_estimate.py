from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training import estimate
from kaggle_mnist.training.cross_validation import cross_validate
from kaggle_mnist.training.estimate import JUDGED, estimate_run
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.trainer import RepeatTrainer
from tests.training.test_cross_validation import CNN, same_results


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is timed takes a second."""

    def a_second(action: Callable[[], object]) -> float:
        action()
        return 1.0

    monkeypatch.setattr(estimate, "_seconds", a_second)


@pytest.mark.usefixtures("clock")
def test_steps_epochs_held_out_images_and_outputs_are_counted(few: Digits, tiny: Recipe) -> None:
    folds = assign_folds(few.train_labels, n_splits=3, repeats=2)
    found = estimate_run(few, tiny, folds)
    assert found.seconds_per_epoch == 2 * (15 + 3)  # repeats; steps of 100 images; members that are watched
    assert found.training == tiny.epochs * found.seconds_per_epoch
    assert found.evaluation == pytest.approx(2 * (1500 + 300) / JUDGED)


def test_the_parameters_are_those_of_the_members(few: Digits, tiny: Recipe) -> None:
    varied = tiny.replaced(epochs=1, vary=({}, {"hidden": (20, 20)}))
    folds = assign_folds(few.train_labels, n_splits=2, repeats=3)
    found, members = estimate_run(few, varied, folds), cross_validate(few, varied, folds).members
    assert found.parameters == (784 * 48 + 48 + 48 * 10 + 10, 784 * 20 + 20 + 20 * 20 + 20 + 20 * 10 + 10)
    assert found.all_parameters == sum(math.prod(tensor.shape) for tensor in members.values())
    assert found.members == 6
    assert found.memory.repeats == 3
    assert 0 < found.memory.total < found.available


def test_running_averages_are_no_parameters(few: Digits, tiny: Recipe) -> None:
    folds = assign_folds(few.train_labels, n_splits=2)
    [parameters] = estimate_run(few, tiny.replaced(**CNN), folds, timed=1).parameters
    assert parameters == 8 * 4 * 9 + 2 * 4 + 4 * 6 * 9 + 2 * 6 + 6 * 9 * 10 + 10


def test_an_estimate_changes_no_byte_of_a_run_after_it(few: Digits, tiny: Recipe) -> None:
    dropping = tiny.replaced(epochs=2, dropout=0.3)
    folds = assign_folds(few.train_labels, n_splits=3)
    before, state = cross_validate(few, dropping, folds), torch.get_rng_state()
    estimate_run(few, dropping, folds)
    assert torch.equal(torch.get_rng_state(), state)
    assert same_results(cross_validate(few, dropping, folds), before)


def test_an_epoch_may_have_fewer_steps_than_are_timed(few: Digits, tiny: Recipe) -> None:
    folds = assign_folds(few.train_labels, n_splits=2)
    assert estimate_run(few, tiny.replaced(batch_size=10_000), folds, timed=4).seconds_per_epoch > 0


def test_dropped_images_shorten_the_epoch(
    few: Digits, tiny: Recipe, clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds = assign_folds(few.train_labels, n_splits=3)
    monkeypatch.setattr(RepeatTrainer, "watch", lambda trainer, member: (0.0, 0.0))
    assert estimate_run(few, tiny, folds, dropped=range(700)).seconds_per_epoch == 8 + 3
