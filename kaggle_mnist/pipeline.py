"""The main job on one page: load the digits, assign the folds, cross-validate, write the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as save_tensors

from kaggle_mnist.data import practice
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.data.suspects import read_suspects
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs import checkpoint as checkpoints
from kaggle_mnist.runs.checkpoint import Checkpoint
from kaggle_mnist.runs.folder import ensure_writable, finish_run, run_files
from kaggle_mnist.runs.record import Data, Record, Scores
from kaggle_mnist.runs.run import Outputs, Run
from kaggle_mnist.runs.unfinished import Plan, find_unfinished, unfinished_like
from kaggle_mnist.training import metrics
from kaggle_mnist.training.cross_validation import CrossValidation, EpochEnd, TrainingState, cross_validate
from kaggle_mnist.training.device import environment_of, resolve_device
from kaggle_mnist.training.folds import assign_folds, check_folds
from kaggle_mnist.training.memory import require_memory
from kaggle_mnist.training.threads import choose_threads, thread_count
from kaggle_mnist.training.trainer import check_dropped
from kaggle_mnist.utils.errors import BadData, BadOption, OutputError
from kaggle_mnist.utils.files import refuse_foreign, write_atomic
from kaggle_mnist.utils.progress import Progress, quiet

KAGGLE_WORKING = Path("/kaggle/working")  # where a Kaggle notebook's results are looked for
MAX_SEED = 2**31  # scikit-learn takes 2**32, and every repeat counts up from the seed


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
    """

    plan: Plan
    run: Path
    epoch: int
    environment: dict[str, str | int]
    unfinished: tuple[Path, ...] = ()
    threads_if_idle: int = 0


def train(
    recipe: str | Recipe = "mlp",
    *,
    input: str | Path | Digits | None = None,
    output: str | Path = "submissions",
    folds: int = 5,
    repeats: int | None = None,
    seed: int = 0,
    device: str = "auto",
    score: bool = True,
    drop_suspects: str | Path | tuple[int, ...] | None = None,
    on_start: Callable[[Start], None] | None = None,
    on_epoch: Callable[[EpochEnd], None] | None = None,
    progress: Progress = quiet,
) -> Run:
    """Train a fold ensemble and write its run folder, with the submission.

    Parameters
    ----------
    recipe : a name that `kaggle-mnist recipes` lists, the path of a TOML file, or a `Recipe`
    input : a folder, a zip, ``"practice"``, digits already loaded, or None to look in `input/`
    output : the folder that gets the run folder
    folds : members of each repeat, at least 2; every image is held out by one of them
    repeats : how often cross-validation is repeated, with new folds each time; by default once for each variant
    seed : 0 to 2³¹ - 1; the same seed, recipe, digits, machine and thread count give the same bytes
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``
    score : score the finished run on the practice set's withheld labels; turn this off while tuning
    drop_suspects : a CSV file as `audit` writes it, or image numbers from `data.suspects.read_suspects`; no member is
        trained on these images, but the scores count them
    on_start : called once, before the first epoch
    on_epoch : called after every epoch
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
    >>> run = train("fast", input=load_digits("practice").head(500, 100), seed=1)
    >>> run.submission.name
    'submission.csv'
    """
    started, created = time.perf_counter(), datetime.now().astimezone()
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    if not 0 <= seed < MAX_SEED:
        raise BadOption(f"seed {seed}: must be from 0 to {MAX_SEED - 1}")
    repeats = len(recipe.variants) if repeats is None else repeats
    resolved = resolve_device(device)
    ensure_writable(output := Path(output))
    if KAGGLE_WORKING.is_dir():
        refuse_foreign(KAGGLE_WORKING / "submission.csv", header=b"ImageId,Label")

    digits = input if isinstance(input, Digits) else load_digits(input, progress=progress)
    if isinstance(drop_suspects, (str, Path)):
        drop_suspects = read_suspects(Path(drop_suspects), digits.train_labels)
    dropped = tuple(sorted(set(drop_suspects or ())))
    check_dropped(dropped, len(digits.train_images))
    check_folds(digits.train_labels, n_splits=folds, repeats=repeats)
    require_memory(recipe, digits, folds=folds, repeats=repeats, device=resolved)
    threads_if_idle, threads = torch.get_num_threads(), choose_threads()
    fold_of = assign_folds(digits.train_labels, n_splits=folds, repeats=repeats, seed=seed)  # (repeats, n)
    plan = Plan(
        created=created.isoformat(timespec="milliseconds"),
        recipe=recipe,
        folds=folds,
        repeats=repeats,
        seed=seed,
        device=resolved.type,
        threads=threads,
        score=score,
        dropped=dropped,
        input=digits.input,
        data=Data.of(digits),
        environment=environment_of(resolved, recipe, threads),
    )
    unfinished = tuple(unfinished_like(output, plan))
    with checkpoints.begin(output, plan) as checkpoint, thread_count(threads):
        if on_start is not None:
            on_start(Start(plan, checkpoint.run, 0, plan.environment, unfinished, threads_if_idle))
        return _carry_out(checkpoint, digits, fold_of, time.perf_counter() - started, on_epoch, progress)


