"""Many multilayer perceptrons as one: every parameter has a leading members axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Members(nn.Module):
    """`members` perceptrons of the same form, which share nothing but the call.

    Member ``i`` starts from the weights that generator ``i`` draws, as `torch.nn.Linear` does it: uniform within
    ``±1 / sqrt(inputs)``.
    """

    def __init__(self, units: Sequence[int], generators: Sequence[torch.Generator]):
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for n_in, n_out in itertools.pairwise(units):
            bound = 1 / math.sqrt(n_in)
            drawn = torch.stack([torch.rand(n_in + 1, n_out, generator=g) * 2 * bound - bound for g in generators])
            self.weights.append(nn.Parameter(drawn[:, :-1].contiguous()))  # (members, n_in, n_out)
            self.biases.append(nn.Parameter(drawn[:, -1:].contiguous()))  # (members, 1, n_out)

    @classmethod
    def of(cls, weights: Mapping[str, NDArray[np.float32]]) -> Members:
        """The members with these parameters, as `state_dict` names them."""
        layers = range(len(weights) // 2)
        units = [weights["weights.0"].shape[1], *(weights[f"weights.{i}"].shape[2] for i in layers)]
        network = cls(units, [torch.Generator() for _ in weights["weights.0"]])
        network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        return network

    def forward(self, x: Tensor, *, dropout: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """Logits, ``(members, n, 10)``, of images ``x``, ``(members, n, 784)``: to each member its own.

        With `dropout`, each hidden unit is zero with that probability, and scaled by ``1 / (1 - dropout)`` if not.
        """
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.baddbmm(bias, x, weight).relu_()  # (members, n, hidden)
            if dropout:
                kept = torch.rand(x.shape, generator=generator, device=x.device) >= dropout
                x = x * kept / (1 - dropout)
        return torch.baddbmm(self.biases[-1], x, self.weights[-1])

    def outputs_of(self, member: int, x: Tensor) -> Tensor:
        """Logits, ``(n, 10)``, of images ``x``, ``(n, 784)``, by one member."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.addmm(bias[member], x, weight[member]).relu_()
        return torch.addmm(self.biases[-1][member], x, self.weights[-1][member])
