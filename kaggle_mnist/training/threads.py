"""How many threads to train with: threads that wait for one without a core of its own are many times slower.

PyTorch's threads meet after every product, and wait actively. While another program keeps one of two cores busy, two
threads take over ten times as long as on an idle machine; one thread takes less than twice as long
(`benchmarks/RESULTS.md`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

GLANCE = 0.2  # seconds that other programs are watched for: the clock of CPU times ticks every 0.01 s


def choose_threads(seconds: float = GLANCE) -> int:
    """PyTorch's number of threads, but no more than there are cores that other programs leave free; at least 1.

    Where ``OMP_NUM_THREADS`` is set, the user has chosen: PyTorch's number as it is. So is that of a machine with one
    core. The choice is made once, before a run: its bytes depend on the number of threads.
    """
    most = torch.get_num_threads()
    if most == 1 or "OMP_NUM_THREADS" in os.environ:
        return most
    started, before = time.perf_counter(), _others_cpu_seconds()
    time.sleep(seconds)
    busy = (_others_cpu_seconds() - before) / (time.perf_counter() - started)  # cores
    return max(1, min(most, round((psutil.cpu_count() or most) - busy)))


@contextmanager
def thread_count(threads: int) -> Iterator[None]:
    """Let PyTorch compute with that many threads, and put back the previous number afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _others_cpu_seconds() -> float:
    """Seconds of computing, summed over cores, of all processes but this one since the machine was started."""
    times, own = psutil.cpu_times(), psutil.Process().cpu_times()
    waiting = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted twice, as user and as guest
    return float(sum(times) - waiting - guests - own.user - own.system)
