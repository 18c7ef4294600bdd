"""Random affine and elastic deformations of a whole batch at once, together with the normalization of its images.

A deformation maps each pixel of the new image to the place in the old image where its value is sampled. Affine and
elastic deformations are both linear in a few random numbers, so the displacement fields of a whole batch are one matrix
product: those numbers, (2n, k), times a fixed basis, (k, 784). The basis of affine maps is x, y and 1. An elastic field
(Simard, Steinkraus & Platt, ICDAR 2003) is white noise smoothed by a Gaussian of standard deviation sigma. That is a
Gaussian process with the covariance exp(-d² / 4 sigma²) at distance d; its basis is the leading eigenvectors of that
covariance.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from kaggle_mnist.data.digits import SIDE
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.normalization import composed, normalize, normalizing_maps
from kaggle_mnist.training.sampling import affine_basis, sample

KEPT_VARIANCE = 0.999  # share of an elastic field's variance that its basis keeps, along each axis


def augment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Normalize each image as the recipe says, and deform it at random within the recipe's limits.

    Parameters
    ----------
    images : float ``(n, 28, 28)``, background 0
    recipe : its fields `rotation`, `scaling`, `shear`, `shift`, `elastic` and `elastic_sigma` are the limits
    generator : on the device of the images

    Returns
    -------
    ``(n, 28, 28)``; the images themselves if the recipe changes nothing

    Examples
    --------
    >>> images, generator = torch.rand(5, 28, 28), torch.Generator().manual_seed(0)
    >>> augment(images, Recipe(rotation=10.0, elastic=1.0), generator).shape
    torch.Size([5, 28, 28])
    """
    if not (recipe.rotation or recipe.scaling or recipe.shear or recipe.shift or recipe.elastic):
        return normalize(images, recipe)
    n = len(images)
    numbers = _affine_numbers(n, recipe, generator)  # (n, 2, 3): the source x and y of a new pixel
    basis = affine_basis(images.device)
    if recipe.elastic:
        elastic_basis = _elastic_basis(recipe.elastic_sigma, images.device)
        noise = torch.randn(n, 2, len(elastic_basis), generator=generator, device=images.device)
        numbers = torch.cat([numbers, noise * (recipe.elastic * 2 / SIDE)], 2)
        basis = torch.cat([basis, elastic_basis])
    maps = normalizing_maps(images, recipe)
    return sample(images, numbers if maps is None else composed(maps, numbers), basis)


def _affine_numbers(n: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Random affine maps ``(n, 2, 3)``, in coordinates from -1 to 1 across the image."""
    draw = torch.rand(n, 6, generator=generator, device=generator.device) * 2 - 1
    angle = draw[:, 0] * math.radians(recipe.rotation)
    shear = draw[:, 1] * recipe.shear
    x_scale, y_scale = (1 + draw[:, 2:4] * recipe.scaling).unbind(1)
    x_shift, y_shift = (draw[:, 4:6] * recipe.shift * 2 / SIDE).unbind(1)
    cos, sin = angle.cos(), angle.sin()
    # rotation @ shear @ scaling
    x_row = torch.stack([cos * x_scale, (cos * shear - sin) * y_scale, x_shift], 1)
    y_row = torch.stack([sin * x_scale, (sin * shear + cos) * y_scale, y_shift], 1)
    return torch.stack([x_row, y_row], 1)


@lru_cache(maxsize=8)
def _elastic_basis(sigma: float, device: torch.device) -> Tensor:
    """Fields ``(k, 784)``; their sum with standard normal weights is a smooth field of standard deviation 1."""
    pixels = torch.arange(SIDE, dtype=torch.float64)
    covariance = torch.exp(-((pixels[:, None] - pixels) ** 2) / (4 * sigma**2))
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0), vectors.flip(1)  # largest first
    rank = int((values.cumsum(0) < KEPT_VARIANCE * values.sum()).sum()) + 1
    along = (vectors[:, :rank] * values[:rank].sqrt()).T  # (rank, 28)
    return torch.kron(along, along).float().to(device)
