"""The kinds of network and of features that a recipe can name. A network is one file and one line in `KINDS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kaggle_mnist.data.digits import SIDE

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from kaggle_mnist.models.network import StackedNetwork


@dataclass(frozen=True)
class NetworkKind:
    """Where a kind's class is defined, and the recipe's fields that shape it.

    The module is imported when a network is needed: listing recipes or runs does not import torch.
    """

    module: str
    class_name: str
    fields: tuple[str, ...] = ()


KINDS = {
    "mlp": NetworkKind("kaggle_mnist.models.mlp", "StackedMLP", fields=("hidden", "dropout")),
    "cnn": NetworkKind("kaggle_mnist.models.cnn", "StackedCNN", fields=("stages", "dropout")),
}


FEATURES = {
    "pixels": ("pixels",),
    "gradients": ("directions", "grid", "smoothing"),
}
"""What a network can be given of an image, and the recipe's fields that shape it: `models.features` computes it."""


def input_shape(features: str, settings: Mapping[str, Any]) -> tuple[int, int, int]:
    """Planes, rows and columns of what a network is given, for a name in `FEATURES` and the fields listed there.

    >>> input_shape("gradients", {"directions": 8, "grid": 9, "smoothing": 1.1})
    (8, 9, 9)
    """
    if features == "pixels":
        return 1, SIDE, SIDE
    return settings["directions"], settings["grid"], settings["grid"]


def network_class(kind: str) -> type[StackedNetwork]:
    """The class of a kind in `KINDS`.

    >>> network_class("mlp").summary(shape=(1, 28, 28), hidden=(300,), dropout=0.6)
    '784-300-10'
    """
    entry = KINDS[kind]
    found: type[StackedNetwork] = getattr(import_module(entry.module), entry.class_name)
    return found


def build_network(kind: str, settings: Mapping[str, Any], generators: Sequence[torch.Generator]) -> StackedNetwork:
    """Untrained members, one from each generator."""
    return network_class(kind)(generators, **settings)


def load_network(kind: str, settings: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]]) -> StackedNetwork:
    """Members with the given parameters, named as in `state_dict`, each with a leading members axis."""
    import torch

    members = len(next(iter(weights.values())))
    network = build_network(kind, settings, [torch.Generator() for _ in range(members)])
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network
