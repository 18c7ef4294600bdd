import numpy as np
import pytest

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.utils.errors import BadFolds


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


@pytest.mark.parametrize(("n_splits", "repeats"), [(1, 1), (0, 1), (5, 0)])
def test_there_are_at_least_two_folds_and_one_repeat(few: Digits, n_splits: int, repeats: int) -> None:
    with pytest.raises(BadFolds, match="at least 2 folds and 1 repeat"):
        assign_folds(few.train_labels, n_splits=n_splits, repeats=repeats)
