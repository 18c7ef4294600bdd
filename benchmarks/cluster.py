"""What a cluster costs: against one process on the same cores, for empty tasks, and in bytes when a worker is killed.

    ./run.sh bench cluster [--recipe NAME] [--epochs N] [--repeats N] [--times N] [--tasks N]

One process trains all repeats with one thread for each core, then as many workers with one thread each train the same
repeats on a local Dask cluster, in turn; *ratio* is the time of the one over that of the other, so above 1 the workers
are faster. Starting the workers is not counted. Empty tasks say what a task costs besides its work, and from that how
long tasks must be for 64 workers to be busy 90 % of the time, if one scheduler serves them one after another.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from distributed import LocalCluster
from peak import machine, peak

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.pipeline import train
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.runs.run import Run
from kaggle_mnist.training.cluster import Cluster
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.execution import Job
from kaggle_mnist.utils.files import sha256_of

FILES = ("submission.csv", "outputs.npz", "members.safetensors", "history.csv")


def workers(n: int) -> LocalCluster:
    """Processes with one thread each, on loopback."""
    options: dict[str, Any] = {"host": "127.0.0.1", "dashboard_address": None, "memory_limit": 0}
    return LocalCluster(n_workers=n, threads_per_worker=1, **options)


def measure_training(digits: Digits, recipe: str, epochs: int, repeats: int, times: int) -> None:
    cores = os.cpu_count() or 1
    chosen, ratios = find_recipe(recipe, epochs=epochs), []
    options: dict[str, Any] = {"input": digits, "repeats": repeats, "score": False}
    for _ in range(times):
        with tempfile.TemporaryDirectory() as output:
            one = _seconds(train(chosen, output=output, **options))
        with tempfile.TemporaryDirectory() as output, workers(cores) as cluster:
            many = _seconds(train(chosen, output=output, cluster=cluster.scheduler_address, **options))
        ratios.append(one / many)
        print(f"one process {one:.1f} s, {cores} workers {many:.1f} s, ratio {one / many:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f} (n = {times}, {min(ratios):.2f} to {max(ratios):.2f})")


def _seconds(run: Run) -> float:
    """From the first step to the finished run folder; out-of-fold and test outputs are part of a worker's job."""
    return run.record.seconds["all"] - run.record.seconds["load"]


def nothing(digits: Digits, **options: Any) -> None:
    """An empty task."""


def measure_overhead(digits: Digits, tasks: int) -> None:
    for n in (1, 2, 4, 8):
        with workers(n) as cluster, Cluster(cluster.scheduler_address, digits) as ours:
            jobs: Iterator[Job] = (Job(f"{i}", nothing) for i in range(tasks))
            began = time.perf_counter()
            done = sum(1 for _ in ours.run(jobs, lambda job, event: True))
            each = (time.perf_counter() - began) / done
        print(f"{n} workers: {1000 * each:.1f} ms for each of {done} empty tasks")
    print(f"64 workers are busy 90 % of the time with tasks of {64 * each / 0.1 - 64 * each:.0f} s or more")


def compare_bytes(digits: Digits, recipe: str, repeats: int) -> None:
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    few, chosen = digits.head(3000, 500), find_recipe(recipe, epochs=2)
    options: dict[str, Any] = {"input": few, "repeats": repeats, "score": False}
    with tempfile.TemporaryDirectory() as folder:
        runs = {"one process": train(chosen, output=f"{folder}/a", **options)}
        with workers(2) as cluster:
            runs["two workers"] = train(chosen, output=f"{folder}/b", cluster=cluster.scheduler_address, **options)
        with workers(2) as cluster:
            victims = [worker.process.pid for worker in cluster.workers.values()]

            def kill(event: EpochEnd) -> None:
                if victims and event.epoch > 1:
                    os.kill(victims.pop(), signal.SIGKILL)
                    victims.clear()

            place = cluster.scheduler_address
            run = train(chosen, output=f"{folder}/c", cluster=place, on_epoch=kill, **options)
            runs["two workers, one killed"] = run
        for name, run in runs.items():
            sums = {sha256_of(Path(run.path, file)) for file in FILES}
            same = sums == {sha256_of(Path(runs["one process"].path, file)) for file in FILES}
            print(f"{name}: {'the same bytes' if same else 'OTHER BYTES'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"float32 peak {peak():.0f} GFLOP/s")
    digits = load_digits("practice")
    measure_training(digits, arguments.recipe, arguments.epochs, arguments.repeats, arguments.times)
    measure_overhead(digits.head(100, 10), arguments.tasks)
    compare_bytes(digits, arguments.recipe, arguments.repeats)
    print(machine())


if __name__ == "__main__":
    main()
