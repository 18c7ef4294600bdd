"""What the trained members say of an image: sigmoid outputs, out of fold and averaged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.models.mlp import Members
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.trainer import scaled
from kaggle_mnist.utils.files import Progress, quiet

BATCH = 4096  # images at once: wide enough for full speed, 13 MB of pixels
SHIFTS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))  # pixels down, right


def sigmoid_outputs(logits: Tensor, recipe: Recipe) -> Tensor:
    """Ten values from 0 to 1 an image, of the same shape as `logits`.

    After softmax cross-entropy the sigmoid output of class k is ``sigmoid(z_k - logsumexp(z_j for j != k))``, which is
    the softmax probability: only differences of such logits mean anything.
    """
    return logits.softmax(-1) if recipe.loss == "cross_entropy" else logits.sigmoid()


@torch.no_grad()
def member_outputs(network: Members, member: int, images: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.float32]:
    """One member's sigmoid outputs, ``(n, 10)``, for images ``(n, 28, 28)``: the mean over the recipe's views."""
    device = network.biases[0].device
    outputs = np.empty((len(images), CLASSES), np.float32)
    for start in range(0, len(images), BATCH):
        batch = torch.from_numpy(images[start : start + BATCH]).to(device)
        mean = torch.zeros(len(batch), CLASSES, device=device)
        for view in shifted_views(batch.float() / 255, recipe.views):
            mean += sigmoid_outputs(network.outputs_of(member, scaled(view.flatten(1), recipe)), recipe) / recipe.views
        outputs[start : start + BATCH] = mean.cpu().numpy()
    return outputs


def shifted_views(images: Tensor, views: int) -> Iterator[Tensor]:
    """The images, ``(n, 28, 28)`` with background 0, then shifted by a pixel: 1 to 9 tensors of the same shape."""
    framed = F.pad(images, (1, 1, 1, 1))
    height, width = images.shape[1:]
    for down, right in SHIFTS[:views]:
        yield framed[:, 1 - down : 1 - down + height, 1 - right : 1 - right + width]


def out_of_fold_outputs(
    network: Members,
    images: NDArray[np.uint8],
    fold_of: NDArray[np.int64],
    recipe: Recipe,
    *,
    progress: Progress = quiet,
) -> NDArray[np.float32]:
    """For each repeat and image the outputs of the member that held it out, ``(repeats, n, 10)``."""
    outputs = np.empty((*fold_of.shape, CLASSES), np.float32)
    k = int(fold_of.max()) + 1
    progress("Out of fold", 0, len(fold_of) * k)
    for repeat, row in enumerate(fold_of):
        for fold in range(k):
            held_out, member = row == fold, repeat * k + fold
            outputs[repeat, held_out] = member_outputs(network, member, images[held_out], recipe)
            progress("Out of fold", member + 1, len(fold_of) * k)
    return outputs


def ensemble_outputs(
    network: Members, images: NDArray[np.uint8], recipe: Recipe, *, progress: Progress = quiet
) -> NDArray[np.float32]:
    """The mean of all members' sigmoid outputs, ``(n, 10)``."""
    members = len(network.biases[0])
    total = np.zeros((len(images), CLASSES), np.float32)
    progress("Predicting", 0, members)
    for member in range(members):
        total += member_outputs(network, member, images, recipe)
        progress("Predicting", member + 1, members)
    return total / np.float32(members)
