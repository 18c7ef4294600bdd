from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from kaggle_mnist.models.cnn import StackedCNN
from kaggle_mnist.utils.errors import BadRecipe
from kaggle_mnist.utils.seeding import EPOCH, INITIAL_WEIGHTS, generator_for

SHAPE, STAGES = (8, 10, 10), ((6, 5), (7,))


def members(count: int = 3, dropout: float = 0.0) -> StackedCNN:
    generators = [generator_for(0, INITIAL_WEIGHTS, i) for i in range(count)]
    return StackedCNN(generators, shape=SHAPE, stages=STAGES, dropout=dropout)


def plain(network: StackedCNN, member: int) -> nn.Sequential:
    """The same member made of PyTorch's own layers."""
    layers: list[nn.Module] = [nn.Unflatten(1, SHAPE)]
    for i, (before, planes) in enumerate(itertools.pairwise((8, 6, 5, 7))):
        convolution = nn.Conv2d(before, planes, 3, stride=2 if i == 2 else 1, padding=1, bias=False)
        convolution.weight.data = network.kernels[i][member].detach().clone()
        layers += [convolution, nn.BatchNorm2d(planes), nn.ReLU()]
    linear = nn.Linear(7 * 5 * 5, 10)
    linear.weight.data, linear.bias.data = network.weight[member].T.contiguous(), network.bias[member, 0].clone()
    return nn.Sequential(*layers, nn.Flatten(), linear)


def test_each_member_is_the_network_that_its_own_layers_make_in_training_and_afterwards() -> None:
    network = members()
    alone = [plain(network, member) for member in range(3)]
    batches = [torch.rand(3, 20, 800) for _ in range(3)]
    for x in batches:
        logits = network(x)
        for member in range(3):
            torch.testing.assert_close(logits[member], alone[member](x[member]), rtol=1e-4, atol=1e-5)
    x = torch.rand(4, 800)
    for member in range(3):  # now with running averages
        torch.testing.assert_close(network.member_logits(member, x), alone[member].eval()(x), rtol=1e-3, atol=1e-4)


def test_members_computed_at_once_are_those_computed_one_by_one() -> None:
    loop, grouped, x = members(), members(), torch.rand(3, 20, 800)
    torch.testing.assert_close(loop.one_by_one(x), grouped.all_at_once(x), rtol=1e-4, atol=1e-5)
    weights = torch.rand(3, 20, 175)
    (loop.one_by_one(x) * weights).sum().backward()
    (grouped.all_at_once(x) * weights).sum().backward()
    for kernel, same in zip(loop.kernels, grouped.kernels, strict=True):
        torch.testing.assert_close(kernel.grad, same.grad, rtol=1e-3, atol=1e-4)
    for name, average in loop.named_buffers():
        torch.testing.assert_close(average, grouped.get_buffer(name), rtol=1e-4, atol=1e-5)


def test_a_members_gradient_comes_from_its_own_images() -> None:
    def gradients(x: Tensor) -> list[Tensor]:
        network = members()
        network(x)[0].square().sum().backward()
        return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]

    x = torch.rand(3, 20, 800)
    changed = x.clone()
    changed[1:] = torch.rand(2, 20, 800)
    for before, after in zip(gradients(x), gradients(changed), strict=True):
        assert torch.equal(before, after)
        assert before[0].any() and not before[1:].any()


def test_dropout_drops_inputs_of_the_linear_layer() -> None:
    network, x = members(1, dropout=0.5), torch.rand(1, 20, 800)
    a, b = (network(x, generator=generator_for(seed, EPOCH, 0)) for seed in (0, 1))
    assert not torch.equal(a, b)


def test_a_batch_that_cannot_be_normalized_is_refused() -> None:
    network = StackedCNN([generator_for(0, INITIAL_WEIGHTS, 0)], shape=(8, 2, 2), stages=((4,), (4,)))
    assert network(torch.rand(1, 2, 32)).shape == (1, 2, 10)
    with pytest.raises(BadRecipe, match="a batch of one image cannot be normalized; use a larger batch_size"):
        network(torch.rand(1, 1, 32))


def test_the_shapes_told_beforehand_are_those_of_the_members() -> None:
    network, shapes = members(), StackedCNN.tensor_shapes(shape=SHAPE, stages=STAGES)
    assert {name: tuple(tensor.shape[1:]) for name, tensor in network.state_dict().items()} == shapes
    assert StackedCNN.summary(shape=SHAPE, stages=STAGES) == "8×10×10, convolutions 6-5/7"
