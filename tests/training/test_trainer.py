from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import NAMED, Recipe
from kaggle_mnist.training import trainer as training
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.inference import out_of_fold_outputs
from kaggle_mnist.training.metrics import fold_scores
from kaggle_mnist.training.trainer import (
    _shuffle_within_folds,
    generator_for,
    learning_rate,
    leave_own_fold_out,
    precision_of,
    train_members,
)
from kaggle_mnist.utils.errors import Diverged


def weights_of(member: int, digits: Digits, fold_of: np.ndarray, recipe: Recipe) -> list[torch.Tensor]:
    network = train_members(digits, fold_of, recipe, seed=1).network
    return [parameter[member] for parameter in network.parameters()]


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("fields", [{}, {"loss": "squared_error", "dropout": 0.5, "optimizer": "adam"}])
def test_a_held_out_image_never_reaches_its_member(
    few: Digits, tiny: Recipe, fields: dict, repeats: int, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: every image that a member holds out is replaced and mislabeled, and it keeps every bit."""
    monkeypatch.setattr(training, "precision_of", lambda *_: precision)
    recipe = tiny.replaced(epochs=2, **fields)
    fold_of = assign_folds(few.train_labels, n_splits=4, repeats=repeats)
    before = train_members(few, fold_of, recipe, seed=1).network
    for member in range(4 * repeats):
        held_out = fold_of[member // 4] == member % 4
        images, labels = few.train_images.copy(), few.train_labels.copy()
        images[held_out] = 255 - images[held_out]
        labels[held_out] = (labels[held_out] + 1) % 10
        after = train_members(replace(few, train_images=images, train_labels=labels), fold_of, recipe, seed=1).network
        for old, new in zip(before.parameters(), after.parameters(), strict=True):
            assert torch.equal(old[member], new[member])
            others = [m for m in range(4 * repeats) if m // 4 != member // 4 or m != member]
            assert not torch.equal(old[others], new[others])


def test_every_image_that_a_member_may_see_teaches_it(few: Digits, tiny: Recipe) -> None:
    """One image of every other fold changed, one at a time: the member's weights change."""
    recipe = tiny.replaced(epochs=1)
    fold_of = assign_folds(few.train_labels, n_splits=3)
    before = weights_of(0, few, fold_of, recipe)
    for fold in (1, 2):
        images = few.train_images.copy()
        images[np.flatnonzero(fold_of[0] == fold)[7]] = 128
        after = weights_of(0, replace(few, train_images=images), fold_of, recipe)
        assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_member_m_gets_all_groups_but_m() -> None:
    groups = torch.arange(2 * 4 * 3).view(2, 4, 3)  # (repeats, k, b)
    windows = leave_own_fold_out(groups)
    assert windows.shape == (8, 9)
    for repeat in range(2):
        for fold in range(4):
            allowed = {int(i) for other in range(4) if other != fold for i in groups[repeat, other]}
            assert {int(i) for i in windows[repeat * 4 + fold]} == allowed


def test_each_epoch_takes_every_image_once_and_from_its_own_fold(few: Digits) -> None:
    fold_of = torch.from_numpy(assign_folds(few.train_labels, n_splits=5, repeats=2))
    shuffled = _shuffle_within_folds(fold_of, generator_for(0))
    for repeat in range(2):
        assert sorted(shuffled[repeat].flatten().tolist()) == list(range(1500))
        for fold in range(5):
            assert (fold_of[repeat, shuffled[repeat, fold]] == fold).all()
    assert not torch.equal(shuffled, _shuffle_within_folds(fold_of, generator_for(1)))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_same_seed_gives_the_same_bits_and_another_one_others(
    few: Digits, tiny: Recipe, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "precision_of", lambda *_: precision)
    fold_of = assign_folds(few.train_labels, n_splits=3)
    first, again, other = (train_members(few, fold_of, tiny, seed=seed).network for seed in (1, 1, 2))
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_mixed_precision_multiplies_in_bfloat16_keeps_float32_parameters_and_learns_as_well(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold_of, recipe = assign_folds(few.train_labels, n_splits=3), tiny.replaced(epochs=8)
    exact = train_members(few, fold_of, recipe)
    monkeypatch.setattr(training, "precision_of", lambda *_: torch.bfloat16)
    mixed = train_members(few, fold_of, recipe)
    assert all(parameter.dtype == torch.float32 for parameter in mixed.network.parameters())
    assert not torch.equal(exact.network.weights[0], mixed.network.weights[0])
    last = [trained.history[trained.history.epoch == 8].watched_accuracy.mean() for trained in (exact, mixed)]
    assert abs(last[0] - last[1]) < 0.02


def test_only_a_recipe_of_mixed_precision_gets_it_and_only_where_the_machine_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu = torch.device("cpu")
    for units, expected in (("amx_bf16", torch.bfloat16), ("avx512_bf16", torch.bfloat16), ("avx2", torch.float32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda units=units: {units: True}, raising=False)
        assert precision_of(Recipe(mixed_precision=True), cpu) == expected
        assert precision_of(Recipe(), cpu) == torch.float32
        native = expected == torch.bfloat16
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, n=native: n)
        assert precision_of(Recipe(mixed_precision=True), torch.device("cuda")) == expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # as in older versions of PyTorch
    assert precision_of(Recipe(mixed_precision=True), cpu) == torch.float32


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"label_smoothing": 0.1, "warmup": 1.0},
        {"optimizer": "sgd", "learning_rate": 0.2},
        {"loss": "squared_error", "targets": (0.01, 0.99), "dropout": 0.3, "optimizer": "adam", "epochs": 20},
        {"hidden": (64, 32), "rotation": 5.0, "scaling": 0.05, "shear": 0.05},
    ],
)
def test_every_loss_and_optimizer_learns_digits(few: Digits, tiny: Recipe, fields: dict) -> None:
    recipe = tiny.replaced(**{"epochs": 5, **fields})
    fold_of = assign_folds(few.train_labels, n_splits=5)
    network = train_members(few, fold_of, recipe).network
    outputs = out_of_fold_outputs(network, few.train_images, fold_of, recipe)
    assert fold_scores(outputs, few.train_labels, fold_of, recipe).accuracy.mean() > 0.82


