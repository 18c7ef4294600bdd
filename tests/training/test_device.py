from __future__ import annotations

import warnings
from contextlib import suppress

import pytest
import torch

from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.device import precision_of, resolve_device, training_settings
from kaggle_mnist.utils.errors import BadOption


def test_only_a_recipe_of_mixed_precision_gets_it_and_only_where_the_machine_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu = torch.device("cpu")
    for units, expected in (("amx_bf16", torch.bfloat16), ("avx512_bf16", torch.bfloat16), ("avx2", torch.float32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda units=units: {units: True}, raising=False)
        assert precision_of(Recipe(mixed_precision=True), cpu) == expected
        assert precision_of(Recipe(), cpu) == torch.float32
        native = expected == torch.bfloat16
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, n=native: n)
        assert precision_of(Recipe(mixed_precision=True), torch.device("cuda")) == expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # as in older versions of PyTorch
    assert precision_of(Recipe(mixed_precision=True), cpu) == torch.float32


def flushes_denormals() -> bool:
    return float("5e-324") * 1.0 == 0.0


@pytest.mark.parametrize("fails", [False, True])
def test_the_settings_for_training_are_put_back_afterwards(fails: bool) -> None:
    filters, precision = list(warnings.filters), torch.get_float32_matmul_precision()
    with suppress(ZeroDivisionError), training_settings(torch.device("cuda")):
        assert flushes_denormals()
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.deterministic
        with pytest.raises(UserWarning):
            warnings.warn("mkldnn_matmul failed, switching to BLAS gemm", UserWarning, stacklevel=1)
        if fails:
            raise ZeroDivisionError
    assert not flushes_denormals()
    assert torch.get_float32_matmul_precision() == precision
    assert not torch.backends.cudnn.deterministic
    assert warnings.filters == filters


def test_settings_that_were_on_before_stay_on() -> None:
    torch.set_flush_denormal(True)
    try:
        with training_settings(torch.device("cpu")):
            pass
        assert flushes_denormals()
    finally:
        torch.set_flush_denormal(False)


def test_an_unknown_device_and_a_missing_one_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(BadOption, match="must be auto, cpu or cuda"):
        resolve_device("tpu")
    with pytest.raises(BadOption, match="PyTorch sees no CUDA device"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda")
    assert resolve_device("cpu") == torch.device("cpu")
