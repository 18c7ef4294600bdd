"""A recipe that varies from repeat to repeat is one run: it trains, resumes, predicts and reports."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.predict import run_outputs
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.recipes.variants import load_networks, summary_of
from kaggle_mnist.report.page import write_report
from kaggle_mnist.runs import checkpoint
from kaggle_mnist.runs.run import read_run
from kaggle_mnist.training.cross_validation import cross_validate
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.utils.errors import BadRecipe, Interrupted
from tests.conftest import TINY
from tests.runs.test_checkpoint import same_files, stop_after

MIXED = TINY.replaced(
    name="mixed",
    vary=({}, {"features": "gradients", "grid": 5, "deslant": 1.0}, {"network": "cnn", "stages": ((4,), (6,))}),
)


def test_a_mixed_run_trains_resumes_predicts_and_reports(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PRICE", 0)
    whole = pipeline.train(MIXED, input=few, folds=2, repeats=4, output="whole")
    assert read_run(whole.path).record.recipe == MIXED
    networks = load_networks(MIXED, whole.weights())
    assert [network.members for network, _ in networks] == [4, 2, 2]  # the fourth repeat is like the first
    np.testing.assert_allclose(run_outputs(whole, few.test_images), whole.outputs().test, atol=1e-6)
    assert "784-48-10 or 200-48-10 or" in write_report(whole, few).read_text()
    with pytest.raises(Interrupted):
        pipeline.train(MIXED, input=few, folds=2, repeats=4, on_epoch=stop_after(2))
    monkeypatch.setattr(pipeline, "load_digits", lambda where, progress: few)
    assert same_files(whole, pipeline.resume())


def test_without_a_number_there_is_a_repeat_for_each_variant(few: Digits) -> None:
    assert pipeline.train(MIXED.replaced(epochs=1), input=few, folds=2).record.repeats == 3


def test_fewer_repeats_than_variants_have_the_networks_of_the_first(few: Digits) -> None:
    run = pipeline.train(MIXED.replaced(epochs=1), input=few, folds=2, repeats=2)
    assert [network.members for network, _ in load_networks(MIXED, run.weights())] == [2, 2]
    np.testing.assert_allclose(run_outputs(run, few.test_images), run.outputs().test, atol=1e-6)
    assert summary_of(MIXED, 2) == "784-48-10 or 200-48-10"
    assert "convolutions" not in write_report(run, few).read_text().split("vary")[0]


def test_history_has_the_learning_rate_of_each_repeat(few: Digits) -> None:
    recipe = TINY.replaced(epochs=1, vary=({}, {"learning_rate": 1e-3}))
    folds = assign_folds(few.train_labels, n_splits=2, repeats=2)
    assert cross_validate(few, recipe, folds).history.learning_rate.tolist() == [5e-3, 5e-3, 1e-3, 1e-3]


def test_a_repeat_is_trained_as_its_variant_alone_would_be(few: Digits) -> None:
    folds = assign_folds(few.train_labels, n_splits=2, repeats=2)
    recipe = MIXED.replaced(epochs=2)
    mixed = cross_validate(few, recipe, folds)
    alone = cross_validate(few, recipe.variants[1], folds[1:], repeats=[1])
    assert mixed.oof_outputs[1].tobytes() == alone.oof_outputs[0].tobytes()
    assert torch.equal(mixed.members["1.weights.0"], alone.members["weights.0"])


def test_a_variant_is_checked_as_a_recipe_is() -> None:
    with pytest.raises(BadRecipe, match=r"vary: epochs is the same for all repeats"):
        TINY.replaced(vary=({"epochs": 3},))
    with pytest.raises(BadRecipe, match=r"vary: batch_size is the same for all repeats"):
        TINY.replaced(vary=({"batch_size": 20_000},))
    with pytest.raises(BadRecipe, match=r"vary: .*at most 64 items"):
        TINY.replaced(vary=({},) * 65)
    with pytest.raises(BadRecipe, match=r"vary: repeat 1: grid: 1: must be greater"):
        TINY.replaced(vary=({}, {"features": "gradients", "grid": 1}))
    with pytest.raises(BadRecipe, match=r"vary: repeat 0: gird: no such field \(did you mean grid\?\)"):
        TINY.replaced(vary=({"gird": 9},))


def test_another_kind_gets_its_own_defaults() -> None:
    assert find_recipe("mlp", ["features=pixels"]).in_use()["pixels"] == (0.0, 1.0)
    convolutional = find_recipe("fast", ["network=cnn", "grid=14"])
    assert (convolutional.hidden, convolutional.grid) == (Recipe().hidden, 14)
    assert summary_of(convolutional) == "8×14×14, convolutions 32-32/64-64"
