"""What must hold on a GPU; skipped where PyTorch sees none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import TrainingState, cross_validate
from kaggle_mnist.training.folds import assign_folds
from tests.training.test_cross_validation import CNN, NORMALIZED, same_results

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device")
KINDS = pytest.mark.parametrize("fields", [{}, NORMALIZED, CNN], ids=["pixels", "gradients", "cnn"])


@KINDS
def test_the_gpu_scores_as_the_cpu_does(few: Digits, tiny: Recipe, fields: dict[str, Any]) -> None:
    """Random numbers differ between devices: scores agree within what another seed changes."""
    recipe, folds = tiny.replaced(epochs=8, mixed_precision=True, **fields), assign_folds(few.train_labels, n_splits=3)
    right = [
        np.mean(cross_validate(few, recipe, folds, device=device).oof_outputs[0].argmax(1) == few.train_labels)
        for device in ("cpu", "cuda")
    ]
    assert abs(right[0] - right[1]) < 0.02


@KINDS
def test_a_held_out_image_never_reaches_its_member(few: Digits, tiny: Recipe, fields: dict[str, Any]) -> None:
    recipe, folds = tiny.replaced(epochs=2, **fields), assign_folds(few.train_labels, n_splits=3)
    before = cross_validate(few, recipe, folds, device="cuda").members
    images, held_out = few.train_images.copy(), folds[0] == 1
    images[held_out] = 255 - images[held_out]
    after = cross_validate(replace(few, train_images=images), recipe, folds, device="cuda").members
    for name in before:
        assert torch.equal(before[name][1], after[name][1])
        assert not torch.equal(before[name][0], after[name][0])


@KINDS
def test_a_resumed_training_ends_with_the_same_bytes(few: Digits, tiny: Recipe, fields: dict[str, Any]) -> None:
    recipe, folds = tiny.replaced(epochs=3, **fields), assign_folds(few.train_labels, n_splits=3)
    states: list[TrainingState] = []

    def keep(state: TrainingState) -> None:
        states.append(replace(state, tensors={name: tensor.clone() for name, tensor in state.tensors.items()}))

    whole = cross_validate(few, recipe, folds, device="cuda", on_state=keep)
    assert same_results(whole, cross_validate(few, recipe, folds, device="cuda", start=states[0]))
