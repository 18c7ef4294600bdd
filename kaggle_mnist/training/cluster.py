"""Carrying out jobs on the workers of a Dask cluster, one at a time on each.

Dask moves and repeats the jobs: one whose worker dies is carried out by another. Every worker gets the digits once, and
with them the versions that it must have; the threads that it was given compute together on its one job.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.practice import is_practice, load_practice
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.device import environment_of, resolve_device
from kaggle_mnist.training.execution import Job, Outcome, Stopped
from kaggle_mnist.training.threads import thread_count
from kaggle_mnist.utils.errors import ClusterError, MissingPackage, UserError
from kaggle_mnist.utils.versions import versions

try:
    from distributed import Client, LocalCluster, WorkerPlugin, get_worker
except ModuleNotFoundError as error:
    raise MissingPackage(
        f"Dask is not installed (no module {error.name}): pip install 'kaggle-mnist[cluster]'"
    ) from None

if TYPE_CHECKING:
    from distributed import Future, Worker

LOCAL = "local"  # the address of a cluster of processes on this machine
PATIENCE = 8  # seconds for a scheduler to answer
GLANCE = 0.5  # seconds between two looks at how many workers there are
MUST_AGREE = ("kaggle-mnist", "torch", "numpy", "python")  # versions that change bytes, or what can be unpickled

_digits: dict[str, Digits] = {}  # in a worker's process: by fingerprint
_busy = threading.Lock()  # in a worker's process: a worker with several threads may be sent several jobs


class _BringDigits(WorkerPlugin):  # type: ignore[misc]
    """Gives the digits to every worker, those that come later included. The practice set is everywhere already."""

    idempotent = True

    def __init__(self, digits: Digits):
        self.fingerprint, self.digits = digits.fingerprint, None if is_practice(digits) else digits

    def setup(self, worker: Worker) -> None:
        _digits[self.fingerprint] = self.digits or load_practice()

    def teardown(self, worker: Worker) -> None:
        _digits.pop(self.fingerprint, None)


class Cluster:
    """Carries out jobs on a Dask cluster's workers; see `Executor`.

    Parameters
    ----------
    address : of the scheduler, as ``tcp://…`` or ``tls://…``, or ``"local"`` for one process for each core of this
        machine
    digits : what every job is given
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``, the same on all workers
    threads : of every job; by default the smallest number that a worker was given
    on_refused : called with a line for every worker that came later and cannot be used

    Raises
    ------
    ClusterError
        No scheduler answers, there are no workers, or one has another version or device.
    """

    def __init__(
        self,
        address: str,
        digits: Digits,
        device: str = "auto",
        threads: int | None = None,
        on_refused: Callable[[str], None] = lambda line: None,
    ):
        self.address, self.on_refused = address, on_refused
        self._log = logging.getLogger("distributed")
        self._log_level = self._log.level
        self._log.setLevel(logging.CRITICAL + 1)  # what goes wrong ends in one line of ours
        self._local: LocalCluster | None = None
        try:
            self._client = self._connect()
            self._refused: set[str] = set()
            self._events: queue.SimpleQueue[tuple[str, EpochEnd | None]] = queue.SimpleQueue()
            self._topic = f"{self._client.id}-epochs"
            found = self._client.run(_describe, device, on_error="return")
            if not found:
                raise ClusterError(
                    f"{address}: the scheduler has no workers; start one with `dask worker {address} --nthreads 1`"
                )
            for worker, described in found.items():
                _refuse_other_versions(worker, described)
            kinds = {described["device"] for described in found.values()}
            if len(kinds) > 1:
                raise ClusterError(f"{address}: some workers have a GPU and others none; choose one with --device")
            self.device = torch.device(kinds.pop())
            self.threads = threads or min(self._client.nthreads().values())
            self._fingerprint = digits.fingerprint
            self._plugin = f"kaggle-mnist-{digits.fingerprint[:16]}"
            self._client.register_plugin(_BringDigits(digits), self._plugin)
            self._client.subscribe_topic(self._topic, self._receive)
        except BaseException:
            self._close()
            raise

    def _connect(self) -> Client:
        place: Any = self.address
        if place == LOCAL:
            from dask.system import CPU_COUNT

            self._local = place = LocalCluster(
                n_workers=CPU_COUNT,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=0,
                silence_logs=logging.CRITICAL + 1,
            )
        try:
            return Client(place, timeout=PATIENCE, set_as_default=False)
        except UserError:
            raise
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise ClusterError(
                f"{self.address}: no Dask scheduler answers there ({_reason(error)});"
                " `dask scheduler` starts one and shows its address"
            ) from None

    @property
    def workers(self) -> int:
        """The number of workers that can be used, now."""
        return len(self._client.nthreads().keys() - self._refused)

    def environment(self, recipe: Recipe) -> dict[str, str | int]:
        """What the bytes of a job depend on, as one of the workers finds it."""
        workers = [worker for worker in self._client.nthreads() if worker not in self._refused]
        found = self._client.run(environment_of, self.device, recipe, self.threads, workers=workers[:1])
        return next(iter(found.values()), {})

    def run(self, jobs: Iterator[Job], on_epoch: Callable[[Job, EpochEnd], bool]) -> Iterator[Outcome]:
        """Carry out the jobs, as `Executor.run` says."""
        running: dict[str, tuple[Job, Future]] = {}
        more = True
        while True:
            while more and len(running) < self._capacity():
                job = next(jobs, None)
                if job is None:
                    more = False
                    break
                future = self._submit(job)
                running[future.key] = job, future
            if not (running or more):
                return
            try:
                key, message = self._events.get(timeout=GLANCE)
            except queue.Empty:
                continue
            if key not in running:  # of a job that was stopped
                continue
            job, future = running[key]
            if message is not None:
                if not on_epoch(job, message):
                    del running[key]
                    self._client.cancel([future], force=True)
                    yield Outcome(job)
                continue
            del running[key]
            outcome = self._outcome(job, future)
            if outcome is None:
                future = self._submit(job)
                running[future.key] = job, future
            else:
                yield outcome

    def _capacity(self) -> int:
        if self._client.status != "running":
            raise self._lost()
        try:
            return self.workers
        except (OSError, RuntimeError):
            raise self._lost() from None

    def _submit(self, job: Job) -> Future:
        usable = [worker for worker in self._client.nthreads() if worker not in self._refused]
        future = self._client.submit(
            _carry_out,
            *(job.function, job.arguments, self._fingerprint, f"{self.device}", self.threads, self._topic, versions()),
            key=f"{job.name}-{os.urandom(4).hex()}",
            workers=usable if self._refused else None,
            pure=False,
        )
        future.add_done_callback(lambda ended: self._events.put((ended.key, None)))
        return future

    def _receive(self, event: tuple[float, tuple[str, bytes]]) -> None:
        key, pickled = event[1]
        self._events.put((key, pickle.loads(pickled)))

    def _outcome(self, job: Job, future: Future) -> Outcome | None:
        """How a job ended; None if it must be carried out again, elsewhere."""
        from distributed import KilledWorker

        if future.status == "finished":
            return Outcome(job, self._result_of(future))
        if future.status == "cancelled":
            raise self._lost()
        error = future.exception()
        if isinstance(error, _OtherVersion):
            worker, line = error.args
            if worker not in self._refused:
                self._refused.add(worker)
                self.on_refused(line)
            return None
        if isinstance(error, KilledWorker):
            times = error.allowed_failures + 1
            raise ClusterError(
                f"{job.name}: {times} workers were killed while they worked on it (the last one at"
                f" {error.last_worker.address}); see their logs, they may have too little memory"
            )
        if isinstance(error, UserError):
            return Outcome(job, error=error)
        assert error is not None
        raise error

    def _result_of(self, future: Future) -> Any:
        try:
            return future.result()
        except (OSError, RuntimeError):
            raise self._lost() from None

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
        client: Client | None = getattr(self, "_client", None)
        try:
            if client is not None and client.status == "running":
                client.cancel(list(client.futures), force=True)
                if hasattr(self, "_plugin"):
                    client.unregister_worker_plugin(self._plugin)
        except (OSError, RuntimeError, ValueError):
            pass  # the scheduler is gone, and with it what was to be stopped
        finally:
            if client is not None:
                client.close(timeout=2)
            if self._local is not None:
                self._local.close(timeout=5)
            self._log.setLevel(self._log_level)


class _OtherVersion(Exception):
    """A worker has other versions: its address, and the line that says what differs."""


def _describe(device: str) -> dict[str, Any]:
    """In a worker: what must agree with the others."""
    return {"device": resolve_device(device).type, **_relevant(versions())}


def _relevant(found: dict[str, Any]) -> dict[str, str]:
    return {name: f"{found[name]}" for name in MUST_AGREE}


def _refuse_other_versions(worker: str, described: Any) -> None:
    if isinstance(described, ModuleNotFoundError):
        raise ClusterError(f"{worker}: has no module {described.name}; install the same kaggle-mnist there")
    if isinstance(described, UserError):
        raise ClusterError(f"{worker}: {described}")
    if isinstance(described, BaseException):
        raise ClusterError(f"{worker}: cannot be used ({_reason(described)})")
    if differs := _difference(versions(), described):
        raise ClusterError(f"{worker}: has {differs}; install the same versions there")


def _difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    pairs = [(name, f"{theirs[name]}", f"{ours[name]}") for name in MUST_AGREE]
    return ", ".join(f"{name} {there}, not {here}" for name, there, here in pairs if there != here)


def _carry_out(
    function: Callable[..., Any],
    arguments: dict[str, Any],
    fingerprint: str,
    device: str,
    threads: int,
    topic: str,
    expected: dict[str, Any],
) -> Any:
    """In a worker: carry out a job, and tell the client of every epoch."""
    worker = get_worker()
    if differs := _difference(expected, versions()):
        line = f"{worker.address}: is not used: has {differs}; install the same versions there"
        raise _OtherVersion(worker.address, line)
    key = worker.get_current_task()

    def after_epoch(event: EpochEnd) -> None:
        worker.log_event(topic, (key, pickle.dumps(event)))
        task = worker.state.tasks.get(key)
        if task is None or task.state != "executing":  # the client wants it no longer, or is gone
            raise Stopped

    with _busy, thread_count(threads):
        return function(_digits[fingerprint], device=torch.device(device), on_epoch=after_epoch, **arguments)


def _reason(error: BaseException) -> str:
    return f"{error}".partition("\n")[0] or type(error).__name__
