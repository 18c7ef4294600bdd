"""What a network is given of an image: its pixels, scaled to the recipe's range."""

from __future__ import annotations

from torch import Tensor

from kaggle_mnist.data.digits import SIDE

INPUTS = SIDE * SIDE  # values per image


def scale_pixels(images: Tensor, pixels: tuple[float, float]) -> Tensor:
    """Pixels from 0 to 1, of any shape, scaled to ``pixels[0]`` for background and ``pixels[1]`` for ink.

    >>> import torch
    >>> scale_pixels(torch.tensor([0.0, 1.0]), (0.01, 1.0))
    tensor([0.0100, 1.0000])
    """
    low, high = pixels
    return images if (low, high) == (0, 1) else images * (high - low) + low
