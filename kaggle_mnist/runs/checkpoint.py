"""Checkpoints: the plan of an unfinished run, and the state from which an interrupted run resumes.

    submissions/<date>-<time>-<recipe>/checkpoint/
        plan.json               recipe, folds, seed, digits and the other settings
        epoch-00012.safetensors members, optimizer and history after 12 epochs
        repeat-00003.safetensors the finished repeat 3 of a run whose repeats are trained one by one, on a cluster
        SHA256SUMS              replaced last: files that it lists are verified, others are ignored
        lock                    locked by the process that works on the run

Random generators are keyed by seed and epoch, so this is all that a byte-identical result needs. A state is written now
and then; a copy of the last one stays in memory, and is written when the run is interrupted.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from kaggle_mnist.runs.folder import new_folder
from kaggle_mnist.runs.labels import Labels, write_labels
from kaggle_mnist.runs.names import CHECKPOINT
from kaggle_mnist.runs.run import as_argument
from kaggle_mnist.runs.unfinished import (
    LOCK,
    PLAN,
    REPEAT,
    STATE,
    Plan,
    lock_run,
    progress_of,
    read_plan,
    repeat_name,
    resume_command,
    state_name,
)
from kaggle_mnist.utils.errors import BadRun, ClusterError, Interrupted, OutputError, UserError
from kaggle_mnist.utils.files import SUMS, leftovers, read_sums, verify_file, write_atomic, write_sums

PRICE = 60  # train this many times as long as the last checkpoint took before writing the next: 1.7 %
GUESSED_RATE = 300e6  # bytes a second, assumed for the first checkpoint


class Checkpoint:
    """The checkpoint of an unfinished run; only one process at a time has one open.

    Attributes
    ----------
    run, folder : the run folder, and the checkpoint folder in it
    plan : the settings of the run
    epoch : of the last state written; 0 before the first
    repeats : the numbers of the repeats that are stored as finished, in order
    resumed_from : the epoch of the state that this process loaded; 0 if none
    seconds : that this process spent on copying and writing checkpoints
    seconds_before : of training, by earlier processes
    """

    def __init__(self, run: Path, plan: Plan):
        self.run, self.folder, self.plan = run, run / CHECKPOINT, plan
        self.epoch = self.resumed_from = 0
        self.repeats: list[int] = []
        self.seconds = self.seconds_before = 0.0
        self._opened = self._last_ended = time.monotonic()
        self._last_took = 0.0
        self._copies: dict[str, Tensor] = {}
        self._latest: tuple[int, dict[str, Tensor], list[dict[str, Any]]] | None = None  # the last state, as for `save`

    def save(self, epoch: int, tensors: dict[str, Tensor], history: list[dict[str, Any]]) -> None:
        """Copy the state after an epoch, and write it unless that would take more than 2 % of the time since the last.

        Parameters
        ----------
        epoch : epochs done
        tensors : parameters and optimizer state by name
        history : the rows of `history.csv` so far

        Raises
        ------
        OutputError
            The state cannot be written; the previous one is kept.
        """
        started = time.monotonic()
        self._latest = epoch, tensors, history  # until training goes on, should an interrupt cut the copying short
        for name, tensor in tensors.items():
            if name in self._copies:
                self._copies[name].copy_(tensor)  # five times as fast as into new memory
            else:
                self._copies[name] = tensor.clone()
        self._latest = epoch, self._copies, history
        guess = self._last_took or sum(tensor.nbytes for tensor in tensors.values()) / GUESSED_RATE
        if started - self._last_ended >= PRICE * guess:
            self.write_latest()
        self.seconds += time.monotonic() - started

    def write_latest(self) -> None:
        """Write the last state that `save` was given, if it is not written yet. Raises OutputError."""
        if self._latest is None or self._latest[0] == self.epoch:
            return
        started, (epoch, tensors, history) = time.monotonic(), self._latest
        name, trained = state_name(epoch), self.seconds_before + started - self._opened
        notes = {"history": json.dumps(history), "seconds": f"{trained}"}
        try:
            write_atomic(self.folder / name, save_tensors(tensors, notes))
            write_sums(self.folder, [PLAN, name])
        except OSError as error:
            resumes = f"`{resume_command(self.run)}` resumes after epoch {self.epoch}"
            raise OutputError(
                f"{self.folder}: the checkpoint cannot be written ({error.strerror});"
                f" once that is fixed, {resumes if self.epoch else 'train again'}"
            ) from error
        if self.epoch:
            with suppress(OSError):
                (self.folder / state_name(self.epoch)).unlink(missing_ok=True)
        self.epoch = epoch
        self._last_ended = time.monotonic()
        self._last_took = self._last_ended - started

    def load(self) -> tuple[int, dict[str, Tensor], list[dict[str, Any]]] | None:
        """Epoch, tensors and history as last saved, or None before the first save. Raises BadRun if damaged."""
        if not self.epoch:
            return None
        tensors, history, self.seconds_before = self._read(state_name(self.epoch))
        self.resumed_from = self.epoch
        return self.epoch, tensors, history

    def _read(self, name: str) -> tuple[dict[str, Tensor], list[dict[str, Any]], float]:
        """Tensors, history and seconds of training so far. Raises BadRun."""
        file = verify_file(self.folder, name, read_sums(self.folder))
        try:
            with safe_open(file, "pt") as stored:
                notes = stored.metadata()
                history: list[dict[str, Any]] = json.loads(notes["history"])
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  no dict
                return tensors, history, float(notes["seconds"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise BadRun(f"{file}: cannot be read ({error})") from error

    def save_repeat(self, repeat: int, tensors: dict[str, Tensor], history: list[dict[str, Any]]) -> None:
        """Store a finished repeat. Raises OutputError if it cannot be written; those before are kept."""
        started, repeats = time.monotonic(), sorted([*self.repeats, repeat])
        notes = {"history": json.dumps(history), "seconds": f"{self.seconds_before + started - self._opened}"}
        try:
            write_atomic(self.folder / repeat_name(repeat), save_tensors(tensors, notes))
            write_sums(self.folder, [PLAN, *map(repeat_name, repeats)])
        except OSError as error:
            raise OutputError(
                f"{self.folder}: repeat {repeat} cannot be stored ({error.strerror}); once that is fixed,"
                f" {f'`{resume_command(self.run)}` goes on' if self.repeats else 'train again'}"
            ) from error
        self.repeats = repeats
        self.seconds += time.monotonic() - started

    def load_repeat(self, repeat: int) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        """Tensors and history of a finished repeat. Raises BadRun if they are damaged."""
        tensors, history, seconds = self._read(repeat_name(repeat))
        self.seconds_before = max(self.seconds_before, seconds)
        return tensors, history

    def tidy(self) -> None:
        """Delete complete and partial states that a killed process left and that have no checksum."""
        kept = read_sums(self.folder)
        ours = [path for path in self.folder.iterdir() if STATE.fullmatch(path.name) or REPEAT.fullmatch(path.name)]
        states = [path for path in ours if path.name not in kept]
        partial = [*leftovers(self.folder, [PLAN, SUMS]), *self.folder.glob(".*.safetensors.*")]
        for path in (*states, *partial):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def close(self, *, new: bool = False) -> None:
        """Delete the checkpoint of a finished run, and the folder of a new run that has no state to resume from."""
        if (self.run / SUMS).exists():
            shutil.rmtree(self.folder, ignore_errors=True)
        elif new and not self.keeps:
            shutil.rmtree(self.run, ignore_errors=True)

    @property
    def keeps(self) -> bool:
        """Whether there is something to resume from."""
        return bool(self.epoch or self.repeats)

    def remedy(self, *, new: bool) -> str:
        """What is kept after an interruption, and what goes on with it; `new` is a run that this process began."""
        command = f"`{resume_command(self.run)}`"
        if (self.run / SUMS).exists():
            report = f"`kaggle-mnist report {as_argument(self.run)}`"
            return f"{self.run} is complete except for its page; {report} writes that"
        if self.repeats:
            return f"{len(self.repeats)} of {self.plan.repeats} repeats are kept; {command} goes on"
        if self.epoch:
            return f"epoch {self.epoch} of {self.plan.recipe.epochs} is kept; {command} goes on"
        return "nothing was kept" if new else f"no epoch was finished; {command} begins again"


@contextmanager
def _keeping(checkpoint: Checkpoint, *, new: bool) -> Iterator[None]:
    """Keep the last epoch of a run that is interrupted, and say so in the error; a second interrupt ends at once."""
    try:
        yield
    except KeyboardInterrupt:
        try:
            checkpoint.write_latest()
        except KeyboardInterrupt:
            pass
        except OutputError as error:
            raise Interrupted(f"interrupted; {error}") from None
        raise Interrupted(f"interrupted; {checkpoint.remedy(new=new)}") from None
    except ClusterError as error:
        raise ClusterError(f"{error}; {checkpoint.remedy(new=new)}") from error


@contextmanager
def begin(output: Path, plan: Plan, labels: Labels | None = None) -> Iterator[Checkpoint]:
    """Create and lock the folder of a new run; it is deleted if the run ends with nothing to resume from.

    Parameters
    ----------
    output : the folder of the runs
    plan : the settings of the run
    labels : what its user calls it; the name is part of the folder's, else the recipe's is

    Raises
    ------
    OutputError
        The folder cannot be written.
    Interrupted
        In place of KeyboardInterrupt; it and every UserError have the folder as their `run`.
    """
    created = datetime.fromisoformat(plan.created)
    name = (labels and labels.name) or plan.recipe.name
    checkpoint = Checkpoint(new_folder(output, f"{created:%Y%m%d-%H%M%S}-{name}"), plan)
    lock = FileLock(checkpoint.folder / LOCK)
    try:
        with _keeping(checkpoint, new=True):
            _write_plan(checkpoint, lock)
            if labels is not None:
                write_labels(checkpoint.run, labels)
            yield checkpoint
    except (UserError, Interrupted) as error:
        error.run = checkpoint.run
        raise
    finally:
        checkpoint.close(new=True)  # before another process can lock it
        lock.release()
        checkpoint.close(new=True)  # again: on Windows a locked file cannot be deleted


def _write_plan(checkpoint: Checkpoint, lock: FileLock) -> None:
    """Lock the folder, then write what makes it visible as an unfinished run. Raises OutputError."""
    try:
        checkpoint.folder.mkdir()
        lock.acquire(timeout=1)
        write_atomic(checkpoint.folder / PLAN, checkpoint.plan.model_dump_json(indent=2).encode() + b"\n")
        write_sums(checkpoint.folder, [PLAN])
    except OSError as error:
        raise OutputError(f"{checkpoint.run}: cannot write there ({error.strerror})") from error


@contextmanager
def reopen(run: Path) -> Iterator[Checkpoint]:
    """Lock the folder of an unfinished run, to resume it.

    Parameters
    ----------
    run : the run folder

    Raises
    ------
    BadRun
        Another process is working on the run, it is finished, or the plan is damaged.
    Interrupted
        In place of KeyboardInterrupt.
    """
    with lock_run(run):
        checkpoint = Checkpoint(run, read_plan(run))
        checkpoint.epoch, checkpoint.repeats = progress_of(run)
        checkpoint.tidy()
        try:
            with _keeping(checkpoint, new=False):
                yield checkpoint
        finally:
            checkpoint.close()
