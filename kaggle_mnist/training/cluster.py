"""Carrying out jobs on the workers of a Dask cluster, one at a time on each.

Dask moves and repeats the jobs: one whose worker dies is carried out by another. Every worker gets the digits once, and
with them the versions that it must have; the threads that it was given compute together on its one job.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
from distributed import Client, LocalCluster

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.device import environment_of
from kaggle_mnist.training.execution import Job, Outcome
from kaggle_mnist.training.worker import BringDigits, OtherVersion, carry_out, describe, difference_of
from kaggle_mnist.utils.errors import ClusterError, UserError
from kaggle_mnist.utils.versions import versions

if TYPE_CHECKING:
    from distributed import Future

LOCAL = "local"  # the address of a cluster of processes on this machine
PATIENCE = 8  # seconds for a scheduler to answer
GLANCE = 0.5  # seconds between two looks at how many workers there are


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
            found = self._client.run(describe, device, on_error="return")
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
            self._plugin = f"{self._client.id}-digits"
            self._client.register_plugin(BringDigits(self._plugin, digits), self._plugin)
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
        running: dict[str, tuple[Job, Future[Any]]] = {}
        more = True
        while True:
            while more and len(running) < self._capacity():
                job = next(jobs, None)
                if job is None:
                    more = False
                    break
                future = self._submit(job)
                running[f"{future.key}"] = job, future
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
                running[f"{future.key}"] = job, future
            else:
                yield outcome

    def _capacity(self) -> int:
        if self._client.status != "running":
            raise self._lost()
        try:
            return self.workers
        except (OSError, RuntimeError):
            raise self._lost() from None

    def _submit(self, job: Job) -> Future[Any]:
        usable = [worker for worker in self._client.nthreads() if worker not in self._refused]
        future = self._client.submit(
            carry_out,
            *(job.function, job.arguments, self._plugin, f"{self.device}", self.threads, self._topic, versions()),
            key=f"{job.name}-{os.urandom(4).hex()}",
            workers=usable if self._refused else None,
            pure=False,
        )
        future.add_done_callback(lambda ended: self._events.put((ended.key, None)))
        return future

    def _receive(self, event: tuple[float, tuple[str, bytes]]) -> None:
        key, pickled = event[1]
        self._events.put((key, pickle.loads(pickled)))

    def _outcome(self, job: Job, future: Future[Any]) -> Outcome | None:
        """How a job ended; None if it must be carried out again, elsewhere."""
        from distributed import KilledWorker

        if future.status == "finished":
            return Outcome(job, self._result_of(future))
        if future.status == "cancelled":
            raise self._lost()
        error = future.exception()
        if isinstance(error, OtherVersion):
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

    def _result_of(self, future: Future[Any]) -> Any:
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


def _refuse_other_versions(worker: str, described: Any) -> None:
    if isinstance(described, ModuleNotFoundError):
        raise ClusterError(f"{worker}: has no module {described.name}; install the same kaggle-mnist there")
    if isinstance(described, UserError):
        raise ClusterError(f"{worker}: {described}")
    if isinstance(described, BaseException):
        raise ClusterError(f"{worker}: cannot be used ({_reason(described)})")
    if differs := difference_of(versions(), described):
        raise ClusterError(f"{worker}: has {differs}; install the same versions there")


def _reason(error: BaseException) -> str:
    return f"{error}".partition("\n")[0] or type(error).__name__
