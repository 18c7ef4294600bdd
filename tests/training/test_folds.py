from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import cross_validate
from kaggle_mnist.training.folds import assign_folds, fold_digits
from kaggle_mnist.training.metrics import accuracy
from kaggle_mnist.utils.errors import BadFolds
from tests.conftest import TINY


def test_every_image_is_held_out_once_a_repeat_and_digits_are_spread_evenly(few: Digits) -> None:
    fold_of = assign_folds(few.train_labels, n_splits=5, repeats=2, seed=3)
    assert fold_of.shape == (2, 1500)
    for row in fold_of:
        assert np.bincount(row).tolist() == [300] * 5
        spread = np.array([np.bincount(few.train_labels[row == fold], minlength=10) for fold in range(5)])
        assert (spread.max(0) - spread.min(0)).max() <= 1
    assert (fold_of[0] != fold_of[1]).mean() > 0.5


def test_the_seed_decides(few: Digits) -> None:
    first, again, other = (assign_folds(few.train_labels, n_splits=5, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_digit_with_fewer_images_than_folds_is_named() -> None:
    y_true = np.repeat(np.arange(10), 6)[:-2]
    with pytest.raises(BadFolds, match="digit 9 has 4 labeled images, fewer than the 5 folds"):
        assign_folds(y_true, n_splits=5)


@pytest.mark.parametrize(
    ("left", "message"),
    [
        (4, "digit 9 has 4 labeled images, fewer than the 5 folds; add images of it or use fewer --folds"),
        (1, "digit 9 has 1 labeled image, fewer than the 5 folds; add images of it"),
        (0, "digit 9 has no labeled image, fewer than the 5 folds; add images of it"),
    ],
)
def test_fewer_folds_are_advised_only_where_they_help(left: int, message: str) -> None:
    with pytest.raises(BadFolds) as error:
        assign_folds(np.repeat(np.arange(10), 6)[: 54 + left], n_splits=5)
    assert str(error.value) == message


def test_copies_count_once_where_a_digit_has_fewer_images_than_folds(few: Digits) -> None:
    nines = np.flatnonzero(few.train_labels == 9)
    order = np.concatenate([np.flatnonzero(few.train_labels != 9), np.tile(nines[:4], 2)])
    repeated = replace(few, train_images=few.train_images[order], train_labels=few.train_labels[order])
    assert repeated.counts[9] == 8
    with pytest.raises(BadFolds, match=r"digit 9 has 4 labeled images \(copies of an image count once\), fewer"):
        fold_digits(repeated, n_splits=5)


@pytest.mark.parametrize(
    ("n_splits", "repeats", "given"),
    [(1, 1, "1 fold, 1 repeat"), (0, 1, "0 folds, 1 repeat"), (5, 0, "5 folds, 0 rep")],
)
def test_there_are_at_least_two_folds_and_one_repeat(few: Digits, n_splits: int, repeats: int, given: str) -> None:
    with pytest.raises(BadFolds, match=f"^{given}.*: there must be at least 2 folds and 1 repeat"):
        assign_folds(few.train_labels, n_splits=n_splits, repeats=repeats)


def test_copies_of_an_image_are_held_out_together_and_change_no_other_fold(few: Digits) -> None:
    copied = few.head(300, 30)
    rng = np.random.default_rng(0)
    order = np.concatenate([np.arange(300), rng.integers(0, 300, 700)])
    repeated = replace(copied, train_images=copied.train_images[order], train_labels=copied.train_labels[order])
    found, alone = (fold_digits(digits, n_splits=5, repeats=2, seed=1) for digits in (repeated, copied))
    assert np.array_equal(found, alone[:, order])
    assert (np.sort(repeated.first_same) == np.sort(order)).all()


def test_a_score_on_repeated_images_does_not_flatter(practice: Digits) -> None:
    few = practice.head(400, 10)
    order = np.tile(np.arange(400), 5)
    repeated = replace(few, train_images=few.train_images[order], train_labels=few.train_labels[order])
    recipe = TINY.replaced(epochs=12)
    honest = accuracy_of(few, recipe, fold_digits(few, n_splits=5))
    assert accuracy_of(repeated, recipe, fold_digits(repeated, n_splits=5)) < honest + 0.05
    flattering = accuracy_of(repeated, recipe, assign_folds(repeated.train_labels, n_splits=5))
    assert flattering > honest + 0.1  # each image is among those that its member was trained on


def accuracy_of(digits: Digits, recipe: Recipe, fold_of: NDArray[np.int64]) -> float:
    return accuracy(cross_validate(digits, recipe, fold_of).oof_outputs[0], digits.train_labels)
