"""The losses that a recipe can name, and the sigmoid outputs that belong to each."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.recipes.recipe import Recipe


def member_losses(logits: Tensor, labels: Tensor, recipe: Recipe, *, smoothing: bool = True) -> Tensor:
    """Each member's mean loss, ``(members,)``, for logits ``(members, n, 10)`` and labels ``(members, n)``."""
    if recipe.loss == "squared_error":
        wrong, right = recipe.targets
        targets = F.one_hot(labels, CLASSES) * (right - wrong) + wrong
        return (logits.sigmoid() - targets).square().mean((1, 2))
    each = F.cross_entropy(
        logits.flatten(0, 1),
        labels.flatten(),
        reduction="none",
        label_smoothing=recipe.label_smoothing if smoothing else 0.0,
    )
    return each.view_as(labels).mean(1)


def sigmoid_outputs(logits: Tensor, recipe: Recipe) -> Tensor:
    """Ten outputs from 0 to 1 per image, in the shape of `logits`, ``(…, 10)``.

    After softmax cross-entropy the sigmoid output of class k is ``sigmoid(z_k - logsumexp(z_j for j != k))``, which is
    the softmax probability: only differences of such logits mean anything.
    """
    return logits.softmax(-1) if recipe.loss == "cross_entropy" else logits.sigmoid()
