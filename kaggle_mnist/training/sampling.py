"""Sampling whole batches of images at other places: every displacement field is a few numbers times a fixed basis."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from kaggle_mnist.data.digits import SIDE


def sample(images: Tensor, numbers: Tensor, basis: Tensor) -> Tensor:
    """Each image with the values it has at other places, ``(n, 28, 28)``; outside it is background.

    Parameters
    ----------
    images : float ``(n, 28, 28)``, background 0
    numbers : ``(n, 2, k)``; times the basis, the source x and y of every new pixel, from -1 to 1 across the image
    basis : ``(k, 784)``

    Examples
    --------
    >>> images, identity = torch.rand(1, 28, 28), torch.eye(2, 3)[None]
    >>> torch.allclose(sample(images, identity, affine_basis(images.device)), images, atol=1e-5)
    True
    """
    places = (numbers @ basis).view(-1, 2, SIDE, SIDE).permute(0, 2, 3, 1)  # (n, 28, 28, 2)
    return F.grid_sample(images[:, None], places, align_corners=False)[:, 0]


@lru_cache(maxsize=8)
def affine_basis(device: torch.device) -> Tensor:
    """x, y and 1 at every pixel, ``(3, 784)``: the basis of affine maps, given as ``(n, 2, 3)`` numbers."""
    centers = (torch.arange(SIDE) * 2 + 1) / SIDE - 1
    y, x = torch.meshgrid(centers, centers, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)]).view(3, -1).to(device)
