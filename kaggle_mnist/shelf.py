"""All runs below a folder, finished or not: their state and size, and how they are removed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from kaggle_mnist.checkpoint import LOCK, epoch_of, read_plan
from kaggle_mnist.errors import BadRun, OutputError
from kaggle_mnist.files import SUMS
from kaggle_mnist.runs import CHECKPOINT, list_runs, read_run


@dataclass(frozen=True)
class Shelved:
    """A run's folder. `state` is ``"finished"``, ``"running"``, ``"stopped after epoch 12 of 30"`` or what is wrong."""

    path: Path
    state: str
    size: int  # bytes
    cv_accuracy: float | None


def all_runs(output: Path) -> list[Shelved]:
    """Every run below `output`, the oldest first."""
    folders = (path.parent for path in output.glob(f"[!.]*/{CHECKPOINT}") if not (path.parent / SUMS).exists())
    found = [_finished(path) for path in list_runs(output)] + [_unfinished(path) for path in folders]
    return sorted(found, key=lambda run: run.path.name)


def remove_runs(names: Sequence[str], output: Path) -> list[Path]:
    """Delete runs, each named by path or by its folder's name below `output`; all of them or, on an error, none.

    Raises BadRun for a folder that is no run, and for a run that a process is at work on.
    """
    chosen = [_find(name, output) for name in names]
    for path in chosen:
        if is_running(path):
            raise BadRun(f"{path}: a process is at work on this run; stop it first")
    for path in chosen:
        try:
            (path / SUMS).unlink(missing_ok=True)  # first: what is half removed must not look whole
            shutil.rmtree(path)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed ({error.strerror})") from error
    return chosen


def is_running(run: Path) -> bool:
    """Whether a process is at work on the run."""
    file = run / CHECKPOINT / LOCK
    if not file.exists():
        return False
    try:
        with FileLock(file, timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _find(name: str, output: Path) -> Path:
    for path in (Path(name), output / name):
        if not path.is_symlink() and ((path / SUMS).is_file() or (path / CHECKPOINT).is_dir()):
            return path
    raise BadRun(f"{name}: no such run, here or in {output}")


def _finished(path: Path) -> Shelved:
    try:
        run = read_run(path)
    except BadRun as error:
        return Shelved(path, f"damaged: {error}", _size_of(path), None)
    return Shelved(path, "finished", _size_of(path), run.cv_accuracy)


def _unfinished(path: Path) -> Shelved:
    if is_running(path):
        state = "running"
    else:
        try:
            plan = read_plan(path)
            state = f"stopped after epoch {epoch_of(path)} of {plan.recipe.epochs}"
        except BadRun as error:
            state = f"damaged: {error}"
    return Shelved(path, state, _size_of(path), None)


def _size_of(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
