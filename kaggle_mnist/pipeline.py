"""The main job on one page: load the digits, assign the folds, train, ensemble, score, write."""

from __future__ import annotations

import time
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
from kaggle_mnist.recipes.recipe import Recipe, find_recipe
from kaggle_mnist.runs import checkpoint as checkpoints
from kaggle_mnist.runs.checkpoint import Checkpoint
from kaggle_mnist.runs.folder import csv_bytes, ensure_writable, finish_run, run_files
from kaggle_mnist.runs.record import Data, Record, Scores
from kaggle_mnist.runs.run import Outputs, Run
from kaggle_mnist.runs.unfinished import Plan, find_unfinished
from kaggle_mnist.training import metrics as scores
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.inference import ensemble_outputs, out_of_fold_outputs
from kaggle_mnist.training.trainer import precision_of, train_members
from kaggle_mnist.utils.errors import BadData, BadOption
from kaggle_mnist.utils.files import Progress, quiet, write_whole
from kaggle_mnist.utils.versions import versions

KAGGLE_WORKING = Path("/kaggle/working")  # where a Kaggle notebook's results are looked for
MAX_SEED = 2**31  # scikit-learn takes 2**32, and every repeat counts up from the seed


def train(
    recipe: str | Recipe = "mlp",
    *,
    input: str | Path | Digits | None = None,
    output: str | Path = "submissions",
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    device: str = "auto",
    score: bool = True,
    drop_suspects: str | Path | tuple[int, ...] | None = None,
    progress: Progress = quiet,
) -> Run:
    """Train a fold ensemble and write its run folder, submission and all.

    Parameters
    ----------
    recipe : a name from `kaggle-mnist recipes`, the path of a TOML file, or a `Recipe`
    input : a folder, a zip, ``"practice"``, digits already loaded, or None to look in `input/`
    output : the folder that gets the run folder
    folds : members of each repeat, at least 2; every image is held out by one of them
    repeats : how often the folds are drawn anew
    seed : 0 to 2³¹ - 1; the same seed, recipe, digits, machine and thread count give the same bytes
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``
    score : open the practice set's withheld labels for the finished run; turn it off while tuning
    drop_suspects : a CSV file as `audit` writes it, or what `suspects.read_suspects` read from one; no member learns
        from its images, and the scores count them
    progress : called as the run goes on, after every epoch and every member's outputs

    Returns
    -------
    The finished run; `run.submission` is the file for Kaggle, `run.cv_accuracy` what to expect of it.

    Raises
    ------
    kaggle_mnist.errors.UserError
        One of its kinds, with one line that says what is wrong and what to do. No run folder is left behind then, but
        for what `resume` goes on from, where training had come so far.

    Examples
    --------
    >>> from kaggle_mnist import train
    >>> run = train("mlp", input="practice", seed=1)  # doctest: +SKIP
    >>> run.cv_accuracy, run.submission  # doctest: +SKIP
    """
    started, created = time.perf_counter(), datetime.now().astimezone()
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    if not 0 <= seed < MAX_SEED:
        raise BadOption(f"seed {seed}: must be from 0 to {MAX_SEED - 1}")
    where = resolve_device(device)
    output = Path(output)
    ensure_writable(output)

    digits = input if isinstance(input, Digits) else load_digits(input, progress=progress)
    fold_of = assign_folds(digits.train_labels, n_splits=folds, repeats=repeats, seed=seed)  # (repeats, n)
    if isinstance(drop_suspects, (str, Path)):
        drop_suspects = read_suspects(Path(drop_suspects), digits.train_labels)
    plan = Plan(
        created=created.isoformat(timespec="seconds"),
        recipe=recipe,
        folds=folds,
        repeats=repeats,
        seed=seed,
        device=where.type,
        threads=torch.get_num_threads(),
        score=score,
        dropped=drop_suspects or (),
        input=digits.input,
        data=Data(
            source=digits.source,
            path=digits.path,
            fingerprint=digits.fingerprint,
            test_fingerprint=digits.test_fingerprint,
            practice=practice.is_practice(digits),
            train_images=len(digits.train_images),
            test_images=len(digits.test_images),
        ),
        environment=environment_of(where, recipe),
    )
    with checkpoints.begin(output, plan) as checkpoint:
        return _carry_out(checkpoint, digits, fold_of, time.perf_counter() - started, progress)


