"""Runs that are not finished: their plans, found below a folder, and whether a process is at work on one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from kaggle_mnist.runs.finding import LATEST, find_folder
from kaggle_mnist.runs.record import FORMAT, Count, Data, Moment, Readable, RecordedRecipe, Strict
from kaggle_mnist.runs.run import CHECKPOINT, as_argument
from kaggle_mnist.utils.errors import BadRun, OutputError
from kaggle_mnist.utils.files import SUMS, check_sum, listed_sums
from kaggle_mnist.utils.reading import read_bounded

PLAN, LOCK = "plan.json", "lock"
MAX_PLAN = 4 << 20  # bytes; without images to leave out it has 2 kB
STATE = re.compile(r"epoch-([0-9]{5,9})\.safetensors")


class Plan(Strict):
    """What was asked for: with the digits, everything that decides the bytes of a run."""

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
    input: Readable | None = Field(description="where the digits were found: what --input takes")
    data: Data
    environment: dict[str, str | int]

    def same_result(self, other: Plan) -> bool:
        """Whether both ask for the same members: recipe, folds, repeats, seed, digits and dropped images agree."""
        asked = [
            (plan.recipe, plan.folds, plan.repeats, plan.seed, plan.data.fingerprint, plan.dropped)
            for plan in (self, other)
        ]
        return asked[0] == asked[1]


@contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Be the only process at work on a run that is not finished.

    Raises BadRun where another one is, or where the run was finished meanwhile.
    """
    folder = run / CHECKPOINT
    if not folder.is_dir() or folder.is_symlink():
        raise BadRun(f"{run}: holds no checkpoint to resume from; `kaggle-mnist train` begins a new run")
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BadRun(f"{run}: another process is at work on this run; let it finish, or stop it first") from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there ({error.strerror})") from error
    try:
        if (run / SUMS).exists():
            raise BadRun(f"{run}: is finished; there is nothing to resume")
        yield
    finally:
        lock.release()


def is_running(run: Path) -> bool:
    """Whether a process is at work on the run."""
    file = run / CHECKPOINT / LOCK
    if not file.is_file() or file.is_symlink():
        return False
    try:
        with FileLock(file, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a lock that we may not open
        return False


def read_plan(run: Path) -> Plan:
    """The plan of an unfinished run. Raises BadRun where it is missing, damaged, or a newer version's."""
    folder = run / CHECKPOINT
    file = check_sum(folder, PLAN, listed_sums(folder))
    try:
        return Plan.model_validate_json(read_bounded(file, MAX_PLAN), context={"recorded": True})
    except (OSError, ValidationError) as error:
        raise BadRun(f"{file}: cannot be read; it may be a newer kaggle-mnist's") from error


def epoch_of(run: Path) -> int:
    """After how many epochs the last state was written; 0 before the first. Raises BadRun where the list is damaged."""
    names = [name for name in listed_sums(run / CHECKPOINT) if name != PLAN]
    found = [int(match[1]) for name in names if (match := STATE.fullmatch(name))]
    if len(names) > 1 or len(found) < len(names):
        raise BadRun(f"{run / CHECKPOINT / SUMS}: is not as the run wrote it; the run cannot be trusted any more")
    return max(found, default=0)


def state_name(epoch: int) -> str:
    """The file that holds the state after that epoch."""
    return f"epoch-{epoch:05}.safetensors"


def find_unfinished(run: str | None, output: Path) -> Path:
    """The folder of an unfinished run by its path, by its name below `output`, or the newest (`latest` or None).

    Raises BadRun where there is none, or it is finished.
    """
    if run is None or run == LATEST:
        if found := unfinished_runs(output):
            return found[-1]
        raise BadRun(f"{output}: holds no unfinished run; `kaggle-mnist train` begins a new one")
    path = find_folder(run, output)
    if (path / SUMS).exists():
        raise BadRun(f"{path}: is finished; there is nothing to resume")
    if not (path / CHECKPOINT).is_dir():
        raise BadRun(f"{path}: holds no checkpoint to resume from; `kaggle-mnist train` begins a new run")
    return path


def unfinished_like(output: Path, plan: Plan) -> list[Path]:
    """The interrupted runs below `output` with the same recipe, folds, repeats, seed, digits and dropped images."""
    found = []
    for path in unfinished_runs(output):
        with suppress(BadRun):
            if read_plan(path).same_result(plan) and not is_running(path):
                found.append(path)
    return found


def unfinished_runs(output: Path) -> list[Path]:
    """The folders below `output` that hold a plan to go on with and no finished run, the one begun first, first."""
    folders = [path.parent.parent for path in output.glob(f"[!.]*/{CHECKPOINT}/{SUMS}")]
    found = [path for path in folders if not (path / SUMS).exists() and not path.is_symlink()]
    return sorted(found, key=lambda path: (_start_time(path), path.name))


def _start_time(path: Path) -> float:
    """When a run was begun, in seconds since 1970; 0 where its plan cannot be read, as whoever resumes it will say."""
    try:
        return datetime.fromisoformat(read_plan(path).created).timestamp()
    except BadRun:
        return 0.0


def resume_command(run: Path) -> str:
    """The command that goes on with a run."""
    return f"kaggle-mnist resume {as_argument(run)}"
