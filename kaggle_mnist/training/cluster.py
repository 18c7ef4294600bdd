"""Carrying out jobs on the workers of a Dask cluster, one at a time on each.

Dask moves and repeats the jobs: one whose worker dies is carried out by another. Every worker gets the digits once; the
threads that it was given compute together on its one job.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import torch
from distributed import Client, KilledWorker, LocalCluster

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.execution import Job, Outcome
from kaggle_mnist.training.worker import BringDigits, Unsuitable, carry_out, describe, difference_of
from kaggle_mnist.utils.errors import ClusterError, UserError
from kaggle_mnist.utils.versions import versions

if TYPE_CHECKING:
    from distributed import Future

LOCAL = "local"  # the address of a cluster of processes on this machine
PATIENCE = 8  # seconds for a scheduler to answer
ALONE = 60  # seconds without any worker after which a run ends
GLANCE = 0.5  # seconds between two looks at how many workers there are
CLOSING = 20  # seconds at most; usual are less than one
Found = TypeVar("Found")

log = logging.getLogger(__name__)


class Cluster:
    """Carries out jobs on a Dask cluster's workers; see `Executor`.

    A worker that comes later and cannot be used is passed over with a line in the log.

    Parameters
    ----------
    address : of the scheduler, as ``tcp://…`` or ``tls://…``, or ``"local"`` for processes on this machine, as many as
        its cores allow
    digits : what every job is given
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``, the same on all workers
    threads : of every job; by default the smallest number that a worker was given

    Raises
    ------
    ClusterError
        No scheduler answers, there are no workers, or one has another version or device.
    """

    def __init__(self, address: str, digits: Digits, device: str = "auto", threads: int | None = None):
        self.address = address
        self._log = logging.getLogger("distributed")
        self._log_level = self._log.level
        self._log.setLevel(logging.CRITICAL + 1)  # what goes wrong ends in one line of ours
        self._local: LocalCluster | None = None
        self._client: Client | None = None
        self._plugin: str | None = None
        self._refused: set[str] = set()
        self._running: dict[str, tuple[Job, Future[Any], set[str] | None]] = {}  # and the workers that may do it
        self._events: queue.SimpleQueue[tuple[str, EpochEnd | None]] = queue.SimpleQueue()
        try:
            self._client = client = self._connect(threads or 1)
            self._environment = self._inspect(client, device)
            self.device = torch.device(f"{self._environment.pop('kind')}")
            self.threads = threads or min(self._workers().values())
            self._topic, self._plugin = f"{client.id}-epochs", f"{client.id}-digits"
            client.register_plugin(BringDigits(self._plugin, digits), self._plugin)
            client.subscribe_topic(self._topic, self._receive)
        except BaseException:
            self._close()
            raise

    def _connect(self, threads: int) -> Client:
        place: Any = self.address
        if place == LOCAL:
            from dask.system import CPU_COUNT

            self._local = place = LocalCluster(
                n_workers=max(1, CPU_COUNT // threads),
                threads_per_worker=threads,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=0,
                silence_logs=logging.CRITICAL + 1,
            )
        try:
            return Client(place, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            reason = _reason(error)
        gc.collect()  # closes the client that failed; collected while the next one starts, it would lock both for ever
        raise ClusterError(
            f"{self.address}: no Dask scheduler answers there ({reason});"
            " `dask scheduler` starts one and shows its address"
        )

    def _inspect(self, client: Client, device: str) -> dict[str, str | int]:
        """The environment of the workers, once all of them and the scheduler, which unpickles jobs too, will do."""
        try:
            scheduler = client.run_on_scheduler(describe, "cpu")
        except ModuleNotFoundError as error:
            scheduler = error
        _require_same_versions(f"{self.address}: the scheduler", scheduler)
        found = client.run(describe, device, on_error="return")
        if not found:
            raise ClusterError(
                f"{self.address}: the scheduler has no workers; start one with"
                f" `dask worker {self.address} --nthreads 1`"
            )
        for worker, described in found.items():
            _require_same_versions(worker, described)
        first, *others = found.values()
        if any(other["kind"] != first["kind"] for other in others):
            raise ClusterError(f"{self.address}: some workers have a GPU and others none; choose one with --device")
        return dict(first)

    @property
    def workers(self) -> int:
        """The number of workers that can be used, now."""
        return len(self._workers().keys() - self._refused)

    def environment(self, recipe: Recipe) -> dict[str, str | int]:
        """What the bytes of a job depend on, as one of the workers has found it."""
        products = self._environment["products"] if recipe.mixed_precision else "float32"
        return {**self._environment, "threads": self.threads, "products": products}

    def run(self, jobs: Iterator[Job], on_epoch: Callable[[Job, EpochEnd], bool]) -> Iterator[Outcome]:
        """Carry out the jobs, as `Executor.run` says."""
        again: deque[Job] = deque()  # whose worker was unsuitable, or has gone with the result
        more, last_seen = True, time.monotonic()
        while True:
            usable = self._workers().keys() - self._refused
            last_seen = time.monotonic() if usable else last_seen
            if time.monotonic() - last_seen > ALONE:
                raise ClusterError(f"{self.address}: has had no worker for {ALONE} seconds")
            again += self._take_back(usable)
            while (again or more) and len(self._running) < len(usable):
                job = again.popleft() if again else next(jobs, None)
                if job is None:
                    more = False
                else:
                    self._submit(job, usable)
            if not (self._running or again or more):
                return
            try:
                key, message = self._events.get(timeout=GLANCE)
            except queue.Empty:
                continue
            if key not in self._running:  # of a job that was stopped
                continue
            job, future, _ = self._running[key]
            if message is None:
                del self._running[key]
                outcome = self._outcome(job, future)
                if outcome is None:
                    again.append(job)
                else:
                    yield outcome
            elif not on_epoch(job, message):
                del self._running[key]
                self._cancel(future)
                yield Outcome(job)

    def _take_back(self, usable: set[str]) -> Iterator[Job]:
        """The jobs that only workers which have gone may carry out."""
        for key, (job, future, allowed) in list(self._running.items()):
            if allowed is not None and not allowed & usable:
                del self._running[key]
                self._cancel(future)
                yield job

    def _cancel(self, future: Future[Any]) -> None:
        self._ask(lambda: future.cancel(force=True))

    def _submit(self, job: Job, usable: set[str]) -> None:
        assert self._client is not None
        client, allowed = self._client, usable if self._refused else None
        future = self._ask(
            lambda: client.submit(
                carry_out,
                *(job.function, job.arguments, self._plugin, f"{self.device}", self.threads, self._topic, versions()),
                key=f"{job.name}-{os.urandom(4).hex()}",
                workers=None if allowed is None else list(allowed),
                pure=False,
            )
        )
        self._running[f"{future.key}"] = job, future, allowed
        future.add_done_callback(lambda ended: self._events.put((f"{ended.key}", None)))

    def _receive(self, event: tuple[float, tuple[str, bytes]]) -> None:
        key, pickled = event[1]
        self._events.put((key, pickle.loads(pickled)))

    def _outcome(self, job: Job, future: Future[Any]) -> Outcome | None:
        """How a job ended; None if it must be carried out again."""
        status = future.status  # once: Dask computes a lost result again by itself, and may be done with it any moment
        if status == "finished":
            value, seconds = self._ask(future.result)
            return Outcome(job, value, seconds=seconds)
        if status == "cancelled":
            raise self._lost()
        if status == "lost":  # its worker has gone and taken the result with it
            self._cancel(future)
            return None
        error = future.exception()
        assert error is not None
        if isinstance(error, Unsuitable):
            worker, line = error.args
            if worker not in self._refused:
                self._refused.add(worker)
                log.warning(line)
            return None
        if isinstance(error, KilledWorker):
            times, last = error.allowed_failures + 1, error.last_worker.address
            line = f"{job.name}: {times} workers were killed while they worked on it, the last one at {last}"
            return Outcome(job, error=ClusterError(f"{line}; see its log, it may have had too little memory"))
        if isinstance(error, UserError):
            return Outcome(job, error=error)
        if isinstance(error, ModuleNotFoundError):
            raise ClusterError(f"{job.name}: a worker has no module {error.name}; install the same kaggle-mnist there")
        raise error

    def _workers(self) -> dict[str, int]:
        """The number of threads of every worker by its address."""
        client = self._client
        if client is None or client.status != "running":
            raise self._lost()
        return dict(self._ask(client.nthreads))

    def _ask(self, question: Callable[[], Found]) -> Found:
        """The answer of the scheduler or a worker. Raises ClusterError if the connection is lost."""
        try:
            return question()
        except (OSError, RuntimeError, CancelledError) as error:
            raise self._lost() from error

    def _lost(self) -> ClusterError:
        return ClusterError(f"{self.address}: the connection to the scheduler was lost")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what is still being carried out, and leave the cluster as it was."""
        self._close()

    def _close(self) -> None:
        client = self._client
        try:
            if client is not None and client.status == "running":
                client.cancel([future for _, future, _ in self._running.values()], force=True)
                if self._plugin is not None:
                    client.unregister_worker_plugin(self._plugin)
        except (OSError, RuntimeError, ValueError):
            pass  # the scheduler is gone, and with it what was to be stopped
        finally:
            with suppress(TimeoutError):  # on a machine that is very busy: what was computed is not lost for that
                if client is not None:
                    client.close(timeout=CLOSING)
            with suppress(TimeoutError):
                if self._local is not None:
                    self._local.close(timeout=CLOSING)
            self._log.setLevel(self._log_level)


def _require_same_versions(place: str, described: Any) -> None:
    """Raise ClusterError if what `describe` has returned, or raised, does not agree with this process."""
    if isinstance(described, ModuleNotFoundError):
        raise ClusterError(f"{place}: has no module {described.name}; install the same kaggle-mnist there")
    if isinstance(described, UserError):
        raise ClusterError(f"{place}: {described}")
    if isinstance(described, BaseException):
        raise ClusterError(f"{place}: cannot be used ({_reason(described)})")
    if differs := difference_of(versions(), described):
        raise ClusterError(f"{place}: has {differs}; install the same versions there")


def _reason(error: BaseException) -> str:
    return f"{error}".partition("\n")[0] or type(error).__name__
