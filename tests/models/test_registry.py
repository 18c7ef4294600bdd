"""A new kind of network is one file and one line: a toy kind goes through everything that a run does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kaggle_mnist import pipeline
from kaggle_mnist.blend import blend_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.models.network import PageLayer, StackedNetwork
from kaggle_mnist.models.registry import KINDS, NetworkKind, build_network, load_network
from kaggle_mnist.predict import run_outputs
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.report.page import write_report
from kaggle_mnist.runs import checkpoint
from kaggle_mnist.training.memory import estimate_memory
from kaggle_mnist.utils.errors import BadRecipe, Interrupted
from kaggle_mnist.utils.seeding import INITIAL_WEIGHTS, generator_for
from tests.conftest import TINY
from tests.runs.test_checkpoint import same_files, stop_after


class StackedSoftmaxRegression(StackedNetwork):
    """Ten weighted sums of the pixels."""

    def __init__(self, generators: list[torch.Generator], *, shape: tuple[int, int, int]):
        super().__init__(generators)
        self.weight = nn.Parameter(torch.stack([torch.rand(784, 10, generator=g) / 100 for g in generators]))
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, 10))

    @classmethod
    def tensor_shapes(cls, *, shape: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
        return {"weight": (784, 10), "bias": (1, 10)}

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)

    def member_logits(self, member: int, x: Tensor) -> Tensor:
        return torch.addmm(self.bias[member], x, self.weight[member])

    @classmethod
    def activations_per_image(cls, *, shape: tuple[int, int, int]) -> int:
        return 10

    @classmethod
    def summary(cls, *, shape: tuple[int, int, int]) -> str:
        return "softmax regression"

    @classmethod
    def page_layers(cls, member: Mapping[str, NDArray[np.float32]], *, shape: tuple[int, int, int]) -> list[PageLayer]:
        return [PageLayer(member["weight"], member["bias"], relu=False)]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setitem(KINDS, "softmax", NetworkKind(__name__, StackedSoftmaxRegression.__name__))
    return Recipe(name="toy", network="softmax", epochs=4, batch_size=100, learning_rate=5e-3, shift=1.0)


def test_a_toy_kind_trains_and_resumes_to_the_same_bytes(
    toy: Recipe, few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "PRICE", 0)
    whole = pipeline.train(toy, input=few, folds=3, output="whole")
    assert whole.cv_accuracy > 0.75
    with pytest.raises(Interrupted):
        pipeline.train(toy, input=few.head(1500, 300), folds=3, on_epoch=stop_after(2))
    monkeypatch.setattr(pipeline, "load_digits", lambda where, progress: few)
    assert same_files(whole, pipeline.resume())


def test_a_toy_kind_predicts_reports_and_blends(toy: Recipe, few: Digits) -> None:
    run = pipeline.train(toy, input=few, folds=3)
    np.testing.assert_allclose(run_outputs(run, few.test_images), run.outputs().test, atol=1e-6)
    other = pipeline.train(TINY, input=few, folds=3)
    blend = blend_runs([run.name, other.name], Path("submissions"), weights="fit")
    np.testing.assert_allclose(run_outputs(blend, few.test_images), blend.outputs().test, atol=1e-6)
    page = write_report(run, few).read_text()
    assert "softmax regression" in page
    assert '"layers": [{"inputs": 784, "outputs": 10, "relu": false, "shape": null, "stride": 1}]' in page
    assert '<th scope="row">hidden</th>' not in page  # a field of other kinds
    assert '<th scope="row">network</th><td>softmax</td>' in page


def test_a_kind_that_the_page_cannot_compute_gets_no_box(
    toy: Recipe, few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StackedSoftmaxRegression, "page_layers", StackedNetwork.page_layers)
    page = write_report(pipeline.train(toy.replaced(epochs=1), input=few, folds=2), few).read_text()
    assert "this page cannot compute this kind of network" in page


def test_fields_of_another_kind_are_refused(toy: Recipe) -> None:
    with pytest.raises(BadRecipe, match=r'hidden has no effect unless network = "mlp"'):
        toy.replaced(hidden=(300,))
    with pytest.raises(BadRecipe, match=r"network: 'cnnn': no such kind of network; use mlp or cnn or softmax"):
        toy.replaced(network="cnnn")
    assert {"hidden", "dropout"}.isdisjoint(toy.in_use())
    assert TINY.in_use()["hidden"] == (48,)


def test_a_toy_kind_has_an_estimate_of_its_memory(toy: Recipe) -> None:
    numbers: dict[str, Any] = {"images": 1500, "test_images": 300, "folds": 5, "device": torch.device("cpu")}
    one, many = (estimate_memory(toy, repeats=repeats, **numbers) for repeats in (1, 11))
    grown = (many.total - one.total) / 10
    assert grown > 5 * 7850 * 4 * 3  # parameters and the moments of AdamW


def test_members_loaded_from_their_parameters_are_the_same(tiny: Recipe) -> None:
    generators = [generator_for(0, INITIAL_WEIGHTS, member) for member in range(3)]
    network = build_network("mlp", tiny.network_settings, generators)
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    loaded = load_network("mlp", tiny.network_settings, weights)
    assert loaded.members == 3
    x = torch.rand(4, 784)
    assert torch.equal(loaded.member_logits(1, x), network.member_logits(1, x))


def test_runs_are_found_without_importing_torch() -> None:
    """What a kind's module imports is imported with the first network."""
    code = "import sys; import kaggle_mnist.recipes.named, kaggle_mnist.runs.run; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
