from __future__ import annotations

from typing import Any

import pytest

from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe, parse_setting
from kaggle_mnist.utils.errors import BadRecipe


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs=5", 5),
        ("learning_rate = 2e-3", 0.002),
        ("hidden=[300, 100]", [300, 100]),
        ("optimizer=sgd", "sgd"),
        ('optimizer="sgd"', "sgd"),
    ],
)
def test_a_setting_is_read_as_toml_and_words_need_no_quotes(setting: str, value: Any) -> None:
    name, found = parse_setting(setting)
    assert name == setting.partition("=")[0].strip()
    assert found == value


def test_one_layer_needs_no_list() -> None:
    assert find_recipe("mlp").replaced(hidden=300).hidden == (300,)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"learning_rat": 1},
            r"learning_rat: no such field \(did you mean learning_rate\?\); use one of name,",
        ),
        ({"dropout": 1.5}, "dropout: 1.5: must be less than 1"),
        ({"epochs": 0}, "epochs: 0: "),
        ({"epochs": 2.5}, "epochs: 2.5: must be a whole number"),
        ({"epochs": "many"}, "epochs: 'many': must be a whole number"),
        ({"hidden": "wide"}, r"hidden: 'wide': must be a list, such as \[512, 256\]"),
        ({"hidden": []}, r"hidden: \[\]: "),
        ({"hidden": [300, -1]}, "hidden: -1: "),
        ({"network": "cnn", "stages": [[]]}, r"stages: \[\]: "),
        ({"optimizer": "muon"}, "optimizer: 'muon': must be 'adam', 'adamw' or 'sgd'"),
        ({"learning_rate": float("nan")}, "learning_rate: nan: "),
        ({"steps": [[1]]}, "steps: "),
        ({"name": "../../elsewhere"}, "name: "),
        ({"steps": [[1, 0.1]]}, 'steps has no effect unless schedule = "steps"'),
        ({"targets": [0.01, 0.99]}, 'targets has no effect unless loss = "squared_error"'),
        ({"schedule": "steps", "steps": [[40, 1e-5], [15, 1e-4]]}, "steps must be in ascending order of epoch"),
        ({"schedule": "steps", "steps": [[40, -1e-5]]}, "steps: -1e-05: "),
        ({"momentum": 0.5}, 'momentum has no effect unless optimizer = "sgd"'),
        ({"elastic": 0.0, "elastic_sigma": 4.0}, "elastic_sigma has no effect unless elastic is above 0"),
        ({"warmup": 30.5}, "warmup of 30.5 epochs is longer than the run of 30"),
        ({"loss": "squared_error"}, 'label_smoothing has no effect unless loss = "cross_entropy"'),
    ],
)
def test_a_wrong_field_or_value_is_named_in_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRecipe, match=message) as error:
        find_recipe("mlp").replaced(**fields)
    assert "\n" not in str(error.value)


def test_a_setting_that_has_an_effect_is_taken() -> None:
    recipe = find_recipe("mlp").replaced(optimizer="sgd", momentum=0.5, elastic_sigma=4.0, warmup=30.0)
    assert (recipe.momentum, recipe.elastic_sigma, recipe.warmup) == (0.5, 4.0, 30.0)


def test_a_recorded_recipe_stays_readable_when_a_rule_is_added() -> None:
    """Version 0.1 trained such recipes; their records say what was trained."""
    fields = {"name": "old", "momentum": 0.5, "elastic_sigma": 4.0, "warmup": 99.0}
    with pytest.raises(BadRecipe):
        Recipe.of(fields)
    assert Recipe.model_validate(fields, context={"recorded": True}).momentum == 0.5
