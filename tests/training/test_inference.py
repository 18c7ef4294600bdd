import numpy as np
import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.models.network import StackedNetwork
from kaggle_mnist.models.registry import build_network
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.inference import ensemble_outputs, member_outputs, out_of_fold_outputs, shifted_views
from kaggle_mnist.utils.seeding import INITIAL_WEIGHTS, generator_for


def untrained(recipe: Recipe, members: int) -> StackedNetwork:
    generators = [generator_for(0, INITIAL_WEIGHTS, member) for member in range(members)]
    return build_network(recipe.network, recipe.network_settings, generators)


def test_out_of_fold_each_image_is_judged_by_the_member_that_held_it_out(few: Digits, tiny: Recipe) -> None:
    [fold_of] = assign_folds(few.train_labels, n_splits=3)
    network = untrained(tiny, 3)
    outputs = out_of_fold_outputs(network, few.train_images, fold_of, tiny)
    assert outputs.shape == (1500, 10)
    for member in range(3):
        own, held_out = member_outputs(network, member, few.train_images, tiny), fold_of == member
        np.testing.assert_allclose(outputs[held_out], own[held_out], rtol=1e-5)
        assert not np.allclose(outputs[~held_out], own[~held_out], rtol=1e-5)


def test_the_ensemble_is_the_mean_of_sigmoid_outputs_not_of_logits(few: Digits, tiny: Recipe) -> None:
    network = untrained(tiny, 3)
    expected = np.mean([member_outputs(network, member, few.test_images, tiny) for member in range(3)], axis=0)
    outputs = ensemble_outputs([(network, tiny)], few.test_images)
    np.testing.assert_allclose(outputs, expected)
    assert outputs.shape == (300, 10)
    assert ((outputs >= 0) & (outputs <= 1)).all()


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
    network = untrained(tiny, 1)
    moved = [np.roll(few.test_images, shift, (1, 2)) for shift in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))]
    expected = np.mean([member_outputs(network, 0, images, tiny) for images in moved], axis=0)
    inside = few.test_images[:, [0, -1], :].max((1, 2)) + few.test_images[:, :, [0, -1]].max((1, 2)) == 0
    outputs = member_outputs(network, 0, few.test_images, tiny.replaced(views=5))
    np.testing.assert_allclose(outputs[inside], expected[inside], rtol=1e-5)
    assert inside.sum() > 250
