"""The named recipes, which are TOML files like a user's own, and how files are read."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kaggle_mnist.recipes.recipe import Recipe, did_you_mean, parse_setting, shown_value
from kaggle_mnist.utils.errors import BadRecipe
from kaggle_mnist.utils.reading import read_bounded

FOLDER = Path(__file__).parent
NAMES = ("article", "pixels", "fast", "mlp", "best", "cnn")  # in the order in which they are listed
MAX_BYTES = 1 << 14  # of a TOML file; a recipe with every field has 600


def find_recipe(
    name: str | Recipe, settings: Iterable[str] | Mapping[str, Any] = (), *, epochs: int | None = None
) -> Recipe:
    """The recipe of that name or TOML file, with some of its fields overridden.

    A file sets fields, as in `epochs = 5`. `base = "mlp"` names the recipe whose values the others keep (by default,
    those of `Recipe`), and `name` its runs (by default, after the file).

    Parameters
    ----------
    name : a name in `NAMES`, the path of a file that ends in .toml, or a recipe
    settings : overrides, each as `FIELD=VALUE`, or values by field
    epochs : overrides that field

    Raises
    ------
    BadRecipe
        An unknown name, a file that cannot be read, and whatever `Recipe.of` refuses.

    Examples
    --------
    >>> find_recipe("mlp", ["hidden=[300, 100]"], epochs=5).hidden
    (300, 100)
    >>> find_recipe(Recipe(), {"hidden": [300]}).hidden
    (300,)
    """
    fields = dict(settings if isinstance(settings, Mapping) else map(parse_setting, settings))
    if epochs is not None:
        fields["epochs"] = epochs
    recipe = _find(name) if isinstance(name, str) else name
    return recipe.replaced(**fields) if fields else recipe


def _find(name: str) -> Recipe:
    if name.endswith(".toml"):
        return _read(Path(name))
    if name in NAMES:
        return _read(FOLDER / f"{name}.toml")
    raise BadRecipe(f"{name}: no such recipe{did_you_mean(name, NAMES)}; use {', '.join(NAMES)}, or a .toml file")


def named_recipes() -> dict[str, Recipe]:
    """The named recipes by name."""
    return {name: find_recipe(name) for name in NAMES}


def read_toml(path: Path) -> dict[str, Any]:
    """The fields of a TOML file, of a recipe or a space. Raises BadRecipe if it cannot be read."""
    try:
        return tomllib.loads(read_bounded(path, MAX_BYTES).decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise BadRecipe(f"{path.absolute()}: no such file") from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: also for numbers too long for Python
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadRecipe(f"{path}: cannot be read as TOML ({reason})") from error


def _read(path: Path) -> Recipe:
    fields = read_toml(path)
    base = fields.pop("base", None)
    if base is not None and base not in NAMES:
        raise BadRecipe(f"{path}: base is {shown_value(base)}; use {', '.join(NAMES)}")
    name_of_file = re.sub(r"[^\w.-]", "-", path.stem)[:60]
    try:
        return (find_recipe(base) if base else Recipe()).replaced(**{"name": name_of_file, **fields})
    except BadRecipe as error:
        raise BadRecipe(f"{path}: {error}") from error


def recipe_as_toml(recipe: Recipe, comment: str) -> str:
    """The content of a TOML file that `find_recipe` reads as this recipe, below a line of comment.

    >>> print(recipe_as_toml(Recipe(hidden=(300,), epochs=5), "Small"), end="")
    # Small
    name = "custom"
    hidden = [300]
    epochs = 5
    """
    values = {name: getattr(recipe, name) for name in Recipe.model_fields}
    defaults = {name: field.default for name, field in Recipe.model_fields.items()}
    lines = [
        f"{name} = {toml_value(value)}" for name, value in values.items() if name == "name" or value != defaults[name]
    ]
    return "\n".join([f"# {comment}", *lines, ""])


def toml_value(value: Any) -> str:
    """A field's value as TOML.

    >>> toml_value(("pixels", (300, 100), True))
    '["pixels", [300, 100], true]'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml_value(field)}" for name, field in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value)  # words, numbers and booleans are the same in TOML
