from __future__ import annotations

import pytest
import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training import trainer
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.trainer import RepeatTrainer, TrainingSet

CPU = torch.device("cpu")


def of_one_repeat(digits: Digits, recipe: Recipe, *, dropped: tuple[int, ...] = ()) -> RepeatTrainer:
    [fold_of] = torch.from_numpy(assign_folds(digits.train_labels, n_splits=3))
    return RepeatTrainer(TrainingSet.of(digits, dropped, CPU), fold_of, recipe, seed=0, repeat=0)


def test_an_epoch_brings_the_loss_down_and_the_accuracy_up(few: Digits, tiny: Recipe) -> None:
    of = of_one_repeat(few, tiny)
    before = [of.watch(member) for member in range(3)]
    losses = [of.train_epoch(epoch) for epoch in range(3)]
    after = [of.watch(member) for member in range(3)]
    for member in range(3):
        assert losses[2][member] < losses[0][member]
        assert after[member][0] < before[member][0]
        assert after[member][1] > before[member][1]


def test_members_are_watched_on_images_that_they_hold_out(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "WATCHED", 50)
    of = of_one_repeat(few, tiny, dropped=(0, 1, 2))
    [fold_of] = assign_folds(few.train_labels, n_splits=3)
    for member, rows in enumerate(of.watched):
        assert len(rows) == 50
        assert (fold_of[rows] == member).all()
    assert {0, 1, 2} <= set(torch.cat(of.watched).tolist())  # dropped images are judged all the same


def test_dropped_images_are_in_no_batch(few: Digits, tiny: Recipe) -> None:
    assert len(of_one_repeat(few, tiny, dropped=(3, 500, 1499)).images) == 1497


def test_gradients_are_freed_after_every_step(few: Digits, tiny: Recipe) -> None:
    """With many repeats, only one at a time holds gradients."""
    of = of_one_repeat(few, tiny)
    of.train_epoch(0)
    assert all(parameter.grad is None for parameter in of.network.parameters())


def test_an_infinite_weight_is_noticed(few: Digits, tiny: Recipe) -> None:
    of = of_one_repeat(few, tiny)
    assert of.is_finite()
    with torch.no_grad():
        next(of.network.parameters())[0, 0, 0] = torch.inf
    assert not of.is_finite()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_restored_tensors_continue_to_the_same_bits(few: Digits, tiny: Recipe, optimizer: str) -> None:
    recipe = tiny.replaced(optimizer=optimizer)
    of = of_one_repeat(few, recipe)
    of.train_epoch(0)
    kept = {name: tensor.clone() for name, tensor in of.tensors().items()}
    of.train_epoch(1)
    again = of_one_repeat(few, recipe)
    again.restore(kept)
    again.train_epoch(1)
    assert all(torch.equal(tensor, again.tensors()[name]) for name, tensor in of.tensors().items())
