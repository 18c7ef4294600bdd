"""The machine's matrix-product rate (GFLOP/s), square and at the shapes of training: the scale of all other figures.

./run.sh bench peak
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import pandas as pd
import torch

SQUARE = 2048
MEMBERS, IMAGES, PIXELS, UNITS = 5, 256, 784, 1024  # the first layer of `mlp`, one step


def seconds_of(job: Callable[[], object], n: int = 15) -> list[float]:
    """Seconds of each of `n` calls, after two warm-up calls."""
    taken = []
    for _ in range(n + 2):
        start = time.perf_counter()
        job()
        taken.append(time.perf_counter() - start)
    return taken[2:]


def peak(dtype: torch.dtype = torch.float32, n: int = 15) -> float:
    """Median rate of a square product on the CPU in GFLOP/s. Seconds mean nothing without it."""
    a, b = (torch.rand(SQUARE, SQUARE).to(dtype) for _ in range(2))
    return 2 * SQUARE**3 / statistics.median(seconds_of(partial(torch.matmul, a, b), n)) / 1e9


def machine() -> str:
    """The hardware and versions behind a measurement."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    units = [name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if capabilities.get(name)]
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "pandas", "scikit-learn", "pillow"))
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{capabilities.get('cpu_name', platform.processor())}, {os.cpu_count()} cores ({' '.join(units)}){gpu},"
        f" {torch.get_num_threads()} threads, {platform.system()}, Python {platform.python_version()}, {packages}"
    )


def summary(values: Sequence[float], digits: int = 2) -> dict[str, object]:
    """Count, median and range of the values, as columns of a table."""
    low, high = min(values), max(values)
    return {
        "n": len(values),
        "median": round(statistics.median(values), digits),
        "spread": f"{low:.{digits}f}–{high:.{digits}f}",
    }


def show(rows: Sequence[dict[str, object]]) -> None:
    """Print a table, and below it the machine and versions."""
    print(pd.DataFrame(rows).to_string(index=False, na_rep=""))
    print(machine())


def main() -> None:
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.rand(MEMBERS, IMAGES, PIXELS).to(dtype)
        weight, gradient = torch.rand(MEMBERS, PIXELS, UNITS).to(dtype), torch.rand(MEMBERS, IMAGES, UNITS).to(dtype)
        a, b = (torch.rand(SQUARE, SQUARE).to(dtype) for _ in range(2))
        layer = 2 * weight.numel() * IMAGES
        jobs: dict[str, tuple[float, Callable[[], object]]] = {
            f"{SQUARE} × {SQUARE} × {SQUARE}": (2 * SQUARE**3, partial(torch.matmul, a, b)),
            "forward, batched": (layer, partial(torch.bmm, x, weight)),
            "gradient of weights, batched": (layer, partial(torch.bmm, x.mT, gradient)),
            "gradient of inputs, batched": (layer, partial(torch.bmm, gradient, weight.mT)),
        }
        for name, (operations, job) in jobs.items():
            rates = [operations / seconds / 1e9 for seconds in seconds_of(job)]
            rows.append(
                {"type": str(dtype).removeprefix("torch."), "product": name, "GFLOP/s": "", **summary(rates, 0)}
            )
    show(rows)


if __name__ == "__main__":
    main()
