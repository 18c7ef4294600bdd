"""What comes before training: the digits are loaded, the arguments checked, the folds drawn, the run planned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.data.suspects import read_suspects
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.folder import ensure_writable
from kaggle_mnist.runs.record import Data
from kaggle_mnist.runs.unfinished import Plan
from kaggle_mnist.score import refuse_foreign_copy
from kaggle_mnist.training.device import resolve_device
from kaggle_mnist.training.estimate import TIMED, RunEstimate, estimate_run
from kaggle_mnist.training.execution import Executor, Local
from kaggle_mnist.training.folds import check_folds, fold_digits
from kaggle_mnist.training.memory import require_memory
from kaggle_mnist.training.threads import choose_threads, thread_count
from kaggle_mnist.training.trainer import check_dropped
from kaggle_mnist.utils.errors import BadOption, MissingPackage
from kaggle_mnist.utils.progress import Progress, quiet

MAX_SEED = 2**31  # scikit-learn takes 2**32, and every repeat counts up from the seed


def check_seed(seed: int) -> None:
    """Raise BadOption for a seed that is not from 0 to 2³¹ - 1."""
    if not 0 <= seed < MAX_SEED:
        raise BadOption(f"seed {seed}: must be from 0 to {MAX_SEED - 1}")


@contextmanager
def prepare(
    recipe: Recipe,
    *,
    input: str | Path | Digits | None = None,
    output: str | Path | None = None,
    folds: int = 5,
    repeats: int | None = None,
    seed: int = 0,
    device: str = "auto",
    score: bool = True,
    drop_suspects: str | Path | tuple[int, ...] | None = None,
    cluster: str | None = None,
    progress: Progress = quiet,
) -> Iterator[tuple[Plan, Executor, Digits, NDArray[np.int64]]]:
    """The plan of a run, what will carry it out, its digits, and its folds, int64 ``(repeats, n)``.

    The arguments are those of `pipeline.train`; without `output` nothing is written. Raises UserError.
    """
    created = datetime.now().astimezone()
    check_seed(seed)
    repeats = len(recipe.variants) if repeats is None else repeats
    if cluster is None:
        resolve_device(device)  # before anything is loaded
    if output is not None:
        ensure_writable(Path(output))

    digits = input if isinstance(input, Digits) else load_digits(input, progress=progress)
    refuse_foreign_copy(digits.header)
    if isinstance(drop_suspects, (str, Path)):
        drop_suspects = read_suspects(Path(drop_suspects), digits.train_labels)
    dropped = tuple(sorted(set(drop_suspects or ())))
    check_dropped(dropped, len(digits.train_images))
    check_folds(digits.train_labels, n_splits=folds, repeats=repeats)
    with open_executor(cluster, digits, device) as executor:
        if isinstance(executor, Local):
            require_memory(recipe, digits, folds=folds, repeats=repeats, device=executor.device)
        fold_of = fold_digits(digits, n_splits=folds, repeats=repeats, seed=seed)  # (repeats, n)
        plan = plan_run(recipe, executor, digits, fold_of, seed, score=score, dropped=dropped, created=created)
        yield plan, executor, digits, fold_of


def plan_run(
    recipe: Recipe,
    executor: Executor,
    digits: Digits,
    fold_of: NDArray[np.int64],
    seed: int,
    *,
    score: bool = False,
    dropped: tuple[int, ...] = (),
    created: datetime | None = None,
) -> Plan:
    """The plan of a run that `executor` is about to carry out; `fold_of` is ``(repeats, n)``."""
    return Plan(
        created=(created or datetime.now().astimezone()).isoformat(timespec="milliseconds"),
        recipe=recipe,
        folds=int(fold_of.max()) + 1,
        repeats=len(fold_of),
        seed=seed,
        device=executor.device.type,
        threads=executor.threads,
        score=score,
        dropped=dropped,
        input=digits.input,
        data=Data.of(digits),
        environment=executor.environment(recipe),
    )


def open_executor(cluster: str | None, digits: Digits, device: str, threads: int | None = None) -> Executor:
    """This process, or the workers of a cluster. Raises BadOption and ClusterError."""
    if cluster is None:
        return Local(digits, resolve_device(device), threads or choose_threads())
    try:
        from kaggle_mnist.training.cluster import Cluster
    except ModuleNotFoundError as error:
        install = "pip install 'kaggle-mnist[cluster]'"
        raise MissingPackage(f"Dask is not installed (no module {error.name}): {install}") from None
    return Cluster(cluster, digits, device, threads)


def estimate_plan(plan: Plan, digits: Digits, fold_of: NDArray[np.int64], *, timed: int = TIMED) -> RunEstimate:
    """What the run will need in this process, from that many timed steps."""
    with thread_count(plan.threads):
        return estimate_run(
            digits, plan.recipe, fold_of, plan.seed, device=plan.device, dropped=plan.dropped, timed=timed
        )
