"""The main job on one page: prepare it, cross-validate, write the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.prepare import estimate_plan, open_executor, prepare
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs import checkpoint as checkpoints
from kaggle_mnist.runs.checkpoint import Checkpoint
from kaggle_mnist.runs.labels import Labels
from kaggle_mnist.runs.run import Run
from kaggle_mnist.runs.unfinished import Plan, find_unfinished, unfinished_like
from kaggle_mnist.score import score_run
from kaggle_mnist.training.cross_validation import EpochEnd, TrainingState, cross_validate
from kaggle_mnist.training.estimate import RunEstimate
from kaggle_mnist.training.execution import Executor, Local
from kaggle_mnist.training.folds import fold_digits
from kaggle_mnist.training.memory import require_memory
from kaggle_mnist.training.repeats import cross_validate_by_repeats, read_repeat, write_repeat
from kaggle_mnist.training.threads import thread_count
from kaggle_mnist.utils.errors import BadOption, BadRun
from kaggle_mnist.utils.progress import Progress, quiet


@dataclass(frozen=True)
class Start:
    """The event before the first epoch.

    Attributes
    ----------
    plan : what is about to be trained
    run : the run folder
    epoch : epochs that are done already: above 0 only when a run is resumed
    environment : device, threads and versions now; `plan.environment` has those that the run began with
    unfinished : folders of earlier runs with the same plan that were interrupted
    threads_if_idle : PyTorch's number of threads; `plan.threads` is lower if other programs kept cores busy
    workers : of the cluster; None without one
    repeats : that are done already, of a run whose repeats are trained one by one
    estimate : times a few steps, and says what the run will need; None of a resumed run, and on a cluster, whose
        workers would have to be timed
    """

    plan: Plan
    run: Path
    epoch: int
    environment: dict[str, str | int]
    unfinished: tuple[Path, ...] = ()
    threads_if_idle: int = 0
    workers: int | None = None
    repeats: int = 0
    estimate: Callable[[], RunEstimate] | None = None


def train(
    recipe: str | Recipe = "mlp",
    *,
    epochs: int | None = None,
    set: Mapping[str, object] | None = None,
    input: str | Path | Digits | None = None,
    output: str | Path = "submissions",
    folds: int = 5,
    repeats: int | None = None,
    seed: int = 0,
    device: str = "auto",
    score: bool = True,
    drop_suspects: str | Path | tuple[int, ...] | None = None,
    cluster: str | None = None,
    labels: Labels | None = None,
    on_start: Callable[[Start], None] | None = None,
    on_epoch: Callable[[EpochEnd], None] | None = None,
    progress: Progress = quiet,
) -> Run:
    """Train a fold ensemble and write its run folder, with the submission.

    Parameters
    ----------
    recipe : a name that `kaggle-mnist recipes` lists, the path of a TOML file, or a `Recipe`
    epochs, set : override fields of the recipe, as in ``epochs=3, set={"hidden": [300]}``
    input : a folder, a zip, ``"practice"``, digits already loaded, or None to look in `input/`
    output : the folder that gets the run folder
    folds : members of each repeat, at least 2; every image is held out by one of them
    repeats : how often cross-validation is repeated, with new folds each time; by default once for each variant
    seed : 0 to 2³¹ - 1; the same seed, recipe, digits, machine and thread count give the same bytes
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``
    score : score the finished run on the withheld labels, if there are any; turn this off while tuning
    drop_suspects : a CSV file as `audit` writes it, or image numbers from `data.suspects.read_suspects`; no member is
        trained on these images, but the scores count them
    cluster : the address of a Dask scheduler whose workers train the repeats, or ``"local"`` for one process for each
        core of this machine
    labels : the run's name, note and tags
    on_start, on_epoch : called once before the first epoch, and after every epoch
    progress : called while digits are loaded and outputs computed

    Returns
    -------
    The finished run: `run.submission` is the file for Kaggle, `run.cv_accuracy` the accuracy to expect.

    Raises
    ------
    kaggle_mnist.utils.errors.UserError
        One of its subclasses; the message is one line that says what is wrong and what to do. Then no run folder is
        left behind, except one that `resume` can continue.

    Examples
    --------
    >>> from kaggle_mnist import load_digits, train
    >>> run = train("fast", epochs=2, input=load_digits("practice").head(500, 100), seed=1)
    >>> run.submission.name
    'submission.csv'
    """
    started = time.perf_counter()
    prepared = prepare(
        find_recipe(recipe, set or {}, epochs=epochs),
        input=input,
        output=output,
        folds=folds,
        repeats=repeats,
        seed=seed,
        device=device,
        score=score,
        drop_suspects=drop_suspects,
        cluster=cluster,
        progress=progress,
    )
    with prepared as (plan, executor, digits, fold_of):
        unfinished = tuple(unfinished_like(output := Path(output), plan))
        with checkpoints.begin(output, plan, labels) as checkpoint:
            if on_start is not None:
                workers = None if isinstance(executor, Local) else executor.workers
                estimate = partial(estimate_plan, plan, digits, fold_of) if workers is None else None
                idle = torch.get_num_threads()
                on_start(Start(plan, checkpoint.run, 0, plan.environment, unfinished, idle, workers, 0, estimate))
            return _carry_out(checkpoint, executor, digits, fold_of, time.perf_counter() - started, on_epoch, progress)


def resume(
    run: str | None = None,
    *,
    output: str | Path = "submissions",
    input: str | Path | Digits | None = None,
    cluster: str | None = None,
    on_start: Callable[[Start], None] | None = None,
    on_epoch: Callable[[EpochEnd], None] | None = None,
    progress: Progress = quiet,
) -> Run:
    """Resume an interrupted run; the result is byte-identical to that of an uninterrupted one.

    Parameters
    ----------
    run : as for `finding.find_paths`, but None or ``"latest"`` for the newest unfinished run
    input : the digits, or where they are if they have moved
    output, cluster, on_start, on_epoch, progress : as in `train`

    Raises
    ------
    BadRun
        There is no such run, another process is working on it, or its checkpoint is damaged.
    BadData
        The digits have changed since the run began.
    BadOption, NotEnoughMemory
        This machine lacks the run's device, or memory for it.
    """
    started = time.perf_counter()
    with checkpoints.reopen(find_unfinished(run, Path(output))) as checkpoint:
        plan = checkpoint.plan
        place = plan.input if input is None else input
        digits = place if isinstance(place, Digits) else load_digits(place, progress=progress)
        plan.data.require_same(digits)
        if plan.format < 3 and digits.copies.any():
            raise BadRun(f"{checkpoint.run}: began before copies of an image were held out together; train anew")
        fold_of = fold_digits(digits, n_splits=plan.folds, repeats=plan.repeats, seed=plan.seed)
        if cluster is not None and checkpoint.epoch:
            raise BadOption(f"{checkpoint.run}: its checkpoint is of all repeats at once; resume it without --cluster")
        with open_executor(cluster, digits, plan.device, plan.threads) as executor:
            if isinstance(executor, Local):
                repeats = 1 if checkpoint.repeats else plan.repeats
                require_memory(plan.recipe, digits, folds=plan.folds, repeats=repeats, device=executor.device)
            if on_start is not None:
                environment, done = executor.environment(plan.recipe), len(checkpoint.repeats)
                workers = None if isinstance(executor, Local) else executor.workers
                on_start(Start(plan, checkpoint.run, checkpoint.epoch, environment, workers=workers, repeats=done))
            return _carry_out(checkpoint, executor, digits, fold_of, time.perf_counter() - started, on_epoch, progress)


def _carry_out(
    checkpoint: Checkpoint,
    executor: Executor,
    digits: Digits,
    fold_of: NDArray[np.int64],
    load_seconds: float,
    on_epoch: Callable[[EpochEnd], None] | None,
    progress: Progress,
) -> Run:
    """Cross-validate, from the beginning or from the last checkpoint, and write the run.

    In this process all repeats are trained together; on a cluster, one by one, each a job.
    """
    plan, started = checkpoint.plan, time.perf_counter()
    trained = started

    def after_epoch(event: EpochEnd) -> None:
        nonlocal trained
        trained = time.perf_counter()
        if on_epoch is not None:
            on_epoch(event)

    if isinstance(executor, Local) and not checkpoint.repeats:
        stored = checkpoint.load()
        progress("Training", checkpoint.epoch, plan.recipe.epochs)
        with thread_count(plan.threads):
            result = cross_validate(
                digits,
                plan.recipe,
                fold_of,
                plan.seed,
                device=executor.device,
                dropped=plan.dropped,
                start=TrainingState(*stored) if stored else None,
                on_epoch=after_epoch,
                on_state=lambda state: checkpoint.save(state.epoch, state.tensors, state.history),
                progress=progress,
            )
    else:
        done = {repeat: read_repeat(*checkpoint.load_repeat(repeat)) for repeat in checkpoint.repeats}
        progress("Training", len(done) * plan.recipe.epochs, plan.repeats * plan.recipe.epochs)
        result = cross_validate_by_repeats(
            executor,
            plan.recipe,
            fold_of,
            plan.seed,
            dropped=plan.dropped,
            done=done,
            on_epoch=after_epoch,
            on_repeat=lambda repeat, part: checkpoint.save_repeat(repeat, *write_repeat(part)),
        )
    before = load_seconds + checkpoint.seconds_before
    seconds = {
        "load": load_seconds,
        "train": checkpoint.seconds_before + trained - started,
        "checkpoints": checkpoint.seconds,
        "all": before + time.perf_counter() - started,
    }
    return score_run(checkpoint, digits, fold_of, result, executor.environment(plan.recipe), seconds)
