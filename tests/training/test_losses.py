from __future__ import annotations

import torch
import torch.nn.functional as F

from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.losses import member_losses, sigmoid_outputs


def test_each_members_loss_is_the_mean_over_its_own_images() -> None:
    logits, labels = torch.randn(3, 7, 10), torch.randint(10, (3, 7))
    smoothed = Recipe(label_smoothing=0.1)
    for member, loss in enumerate(member_losses(logits, labels, smoothed)):
        torch.testing.assert_close(loss, F.cross_entropy(logits[member], labels[member], label_smoothing=0.1))
    for member, loss in enumerate(member_losses(logits, labels, smoothed, smoothing=False)):
        torch.testing.assert_close(loss, F.cross_entropy(logits[member], labels[member]))


def test_squared_error_is_that_of_sigmoids_from_the_recipes_targets() -> None:
    logits, labels = torch.randn(2, 5, 10), torch.randint(10, (2, 5))
    targets = torch.full((2, 5, 10), 0.01).scatter(2, labels[..., None], 0.99)
    expected = (logits.sigmoid() - targets).square().mean((1, 2))
    found = member_losses(logits, labels, Recipe(loss="squared_error", targets=(0.01, 0.99)))
    torch.testing.assert_close(found, expected)


def test_an_offset_of_all_ten_logits_changes_no_output_after_cross_entropy() -> None:
    logits = torch.randn(5, 10)
    outputs = sigmoid_outputs(logits, Recipe(loss="cross_entropy"))
    torch.testing.assert_close(sigmoid_outputs(logits + 7, Recipe(loss="cross_entropy")), outputs)
    others = torch.stack([logits[:, [j for j in range(10) if j != k]].logsumexp(1) for k in range(10)], 1)
    torch.testing.assert_close(outputs, (logits - others).sigmoid())


def test_after_squared_error_outputs_are_plain_sigmoids() -> None:
    logits = torch.randn(5, 10)
    torch.testing.assert_close(sigmoid_outputs(logits, Recipe(loss="squared_error")), logits.sigmoid())