def resume(
    run: str | None = None,
    *,
    output: str | Path = "submissions",
    input: str | Path | Digits | None = None,
    on_start: Callable[[Start], None] | None = None,
    on_epoch: Callable[[EpochEnd], None] | None = None,
    progress: Progress = quiet,
) -> Run:
    """Resume an interrupted run; the result is byte-identical to that of an uninterrupted one.

    Parameters
    ----------
    run : a path, a folder's name below `output`, or None for the newest unfinished run
    input : the digits, or where they are if they have moved
    output, on_start, on_epoch, progress : as in `train`

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
        _refuse_changed(digits, plan.data)
        device = resolve_device(plan.device)
        require_memory(plan.recipe, digits, folds=plan.folds, repeats=plan.repeats, device=device)
        fold_of = assign_folds(digits.train_labels, n_splits=plan.folds, repeats=plan.repeats, seed=plan.seed)
        with thread_count(plan.threads):
            if on_start is not None:
                on_start(Start(plan, checkpoint.run, checkpoint.epoch, environment_of(device, plan.recipe)))
            return _carry_out(checkpoint, digits, fold_of, time.perf_counter() - started, on_epoch, progress)


def _carry_out(
    checkpoint: Checkpoint,
    digits: Digits,
    fold_of: NDArray[np.int64],
    load_seconds: float,
    on_epoch: Callable[[EpochEnd], None] | None,
    progress: Progress,
) -> Run:
    """Cross-validate, from the beginning or from the last checkpoint, and write the run."""
    plan, started = checkpoint.plan, time.perf_counter()
    device, trained = resolve_device(plan.device), started

    def after_epoch(event: EpochEnd) -> None:
        nonlocal trained
        trained = time.perf_counter()
        if on_epoch is not None:
            on_epoch(event)

    stored = checkpoint.load()
    progress("Training", checkpoint.epoch, plan.recipe.epochs)
    result = cross_validate(
        digits,
        plan.recipe,
        fold_of,
        plan.seed,
        device=device,
        dropped=plan.dropped,
        start=TrainingState(*stored) if stored else None,
        on_epoch=after_epoch,
        on_state=lambda state: checkpoint.save(state.epoch, state.tensors, state.history),
        progress=progress,
    )
    before = load_seconds + checkpoint.seconds_before
    seconds = {
        "load": load_seconds,
        "train": checkpoint.seconds_before + trained - started,
        "checkpoints": checkpoint.seconds,
        "all": before + time.perf_counter() - started,
    }
    return _write(checkpoint, digits, fold_of, result, environment_of(device, plan.recipe), seconds)


def _write(
    checkpoint: Checkpoint,
    digits: Digits,
    fold_of: NDArray[np.int64],
    result: CrossValidation,
    environment: dict[str, str | int],
    seconds: dict[str, float],
) -> Run:
    """Score the outputs and write every file of the run."""
    plan, recipe, y_true = checkpoint.plan, checkpoint.plan.recipe, digits.train_labels
    oof, test = result.oof_outputs.mean(0), result.test_outputs  # (n, 10), (m, 10)
    fold_table = metrics.fold_scores(result.oof_outputs, y_true, fold_of, recipe)
    open_labels = plan.data.practice and plan.score
    resumed = checkpoint.resumed_from > 0
    record = Record(
        created=plan.created,
        name=recipe.name,
        recipe=recipe,
        folds=plan.folds,
        repeats=plan.repeats,
        seed=plan.seed,
        dropped=plan.dropped,
        resumed=resumed,
        data=plan.data,
        scores=Scores(
            cv_accuracy=float(fold_table.accuracy.mean()),
            cv_accuracy_std=float(fold_table.accuracy.std()),
            cv_loss=float(fold_table.loss.mean()),
            oof_accuracy=metrics.accuracy(oof, y_true),
            oof_loss=metrics.loss(oof, y_true, recipe),
            oof_log_loss=metrics.loss(oof, y_true),
            withheld_accuracy=metrics.accuracy(test, practice.open_withheld_labels()) if open_labels else None,
        ),
        environment=environment,
        begun=plan.environment if resumed and plan.environment != environment else None,
        seconds=seconds,
    )
    tables = {"folds": fold_table, **metrics.oof_tables(oof, y_true), "history": result.history}
    files = run_files(record, Outputs(oof, test, y_true, digits.test_ids, fold_of), tables)
    files["members.safetensors"] = save_tensors(result.members)
    finish_run(checkpoint.run, files)
    if KAGGLE_WORKING.is_dir():
        copy = KAGGLE_WORKING / "submission.csv"
        try:
            write_atomic(copy, files["submission.csv"])
        except OSError as error:
            raise OutputError(f"{copy}: cannot be written ({error.strerror}); {checkpoint.run} is complete") from error
    return Run(checkpoint.run, record)


def _refuse_changed(digits: Digits, data: Data) -> None:
    """Raise BadData if the digits are not those that a run began with."""
    if digits.fingerprint == data.fingerprint:
        return
    then, now = (data.train_images, data.test_images), (len(digits.train_images), len(digits.test_images))
    if then != now:
        changed = f"{then[0]:,} labeled and {then[1]:,} unlabeled images then, {now[0]:,} and {now[1]:,} now"
    else:
        same_test = digits.test_fingerprint == data.test_fingerprint
        changed = f"the {'labeled images or their labels' if same_test else 'unlabeled images'} have changed"
    raise BadData(
        f"{digits.path}: not the digits that the run began with: {changed}; put those back, or start a new run"
    )
