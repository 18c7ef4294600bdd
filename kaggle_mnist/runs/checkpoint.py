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
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from kaggle_mnist.runs.folder import new_folder
from kaggle_mnist.runs.run import CHECKPOINT
from kaggle_mnist.runs.unfinished import (
    LOCK,
    PLAN,
    STATE,
    Plan,
    epoch_of,
    lock_run,
    read_plan,
    resume_command,
    state_name,
)
from kaggle_mnist.utils.errors import BadRun, Interrupted, OutputError
from kaggle_mnist.utils.files import SUMS, check_sum, leftovers, listed_sums, write_sums, write_whole

PRICE = 60  # a checkpoint is written when training has gone on for this many times what the last one took: 1.7 %
GUESSED_RATE = 300e6  # bytes a second, until one has been written


class Checkpoint:
    """The folder of a run that is not finished; whoever holds it is the only process at work on that run."""

    def __init__(self, run: Path, plan: Plan):
        self.run, self.folder, self.plan = run, run / CHECKPOINT, plan
        self.epoch = 0  # of the last state written
        self.resumed_from = 0  # the epoch of the state that this process continued from
        self.seconds = 0.0  # spent on writing, by this process
        self.seconds_before = 0.0  # of training, by the processes before
        self._opened = self._last_ended = time.monotonic()
        self._last_took = 0.0

    def save(self, epoch: int, tensors: dict[str, Tensor], history: list[dict[str, Any]]) -> None:
        """Write the state after an epoch, if enough has been done since the last for it to cost under 2 %.

        Raises OutputError; the state written before stays.
        """
        started = time.monotonic()
        guess = self._last_took or sum(tensor.nbytes for tensor in tensors.values()) / GUESSED_RATE
        if started - self._last_ended < PRICE * guess:
            return
        name, trained = state_name(epoch), self.seconds_before + started - self._opened
        notes = {"history": json.dumps(history), "seconds": f"{trained}"}
        try:
            write_whole(self.folder / name, save_tensors(tensors, notes))
            write_sums(self.folder, [PLAN, name])
        except OSError as error:
            raise OutputError(
                f"{self.folder}: the checkpoint cannot be written ({error.strerror});"
                f" once it can, `{resume_command(self.run)}` goes on after epoch {self.epoch}"
            ) from error
        if self.epoch:
            with suppress(OSError):
                (self.folder / state_name(self.epoch)).unlink(missing_ok=True)
        self.epoch = epoch
        self._last_ended = time.monotonic()
        self._last_took = self._last_ended - started
        self.seconds += self._last_took

    def load(self) -> tuple[int, dict[str, Tensor], list[dict[str, Any]]] | None:
        """Epoch, tensors and history as `save` wrote them last; None before the first. Raises BadRun if damaged."""
        if not self.epoch:
            return None
        file = check_sum(self.folder, state_name(self.epoch), listed_sums(self.folder))
        try:
            with safe_open(file, "pt") as stored:
                notes = stored.metadata()
                history: list[dict[str, Any]] = json.loads(notes["history"])
                self.seconds_before = float(notes["seconds"])
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  no dict
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise BadRun(f"{file}: cannot be read ({error})") from error
        self.resumed_from = self.epoch
        return self.epoch, tensors, history

    def tidy(self) -> None:
        """Delete states, whole or half, that a killed process left and that no checksum vouches for."""
        kept = listed_sums(self.folder)
        states = [path for path in self.folder.iterdir() if STATE.fullmatch(path.name) and path.name not in kept]
        half = [*leftovers(self.folder, [PLAN, SUMS]), *self.folder.glob(".epoch-*.safetensors.*")]
        for path in (*states, *half):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def close(self, *, new: bool = False) -> None:
        """Delete the checkpoint of a run that is finished, and a new run of which there is nothing to go on from."""
        if (self.run / SUMS).exists():
            shutil.rmtree(self.folder, ignore_errors=True)
        elif new and not self.epoch:
            shutil.rmtree(self.run, ignore_errors=True)

    def interrupted(self, *, kept: bool) -> Interrupted:
        """What Ctrl-C says."""
        after = f"goes on after epoch {self.epoch} of {self.plan.recipe.epochs}"
        return Interrupted(f"interrupted; {f'`{resume_command(self.run)}` {after}' if kept else 'nothing was kept'}")


@contextmanager
def begin(output: Path, plan: Plan) -> Iterator[Checkpoint]:
    """Make the folder of a new run, and hold it; a run that ends without a state to go on from leaves nothing.

    Raises OutputError, and Interrupted in place of KeyboardInterrupt.
    """
    created = datetime.fromisoformat(plan.created)
    checkpoint = Checkpoint(new_folder(output, f"{created:%Y%m%d-%H%M%S}-{plan.recipe.name}"), plan)
    lock = FileLock(checkpoint.folder / LOCK)
    try:
        _write_plan(checkpoint, lock)
        yield checkpoint
    except KeyboardInterrupt:
        raise checkpoint.interrupted(kept=checkpoint.epoch > 0) from None
    finally:
        checkpoint.close(new=True)  # before anybody else can hold it
        lock.release()
        checkpoint.close(new=True)  # where a held lock cannot be deleted


def _write_plan(checkpoint: Checkpoint, lock: FileLock) -> None:
    """First the lock, then what makes the folder a run that others may find. Raises OutputError."""
    try:
        checkpoint.folder.mkdir()
        lock.acquire(timeout=0)
        write_whole(checkpoint.folder / PLAN, checkpoint.plan.model_dump_json(indent=2).encode() + b"\n")
        write_sums(checkpoint.folder, [PLAN])
    except OSError as error:
        raise OutputError(f"{checkpoint.run}: cannot write there ({error.strerror})") from error


@contextmanager
def reopen(run: Path) -> Iterator[Checkpoint]:
    """Hold the folder of an unfinished run, to go on with it.

    Raises BadRun where another process is at work on it, it was finished meanwhile, or the plan is damaged.
    """
    with lock_run(run):
        checkpoint = Checkpoint(run, read_plan(run))
        checkpoint.epoch = epoch_of(run)
        checkpoint.tidy()
        try:
            yield checkpoint
        except KeyboardInterrupt:
            raise checkpoint.interrupted(kept=True) from None
        finally:
            checkpoint.close()
