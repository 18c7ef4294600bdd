"""Multilayer perceptrons with ReLU, stacked: every layer of all members is one batched matrix product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.models.network import PageLayer, StackedNetwork


class StackedMLP(StackedNetwork):
    """Multilayer perceptrons of one form.

    Parameters
    ----------
    generators : one for each member. Its weights and biases are drawn as in `torch.nn.Linear`: uniform within
        ``±1 / sqrt(inputs)``
    shape : planes, rows and columns of the inputs; their arrangement does not matter to an MLP
    hidden : units of each hidden layer
    dropout : in training, each hidden unit is zero with this probability, and scaled by ``1 / (1 - dropout)`` if not

    Shape
    -----
    - ``weights.i``: ``(members, inputs, outputs)`` of layer ``i``
    - ``biases.i``: ``(members, 1, outputs)``

    Examples
    --------
    >>> network = StackedMLP([torch.Generator() for _ in range(5)], shape=(1, 28, 28), hidden=(300,))
    >>> network(torch.rand(5, 7, 784)).shape
    torch.Size([5, 7, 10])
    """

    def __init__(
        self,
        generators: Sequence[torch.Generator],
        *,
        shape: tuple[int, int, int],
        hidden: Sequence[int],
        dropout: float = 0.0,
    ):
        super().__init__(generators)
        self.dropout = dropout
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for n_in, n_out in itertools.pairwise(_units(shape, hidden)):
            bound = 1 / math.sqrt(n_in)
            drawn = torch.stack([torch.rand(n_in + 1, n_out, generator=g) * 2 * bound - bound for g in generators])
            self.weights.append(nn.Parameter(drawn[:, :-1].contiguous()))  # (members, n_in, n_out)
            self.biases.append(nn.Parameter(drawn[:, -1:].contiguous()))  # (members, 1, n_out)

    @classmethod
    def tensor_shapes(
        cls, *, shape: tuple[int, int, int], hidden: Sequence[int], dropout: float = 0.0
    ) -> dict[str, tuple[int, ...]]:
        layers = list(enumerate(itertools.pairwise(_units(shape, hidden))))
        weights: dict[str, tuple[int, ...]] = {f"weights.{i}": (n_in, n_out) for i, (n_in, n_out) in layers}
        return weights | {f"biases.{i}": (1, n_out) for i, (_, n_out) in layers}

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.baddbmm(bias, x, weight).relu_()  # (members, n, hidden)
            if self.dropout:
                kept = torch.rand(x.shape, generator=generator, device=x.device) >= self.dropout
                x = x * kept / (1 - self.dropout)
        return torch.baddbmm(self.biases[-1], x, self.weights[-1])

    def member_logits(self, member: int, x: Tensor) -> Tensor:
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.addmm(bias[member], x, weight[member]).relu_()
        return torch.addmm(self.biases[-1][member], x, self.weights[-1][member])

    @classmethod
    def activations_per_image(cls, *, shape: tuple[int, int, int], hidden: Sequence[int], dropout: float = 0.0) -> int:
        return sum(hidden) * (3 if dropout else 1) + CLASSES  # with dropout, also what was kept, and before it

    @classmethod
    def summary(cls, *, shape: tuple[int, int, int], hidden: Sequence[int], dropout: float = 0.0) -> str:
        return "-".join(map(str, _units(shape, hidden)))

    @classmethod
    def page_layers(
        cls,
        member: Mapping[str, NDArray[np.float32]],
        *,
        shape: tuple[int, int, int],
        hidden: Sequence[int],
        dropout: float = 0.0,
    ) -> list[PageLayer]:
        return [
            PageLayer(member[f"weights.{i}"], member[f"biases.{i}"], relu=i < len(hidden))
            for i in range(len(hidden) + 1)
        ]


def _units(shape: tuple[int, int, int], hidden: Sequence[int]) -> tuple[int, ...]:
    return (math.prod(shape), *hidden, CLASSES)
