"""What differs between runs."""

from __future__ import annotations

from kaggle_mnist.recipes.named import find_recipe, named_recipes
from kaggle_mnist.settings import common, differing, nearest_recipe, settings_of
from tests.harness.recorded import RECORD


def test_a_run_is_a_variation_of_the_recipe_of_its_name_or_of_the_most_similar_one() -> None:
    plain = {"folds": 5, "seed": 0, "dropped": ()}
    for name, repeats in (("mlp", 1), ("best", 6), ("cnn", 2)):
        made = RECORD.model_copy(update={"recipe": find_recipe(name), "repeats": repeats, **plain})
        assert nearest_recipe(made, named_recipes()) == (name, {})
    other = find_recipe("mlp", ["name=other", "hidden=[2048]"])
    made = RECORD.model_copy(update={"recipe": other, **plain, "seed": 7})
    assert nearest_recipe(made, named_recipes()) == ("mlp", {"hidden": [2048], "seed": 7})
    renamed = find_recipe("mlp", ["name=fast"])
    assert nearest_recipe(RECORD.model_copy(update={"recipe": renamed}), named_recipes())[0] == "fast"


def test_the_common_base_has_the_most_frequent_values_and_the_first_of_equals() -> None:
    base = common([{"a": 1, "b": [1]}, {"a": 2, "b": [1]}, {"a": 2, "b": [2]}, {"a": 1, "c": 0}])
    assert base == {"a": 1, "b": [1], "c": 0}
    assert differing({"a": 2, "b": [1], "d": 3}, base) == {"a": 2, "d": 3}


def test_settings_without_effect_are_none() -> None:
    settings = settings_of(RECORD)
    assert settings["dropped"] == 1
    assert "momentum" not in settings
    assert "name" not in settings
