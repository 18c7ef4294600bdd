"""The members of a recipe that varies from repeat to repeat, as named arrays: those of one variant are stacked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from kaggle_mnist.models.registry import load_network, network_class
from kaggle_mnist.recipes.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kaggle_mnist.models.network import StackedNetwork

Array = TypeVar("Array")


def prefix_of(recipe: Recipe, repeat: int) -> str:
    """What the names of a repeat's tensors begin with: the number of its variant, or nothing if there is only one.

    >>> prefix_of(Recipe(), 3), prefix_of(Recipe(vary=({}, {"deslant": 1.0})), 3)
    ('', '1.')
    """
    return f"{repeat % len(recipe.vary)}." if len(recipe.vary) > 1 else ""


def summary_of(recipe: Recipe, repeats: int | None = None) -> str:
    """The networks of so many repeats (by default, of all variants) in a few characters, such as ``784-1024-512-10``.

    >>> summary_of(Recipe(hidden=(300,), vary=({}, {"features": "gradients"})))
    '784-300-10 or 648-300-10'
    """
    variants = recipe.variants[:repeats]
    return " or ".join(
        dict.fromkeys(network_class(variant.network).summary(**variant.network_settings) for variant in variants)
    )


def smallest_variant(recipe: Recipe, repeats: int) -> int:
    """The number of the variant with the smallest network among those that so many repeats train; the first of several.

    >>> smallest_variant(Recipe(vary=({}, {"hidden": (30,)})), 2)
    1
    """
    sizes = [
        network_class(variant.network).values_per_member(**variant.network_settings)
        for variant in recipe.variants[:repeats]
    ]
    return sizes.index(min(sizes))


def member_shapes(recipe: Recipe, *, folds: int, repeats: int) -> dict[str, tuple[int, ...]]:
    """The shape of every array of a run's members, with the members axis: fold by fold, repeat after repeat."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number, variant in enumerate(recipe.variants[:repeats]):
        members = folds * len(range(number, repeats, len(recipe.variants)))
        of_one = network_class(variant.network).tensor_shapes(**variant.network_settings)
        prefix = prefix_of(recipe, number)
        shapes |= {f"{prefix}{name}": (members, *shape) for name, shape in of_one.items()}
    return shapes


def weights_of(recipe: Recipe, repeat: int, weights: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays or tensors of a repeat's variant, by their names without its number."""
    prefix = prefix_of(recipe, repeat)
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}


def load_networks(recipe: Recipe, weights: Mapping[str, NDArray[np.float32]]) -> list[tuple[StackedNetwork, Recipe]]:
    """The trained networks of each variant, with the variant's own recipe. A run of few repeats may lack the last."""
    networks = []
    for number, variant in enumerate(recipe.variants):
        if own := weights_of(recipe, number, weights):
            networks.append((load_network(variant.network, variant.network_settings, own), variant))
    return networks
