import pytest
import torch
from torch import nn

from kaggle_mnist.models.mlp import StackedMLP
from kaggle_mnist.utils.seeding import EPOCH, INITIAL_WEIGHTS, generator_for

SHAPE = (1, 28, 28)


def members(count: int = 3) -> StackedMLP:
    return StackedMLP([generator_for(0, INITIAL_WEIGHTS, i) for i in range(count)], shape=SHAPE, hidden=(20, 15))


def test_each_member_is_the_perceptron_that_its_own_weights_make() -> None:
    network = members()
    x = torch.rand(3, 7, 784)
    logits = network(x)
    for member in range(3):
        layers: list[nn.Module] = []
        for weight, bias in zip(network.weights, network.biases, strict=True):
            linear = nn.Linear(*weight.shape[1:])
            linear.weight.data, linear.bias.data = weight[member].T.contiguous(), bias[member, 0].clone()
            layers += [linear, nn.ReLU()]
        expected = nn.Sequential(*layers[:-1])(x[member])
        torch.testing.assert_close(logits[member], expected)
        torch.testing.assert_close(network.member_logits(member, x[member]), expected)


def test_weights_begin_as_those_of_torch_linear() -> None:
    network, linear = members(), nn.Linear(784, 20)
    bound = linear.weight.abs().max()
    assert torch.isclose(network.weights[0].abs().max(), bound, rtol=0.01)
    assert torch.isclose(network.weights[0].std(), linear.weight.std(), rtol=0.05)
    assert network.biases[0].abs().max() <= bound * 1.01


def test_a_members_first_weights_do_not_depend_on_how_many_there_are() -> None:
    few, many = members(2), members(5)
    assert torch.equal(few.weights[0][1], many.weights[0][1])
    assert not torch.equal(many.weights[0][1], many.weights[0][2])


def test_dropout_drops_that_share_of_hidden_units_and_keeps_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    one = [generator_for(0, INITIAL_WEIGHTS, 0)]
    x = torch.rand(1, 200, 784)
    seen: list[torch.Tensor] = []
    original = torch.baddbmm

    def watched(bias: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        seen.append(a)
        return original(bias, a, b)

    monkeypatch.setattr(torch, "baddbmm", watched)
    plain = StackedMLP(one, shape=SHAPE, hidden=(2000,))(x)
    dropped = StackedMLP([generator_for(0, INITIAL_WEIGHTS, 0)], shape=SHAPE, hidden=(2000,), dropout=0.6)(
        x, generator=generator_for(1, EPOCH, 0)
    )
    hidden, thinned = seen[1], seen[3]
    active = hidden > 0
    assert abs(float((thinned[active] == 0).float().mean()) - 0.6) < 0.01
    assert torch.isclose(thinned.mean(), hidden.mean(), rtol=0.02)
    assert not torch.equal(plain, dropped)


def test_the_shapes_told_beforehand_are_those_of_the_members() -> None:
    network, shapes = members(), StackedMLP.tensor_shapes(shape=SHAPE, hidden=(20, 15))
    assert {name: tuple(tensor.shape[1:]) for name, tensor in network.state_dict().items()} == shapes
    assert StackedMLP.values_per_member(shape=SHAPE, hidden=(20, 15)) == 784 * 20 + 20 + 20 * 15 + 15 + 15 * 10 + 10
    assert StackedMLP.summary(shape=SHAPE, hidden=(20, 15)) == "784-20-15-10"
