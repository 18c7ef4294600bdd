"""What happens in the process of a Dask worker: it keeps the digits, and carries out one job at a time."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from distributed import WorkerPlugin, get_worker

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.practice import is_practice, load_practice
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.device import environment_of, resolve_device
from kaggle_mnist.training.execution import Stopped
from kaggle_mnist.training.threads import thread_count
from kaggle_mnist.utils.versions import versions

if TYPE_CHECKING:
    from distributed import Worker

MUST_AGREE = (
    "kaggle-mnist",
    "torch",
    "numpy",
    "pandas",
    "python",
)  # versions that change bytes, or what can be unpickled

_digits: dict[str, Digits] = {}  # by the name of the client's plugin: two clients may use one cluster
_busy = threading.Lock()  # a worker with several threads may be sent several jobs


class BringDigits(WorkerPlugin):
    """Gives the digits to every worker, those that come later included. The practice set is everywhere already."""

    def __init__(self, name: str, digits: Digits):
        self.name = name
        self.digits = None if is_practice(digits) else replace(digits, withheld=None)  # labels that no job may see

    def setup(self, worker: Worker) -> None:
        """Called on every worker, and on those that come later."""
        _digits[self.name] = self.digits or load_practice()

    def teardown(self, worker: Worker) -> None:
        """Called when the client leaves."""
        _digits.pop(self.name, None)


class Unsuitable(Exception):
    """A worker cannot be used: its address, and the line that says why."""


def describe(device: str, threads: int | None = None) -> dict[str, str | int]:
    """The environment of jobs in this process, with the number format of products in mixed precision.

    `device` is ``"auto"``, ``"cpu"`` or ``"cuda"``; its kind is added as ``"kind"``. Raises BadOption.
    """
    found = resolve_device(device)
    return {"kind": found.type, **environment_of(found, Recipe(mixed_precision=True), threads)}


def difference_of(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """The versions that differ and must not, as ``"torch 2.12.0, not 2.13.0"``; empty if there are none."""
    pairs = [(name, f"{theirs[name]}", f"{ours[name]}") for name in MUST_AGREE]
    return ", ".join(f"{name} {there}, not {here}" for name, there, here in pairs if there != here)


def carry_out(
    function: Callable[..., Any],
    arguments: dict[str, Any],
    digits: str,
    device: str,
    threads: int,
    topic: str,
    expected: dict[str, Any],
) -> tuple[Any, float]:
    """Carry out a job on the digits of that name, and tell the client of every epoch by an event of that topic.

    The value comes back with the seconds that it took.
    """
    worker = get_worker()
    if differs := difference_of(expected, versions()):
        line = f"{worker.address}: is not used: has {differs}; install the same versions there"
        raise Unsuitable(worker.address, line)
    if device == "cuda" and not torch.cuda.is_available():
        raise Unsuitable(worker.address, f"{worker.address}: is not used: PyTorch sees no CUDA device there")
    key = worker.get_current_task()

    def after_epoch(event: EpochEnd) -> None:
        worker.log_event(topic, (key, pickle.dumps(event)))
        task = worker.state.tasks.get(key)
        if task is None or task.state != "executing":  # the client wants it no longer, or is gone
            raise Stopped

    with _busy, thread_count(threads):
        started = time.perf_counter()
        value = function(_digits[digits], device=torch.device(device), on_epoch=after_epoch, **arguments)
        return value, time.perf_counter() - started
