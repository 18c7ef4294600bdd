"""Carrying out jobs on the digits one after another, in this process; `cluster` does the same on other processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.device import environment_of
from kaggle_mnist.training.threads import thread_count
from kaggle_mnist.utils.errors import UserError


@dataclass(frozen=True)
class Job:
    """A function to be called as ``function(digits, device=…, on_epoch=…, **arguments)``, in whichever process.

    Attributes
    ----------
    name : what it is called in messages, such as ``"repeat 3"``
    function : a module's, such as `cross_validate`
    arguments : by name; what a cluster carries them out with is pickled
    """

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with a value, with an error that the user can fix, or stopped by `on_epoch` if neither.

    `seconds` is how long it took; 0 without a value.
    """

    job: Job
    value: Any = None
    error: UserError | None = None
    seconds: float = 0.0


class Executor(Protocol):
    """Carries out jobs.

    Attributes
    ----------
    device, threads : of every job
    """

    device: torch.device
    threads: int

    @property
    def workers(self) -> int:
        """The number of jobs that are carried out at once, now."""

    def environment(self, recipe: Recipe) -> dict[str, str | int]:
        """What the bytes of a job depend on; see `device.environment_of`."""

    def run(self, jobs: Iterator[Job], on_epoch: Callable[[Job, EpochEnd], bool]) -> Iterator[Outcome]:
        """Carry out the jobs, and generate their outcomes in the order in which they end.

        The next job is taken when a worker is free, after the outcomes before have been dealt with.

        Parameters
        ----------
        jobs : may be endless, as long as `run` is left
        on_epoch : called after every epoch of every job, in this process; a job for which it returns False is stopped
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Stopped(Exception):
    """Raised inside a job that `on_epoch` stops."""


class Local:
    """Carries out jobs in this process, one after another.

    Parameters
    ----------
    digits : what every job is given
    device, threads : of every job
    """

    workers = 1

    def __init__(self, digits: Digits, device: torch.device, threads: int):
        self.digits, self.device, self.threads = digits, device, threads

    def environment(self, recipe: Recipe) -> dict[str, str | int]:
        """What the bytes of a job depend on."""
        return environment_of(self.device, recipe, self.threads)

    def run(self, jobs: Iterator[Job], on_epoch: Callable[[Job, EpochEnd], bool]) -> Iterator[Outcome]:
        """Carry out the jobs, as `Executor.run` says."""
        for job in jobs:

            def after_epoch(event: EpochEnd, job: Job = job) -> None:
                if not on_epoch(job, event):
                    raise Stopped

            started = time.perf_counter()
            try:
                with thread_count(self.threads):
                    value = job.function(self.digits, device=self.device, on_epoch=after_epoch, **job.arguments)
                outcome = Outcome(job, value, seconds=time.perf_counter() - started)
            except Stopped:
                outcome = Outcome(job)
            except UserError as error:
                outcome = Outcome(job, error=error)
            yield outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""
