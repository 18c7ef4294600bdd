from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.augmentation import augment
from kaggle_mnist.training.normalization import WIDTH, normalize
from kaggle_mnist.training.sampling import affine_basis, sample
from kaggle_mnist.utils.seeding import EPOCH, generator_for

UPRIGHT = Recipe(deslant=1.0, equalize_width=1.0)


@pytest.fixture
def images(few: Digits) -> Tensor:
    return torch.from_numpy(few.train_images[:400]).float() / 255


def moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Slant, in pixels to the side per pixel down, and width, four standard deviations in pixels: (n,) each."""
    at, mass = torch.arange(28.0) - 13.5, images.sum((1, 2))
    x, y = images.sum(1) @ at / mass, images.sum(2) @ at / mass
    xx, yy = images.sum(1) @ at**2 / mass - x * x, images.sum(2) @ at**2 / mass - y * y
    return ((images @ at * at).sum(1) / mass - x * y) / yy, 4 * xx.sqrt()


def test_slant_and_width_are_those_of_the_recipe(images: Tensor) -> None:
    slants, widths = moments(images)
    assert slants.abs().mean() > 0.15
    assert widths.std() > 2
    slants, widths = moments(normalize(images, UPRIGHT))
    assert slants.abs().mean() < 0.02
    ordinary = moments(images)[1] > 0.6 * WIDTH  # a 1 is widened by no more than the limit
    assert (widths[ordinary] - WIDTH).abs().mean() < 0.7
    half = moments(normalize(images, Recipe(deslant=0.5)))[0]
    torch.testing.assert_close(half, moments(images)[0] / 2, rtol=0, atol=0.1)


def test_writers_who_slant_otherwise_give_the_same_image(images: Tensor) -> None:
    sheared = torch.tensor([[1.0, 0.25, 0.0], [0.0, 1.0, 0.0]]).expand(len(images), 2, 3)
    slanted = sample(images, sheared, affine_basis(images.device))
    assert (images - slanted).abs().mean() > 0.05
    assert (normalize(images, UPRIGHT) - normalize(slanted, UPRIGHT)).abs().mean() < 0.02


def test_an_image_is_normalized_on_its_own_and_an_empty_one_stays_empty(images: Tensor) -> None:
    alone = torch.cat([normalize(image[None], UPRIGHT) for image in images[:20]])
    torch.testing.assert_close(alone, normalize(images, UPRIGHT)[:20])
    assert not normalize(torch.zeros(1, 28, 28), UPRIGHT).any()


def test_without_random_limits_training_sees_what_a_trained_member_is_given(images: Tensor) -> None:
    expected = normalize(images, UPRIGHT)
    assert torch.equal(augment(images, UPRIGHT, generator_for(0, EPOCH, 0)), expected)
    barely = augment(images, UPRIGHT.replaced(shift=1e-6, elastic=1e-6), generator_for(0, EPOCH, 0))
    torch.testing.assert_close(barely, expected, rtol=0, atol=1e-4)
    assert normalize(images, Recipe()) is images
