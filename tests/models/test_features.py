from __future__ import annotations

import torch

from kaggle_mnist.models.features import scale_pixels


def test_background_and_ink_get_the_values_that_the_recipe_names() -> None:
    images = torch.tensor([[0.0, 0.5, 1.0]])
    torch.testing.assert_close(scale_pixels(images, (0.01, 1.0)), torch.tensor([[0.01, 0.505, 1.0]]))
    assert scale_pixels(images, (0.0, 1.0)) is images
