from __future__ import annotations

from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from kaggle_mnist.recipes.named import NAMES, find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.trials.space import Space, default_space, read_space
from kaggle_mnist.utils.errors import BadRecipe

TEXTS = ("learning_rate=0.001..0.01:log", "epochs=2..6", "hidden=[[300], [512, 256]]", "dropout=0..0.5")


def test_ranges_and_choices_become_optunas_distributions() -> None:
    space = Space.of(find_recipe("fast"), ["learning_rate=1e-3..1e-2:log", *TEXTS[1:]])
    assert space.texts == TEXTS
    assert space.distributions == {
        "learning_rate": FloatDistribution(1e-3, 1e-2, log=True),
        "epochs": IntDistribution(2, 6),
        "hidden": CategoricalDistribution(["[300]", "[512, 256]"]),
        "dropout": FloatDistribution(0, 0.5),
    }
    assert Space.of(find_recipe("fast"), space.texts) == space


def test_parameters_become_a_recipe() -> None:
    space = Space.of(find_recipe("fast"), TEXTS)
    recipe = space.recipe_of({"learning_rate": 0.002, "epochs": 3, "hidden": "[512, 256]", "dropout": 0.1})
    assert recipe == find_recipe("fast").replaced(learning_rate=0.002, epochs=3, hidden=(512, 256), dropout=0.1)


def test_the_start_has_parameters_only_inside_the_space() -> None:
    fast = find_recipe("fast")
    assert Space.of(fast, ["learning_rate=0.001..0.01", "hidden=[[300], [512, 256]]"]).start_parameters == {
        "learning_rate": 0.006,
        "hidden": "[512, 256]",
    }
    assert Space.of(fast, ["learning_rate=0.001..0.002"]).start_parameters is None


def test_fields_without_effect_beside_the_others_get_their_defaults() -> None:
    texts = ["features=[pixels, gradients]", "grid=5..9", "loss=[cross_entropy, squared_error]"]
    space = Space.of(find_recipe("fast"), texts)
    recipe = space.recipe_of({"features": "pixels", "grid": 7, "loss": "squared_error"})
    assert (recipe.features, recipe.grid, recipe.label_smoothing) == ("pixels", Recipe().grid, 0.0)
    assert space.recipe_of({"features": "gradients", "grid": 7, "loss": "cross_entropy"}).grid == 7


@pytest.mark.parametrize("name", NAMES)
def test_every_named_recipe_has_a_space_of_its_own(name: str) -> None:
    recipe = find_recipe(name)
    space = Space.of(recipe, default_space(recipe))
    assert space.start_parameters is not None
    assert "learning_rate" in space.distributions


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["learning_rat=1..2"], r"learning_rat: no such field \(did you mean learning_rate\?\)"),
        (["vary=[a, b]"], "vary: no such field"),
        (["learning_rate"], "expected FIELD=LOW..HIGH"),
        (["learning_rate=2..1"], "the first number must be the lower one"),
        (["learning_rate=0..1:log"], "a logarithmic range must begin above 0"),
        (["epochs=1.5..3"], "epochs: 1.5..3: the field takes whole numbers"),
        (["hidden=1..2"], r"hidden: takes no range of numbers; list the choices, as hidden=\[A, B\]"),
        (["mixed_precision=0..1"], "takes no range of numbers"),
        (["dropout=[0.1]"], "expected at least two choices"),
        (["rotation=0..500"], "rotation: 500.0: must be less than or equal to 180"),
        (["momentum=0..0.9"], 'momentum has no effect unless optimizer = "sgd"'),
        (["dropout=0..0.5", "dropout=0..0.2"], "dropout: is given twice"),
        (["loss=[absolute, squared_error]"], "loss: 'absolute': must be"),
        (["network=[mlp, perceptron]"], "network: 'perceptron': no such kind of network"),
        (["features=[pixels, strokes]"], "features: 'strokes': no such features"),
        (["elastic=[low, high]"], "elastic: 'low': must be a number"),
        (["hidden=[{a = 1}, {b = 2}]"], "hidden: .*: must be a list"),
    ],
)
def test_what_the_recipe_does_not_take_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(BadRecipe, match=message):
        Space.of(find_recipe("fast"), texts)


def test_a_field_that_every_variant_overrides_is_refused() -> None:
    with pytest.raises(BadRecipe, match="every entry of vary overrides it"):
        Space.of(Recipe(vary=({"hidden": (30,)}, {"hidden": (40,)})), ["hidden=[[50], [60]]"])
    with pytest.raises(BadRecipe, match="every entry of vary overrides it"):
        Space.of(Recipe(vary=({"dropout": 0.1}, {"dropout": 0.2})), ["dropout=0..0.5"])


def test_a_file_names_the_recipe_ranges_choices_and_fixed_values(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    fixed = "epochs = 3\npixels = [0.0, 1.0]"
    file.write_text(f'base = "fast"\n{fixed}\nlearning_rate = "1e-3..1e-2:log"\nhidden = [[300], [512, 256]]\n')
    start, texts = read_space(file)
    assert start == find_recipe("fast", epochs=3)
    assert Space.of(start, texts).texts == ("learning_rate=0.001..0.01:log", "hidden=[[300], [512, 256]]")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("base = 3", "base: 3: must be a recipe's name"),
        (f"epochs = [1, 0x{'f' * 4000}]", "space.toml: "),
        ("epochs = ", "cannot be read as TOML"),
        ("epoch = 3", "epoch: no such field"),
    ],
)
def test_a_file_that_is_no_space_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(content)
    with pytest.raises(BadRecipe, match=message):
        read_space(tmp_path / "space.toml")
    with pytest.raises(BadRecipe, match="no such file"):
        read_space(tmp_path / "missing.toml")


def test_whole_numbers_keep_the_steps_of_their_field() -> None:
    space = Space.of(find_recipe("fast"), ["directions=4..16"])
    assert space.distributions == {"directions": IntDistribution(4, 16, step=2)}
    assert space.start_parameters == {"directions": 8}


def test_choices_keep_every_digit() -> None:
    space = Space.of(
        find_recipe("fast", ["learning_rate=0.0012345678"]), ["learning_rate=[0.0012345678, 0.0012345679]"]
    )
    assert space.start_parameters == {"learning_rate": "0.0012345678"}
    assert space.recipe_of({"learning_rate": "0.0012345679"}).learning_rate == 0.0012345679
    assert Space.of(space.start, space.texts) == space


def test_a_field_that_another_range_switches_on_can_be_searched() -> None:
    start = find_recipe("fast").replaced(elastic=0.0)
    space = Space.of(start, ["elastic=0..2", "elastic_sigma=2..8"])
    assert space.recipe_of({"elastic": 1.0, "elastic_sigma": 3.0}).elastic_sigma == 3.0
    assert space.recipe_of({"elastic": 0.0, "elastic_sigma": 3.0}).elastic_sigma == Recipe().elastic_sigma


def test_the_default_space_leaves_out_what_every_variant_overrides() -> None:
    recipe = Recipe(vary=({"dropout": 0.1}, {"dropout": 0.2}))
    assert "dropout" not in Space.of(recipe, default_space(recipe)).distributions
