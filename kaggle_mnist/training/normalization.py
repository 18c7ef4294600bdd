"""Slant and width of handwriting removed: what differs from writer to writer, and tells nothing about the digit.

Both are measured by the moments of the ink, as is classical in handwriting recognition (Liu, Nakashima, Sako &
Fujisawa, Pattern Recognition 36, 2003), and removed by one affine map. In training that map and the random deformation
are composed, so an image is sampled only once.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from kaggle_mnist.data.digits import SIDE
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.sampling import affine_basis, sample

WIDTH = 18.0  # pixels: four standard deviations of the ink across, near those of the widest digits
MAX_SLANT = 1.0  # pixels to the side per pixel down
WIDTHS = (0.4, 1.6)  # the least and the most that a digit is made narrower by: a 1 is not blown up to a block


def normalize(images: Tensor, recipe: Recipe) -> Tensor:
    """Images as a trained member is given them, in the shape of `images`, ``(n, 28, 28)``.

    >>> line = torch.zeros(1, 28, 28)
    >>> line[0, range(6, 22), range(21, 5, -1)] = 1.0
    >>> upright = normalize(line, Recipe(deslant=1.0))
    >>> float(upright[0, 6:22, 12:16].sum() / upright.sum()) > 0.99
    True
    """
    maps = normalizing_maps(images, recipe)
    return images if maps is None else sample(images, maps, affine_basis(images.device))


def normalizing_maps(images: Tensor, recipe: Recipe) -> Tensor | None:
    """For each image, ``(n, 28, 28)``, the affine map ``(n, 2, 3)`` from new to old coordinates; None if there is none.

    `recipe.deslant` is the share of the slant that is removed, `recipe.equalize_width` the exponent with which a digit
    is brought nearer to `WIDTH`. The centre of mass moves to the centre of the image. Sums are in float64:
    in float32, their rounding would depend on the number of threads.
    """
    if not (recipe.deslant or recipe.equalize_width):
        return None
    mass, *moments = (images.flatten(1).double() @ _moment_basis(images.device)).unbind(1)
    x, y, xx, yy, xy = (moment / mass.clamp_min(1e-6) for moment in moments)
    xx, yy, xy = xx - x * x, yy - y * y, xy - x * y  # of the ink around its centre
    slant = recipe.deslant * (xy / yy.clamp_min(1e-3)).clamp(-MAX_SLANT, MAX_SLANT)
    variance = (xx - 2 * slant * xy + slant * slant * yy).clamp_min(1e-4)  # of the ink across, without that slant
    narrowing = (4 * variance.sqrt() * SIDE / 2 / WIDTH).clamp(*WIDTHS) ** recipe.equalize_width
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([narrowing, slant, x, zero, one, y], 1).view(-1, 2, 3).to(images.dtype)


@lru_cache(maxsize=8)
def _moment_basis(device: torch.device) -> Tensor:
    """1, x, y, x², y² and xy at every pixel, ``(784, 6)``."""
    x, y, one = affine_basis(device).double()
    return torch.stack([one, x, y, x * x, y * y, x * y], 1)


def composed(maps: Tensor, numbers: Tensor) -> Tensor:
    """The numbers ``(n, 2, k)`` of the fields `numbers`, the third of them constant, followed by affine `maps`."""
    mapped = maps[:, :, :2] @ numbers
    mapped[:, :, 2] += maps[:, :, 2]
    return mapped
