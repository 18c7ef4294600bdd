"""What a network is given of an image: its pixels, or the directions of its grey-level gradient.

Gradient directions are the classical feature of handwriting recognition (Liu, Nakashima, Sako & Fujisawa, Pattern
Recognition 36, 2003): where strokes run which way, blurred enough to forgive a shift. The gradient at each pixel is
split between the two nearest of several directions; every direction's plane is smoothed by a Gaussian and sampled on a
coarse grid; the square root evens out faint and heavy strokes. Whatever is linear here is one matrix product over a
whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from kaggle_mnist.data.digits import SIDE

CHUNK = 512  # images whose planes are in memory at once, 13 MB in float32


def compute_features(images: Tensor, features: str, **settings: Any) -> Tensor:
    """What a network is given of each image.

    Parameters
    ----------
    images : float ``(n, 28, 28)``, from 0 (background) to 1 (ink)
    features : ``"pixels"`` or ``"gradients"``
    settings : the recipe's fields that `models.registry.FEATURES` lists for it

    Returns
    -------
    ``(n, inputs)``, where `inputs` is the product of `models.registry.input_shape`

    Examples
    --------
    >>> images = torch.rand(5, 28, 28)
    >>> compute_features(images, "pixels", pixels=(0.01, 1.0)).shape
    torch.Size([5, 784])
    >>> compute_features(images, "gradients", directions=8, grid=9, smoothing=1.1).shape
    torch.Size([5, 648])
    """
    if features == "pixels":
        return scale_pixels(images.flatten(1), **settings)
    return gradient_directions(images, **settings)


def scale_pixels(images: Tensor, pixels: tuple[float, float]) -> Tensor:
    """Pixels from 0 to 1, of any shape, scaled to ``pixels[0]`` for background and ``pixels[1]`` for ink.

    >>> scale_pixels(torch.tensor([0.0, 1.0]), (0.01, 1.0))
    tensor([0.0100, 1.0000])
    """
    low, high = pixels
    return images if (low, high) == (0, 1) else images * (high - low) + low


def gradient_directions(images: Tensor, *, directions: int, grid: int, smoothing: float) -> Tensor:
    """How much of the gradient points each way, in each part of the image.

    Parameters
    ----------
    images : float ``(n, 28, 28)``, from 0 to 1; products are computed in their number format
    directions : how many, evenly spaced from 0 (ink grows to the right) clockwise; an even number, at least 4
    grid : samples along each side, evenly spaced
    smoothing : standard deviation, in pixels, of the Gaussian that smooths the planes before they are sampled

    Returns
    -------
    ``(n, directions * grid * grid)``, in that order, from 0 to about 1

    Examples
    --------
    >>> edge = torch.zeros(1, 28, 28)
    >>> edge[..., 14:] = 1.0
    >>> x = gradient_directions(edge, directions=8, grid=7, smoothing=2.0).view(8, 7, 7)
    >>> x[:, 3, 3].argmax()
    tensor(0)
    """
    bases = _bases(directions, grid, smoothing, images.device, images.dtype)
    return torch.cat([_of_chunk(chunk, directions, grid, *bases) for chunk in chunks(images, CHUNK)])


def chunks(images: Tensor, size: int) -> Sequence[Tensor]:
    """The images ``(n, …)``, at most `size` at a time; all at once in an exported graph, where n is open."""
    return [images] if torch.compiler.is_compiling() else images.split(size)


def _of_chunk(
    images: Tensor,
    directions: int,
    grid: int,
    to_gradient: Tensor,
    to_side: Tensor,
    to_other_side: Tensor,
    to_grid: Tensor,
) -> Tensor:
    n, side = images.shape[0], SIDE
    rows = to_gradient @ images.permute(1, 0, 2).reshape(side, -1)  # (28 * 2, n * 28): differences, and smoothed rows
    rows = rows.view(side, 2, n, side).transpose(1, 2).reshape(side * n, 2 * side)
    planes = rows @ to_side  # (28 * n, directions * 28)
    torch.minimum(planes, rows @ to_other_side, out=planes).relu_()
    sampled = planes.view(-1, side) @ to_grid.T  # (28 * n * directions, grid): along every row first, then down
    sampled = to_grid @ sampled.view(side, -1)  # (grid, n * directions * grid)
    return sampled.view(grid, n, directions, grid).permute(1, 2, 0, 3).flatten(1).sqrt_()


@lru_cache(maxsize=64)  # the variants of a recipe
def _bases(
    directions: int, grid: int, smoothing: float, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    """The four constant matrices of `gradient_directions`.

    A gradient g at the angle a, between the directions d and d + 1 (step s apart), is the sum of |g| sin(d + 1 - a) /
    sin s along d and |g| sin(a - d) / sin s along d + 1. So its part along d is the smaller of |g| sin(a - (d - 1)) /
    sin s and |g| sin(d + 1 - a) / sin s, or 0 where that is negative. Both are linear functions of the image.
    """
    smooth, difference = torch.zeros(SIDE, SIDE), torch.zeros(SIDE, SIDE)  # Sobel's operator is their outer product
    for offset, smoothed, differed in ((-1, 0.25, -0.5), (0, 0.5, 0.0), (1, 0.25, 0.5)):
        band = torch.ones(SIDE - abs(offset)).diag(offset)
        smooth, difference = smooth + smoothed * band, difference + differed * band
    to_gradient = torch.stack([difference, smooth], 1).flatten(0, 1)  # (28 * 2, 28)

    step = 2 * math.pi / directions

    def side(direction: int) -> Tensor:  # |g| sin(a - direction) / sin(step), (2 * 28, 28)
        angle = direction * step
        return torch.cat([smooth.T * math.cos(angle), -difference.T * math.sin(angle)]) / math.sin(step)

    to_side = torch.cat([side(d - 1) for d in range(directions)], 1)
    to_other_side = torch.cat([-side(d + 1) for d in range(directions)], 1)

    centers = (torch.arange(grid) + 0.5) * SIDE / grid - 0.5
    distance = torch.arange(SIDE) - centers[:, None]
    to_grid = torch.exp(-(distance**2) / (2 * smoothing**2)) / (smoothing * math.sqrt(2 * math.pi))  # (grid, 28)
    return tuple(matrix.to(device, dtype).contiguous() for matrix in (to_gradient, to_side, to_other_side, to_grid))
