from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training import trainer
from kaggle_mnist.training.cross_validation import CrossValidation, EpochEnd, TrainingState, cross_validate
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.metrics import fold_scores
from kaggle_mnist.utils.errors import BadFolds, BadOption, BadRun, Diverged

NORMALIZED = {"features": "gradients", "grid": 5, "deslant": 0.7, "equalize_width": 0.5}
CNN = {"network": "cnn", "hidden": Recipe().hidden, "stages": ((4,), (6,)), **NORMALIZED}


def same_members(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def same_results(a: CrossValidation, b: CrossValidation) -> bool:
    arrays = ((a.oof_outputs, b.oof_outputs), (a.test_outputs, b.test_outputs))
    same = all(x.tobytes() == y.tobytes() for x, y in arrays)
    return same and same_members(a.members, b.members) and a.history.equals(b.history)


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "fields", [{}, {"loss": "squared_error", "dropout": 0.5, "optimizer": "adam"}, NORMALIZED, CNN]
)
def test_a_held_out_image_never_reaches_its_member(
    few: Digits,
    tiny: Recipe,
    fields: dict[str, Any],
    repeats: int,
    precision: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The attack: every image that a member holds out is replaced and mislabeled, and it keeps every bit."""
    monkeypatch.setattr(trainer, "precision_of", lambda *_: precision)
    few, recipe = few.head(400, 10), tiny.replaced(epochs=2, **fields)
    folds = assign_folds(few.train_labels, n_splits=4, repeats=repeats)
    before = cross_validate(few, recipe, folds, seed=1).members
    for member in range(4 * repeats):
        held_out = folds[member // 4] == member % 4
        images, labels = few.train_images.copy(), few.train_labels.copy()
        images[held_out] = 255 - images[held_out]
        labels[held_out] = (labels[held_out] + 1) % 10
        after = cross_validate(replace(few, train_images=images, train_labels=labels), recipe, folds, seed=1).members
        for name, old in before.items():
            assert torch.equal(old[member], after[name][member])
            others = [m for m in range(4 * repeats) if m != member]
            assert not torch.equal(old[others], after[name][others])


def test_every_image_that_a_member_may_see_teaches_it(few: Digits, tiny: Recipe) -> None:
    """One image of every other fold changed, one at a time: the member's weights change."""
    recipe = tiny.replaced(epochs=1)
    folds = assign_folds(few.train_labels, n_splits=3)
    before = cross_validate(few, recipe, folds, seed=1).members
    for fold in (1, 2):
        images = few.train_images.copy()
        images[np.flatnonzero(folds[0] == fold)[7]] = 128
        after = cross_validate(replace(few, train_images=images), recipe, folds, seed=1).members
        assert not all(torch.equal(before[name][0], after[name][0]) for name in before)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(
    few: Digits, tiny: Recipe, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "precision_of", lambda *_: precision)
    folds = assign_folds(few.train_labels, n_splits=3)
    first, again, other = (cross_validate(few, tiny, folds, seed=seed) for seed in (1, 1, 2))
    assert same_results(first, again)
    for name, tensor in first.members.items():
        assert not torch.equal(tensor, other.members[name])


@pytest.mark.parametrize("fields", [{}, {"dropout": 0.3, "views": 5}])
def test_a_repeat_trained_alone_gives_the_bytes_that_it_gives_among_others(
    few: Digits, tiny: Recipe, fields: dict[str, Any]
) -> None:
    recipe = tiny.replaced(epochs=2, **fields)
    folds = assign_folds(few.train_labels, n_splits=3, repeats=3)
    together = cross_validate(few, recipe, folds, seed=5)
    for repeat in range(3):
        alone = cross_validate(few, recipe, folds[[repeat]], seed=5, repeats=[repeat])
        assert same_members(alone.members, {n: t[3 * repeat : 3 * repeat + 3] for n, t in together.members.items()})
        assert alone.oof_outputs[0].tobytes() == together.oof_outputs[repeat].tobytes()
        rows = together.history[together.history["repeat"] == repeat].reset_index(drop=True)
        assert alone.history.equals(rows)


def test_repeats_differ_even_on_the_same_folds(few: Digits, tiny: Recipe) -> None:
    folds = assign_folds(few.train_labels, n_splits=3).repeat(2, axis=0)
    members = cross_validate(few, tiny.replaced(epochs=1), folds).members
    assert not torch.equal(members["weights.0"][:3], members["weights.0"][3:])


def test_arguments_results_events_and_states_can_be_pickled(few: Digits, tiny: Recipe) -> None:
    events: list[EpochEnd] = []
    states: list[TrainingState] = []
    folds = assign_folds(few.train_labels, n_splits=3)
    recipe = tiny.replaced(epochs=2)
    digits, recipe, folds = pickle.loads(pickle.dumps((few, recipe, folds)))
    result = cross_validate(digits, recipe, folds, on_epoch=events.append, on_state=states.append)
    assert same_results(pickle.loads(pickle.dumps(result)), result)
    assert pickle.loads(pickle.dumps(events)) == events
    assert pickle.loads(pickle.dumps(states[-1])).tensors.keys() == states[-1].tensors.keys()


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("fields", [{}, {"optimizer": "sgd", "learning_rate": 0.1}])
def test_a_state_continues_to_the_same_bytes(few: Digits, tiny: Recipe, fields: dict[str, Any], repeats: int) -> None:
    recipe = tiny.replaced(**fields)
    folds = assign_folds(few.train_labels, n_splits=3, repeats=repeats)
    states: list[TrainingState] = []

    def keep(state: TrainingState) -> None:
        states.append(pickle.loads(pickle.dumps(state)))

    whole = cross_validate(few, recipe, folds, on_state=keep)
    assert [state.epoch for state in states] == [1, 2, 3, 4]
    assert [len(state.history) for state in states] == [3 * repeats * epoch for epoch in (1, 2, 3, 4)]
    for state in (states[0], states[-1]):
        assert same_results(cross_validate(few, recipe, folds, start=state), whole)


def test_a_state_of_other_members_is_refused(few: Digits, tiny: Recipe) -> None:
    folds = assign_folds(few.train_labels, n_splits=3)
    states: list[TrainingState] = []
    cross_validate(few, tiny.replaced(epochs=1), folds, on_state=states.append)
    for recipe in (tiny.replaced(hidden=(47,)), tiny.replaced(hidden=(48, 9)), tiny.replaced(optimizer="sgd")):
        with pytest.raises(BadRun, match="is not of this recipe's members"):
            cross_validate(few, recipe, folds, start=states[0])
    without_moments = {name: t for name, t in states[0].tensors.items() if name.startswith("network.")}
    of_more_repeats = {name: torch.cat([t, t]) if t.dim() else t for name, t in states[0].tensors.items()}
    for tensors in (without_moments, of_more_repeats):
        with pytest.raises(BadRun, match="is not of this recipe's members"):
            cross_validate(few, tiny, folds, start=replace(states[0], tensors=tensors))


@pytest.mark.parametrize("image", [-1, 1500])
def test_an_image_that_does_not_exist_cannot_be_dropped(few: Digits, tiny: Recipe, image: int) -> None:
    with pytest.raises(BadOption, match=rf"dropped image {image}: there are only the images 0 to 1499"):
        cross_validate(few, tiny, assign_folds(few.train_labels, n_splits=3), dropped=[3, image])


def test_mixed_precision_multiplies_in_bfloat16_keeps_float32_parameters_and_learns_as_well(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds, recipe = assign_folds(few.train_labels, n_splits=3), tiny.replaced(epochs=8)
    exact = cross_validate(few, recipe, folds)
    monkeypatch.setattr(trainer, "precision_of", lambda *_: torch.bfloat16)
    mixed = cross_validate(few, recipe, folds)
    assert all(tensor.dtype == torch.float32 for tensor in mixed.members.values())
    assert not torch.equal(exact.members["weights.0"], mixed.members["weights.0"])
    last = [result.history[result.history.epoch == 8].watched_accuracy.mean() for result in (exact, mixed)]
    assert abs(last[0] - last[1]) < 0.02


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
def test_every_loss_and_optimizer_learns_digits(few: Digits, tiny: Recipe, fields: dict[str, Any]) -> None:
    recipe = tiny.replaced(**{"epochs": 5, **fields})
    folds = assign_folds(few.train_labels, n_splits=5)
    outputs = cross_validate(few, recipe, folds).oof_outputs
    assert fold_scores(outputs, few.train_labels, folds, recipe).accuracy.mean() > 0.82


def test_every_epoch_is_one_event_and_a_row_of_history_for_each_member(few: Digits, tiny: Recipe) -> None:
    events: list[EpochEnd] = []
    folds = assign_folds(few.train_labels, n_splits=3, repeats=2)
    history = cross_validate(few, tiny, folds, on_epoch=events.append).history
    assert [(event.epoch, event.epochs) for event in events] == [(epoch, 4) for epoch in (1, 2, 3, 4)]
    for event in events:
        rows = history[history.epoch == event.epoch]
        assert [(m.repeat, m.fold) for m in event.members] == [(r, f) for r in (0, 1) for f in (0, 1, 2)]
        assert [m.watched_accuracy for m in event.members] == rows.watched_accuracy.tolist()
        assert event.accuracy == pytest.approx(rows.watched_accuracy.mean())
        assert [m.learning_rate for m in event.members] == rows.learning_rate.tolist()
        assert event.seconds > 0
    last, first = history[history.epoch == 4], history[history.epoch == 1]
    assert last.train_loss.mean() < first.train_loss.mean()
    assert last.watched_accuracy.mean() > first.watched_accuracy.mean()


def test_out_of_fold_outputs_are_counted_by_member_and_predictions_by_batch(few: Digits, tiny: Recipe) -> None:
    told: list[tuple[str, int, int]] = []
    folds = assign_folds(few.train_labels, n_splits=2, repeats=2)
    cross_validate(
        few,
        tiny.replaced(epochs=1),
        folds,
        progress=lambda stage, done, total, unit="": told.append((stage, done, total)),
    )
    out_of_fold, predicting = [("Out of fold", done, 4) for done in range(5)], [("Predicting", i, 2) for i in range(3)]
    assert told == out_of_fold + predicting


def test_what_is_watched_in_the_end_is_the_out_of_fold_accuracy(few: Digits, tiny: Recipe) -> None:
    folds = assign_folds(few.train_labels, n_splits=3)
    result = cross_validate(few, tiny, folds)
    table = fold_scores(result.oof_outputs, few.train_labels, folds, tiny)
    last = result.history[result.history.epoch == tiny.epochs]
    np.testing.assert_allclose(last.watched_accuracy, table.accuracy, atol=1e-6)
    np.testing.assert_allclose(last.watched_loss, table.loss, rtol=1e-4)


def test_divergence_is_told_with_what_to_change(few: Digits, tiny: Recipe) -> None:
    hot = tiny.replaced(optimizer="sgd", learning_rate=1e8)
    with pytest.raises(
        Diverged, match=r"recipe tiny: the loss of epoch 1 is not finite; try a learning_rate below 1e\+08"
    ):
        cross_validate(few, hot, assign_folds(few.train_labels, n_splits=3))


def test_a_few_images_still_make_batches(handful: Digits, tiny: Recipe) -> None:
    folds = assign_folds(handful.train_labels, n_splits=3)
    for size in (1, 10_000):
        assert len(cross_validate(handful, tiny.replaced(batch_size=size, epochs=1), folds).history) == 3


def test_a_fold_that_is_dropped_whole_is_refused(handful: Digits, tiny: Recipe) -> None:
    folds = assign_folds(handful.train_labels, n_splits=3)
    with pytest.raises(BadFolds, match="a fold has none left"):
        cross_validate(handful, tiny, folds, dropped=np.flatnonzero(folds[0] == 1).tolist())


def test_a_call_leaves_the_settings_of_the_process_as_they_were(few: Digits, tiny: Recipe) -> None:
    cross_validate(few, tiny.replaced(epochs=1), assign_folds(few.train_labels, n_splits=2))
    assert float("5e-324") * 1.0 != 0.0
