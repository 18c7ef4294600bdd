from __future__ import annotations

from pathlib import Path

import pytest

from kaggle_mnist.recipes.named import FOLDER, NAMES, find_recipe, named_recipes
from kaggle_mnist.recipes.recipe import Recipe, parse_setting
from kaggle_mnist.utils.errors import BadRecipe


def test_the_article_is_the_tutorial_as_published() -> None:
    article = find_recipe("article")
    assert (article.hidden, article.dropout, article.pixels, article.targets) == (
        (300,),
        0.6,
        (0.01, 1.0),
        (0.01, 0.99),
    )
    assert (article.loss, article.optimizer, article.epochs, article.batch_size) == ("squared_error", "adam", 100, 84)
    assert (article.learning_rate, article.steps) == (1e-3, ((15, 1e-4), (40, 1e-5), (60, 5e-6)))


def test_a_toml_file_builds_on_a_named_recipe(tmp_path: Path) -> None:
    path = tmp_path / "wide.toml"
    path.write_text('base = "mlp"\nhidden = [2048, 64]\nlearning_rate = 1e-3\n')
    recipe = find_recipe(str(path))
    assert recipe == find_recipe("mlp").replaced(name="wide", hidden=(2048, 64), learning_rate=0.001)


def test_a_toml_file_without_a_base_has_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "my own, short.toml"
    path.write_text("epochs = 3\n")
    assert find_recipe(str(path)) == Recipe(name="my-own--short", epochs=3)
    path.write_text('name = "short"\nepochs = 3\n')
    assert find_recipe(str(path)) == Recipe(name="short", epochs=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epochs = ", r"bad\.toml: cannot be read as TOML"),
        ("epochs = 'x'", r"bad\.toml: epochs: 'x'"),
        ("base = 'mpl'", r"bad\.toml: base is 'mpl'; use article, pixels, fast, mlp, best, cnn"),
        ("base = [1]", r"bad\.toml: base is \[1\]"),
        ("[epochs]\na = 1", r"bad\.toml: epochs: "),
    ],
)
def test_a_wrong_toml_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(content)
    with pytest.raises(BadRecipe, match=message):
        find_recipe(str(tmp_path / "bad.toml"))


def test_an_unknown_recipe_is_named_with_the_nearest() -> None:
    with pytest.raises(BadRecipe, match=r"articel: no such recipe \(did you mean article\?\); use article, pixels"):
        find_recipe("articel")
    with pytest.raises(BadRecipe, match=r"nowhere\.toml: no such file"):
        find_recipe("nowhere.toml")
    with pytest.raises(BadRecipe, match="expected FIELD=VALUE"):
        parse_setting("epochs")


def test_every_file_in_the_folder_is_a_named_recipe() -> None:
    assert {file.stem for file in FOLDER.glob("*.toml")} == set(NAMES)
    for name, recipe in named_recipes().items():
        assert recipe.name == name


def test_overrides_are_taken_in_one_call() -> None:
    recipe = find_recipe("fast", ["hidden=[30]", "views=5"], epochs=2)
    assert recipe == find_recipe("fast").replaced(hidden=(30,), views=5, epochs=2)
