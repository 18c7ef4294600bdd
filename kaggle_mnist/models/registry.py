"""The kinds of network that a recipe can name. Each kind is one file and one line in `KINDS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

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
}


def network_class(kind: str) -> type[StackedNetwork]:
    """The class of a kind in `KINDS`.

    >>> network_class("mlp").summary(hidden=(300,), dropout=0.6)
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
