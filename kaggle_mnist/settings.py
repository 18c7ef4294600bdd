"""What runs were trained with, and in what this differs from a named recipe or from other runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kaggle_mnist.recipes.recipe import Recipe, format_value
from kaggle_mnist.runs.record import Record
from kaggle_mnist.runs.unfinished import Plan

Settings = dict[str, Any]
NOT_OF_A_RECIPE = {"folds": 5, "repeats": 1, "seed": 0, "dropped": 0}  # as `train` chooses them


def settings_of(made: Record | Plan) -> Settings:
    """What a run was trained with, by name: recipe, folds, repeats, seed, and how many images were dropped.

    Of the recipe, only fields that can change the result; of a blend, nothing of a recipe.
    """
    settings = {"folds": made.folds, "repeats": made.repeats, "seed": made.seed, "dropped": len(made.dropped)}
    return settings if made.recipe is None else {**_fields(made.recipe), **settings}


def _fields(recipe: Recipe) -> Settings:
    return recipe.model_dump(mode="json", include=recipe.in_use().keys() - {"name"})


def differing(settings: Mapping[str, Any], base: Mapping[str, Any]) -> Settings:
    """The settings that have another value than in `base`, or none there.

    >>> differing({"epochs": 30, "seed": 1}, {"epochs": 30, "seed": 0, "momentum": 0.9})
    {'seed': 1}
    """
    return {name: value for name, value in settings.items() if name not in base or base[name] != value}


def nearest_recipe(made: Record | Plan, named: Mapping[str, Recipe]) -> tuple[str, Settings]:
    """The named recipe that a trained run is a variation of, and the settings that differ from it.

    That is the recipe of the same name, else the one with the fewest other values.
    """
    found: dict[str, Settings] = {}
    for name, recipe in named.items():
        defaults = {**_fields(recipe), **NOT_OF_A_RECIPE, "repeats": len(recipe.variants)}
        found[name] = differing(settings_of(made), defaults)
    own = made.recipe.name if made.recipe is not None else ""
    nearest = own if own in found else min(found, key=lambda name: len(found[name]))
    return nearest, found[nearest]


def as_text(settings: Mapping[str, Any], most: int | None = None) -> str:
    """Settings in a line, at most so many.

    >>> as_text({"hidden": [300, 100], "epochs": 5, "seed": 1}, most=2)
    'hidden [300, 100], epochs 5 and 1 more'
    """
    shown = [f"{name} {format_value(value)}" for name, value in list(settings.items())[:most]]
    more = len(settings) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def changed(all_settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings that are not the same in all of them.

    >>> changed([{"epochs": 30, "seed": 1}, {"epochs": 30, "seed": 0, "dropout": 0.5}])
    ['seed', 'dropout']
    """
    names = dict.fromkeys(name for settings in all_settings for name in settings)
    return [name for name in names if any(settings.get(name) != all_settings[0].get(name) for settings in all_settings)]


def common(all_settings: Iterable[Mapping[str, Any]]) -> Settings:
    """For every setting its most frequent value; of several, the one that comes first.

    >>> common([{"epochs": 30, "seed": 1}, {"epochs": 30, "seed": 0}, {"epochs": 40, "seed": 0}])
    {'epochs': 30, 'seed': 0}
    """
    values: dict[str, list[Any]] = {}
    for settings in all_settings:
        for name, value in settings.items():
            values.setdefault(name, []).append(value)
    return {name: max(found, key=found.count) for name, found in values.items()}  # `max` takes the first of equals