def test_history_has_a_row_an_epoch_and_member_and_progress_is_told(few: Digits, tiny: Recipe) -> None:
    told: list[tuple[int, int, str]] = []
    fold_of = assign_folds(few.train_labels, n_splits=3, repeats=2)
    trained = train_members(
        few, fold_of, tiny, progress=lambda stage, done, total, note="": told.append((done, total, note))
    )
    assert len(trained.history) == tiny.epochs * 6
    assert trained.history.groupby("epoch").size().tolist() == [6] * tiny.epochs
    last, first = trained.history[trained.history.epoch == tiny.epochs], trained.history[trained.history.epoch == 1]
    assert last.train_loss.mean() < first.train_loss.mean()
    assert last.watched_accuracy.mean() > first.watched_accuracy.mean()
    assert [done for done, _, _ in told] == list(range(tiny.epochs + 1))
    assert told[-1][2] == f"held-out accuracy {last.watched_accuracy.mean():.4f}"


def test_what_is_watched_in_the_end_is_the_out_of_fold_accuracy(few: Digits, tiny: Recipe) -> None:
    fold_of = assign_folds(few.train_labels, n_splits=3)
    trained = train_members(few, fold_of, tiny)
    outputs = out_of_fold_outputs(trained.network, few.train_images, fold_of, tiny)
    table = fold_scores(outputs, few.train_labels, fold_of, tiny)
    last = trained.history[trained.history.epoch == tiny.epochs]
    np.testing.assert_allclose(last.watched_accuracy, table.accuracy, atol=1e-6)
    np.testing.assert_allclose(last.watched_loss, table.loss, rtol=1e-4)


def test_the_articles_learning_rate_goes_down_in_its_steps() -> None:
    article = NAMED["article"]
    at = {0: 1e-3, 14.99: 1e-3, 15: 1e-4, 39.99: 1e-4, 40: 1e-5, 59.99: 1e-5, 60: 5e-6, 99.99: 5e-6}
    assert {epoch: learning_rate(article, epoch) for epoch in at} == at


def test_the_cosine_warms_up_peaks_and_ends_near_zero() -> None:
    recipe = Recipe(learning_rate=1.0, warmup=2.0, epochs=10)
    rates = [learning_rate(recipe, epoch) for epoch in (0, 1, 2, 6, 9.99)]
    assert 0 < rates[0] < 0.01
    assert rates[1] == pytest.approx(0.5, abs=0.01)
    assert rates[2] == 1.0
    assert rates[3] == pytest.approx(0.5)
    assert rates[4] < 1e-4


def test_divergence_is_told_with_what_to_change(few: Digits, tiny: Recipe) -> None:
    with pytest.raises(
        Diverged, match=r"recipe tiny: the loss of epoch 1 is not finite; try a learning_rate below 1e\+08"
    ):
        train_members(
            few, assign_folds(few.train_labels, n_splits=3), tiny.replaced(optimizer="sgd", learning_rate=1e8)
        )


def test_a_few_images_still_make_batches(handful: Digits, tiny: Recipe) -> None:
    fold_of = assign_folds(handful.train_labels, n_splits=3)
    assert len(train_members(handful, fold_of, tiny.replaced(batch_size=1, epochs=1)).history) == 3
    assert len(train_members(handful, fold_of, tiny.replaced(batch_size=10_000, epochs=1)).history) == 3
