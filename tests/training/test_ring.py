from __future__ import annotations

import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.ring import leave_own_fold_out, shuffle_within_folds
from kaggle_mnist.utils.seeding import EPOCH, generator_for


def test_member_m_gets_all_groups_but_m_as_a_view_of_the_ring() -> None:
    groups = torch.arange(4 * 3).view(4, 3)  # (k, b)
    windows = leave_own_fold_out(groups)
    assert windows.shape == (4, 9)
    for fold in range(4):
        allowed = {int(i) for other in range(4) if other != fold for i in groups[other]}
        assert {int(i) for i in windows[fold]} == allowed
    assert windows.untyped_storage().nbytes() == 6 * 3 * 8  # that of the ring, not of 4 windows


def test_each_epoch_takes_every_image_once_and_from_its_own_fold(few: Digits) -> None:
    folds = torch.from_numpy(assign_folds(few.train_labels, n_splits=5))[0]
    shuffled = shuffle_within_folds(folds, generator_for(0, EPOCH, 0))
    assert sorted(shuffled.flatten().tolist()) == list(range(1500))
    for fold in range(5):
        assert (folds[shuffled[fold]] == fold).all()
    assert not torch.equal(shuffled, shuffle_within_folds(folds, generator_for(0, EPOCH, 1)))