def resume(
    run: str | None = None,
    *,
    output: str | Path = "submissions",
    input: str | Path | None = None,
    progress: Progress = quiet,
) -> Run:
    """Go on with a run that was interrupted, to the same bytes as without the interruption.

    `run` is a path, a folder's name below `output`, or None for the newest that is not finished; `input` says where the
    digits are, if they have moved. Raises BadRun where there is no such run, another process is at work on it or its
    checkpoint is damaged, and BadData where the digits have changed since.
    """
    started = time.perf_counter()
    threads = torch.get_num_threads()
    with checkpoints.reopen(find_unfinished(run, Path(output))) as checkpoint:
        plan = checkpoint.plan
        digits = load_digits(plan.input if input is None else input, progress=progress)
        _refuse_changed(digits, plan.data)
        fold_of = assign_folds(digits.train_labels, n_splits=plan.folds, repeats=plan.repeats, seed=plan.seed)
        torch.set_num_threads(plan.threads)
        try:
            return _carry_out(checkpoint, digits, fold_of, time.perf_counter() - started, progress)
        finally:
            torch.set_num_threads(threads)


def _carry_out(
    checkpoint: Checkpoint, digits: Digits, fold_of: NDArray[np.int64], load_seconds: float, progress: Progress
) -> Run:
    """Train, ensemble, score and write, from the beginning or from the last checkpoint."""
    plan, recipe, started = checkpoint.plan, checkpoint.plan.recipe, time.perf_counter()
    device, y_true = resolve_device(plan.device), digits.train_labels
    start = checkpoint.load()
    trained = train_members(
        digits,
        fold_of,
        recipe,
        seed=plan.seed,
        device=device,
        dropped=plan.dropped,
        start=start,
        keep=checkpoint.save,
        progress=progress,
    )
    train_seconds = checkpoint.seconds_before + time.perf_counter() - started

    network = trained.network
    oof_by_repeat = out_of_fold_outputs(network, digits.train_images, fold_of, recipe, progress=progress)
    oof = oof_by_repeat.mean(0)  # (n, 10), from (repeats, n, 10)
    test = ensemble_outputs(network, digits.test_images, recipe, progress=progress)  # (m, 10)

    fold_table = scores.fold_scores(oof_by_repeat, y_true, fold_of, recipe)
    open_labels, environment = plan.data.practice and plan.score, environment_of(device, recipe)
    record = Record(
        created=plan.created,
        name=recipe.name,
        recipe=recipe,
        folds=plan.folds,
        repeats=plan.repeats,
        seed=plan.seed,
        dropped=plan.dropped,
        resumed=start is not None,
        data=plan.data,
        scores=Scores(
            cv_accuracy=float(fold_table.accuracy.mean()),
            cv_accuracy_std=float(fold_table.accuracy.std()),
            cv_loss=float(fold_table.loss.mean()),
            oof_accuracy=scores.accuracy(oof, y_true),
            oof_loss=scores.loss(oof, y_true, recipe),
            oof_log_loss=scores.loss(oof, y_true),
            withheld_accuracy=scores.accuracy(test, practice.open_withheld_labels()) if open_labels else None,
        ),
        environment=environment,
        begun=plan.environment if start is not None and plan.environment != environment else None,
        seconds={
            "load": load_seconds,
            "train": train_seconds,
            "checkpoints": checkpoint.seconds,
            "all": load_seconds + checkpoint.seconds_before + time.perf_counter() - started,
        },
    )
    files = run_files(record, Outputs(oof, test, y_true, digits.test_ids, fold_of), fold_table) | {
        "history.csv": csv_bytes(trained.history),
        "members.safetensors": save_tensors({k: v.cpu() for k, v in network.state_dict().items()}),
    }
    finish_run(checkpoint.run, files)
    if KAGGLE_WORKING.is_dir():
        write_whole(KAGGLE_WORKING / "submission.csv", files["submission.csv"])
    return Run(checkpoint.run, record)


def _refuse_changed(digits: Digits, data: Data) -> None:
    """Raises BadData where the digits are not those that a run was begun with."""
    if digits.fingerprint == data.fingerprint:
        return
    then, now = (data.train_images, data.test_images), (len(digits.train_images), len(digits.test_images))
    if then != now:
        changed = f"{then[0]:,} labeled and {then[1]:,} unlabeled images then, {now[0]:,} and {now[1]:,} now"
    else:
        same_test = digits.test_fingerprint == data.test_fingerprint
        changed = f"the {'labeled images or their labels' if same_test else 'unlabeled images'} have changed"
    raise BadData(
        f"{digits.path}: not the digits that the run was begun with: {changed}; put those back, or begin a new run"
    )


def resolve_device(device: str) -> torch.device:
    """`auto` is CUDA where there is some. Raises BadOption for a device that this machine lacks."""
    if device not in ("auto", "cpu", "cuda"):
        raise BadOption(f"device {device}: must be auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise BadOption("device cuda: PyTorch sees no CUDA device here; begin a run with --device cpu")
    if device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    torch.set_float32_matmul_precision("high")  # TF32
    return torch.device("cuda")


def environment_of(device: torch.device, recipe: Recipe) -> dict[str, str | int]:
    """Device, threads, type of the products and versions: what a run's bytes depend on besides its plan."""
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "products": str(precision_of(recipe, device)).removeprefix("torch."),
        **versions(),
    }
