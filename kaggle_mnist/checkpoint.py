"""An unfinished run: the plan that it follows, and the state that it goes on from after an interruption.

    submissions/<date>-<time>-<recipe>/checkpoint/
        plan.json               what was asked for, and on which digits
        epoch-00012.safetensors members, optimizer and history after 12 epochs
        SHA256SUMS              replaced last: what it does not list is not used, what it lists is checked
        lock                    held by the process that is at work on the run

Random numbers come from generators keyed by seed and epoch, so nothing else is needed to go on to the same bytes.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors

from kaggle_mnist.errors import BadRun, Interrupted, OutputError
from kaggle_mnist.files import SUMS, checked_sums, write_sums, write_whole
from kaggle_mnist.reading import read_bounded
from kaggle_mnist.recipes import Recipe
from kaggle_mnist.records import FORMAT, Data, Moment, Readable, Strict
from kaggle_mnist.runs import CHECKPOINT, LATEST, find_folder, new_folder
from kaggle_mnist.training import State

PLAN, LOCK = "plan.json", "lock"
MAX_PLAN = 4 << 20  # bytes; without images to leave out it has 2 kB
PRICE = 60  # a checkpoint is written when training has gone on for this many times what the last one took: 1.7 %
GUESSED_RATE = 300e6  # bytes a second, until one has been written


class Plan(Strict):
    """What was asked for: with the digits, everything that decides the bytes of a run."""

    format: int = FORMAT
    created: Moment
    recipe: Recipe
    folds: int = Field(ge=2)
    repeats: int = Field(ge=1)
    seed: int
    device: str
    threads: int = Field(ge=1)
    score: bool
    dropped: tuple[int, ...]
    input: Readable | None = Field(description="where the digits were found: what --input takes")
    data: Data
    environment: dict[str, str | int]


class Checkpoint:
    """The folder of a run that is not finished; whoever holds it is the only process at work on that run."""

    def __init__(self, run: Path, plan: Plan):
        self.run, self.folder, self.plan = run, run / CHECKPOINT, plan
        self.epoch = 0  # of the last state written
        self.seconds = 0.0  # spent on writing, by this process
        self.seconds_before = 0.0  # of training, by the processes before
        self._opened = self._last_ended = time.monotonic()
        self._last_took = 0.0

    def save(self, state: State) -> None:
        """Write the state after an epoch, if enough has been done since the last for it to cost under 2 %.

        Raises OutputError; the state written before stays.
        """
        started = time.monotonic()
        guess = self._last_took or sum(tensor.nbytes for tensor in state.tensors.values()) / GUESSED_RATE
        if started - self._last_ended < PRICE * guess:
            return
        name, trained = _name_of(state.epoch), self.seconds_before + started - self._opened
        notes = {"history": json.dumps(state.history), "seconds": f"{trained}"}
        try:
            write_whole(self.folder / name, save_tensors(state.tensors, notes))
            write_sums(self.folder, [PLAN, name])
            if self.epoch:
                (self.folder / _name_of(self.epoch)).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.folder}: the checkpoint cannot be written ({error.strerror});"
                f" once it can, `kaggle-mnist resume {self.run.name}` goes on after epoch {self.epoch}"
            ) from error
        self.epoch = state.epoch
        self._last_ended = time.monotonic()
        self._last_took = self._last_ended - started
        self.seconds += self._last_took

    def load(self) -> State | None:
        """The last state that was written; None before the first. Raises BadRun for one that is damaged."""
        if not self.epoch:
            return None
        file = self.folder / _name_of(self.epoch)
        try:
            with safe_open(file, "pt") as stored:
                notes = stored.metadata()
                history: list[dict[str, Any]] = json.loads(notes["history"])
                self.seconds_before = float(notes["seconds"])
                # Copies, which torch aligns as it does what training allocates: vector and scalar code round unlike.
                tensors = {name: stored.get_tensor(name).clone() for name in stored.keys()}  # noqa: SIM118
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise BadRun(f"{file}: cannot be read ({error})") from error
        return State(self.epoch, tensors, history)

    @contextmanager
    def at_work(self, lock: FileLock, *, new: bool) -> Iterator[Checkpoint]:
        """Hold the run while it is carried out; afterwards nothing stays but a finished run, or what to go on from."""
        try:
            yield self
        except KeyboardInterrupt:
            after = f"goes on after epoch {self.epoch} of {self.plan.recipe.epochs}"
            kept = self.epoch or not new
            way_on = f"`kaggle-mnist resume {self.run.name}` {after}" if kept else "nothing was kept"
            raise Interrupted(f"interrupted; {way_on}") from None
        finally:
            lock.release()
            if (self.run / SUMS).exists():
                shutil.rmtree(self.folder, ignore_errors=True)
            elif new and not self.epoch:
                shutil.rmtree(self.run, ignore_errors=True)


@contextmanager
def begin(output: Path, plan: Plan) -> Iterator[Checkpoint]:
    """Make the folder of a new run, and hold it. Without a state to go on from, an interrupted run leaves nothing.

    Raises OutputError.
    """
    created = datetime.fromisoformat(plan.created)
    checkpoint = Checkpoint(new_folder(output, f"{created:%Y%m%d-%H%M%S}-{plan.recipe.name}"), plan)
    try:
        checkpoint.folder.mkdir()
        lock = FileLock(checkpoint.folder / LOCK)
        lock.acquire(timeout=0)
        write_whole(checkpoint.folder / PLAN, plan.model_dump_json(indent=2).encode() + b"\n")
        write_sums(checkpoint.folder, [PLAN])
    except OSError as error:
        shutil.rmtree(checkpoint.run, ignore_errors=True)
        raise OutputError(f"{output}: cannot write there ({error.strerror})") from error
    with checkpoint.at_work(lock, new=True):
        yield checkpoint


@contextmanager
def reopen(run: Path) -> Iterator[Checkpoint]:
    """Hold the folder of an unfinished run, to go on with it.

    Raises BadRun where another process is at work on it, or the plan is damaged.
    """
    lock = FileLock(run / CHECKPOINT / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BadRun(f"{run}: another process is at work on this run; let it finish, or stop it first") from error
    except OSError as error:
        raise OutputError(f"{run}: cannot write there ({error.strerror})") from error
    try:
        checkpoint = Checkpoint(run, read_plan(run))
        checkpoint.epoch = epoch_of(run)
    except BaseException:
        lock.release()
        raise
    with checkpoint.at_work(lock, new=False):
        yield checkpoint


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


def read_plan(run: Path) -> Plan:
    """The plan of an unfinished run. Raises BadRun where it is missing, damaged, or a newer version's."""
    folder = run / CHECKPOINT
    checked_sums(folder)
    try:
        return Plan.model_validate_json(read_bounded(folder / PLAN, MAX_PLAN))
    except (OSError, ValidationError) as error:
        raise BadRun(f"{folder / PLAN}: cannot be read; it may be a newer kaggle-mnist's") from error


