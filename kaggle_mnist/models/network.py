"""The contract of a network kind: all members of an ensemble as one module."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True)
class PageLayer:
    """A layer of one member that the report's page can compute, followed by ReLU if `relu`.

    Attributes
    ----------
    weight : float32, ``(inputs, outputs)`` of a linear layer, or ``(outputs, inputs, 3, 3)`` of a convolution with a
        border of zeros
    bias : float32, one value for each output
    shape : planes, rows and columns of a convolution's inputs; None for a linear layer
    stride : of a convolution
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    relu: bool
    shape: tuple[int, int, int] | None = None
    stride: int = 1


class StackedNetwork(nn.Module, ABC):
    """Networks of the same form, trained side by side. Every parameter and buffer has a leading members axis.

    A kind of network is a subclass and one line in `kaggle_mnist.models.registry`. Its settings are the recipe's fields
    that the registry lists for it, passed by name. Gradients come from autograd, and the optimizers work value by
    value, so members stay independent as long as `forward` keeps them apart. Class methods take the settings by name.
    Among them is `shape`: planes, rows and columns of what the network is given, as `models.registry.input_shape` says.
    """

    def __init__(self, generators: Sequence[torch.Generator], **settings: Any) -> None:
        """Build one member from each generator. A member's first weights depend on its generator alone."""
        super().__init__()
        self.members = len(generators)

    @classmethod
    @abstractmethod
    def tensor_shapes(cls, *_: Any, **settings: Any) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor in `state_dict`, without the members axis."""

    @abstractmethod
    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Logits ``(members, n, 10)`` in training, for inputs ``(members, n, inputs)``: each member's own images.

        `generator` draws what is random in training, such as dropout.
        """

    @abstractmethod
    def member_logits(self, member: int, x: Tensor) -> Tensor:
        """Logits ``(n, 10)`` of one trained member, for inputs ``(n, inputs)``."""

    @classmethod
    @abstractmethod
    def activations_per_image(cls, *_: Any, **settings: Any) -> int:
        """Values that one member keeps for each image between the forward and the backward pass."""

    @classmethod
    @abstractmethod
    def summary(cls, *_: Any, **settings: Any) -> str:
        """The form in a few characters, such as ``784-300-10``."""

    @classmethod
    def page_layers(cls, member: Mapping[str, NDArray[np.float32]], *_: Any, **settings: Any) -> list[PageLayer] | None:
        """The layers with which the report's page computes a member in the browser; None if it cannot.

        `member` has that member's parameters by name.
        """
        return None

    @classmethod
    def values_per_member(cls, *_: Any, **settings: Any) -> int:
        """Number of values in one member's tensors."""
        return sum(math.prod(shape) for shape in cls.tensor_shapes(**settings).values())
