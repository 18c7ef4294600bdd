"""Convolutional networks with batch normalization and ReLU, one after another: each member has its own convolutions.

On a CPU, a loop over members of channels-last convolutions is more than twice as fast as grouped ones where planes are
large, and hardly slower where they are small (`benchmarks/RESULTS.md`). On a GPU, all members are computed at once,
which has not been measured. Batch statistics are those of a member's own batch: they know no image that it holds out.
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
from kaggle_mnist.models.features import chunks
from kaggle_mnist.models.network import PageLayer, StackedNetwork
from kaggle_mnist.utils.errors import BadRecipe

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
    - ``scales.i``, ``shifts.i``: ``(members, planes)``, of its batch normalization; ``means_i`` and ``variances_i``
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
        shapes = self.tensor_shapes(shape=shape, stages=stages)
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
    def tensor_shapes(
        cls, *, shape: tuple[int, int, int], stages: Sequence[Sequence[int]], dropout: float = 0.0
    ) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (before, planes) in enumerate(itertools.pairwise((shape[0], *itertools.chain(*stages)))):
            shapes[f"kernels.{i}"] = (planes, before, KERNEL, KERNEL)
            shapes |= {f"{name}{i}": (planes,) for name in ("scales.", "shifts.", "means_", "variances_")}
        planes, rows, columns = _sizes(shape, stages)[-1]
        return shapes | {"weight": (planes * rows * columns, CLASSES), "bias": (1, CLASSES)}

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        z = self.all_at_once(x) if x.is_cuda else self.one_by_one(x)  # (members, n, inputs of the linear layer)
        if self.dropout:
            kept = torch.rand(z.shape, generator=generator, device=z.device) >= self.dropout
            z = z * kept / (1 - self.dropout)
        return torch.baddbmm(self.bias, z, self.weight)

    def one_by_one(self, x: Tensor) -> Tensor:
        """What the convolutions make of ``(members, n, inputs)`` in training, member after member."""
        layers = [[tensor.unbind() for tensor in layer] for layer in self._layers()]  # a view's gradient is no larger
        own = [[[tensor[member] for tensor in layer] for layer in layers] for member in range(self.members)]
        batches = x.view(self.members, -1, *self.shape)
        return torch.stack([self._convolve(y, of_one).flatten(1) for y, of_one in zip(batches, own, strict=True)])

    def all_at_once(self, x: Tensor) -> Tensor:
        """The same by grouped convolutions: fewer and larger steps."""
        n, (_, rows, columns) = x.shape[1], self.shape
        together = x.view(self.members, n, *self.shape).transpose(0, 1).reshape(n, -1, rows, columns)
        layers = [[tensor.flatten(0, 1) for tensor in layer] for layer in self._layers()]
        y = self._convolve(together, layers, groups=self.members)  # (n, members * planes, rows, columns)
        return y.reshape(n, self.members, -1).transpose(0, 1)

    def member_logits(self, member: int, x: Tensor) -> Tensor:
        layers = [[tensor[member] for tensor in layer] for layer in self._layers()]
        images = chunks(x.view(-1, *self.shape), CHUNK)
        z = torch.cat([self._convolve(chunk, layers, training=False).flatten(1) for chunk in images])
        return torch.addmm(self.bias[member], z, self.weight[member])

    def _layers(self) -> list[list[Tensor]]:
        """Of each convolution: kernels, running means and variances, scales and shifts, ``(members, …)`` each."""
        running = [(self.get_buffer(f"means_{i}"), self.get_buffer(f"variances_{i}")) for i in range(len(self.strides))]
        return [
            [kernel, *averages, scale, shift]
            for kernel, averages, scale, shift in zip(self.kernels, running, self.scales, self.shifts, strict=True)
        ]

    def _convolve(
        self, y: Tensor, layers: Sequence[Sequence[Tensor]], *, groups: int = 1, training: bool = True
    ) -> Tensor:
        """Convolutions, each with its normalization and ReLU. Training updates the running averages in place."""
        y = y.contiguous(memory_format=torch.channels_last)
        for stride, (kernel, mean, variance, scale, shift) in zip(self.strides, layers, strict=True):
            y = F.conv2d(y, kernel, stride=stride, padding=KERNEL // 2, groups=groups)
            if training and y.shape[0] * y.shape[2] * y.shape[3] == 1:
                raise BadRecipe("a batch of one image cannot be normalized; use a larger batch_size")
            y = F.batch_norm(y, mean, variance, scale, shift, training, MOMENTUM, EPSILON).relu_()
        return y

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
