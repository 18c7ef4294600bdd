import pytest
import torch
from torch import Tensor

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.augmentation import _elastic_basis, augment
from kaggle_mnist.utils.seeding import EPOCH, generator_for


@pytest.fixture
def images(few: Digits) -> Tensor:
    return torch.from_numpy(few.train_images[:400]).float() / 255


def centers(images: Tensor) -> Tensor:
    """Centres of mass, (n, 2): x and y in pixels."""
    mass = images.sum((1, 2))
    at = torch.arange(28.0)
    return torch.stack([(images.sum(1) * at).sum(1) / mass, (images.sum(2) * at).sum(1) / mass], 1)


def test_without_deformation_images_stay_as_they_are(images: Tensor) -> None:
    assert augment(images, Recipe(), generator_for(0, EPOCH, 0)) is images


def test_the_generator_decides(images: Tensor) -> None:
    recipe = Recipe(rotation=10, scaling=0.1, shear=0.1, shift=2, elastic=1)
    first, again, other = (augment(images, recipe, generator_for(seed, EPOCH, 0)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_image_is_deformed_on_its_own(images: Tensor) -> None:
    recipe = Recipe(rotation=10, shift=2, elastic=1)
    changed = images.clone()
    changed[5] = 1 - changed[5]
    a, b = augment(images, recipe, generator_for(0, EPOCH, 0)), augment(changed, recipe, generator_for(0, EPOCH, 0))
    assert [i for i in range(len(images)) if not torch.equal(a[i], b[i])] == [5]


def test_shift_moves_by_at_most_that_many_pixels_both_ways(images: Tensor) -> None:
    moved = centers(augment(images, Recipe(shift=2), generator_for(0, EPOCH, 0))) - centers(images)
    assert 1.8 < moved.abs().max() < 2.1
    assert moved.min() < -1.5 < 1.5 < moved.max()


def test_scaling_changes_the_size_by_at_most_that_share(images: Tensor) -> None:
    ink = augment(images, Recipe(scaling=0.2), generator_for(0, EPOCH, 0)).sum((1, 2)) / images.sum((1, 2))
    assert 0.6 < ink.min() < 0.8
    assert 1.2 < ink.max() < 1.65


def test_rotation_turns_about_the_centre_by_at_most_that_angle() -> None:
    bar = torch.zeros(300, 28, 28)
    bar[:, 4:24, 13:15] = 1
    turned = augment(bar, Recipe(rotation=30), generator_for(0, EPOCH, 0))
    x, y = torch.meshgrid(torch.arange(28.0) - 13.5, torch.arange(28.0) - 13.5, indexing="xy")
    angle = torch.rad2deg(0.5 * torch.atan2(2 * (turned * x * y).sum((1, 2)), (turned * (y**2 - x**2)).sum((1, 2))))
    assert 27 < angle.abs().max() < 31
    assert angle.min() < -25 < 25 < angle.max()


def test_elastic_fields_have_standard_deviation_1_and_the_smoothness_of_sigma() -> None:
    basis = _elastic_basis(4.0, torch.device("cpu"))
    fields = (torch.randn(4000, len(basis), generator=generator_for(0, EPOCH, 0)) @ basis).view(-1, 28, 28)
    assert abs(float(fields.std()) - 1) < 0.03
    for distance in (2, 4, 8):  # exp(-d² / 4 sigma²)
        found = (fields[:, :, distance:] * fields[:, :, :-distance]).mean()
        assert abs(float(found) - 2.718281828 ** (-(distance**2) / 64)) < 0.03


def test_elastic_deformation_bends_without_moving_the_digit_far(images: Tensor) -> None:
    bent = augment(images, Recipe(elastic=1.0), generator_for(0, EPOCH, 0))
    assert (bent - images).abs().mean() > 0.02
    assert (centers(bent) - centers(images)).mean(0).abs().max() < 0.2
