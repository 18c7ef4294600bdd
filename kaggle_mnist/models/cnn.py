"""Convolutional networks with batch normalization and ReLU, one after another: each member has its own convolutions.

On a CPU, a loop over members of channels-last convolutions is two to three times as fast as one grouped convolution
(`benchmarks/RESULTS.md`). Batch statistics are those of a member's own batch, so they know no image that it holds out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.models.network import PageLayer, StackedNetwork

KERNEL = 3
CHUNK = 512  # images whose planes are in memory at once, when one member is asked
MOMENTUM, EPSILON = 0.1, 1e-5  # of batch normalization, as in torch.nn.BatchNorm2d


class StackedCNN(StackedNetwork):
    """Convolutional networks of one form: stages of 3 × 3 convolutions, then one linear layer.

    Parameters
    ----------
    generators : one for each member. Convolutions are drawn as He et al. (arXiv:1502.01852) do for ReLU, normal with
        variance ``2 / (9 * planes in)``; the linear layer as in `torch.nn.Linear`
    shape : planes, rows and columns of the inputs
    stages : for each stage the planes of its convolutions; the first convolution of every stage but the first halves
        rows and columns
    dropout : in training, each input of the linear layer is zero with this probability

    Shape
    -----
    - ``kernels.i``: ``(members, planes, planes before, 3, 3)`` of convolution ``i``
    - ``scales.i``, ``shifts.i``: ``(members, planes)``, of its batch normalization; ``means.i`` and ``variances.i``
      are running averages, with which a trained member normalizes
    - ``weight``, ``bias``: ``(members, inputs, 10)`` and ``(members, 1, 10)``, of the linear layer

    Examples
    --------
    >>> network = StackedCNN([torch.Generator() for _ in range(5)], shape=(8, 14, 14), stages=((16, 16), (32,)))
    >>> network(torch.rand(5, 7, 8 * 14 * 14)).shape
    torch.Size([5, 7, 10])
    """

    def __init__(
        self,
        generators: Sequence[torch.Generator],
        *,
        shape: tuple[int, int, int],
        stages: Sequence[Sequence[int]],
        dropout: float = 0.0,
    ):
        super().__init__(generators)
        self.shape, self.dropout, self.strides = shape, dropout, _strides(stages)
        self.kernels, self.scales, self.shifts = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        shapes = self.parameter_shapes(shape=shape, stages=stages)
        for i in range(len(self.strides)):
            kernel = shapes[f"kernels.{i}"]
            spread = math.sqrt(2 / math.prod(kernel[1:]))
            self.kernels.append(torch.stack([torch.randn(kernel, generator=g) * spread for g in generators]))
            self.scales.append(torch.ones(self.members, kernel[0]))
            self.shifts.append(torch.zeros(self.members, kernel[0]))
            self.register_buffer(f"means_{i}", torch.zeros(self.members, kernel[0]))
            self.register_buffer(f"variances_{i}", torch.ones(self.members, kernel[0]))
        inputs, outputs = shapes["weight"]
        bound = 1 / math.sqrt(inputs)
        drawn = torch.stack([torch.rand(inputs + 1, outputs, generator=g) * 2 * bound - bound for g in generators])
        self.weight, self.bias = nn.Parameter(drawn[:, :-1].contiguous()), nn.Parameter(drawn[:, -1:].contiguous())

    @classmethod
    def parameter_shapes(
        cls, *, shape: tuple[int, int, int], stages: Sequence[Sequence[int]], dropout: float = 0.0
    ) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (before, planes) in enumerate(itertools.pairwise((shape[0], *itertools.chain(*stages)))):
            shapes[f"kernels.{i}"] = (planes, before, KERNEL, KERNEL)
            shapes |= {f"{name}{i}": (planes,) for name in ("scales.", "shifts.", "means_", "variances_")}
        planes, rows, columns = _sizes(shape, stages)[-1]
        return shapes | {"weight": (planes * rows * columns, CLASSES), "bias": (1, CLASSES)}

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        kernels = [kernel.unbind() for kernel in self.kernels]  # one view a member: its gradient is no larger
        scales, shifts = [s.unbind() for s in self.scales], [s.unbind() for s in self.shifts]
        features = []
        for member in range(self.members):
            y = self._planes(x[member])
            for i, stride in enumerate(self.strides):
                y = F.conv2d(y, kernels[i][member], stride=stride, padding=KERNEL // 2)
                mean, variance = self._running(i, member)
                y = F.batch_norm(
                    y, mean, variance, scales[i][member], shifts[i][member], True, MOMENTUM, EPSILON
                ).relu_()
            features.append(y.flatten(1))
        z = torch.stack(features)  # (members, n, inputs of the linear layer)
        if self.dropout:
            kept = torch.rand(z.shape, generator=generator, device=z.device) >= self.dropout
            z = z * kept / (1 - self.dropout)
        return torch.baddbmm(self.bias, z, self.weight)

    def member_logits(self, member: int, x: Tensor) -> Tensor:
        return torch.cat([self._member_logits(member, chunk) for chunk in x.split(CHUNK)])

    def _member_logits(self, member: int, x: Tensor) -> Tensor:
        y = self._planes(x)
        for i, stride in enumerate(self.strides):
            y = F.conv2d(y, self.kernels[i][member], stride=stride, padding=KERNEL // 2)
            mean, variance = self._running(i, member)
            y = F.batch_norm(y, mean, variance, self.scales[i][member], self.shifts[i][member], eps=EPSILON).relu_()
        return torch.addmm(self.bias[member], y.flatten(1), self.weight[member])

    def _planes(self, x: Tensor) -> Tensor:
        return x.view(-1, *self.shape).contiguous(memory_format=torch.channels_last)

    def _running(self, convolution: int, member: int) -> tuple[Tensor, Tensor]:
        """Running mean and variance, as views that training updates."""
        mean, variance = self.get_buffer(f"means_{convolution}"), self.get_buffer(f"variances_{convolution}")
        return mean[member], variance[member]

    @classmethod
    def activations_per_image(
        cls, *, shape: tuple[int, int, int], stages: Sequence[Sequence[int]], dropout: float = 0.0
    ) -> int:
        sizes = [math.prod(size) for size in _sizes(shape, stages)]
        return 2 * sum(sizes) + sizes[-1] * (4 if dropout else 2) + CLASSES  # before and after normalization

    @classmethod
    def summary(cls, *, shape: tuple[int, int, int], stages: Sequence[Sequence[int]], dropout: float = 0.0) -> str:
        return f"{shape[0]}×{shape[1]}×{shape[2]}, convolutions " + "/".join("-".join(map(str, s)) for s in stages)

    @classmethod
    def page_layers(
        cls,
        member: Mapping[str, NDArray[np.float32]],
        *,
        shape: tuple[int, int, int],
        stages: Sequence[Sequence[int]],
        dropout: float = 0.0,
    ) -> list[PageLayer]:
        layers = []
        for i, (stride, size) in enumerate(zip(_strides(stages), [shape, *_sizes(shape, stages)], strict=False)):
            scale = member[f"scales.{i}"] / np.sqrt(member[f"variances_{i}"] + np.float32(EPSILON))
            kernel = member[f"kernels.{i}"] * scale[:, None, None, None]  # normalization is linear, too
            bias = member[f"shifts.{i}"] - member[f"means_{i}"] * scale
            layers.append(PageLayer(kernel, bias, relu=True, shape=size, stride=stride))
        return [*layers, PageLayer(member["weight"], member["bias"], relu=False)]


def _strides(stages: Sequence[Sequence[int]]) -> list[int]:
    return [2 if stage and not i else 1 for stage, planes in enumerate(stages) for i in range(len(planes))]


def _sizes(shape: tuple[int, int, int], stages: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """Planes, rows and columns after each convolution."""
    sizes, (_, rows, columns) = [], shape
    for stride, planes in zip(_strides(stages), itertools.chain(*stages), strict=True):
        rows, columns = -(-rows // stride), -(-columns // stride)
        sizes.append((planes, rows, columns))
    return sizes