def epoch_of(run: Path) -> int:
    """After how many epochs the last state was written; 0 before the first. Raises BadRun where it is damaged."""
    names = [name for name in checked_sums(run / CHECKPOINT) if name.startswith("epoch-")]
    return int(names[0].removeprefix("epoch-").removesuffix(".safetensors")) if names else 0


def unfinished_like(output: Path, recipe: Recipe, folds: int, repeats: int, seed: int, fingerprint: str) -> list[Path]:
    """The unfinished runs below `output` of the same recipe, folds, seed and digits."""
    wanted, found = (recipe, folds, repeats, seed, fingerprint), []
    for path in unfinished_runs(output):
        try:
            plan = read_plan(path)
        except BadRun:
            continue
        if (plan.recipe, plan.folds, plan.repeats, plan.seed, plan.data.fingerprint) == wanted:
            found.append(path)
    return found


def unfinished_runs(output: Path) -> list[Path]:
    """The folders below `output` that hold a plan to go on with and no finished run, the oldest first."""
    found = (path.parent.parent for path in output.glob(f"[!.]*/{CHECKPOINT}/{SUMS}"))
    return sorted(path for path in found if not (path / SUMS).exists())


def _name_of(epoch: int) -> str:
    return f"epoch-{epoch:05}.safetensors"
