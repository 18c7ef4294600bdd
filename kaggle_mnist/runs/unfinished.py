"""Unfinished runs: their plans, how they are found, and whether a process is working on one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from kaggle_mnist.runs.finding import find_path
from kaggle_mnist.runs.names import CHECKPOINT, LATEST, oldest_first
from kaggle_mnist.runs.record import FORMAT, Count, Data, Moment, Readable, RecordedRecipe, Strict
from kaggle_mnist.runs.run import as_argument
from kaggle_mnist.utils.errors import BadRun, OutputError
from kaggle_mnist.utils.files import REMEDY, SUMS, read_sums, verify_file
from kaggle_mnist.utils.reading import read_bounded

PLAN, LOCK = "plan.json", "lock"
MAX_PLAN = 4 << 20  # bytes; 2 kB unless images are dropped
STATE = re.compile(r"epoch-([0-9]{5,9})\.safetensors")
REPEAT = re.compile(r"repeat-([0-9]{5,9})\.safetensors")


class Plan(Strict):
    """The settings of a run: together with the digits, all that the bytes of the result depend on."""

    format: int = FORMAT
    created: Moment
    recipe: RecordedRecipe
    folds: int = Field(ge=2, le=100_000)
    repeats: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0, lt=2**31)
    device: Literal["cpu", "cuda"]
    threads: int = Field(ge=1, le=4096)
    score: bool
    dropped: tuple[Count, ...]
    input: Readable | None = Field(description="where the digits are, as for --input")
    data: Data
    environment: dict[str, str | int]

    def same_result(self, other: Plan) -> bool:
        """Whether recipe, folds, repeats, seed, digits and dropped images are equal."""
        first, second = (
            (plan.recipe, plan.folds, plan.repeats, plan.seed, plan.data.fingerprint, plan.dropped)
            for plan in (self, other)
        )
        return first == second


@contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Lock an unfinished run, so that no other process works on it.

    Raises
    ------
    BadRun
        Another process has the lock, or the run is finished or has no checkpoint.
    OutputError
        The lock file cannot be written.
    """
    folder = run / CHECKPOINT
    if not folder.is_dir() or folder.is_symlink():
        _refuse_finished(run)  # since it was found
        raise BadRun(f"{run}: no checkpoint to resume from; `kaggle-mnist train` starts a new run")
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0.2)  # a process that only looks holds it for a moment
    except Timeout as error:
        raise BadRun(f"{run}: another process is working on this run; let it finish, or stop it first") from error
    except OSError as error:
        _refuse_finished(run)  # while we waited
        raise OutputError(f"{folder}: cannot write there ({error.strerror})") from error
    try:
        _refuse_finished(run)
        yield
    finally:
        lock.release()


def _refuse_finished(run: Path) -> None:
    if (run / SUMS).exists():
        raise BadRun(f"{run}: is finished; there is nothing to resume")


def is_running(run: Path) -> bool:
    """Whether a process is working on the run.

    Examples
    --------
    >>> is_running(Path("nowhere"))
    False
    """
    file = run / CHECKPOINT / LOCK
    if not file.is_file() or file.is_symlink():
        return False
    try:
        with FileLock(file, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # no permission to open the lock
        return False


def read_plan(run: Path) -> Plan:
    """The plan of an unfinished run. Raises BadRun if it is missing, damaged or from a newer version."""
    folder = run / CHECKPOINT
    file = verify_file(folder, PLAN, read_sums(folder))
    try:
        return Plan.model_validate_json(read_bounded(file, MAX_PLAN), context={"recorded": True})
    except (OSError, ValidationError) as error:
        raise BadRun(f"{file}: cannot be read; a newer kaggle-mnist may have written it") from error


def progress_of(run: Path) -> tuple[int, list[int]]:
    """The epoch of the last state written, 0 before the first, and the finished repeats that are stored.

    Raises BadRun if the checksums are damaged.
    """
    names = [name for name in read_sums(run / CHECKPOINT) if name != PLAN]
    epochs = [int(match[1]) for name in names if (match := STATE.fullmatch(name))]
    repeats = sorted(int(match[1]) for name in names if (match := REPEAT.fullmatch(name)))
    if len(epochs) > 1 or (epochs and repeats) or len(epochs) + len(repeats) < len(names):
        raise BadRun(f"{run / CHECKPOINT / SUMS}: is damaged or was edited; {REMEDY}")
    return max(epochs, default=0), repeats


def state_name(epoch: int) -> str:
    """The name of the file with the state after an epoch.

    Examples
    --------
    >>> state_name(12)
    'epoch-00012.safetensors'
    """
    return f"epoch-{epoch:05}.safetensors"


def repeat_name(repeat: int) -> str:
    """The name of the file with a finished repeat.

    Examples
    --------
    >>> repeat_name(3)
    'repeat-00003.safetensors'
    """
    return f"repeat-{repeat:05}.safetensors"


def find_unfinished(run: str | None, output: Path) -> Path:
    """Find the folder of an unfinished run.

    Parameters
    ----------
    run : as for `finding.find_paths`, but None for the newest
    output : the folder of the runs

    Raises
    ------
    BadRun
        There is no such run, there are several, it is finished, or it has no checkpoint.

    Examples
    --------
    >>> find_unfinished(None, Path("an-empty-folder"))
    Traceback (most recent call last):
        ...
    kaggle_mnist.utils.errors.BadRun: an-empty-folder: no unfinished run here; `kaggle-mnist train` starts a new one
    """
    if run is None or run == LATEST:
        if found := unfinished_runs(output):
            return found[-1]
        raise BadRun(f"{output}: no unfinished run here; `kaggle-mnist train` starts a new one")
    path = find_path(run, output, "unfinished")
    if (path / SUMS).exists():
        raise BadRun(f"{path}: is finished; there is nothing to resume")
    if not (path / CHECKPOINT).is_dir():
        raise BadRun(f"{path}: no checkpoint to resume from; `kaggle-mnist train` starts a new run")
    return path


def unfinished_like(output: Path, plan: Plan) -> list[Path]:
    """The interrupted runs in `output` whose plans give the same result as `plan`, oldest first."""
    found = []
    for path in unfinished_runs(output):
        with suppress(BadRun):
            if read_plan(path).same_result(plan) and not is_running(path):
                found.append(path)
    return found


def unfinished_runs(output: Path) -> list[Path]:
    """The folders in `output` of runs with a plan that are not finished, oldest first.

    Examples
    --------
    >>> unfinished_runs(Path("an-empty-folder"))
    []
    """
    folders = [path.parent.parent for path in output.glob(f"[!.]*/{CHECKPOINT}/{SUMS}")]
    return oldest_first([path for path in folders if not (path / SUMS).exists() and not path.is_symlink()])


def resume_command(run: Path) -> str:
    """The command that resumes a run.

    Examples
    --------
    >>> resume_command(Path("submissions/20261124-200000-mlp"))
    'kaggle-mnist resume 20261124-200000-mlp'
    """
    return f"kaggle-mnist resume {as_argument(run)}"
