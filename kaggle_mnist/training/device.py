"""The device, the number format of products, and PyTorch's process-wide settings while it trains."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.utils.errors import BadOption
from kaggle_mnist.utils.versions import versions


def resolve_device(device: str) -> torch.device:
    """The device for ``"auto"`` (CUDA if PyTorch sees a CUDA device), ``"cpu"`` or ``"cuda"``.

    Raises BadOption for another name, and for ``"cuda"`` where there is none.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise BadOption(f"device {device}: must be auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise BadOption("device cuda: PyTorch sees no CUDA device here; start a run with --device cpu")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def precision_of(recipe: Recipe, device: torch.device) -> torch.dtype:
    """The number format of matrix products: bfloat16 if the recipe has mixed precision and the machine has units for
    it, else float32.

    On a CPU those units are Intel's AMX or AVX-512 BF16 (AMD's since Zen 4); on a GPU, NVIDIA's since Ampere. An older
    PyTorch cannot tell what the CPU has: float32.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        native = any(capabilities.get(units) for units in ("amx_bf16", "avx512_bf16"))
    return torch.bfloat16 if recipe.mixed_precision and native else torch.float32


def environment_of(device: torch.device, recipe: Recipe, threads: int | None = None) -> dict[str, str | int]:
    """What a run's bytes depend on besides its plan: device, threads (by default PyTorch's number now), number format
    of products, and versions."""
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": threads or torch.get_num_threads(),
        "products": str(precision_of(recipe, device)).removeprefix("torch."),
        **versions(),
    }


def changes_of(before: dict[str, str | int], now: dict[str, str | int]) -> list[str]:
    """What is different in the environment now, such as ``"torch 2.12.0, now 2.13.0"``."""
    return [f"{name} {value}, now {now.get(name)}" for name, value in before.items() if value != now.get(name)]


@contextmanager
def training_settings(device: torch.device) -> Iterator[None]:
    """Set PyTorch's process-wide settings for training on `device`, and put back the previous ones afterwards.

    - Denormal numbers are flushed to zero: a unit or pixel that falls silent lets Adam's averages decay below 1e-38,
      where a CPU is ten times slower.
    - Float32 products use TF32 on CUDA, and convolutions there the algorithms that give the same bytes each time.
    - A product that runs short of memory is an error: PyTorch would only warn and take another product, which rounds
      differently.
    """
    flushed, precision = _flushes_denormals(), torch.get_float32_matmul_precision()
    deterministic = torch.backends.cudnn.deterministic
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*mkldnn_matmul failed")
        torch.set_flush_denormal(True)
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.deterministic = True
        try:
            yield
        finally:
            torch.set_flush_denormal(flushed)
            torch.set_float32_matmul_precision(precision)
            torch.backends.cudnn.deterministic = deterministic


def _flushes_denormals() -> bool:
    """Whether the CPU flushes denormal numbers to zero; PyTorch does not tell."""
    smallest = float("5e-324")
    return smallest * 1.0 == 0.0
