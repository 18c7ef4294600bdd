import numpy as np
import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.inference import (
    ensemble_outputs,
    member_outputs,
    out_of_fold_outputs,
    shifted_views,
    sigmoid_outputs,
)
from kaggle_mnist.training.trainer import new_network


def test_out_of_fold_each_image_is_judged_by_the_member_that_held_it_out(few: Digits, tiny: Recipe) -> None:
    fold_of = assign_folds(few.train_labels, n_splits=3, repeats=2)
    network = new_network(tiny, 6, seed=0)
    outputs = out_of_fold_outputs(network, few.train_images, fold_of, tiny)
    assert outputs.shape == (2, 1500, 10)
    for member in range(6):
        own = member_outputs(network, member, few.train_images, tiny)
        held_out = fold_of[member // 3] == member % 3
        np.testing.assert_allclose(outputs[member // 3, held_out], own[held_out], rtol=1e-5)
        assert not np.allclose(outputs[member // 3, ~held_out], own[~held_out], rtol=1e-5)


def test_the_ensemble_is_the_mean_of_sigmoid_outputs_not_of_logits(few: Digits, tiny: Recipe) -> None:
    network = new_network(tiny, 3, seed=0)
    expected = np.mean([member_outputs(network, member, few.test_images, tiny) for member in range(3)], axis=0)
    outputs = ensemble_outputs(network, few.test_images, tiny)
    np.testing.assert_allclose(outputs, expected)
    assert outputs.shape == (300, 10)
    assert ((outputs >= 0) & (outputs <= 1)).all()


def test_an_offset_of_all_ten_logits_changes_no_output_after_cross_entropy() -> None:
    logits = torch.randn(5, 10)
    outputs = sigmoid_outputs(logits, Recipe(loss="cross_entropy"))
    torch.testing.assert_close(sigmoid_outputs(logits + 7, Recipe(loss="cross_entropy")), outputs)
    others = torch.stack([logits[:, [j for j in range(10) if j != k]].logsumexp(1) for k in range(10)], 1)
    torch.testing.assert_close(outputs, (logits - others).sigmoid())


def test_after_squared_error_outputs_are_plain_sigmoids() -> None:
    logits = torch.randn(5, 10)
    torch.testing.assert_close(sigmoid_outputs(logits, Recipe(loss="squared_error")), logits.sigmoid())


def test_views_are_the_image_and_its_neighbours_a_pixel_away() -> None:
    image = torch.zeros(1, 28, 28)
    image[0, 10, 20] = image[0, 0, 0] = 1.0
    views = list(shifted_views(image, 5))
    assert torch.equal(views[0], image)
    assert {tuple(map(int, (view[0] > 0).nonzero()[-1])) for view in views} == {
        (10, 20),
        (10, 21),
        (11, 20),
        (10, 19),
        (9, 20),
    }
    assert sorted(int(view.sum()) for view in views) == [1, 1, 2, 2, 2]  # what leaves at one side enters at no other
    assert len({view.numpy().tobytes() for view in shifted_views(image, 9)}) == 9


def test_a_recipe_of_five_views_averages_the_outputs_of_five(few: Digits, tiny: Recipe) -> None:
    network = new_network(tiny, 1, seed=0)
    moved = [np.roll(few.test_images, shift, (1, 2)) for shift in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))]
    expected = np.mean([member_outputs(network, 0, images, tiny) for images in moved], axis=0)
    inside = few.test_images[:, [0, -1], :].max((1, 2)) + few.test_images[:, :, [0, -1]].max((1, 2)) == 0
    outputs = member_outputs(network, 0, few.test_images, tiny.replaced(views=5))
    np.testing.assert_allclose(outputs[inside], expected[inside], rtol=1e-5)
    assert inside.sum() > 250
