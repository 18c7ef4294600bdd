"""The sigmoid outputs of trained members, out of fold and averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.models.features import compute_features
from kaggle_mnist.models.network import StackedNetwork
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.losses import sigmoid_outputs
from kaggle_mnist.training.normalization import normalize
from kaggle_mnist.utils.progress import Counter, Progress, quiet

BATCH = 4096  # images at once: wide enough for full speed, 13 MB of pixels
SHIFTS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))  # pixels down, right


def _nothing() -> None:
    pass


@torch.no_grad()
def member_outputs(
    network: StackedNetwork, member: int, images: NDArray[np.uint8], recipe: Recipe
) -> NDArray[np.float32]:
    """One member's sigmoid outputs, ``(n, 10)``, for images ``(n, 28, 28)``: the mean over the recipe's views."""
    outputs = np.empty((len(images), CLASSES), np.float32)
    for start in range(0, len(images), BATCH):
        [outputs[start : start + BATCH]] = _outputs(network, [member], images[start : start + BATCH], recipe)
    return outputs


def _outputs(
    network: StackedNetwork, members: Sequence[int], images: NDArray[np.uint8], recipe: Recipe
) -> NDArray[np.float32]:
    """Outputs of several members for one batch, ``(members, n, 10)``; they share its views and features."""
    device = next(network.parameters()).device
    batch = normalize(torch.from_numpy(images).to(device).float() / 255, recipe)
    means = torch.zeros(len(members), len(images), CLASSES, device=device)
    for view in shifted_views(batch, recipe.views):
        x = compute_features(view, recipe.features, **recipe.feature_settings)  # (n, inputs)
        for mean, member in zip(means, members, strict=True):
            mean.add_(sigmoid_outputs(network.member_logits(member, x), recipe) / recipe.views)
    array: NDArray[np.float32] = means.cpu().numpy()
    return array


def shifted_views(images: Tensor, views: int) -> Iterator[Tensor]:
    """The images, ``(n, 28, 28)`` with background 0, then shifted by a pixel: 1 to 9 tensors of the same shape."""
    framed = F.pad(images, (1, 1, 1, 1))
    height, width = images.shape[1:]
    for down, right in SHIFTS[:views]:
        yield framed[:, 1 - down : 1 - down + height, 1 - right : 1 - right + width]


def out_of_fold_outputs(
    network: StackedNetwork,
    images: NDArray[np.uint8],
    fold_of: NDArray[np.int64],
    recipe: Recipe,
    *,
    after_member: Callable[[], None] = _nothing,
) -> NDArray[np.float32]:
    """For each image, ``(n, 28, 28)``, the outputs of the member that held it out, ``(n, 10)``.

    `fold_of` is ``(n,)``: the fold, hence the member of one repeat, that holds out each image.
    """
    outputs = np.empty((len(images), CLASSES), np.float32)
    for member in range(network.members):
        held_out = fold_of == member
        outputs[held_out] = member_outputs(network, member, images[held_out], recipe)
        after_member()
    return outputs


@torch.no_grad()
def all_outputs(
    network: StackedNetwork,
    images: NDArray[np.uint8],
    recipe: Recipe,
    *,
    after_batch: Callable[[], None] = _nothing,
) -> NDArray[np.float32]:
    """Every member's sigmoid outputs, ``(members, n, 10)``."""
    outputs = np.empty((network.members, len(images), CLASSES), np.float32)
    for start in range(0, len(images), BATCH):
        rows = slice(start, start + BATCH)
        outputs[:, rows] = _outputs(network, range(network.members), images[rows], recipe)
        after_batch()
    return outputs


def batches(images: NDArray[np.uint8]) -> int:
    """How often `all_outputs` reports its progress."""
    return -(-len(images) // BATCH)


def ensemble_outputs(
    networks: Sequence[tuple[StackedNetwork, Recipe]], images: NDArray[np.uint8], *, progress: Progress = quiet
) -> NDArray[np.float32]:
    """The mean of all members' sigmoid outputs, ``(n, 10)``, each computed by its own recipe."""
    counter = Counter("Predicting", batches(images) * len(networks), progress)
    total = np.zeros((len(images), CLASSES), np.float32)
    for network, recipe in networks:
        total += all_outputs(network, images, recipe, after_batch=counter).sum(0)
    return total / np.float32(sum(network.members for network, _ in networks))
