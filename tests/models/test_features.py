from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.models.features import CHUNK, compute_features, gradient_directions, scale_pixels
from kaggle_mnist.models.registry import FEATURES, input_shape


def edge(angle: float) -> Tensor:
    """An image that grows darker along a direction, (1, 28, 28); away from the border its gradient is the same."""
    at = torch.arange(28.0) - 13.5
    return (0.5 + 0.01 * (at * math.cos(angle) + at[:, None] * math.sin(angle)))[None]


def test_background_and_ink_get_the_values_that_the_recipe_names() -> None:
    images = torch.tensor([[0.0, 0.5, 1.0]])
    torch.testing.assert_close(scale_pixels(images, (0.01, 1.0)), torch.tensor([[0.01, 0.505, 1.0]]))
    assert scale_pixels(images, (0.0, 1.0)) is images


@pytest.mark.parametrize("directions", [4, 8, 12])
def test_a_gradient_along_a_direction_is_in_its_plane_alone(directions: int) -> None:
    for direction in range(directions):
        x = gradient_directions(
            edge(direction * 2 * math.pi / directions), directions=directions, grid=7, smoothing=1.0
        )
        middle = x.view(directions, 7, 7)[:, 3, 3]
        assert middle.argmax() == direction
        torch.testing.assert_close(middle[direction], torch.tensor(0.1), rtol=0.01, atol=0)  # the root of 0.01 a pixel
        others = torch.cat([middle[:direction], middle[direction + 1 :]])
        assert others.max() < 2e-3


def test_images_in_several_chunks_have_the_features_that_they_have_alone(practice: Digits) -> None:
    images = torch.from_numpy(practice.train_images[: CHUNK + 7]).float() / 255
    settings = {"directions": 8, "grid": 9, "smoothing": 1.1}
    torch.testing.assert_close(
        compute_features(images, "gradients", **settings)[-7:],
        compute_features(images[-7:], "gradients", **settings),
        rtol=0,
        atol=1e-5,
    )


def test_a_gradient_between_two_directions_is_their_sum() -> None:
    """The parts along the two nearest directions, added as vectors, are the gradient."""
    angle = math.radians(20)
    x = gradient_directions(edge(angle), directions=8, grid=7, smoothing=1.0).view(8, 7, 7)[:, 3, 3].square()
    assert sorted(x.topk(2).indices.tolist()) == [0, 1]
    along = torch.arange(8) * math.pi / 4
    torch.testing.assert_close((x * along.cos()).sum().item(), 0.01 * math.cos(angle), rtol=0.02, atol=0)
    torch.testing.assert_close((x * along.sin()).sum().item(), 0.01 * math.sin(angle), rtol=0.02, atol=0)


def test_real_digits_have_the_features_that_plain_loops_compute(few: Digits) -> None:
    image = few.train_images[0] / 255
    across, down = np.zeros((28, 28)), np.zeros((28, 28))
    framed = np.pad(image, 1)
    for row in range(28):
        for column in range(28):
            around = framed[row : row + 3, column : column + 3]
            across[row, column] = np.sum(around * np.outer([1, 2, 1], [-1, 0, 1])) / 8
            down[row, column] = np.sum(around * np.outer([-1, 0, 1], [1, 2, 1])) / 8
    strength, position = np.hypot(across, down), np.arctan2(down, across) % (2 * math.pi) / (math.pi / 4)
    planes = np.zeros((8, 28, 28))
    lower, share = np.floor(position).astype(int) % 8, (position % 1) * math.pi / 4
    rows, columns = np.indices((28, 28))
    np.add.at(planes, (lower, rows, columns), strength * np.sin(math.pi / 4 - share) / math.sin(math.pi / 4))
    np.add.at(planes, ((lower + 1) % 8, rows, columns), strength * np.sin(share) / math.sin(math.pi / 4))
    at = (np.arange(9) + 0.5) * 28 / 9 - 0.5
    kernel = np.exp(-((np.arange(28) - at[:, None]) ** 2) / (2 * 1.1**2)) / (1.1 * math.sqrt(2 * math.pi))
    expected = np.sqrt(kernel @ planes @ kernel.T).ravel()
    settings = {"directions": 8, "grid": 9, "smoothing": 1.1}
    [x] = compute_features(torch.from_numpy(image[None]).float(), "gradients", **settings)
    np.testing.assert_allclose(x, expected, atol=1e-3)


@pytest.mark.parametrize("features", FEATURES)
def test_the_shape_told_beforehand_is_that_of_the_features(features: str) -> None:
    every = {"pixels": (0.01, 1.0), "directions": 6, "grid": 5, "smoothing": 2.0}
    settings = {name: every[name] for name in FEATURES[features]}
    x = compute_features(torch.rand(3, 28, 28), features, **settings)
    assert x.shape == (3, math.prod(input_shape(features, settings)))
