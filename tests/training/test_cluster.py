"""Real processes: a Dask scheduler and workers on loopback, killed in the middle, late, and of other versions."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client

from kaggle_mnist import search as searching
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.pipeline import Start, resume, train
from kaggle_mnist.runs.listing import all_runs
from kaggle_mnist.runs.run import Run
from kaggle_mnist.training import cluster as clusters
from kaggle_mnist.training.cluster import Cluster
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.execution import Job, Outcome, Stopped
from kaggle_mnist.trials.budget import SearchState
from kaggle_mnist.utils.errors import ClusterError, NotEnoughMemory
from tests.conftest import TINY, same_digits

pytestmark = pytest.mark.slow

FILES = ("submission.csv", "outputs.npz", "members.safetensors", "history.csv")
HERE = Path(__file__).parents[2]
LONG = 300  # seconds for what takes a few: tests run on busy machines, too


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler, and workers that are replaced, may start slowly."""
    monkeypatch.setattr(clusters, "PATIENCE", LONG)
    monkeypatch.setattr(clusters, "ALONE", LONG)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class Machines:
    """A scheduler on a free port, and workers that can be added and killed."""

    def __init__(self, folder: Path, code: str = ""):
        self.folder, self.workers = folder, list[subprocess.Popen[bytes]]()
        file = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", f"{file}", "--no-dashboard", "--no-show"]
        self.scheduler = self._start("distributed.cli.dask_scheduler", *options, code=code)
        self.address = ""

        def has_address() -> bool:
            assert self.scheduler.poll() is None
            with suppress(FileNotFoundError, ValueError):  # not there yet, or only half of it
                self.address = json.loads(file.read_text())["address"]
            return self.address != ""

        wait_until(has_address)

    def _start(self, module: str, *options: str, code: str = "") -> subprocess.Popen[bytes]:
        program = (
            code + f"\nimport runpy, sys\nsys.argv[0] = {module!r}\nrunpy.run_module({module!r}, run_name='__main__')"
        )
        environment = {**os.environ, "PYTHONPATH": f"{HERE}", "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-c", program, *options],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def add_worker(self, *, threads: int = 1, code: str = "") -> None:
        """Start one worker without a nanny; it takes a while until the scheduler has it."""
        options = [self.address, "--nthreads", f"{threads}", "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
        self.workers.append(self._start("distributed.cli.dask_worker", *options, code=code))

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            self.kill(process)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """A scheduler and two workers."""
    found = Machines(tmp_path)
    try:
        found.add_worker()
        found.add_worker()
        wait_for_workers(found, 2)
        yield found
    finally:
        found.close()


@contextmanager
def observer(machines: Machines) -> Iterator[Client]:
    """Another client."""
    with Client(machines.address, timeout=LONG, set_as_default=False) as client:
        yield client


def wait_for_workers(machines: Machines, n: int) -> None:
    """Until the scheduler has as many workers, neither more nor fewer."""
    with observer(machines) as client:
        wait_until(lambda: len(client.nthreads()) == n)


@pytest.fixture(scope="module")
def small(few: Digits) -> Digits:
    return few.head(400, 40)


@pytest.fixture(scope="module")
def alone(small: Digits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Four repeats, of two variants, in one process."""
    return train(RECIPE, input=small, folds=3, repeats=4, output=tmp_path_factory.mktemp("alone"))


RECIPE = TINY.replaced(vary=({}, {"hidden": (24,)}))


def same_files(a: Run, b: Run) -> bool:
    return all((a.path / name).read_bytes() == (b.path / name).read_bytes() for name in FILES)


def test_a_run_has_the_same_bytes_as_on_one_machine(machines: Machines, alone: Run, small: Digits) -> None:
    epochs: list[tuple[int, int]] = []
    run = train(
        RECIPE,
        input=small,
        folds=3,
        repeats=4,
        cluster=machines.address,
        on_epoch=lambda event: epochs.append((event.epoch, event.epochs)),
    )
    assert same_files(run, alone)
    assert run.record.environment == alone.record.environment
    assert epochs == [(done, 16) for done in range(1, 17)]


def test_a_worker_that_is_killed_costs_only_its_task(machines: Machines, alone: Run, small: Digits) -> None:
    killed = False

    def kill(event: EpochEnd) -> None:
        nonlocal killed
        if not killed:
            killed = True
            machines.kill(machines.workers[0])

    run = train(RECIPE, input=small, folds=3, repeats=4, cluster=machines.address, on_epoch=kill)
    assert killed
    assert same_files(run, alone)


def test_a_result_that_is_lost_with_its_worker_is_computed_again(
    machines: Machines, small: Digits, tmp_path: Path
) -> None:
    """The worker ends between finishing its job and handing over the result."""
    (tmp_path / "met").mkdir()
    jobs = (Job(f"{i}", meet, {"folder": f"{tmp_path / 'met'}"}) for i in range(2))
    with Cluster(machines.address, small) as cluster, observer(machines) as client:
        outcomes = cluster.run(jobs, lambda job, event: True)
        first = next(outcomes).value
        [other] = [worker for worker in machines.workers if worker.pid != first]
        [place] = [address for address, process in client.run(os.getpid).items() if process == other.pid]
        wait_until(lambda: len(client.has_what()[place]) == 1)
        machines.kill(other)
        wait_until(lambda: cluster.workers == 1)
        assert [outcome.value for outcome in outcomes] == [first]


def meet(digits: Digits, *, folder: str, **options: Any) -> int:
    """The worker on which the job ran; there is another one."""
    Path(folder, f"{os.getpid()}").touch()
    wait_until(lambda: len(list(Path(folder).iterdir())) == 2)
    return os.getpid()


def test_a_scheduler_that_goes_away_leaves_finished_repeats(
    machines: Machines, alone: Run, small: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "PATIENCE", 10)  # for as long it is called in vain

    def kill(event: EpochEnd) -> None:
        if event.epoch >= 13:
            machines.kill(machines.scheduler)

    with pytest.raises(ClusterError, match=r"lost; \d of 4 repeats are kept; `kaggle-mnist resume \S+` goes on"):
        train(RECIPE, input=small, folds=3, repeats=4, cluster=machines.address, on_epoch=kill)
    [status] = all_runs(Path("submissions"))
    assert status.state in ("stopped after 2 of 4 repeats", "stopped after 3 of 4 repeats")
    starts: list[Start] = []
    run = resume(input=small, on_start=starts.append)
    assert starts[0].repeats == int(status.state.split()[2])
    assert run.record.resumed
    assert same_files(run, alone)


def test_a_worker_that_comes_late_takes_part(machines: Machines, small: Digits) -> None:
    machines.kill(machines.workers.pop())
    wait_for_workers(machines, 1)
    with Cluster(machines.address, small) as cluster:
        before = cluster.workers
        machines.add_worker()
        seen: set[int] = set()
        jobs = (Job(f"{i}", worker_process) for i in range(10 * LONG))
        for outcome in cluster.run(jobs, lambda job, event: True):
            seen.add(outcome.value[0])
            if len(seen) > 1:
                break
    assert before == 1
    assert len(seen) == 2


def worker_process(digits: Digits, **options: Any) -> tuple[int, int, int]:
    """Where a job runs, what it was given and with how many threads."""
    import torch

    time.sleep(0.1)
    return os.getpid(), len(digits.train_images), torch.get_num_threads()


def test_digits_that_a_worker_does_not_have_are_sent_once(machines: Machines, small: Digits, few: Digits) -> None:
    for digits in (small, few):
        with Cluster(machines.address, digits) as cluster:
            [outcome] = cluster.run(iter([Job("digits", give_back)]), lambda job, event: True)
            assert same_digits(outcome.value, digits)


def give_back(digits: Digits, **options: Any) -> Digits:
    return digits


def test_threads_are_those_of_the_workers(tmp_path: Path, small: Digits) -> None:
    found = Machines(tmp_path)
    try:
        found.add_worker(threads=2)
        wait_for_workers(found, 1)
        with Cluster(found.address, small) as cluster:
            assert cluster.threads == 2
            jobs = [Job(f"{i}", worker_process) for i in range(2)]
            assert [outcome.value[2] for outcome in cluster.run(iter(jobs), lambda job, event: True)] == [2, 2]
    finally:
        found.close()


OTHER_TORCH = """
import kaggle_mnist.utils.versions as module
found = module.versions
module.versions = lambda: {**found(), "torch": "1.0"}
"""


def test_a_worker_of_another_version_is_refused(machines: Machines, small: Digits) -> None:
    machines.add_worker(code=OTHER_TORCH)
    wait_for_workers(machines, 3)
    with pytest.raises(ClusterError, match=r"tcp://127.0.0.1:\d+: has torch 1.0, not \S+; install the same versions"):
        train(RECIPE, input=small, folds=3, cluster=machines.address)
    assert not list(Path("submissions").iterdir())


def test_a_scheduler_without_kaggle_mnist_is_one_line(tmp_path: Path, small: Digits) -> None:
    found = Machines(tmp_path, code="import sys\nsys.modules['kaggle_mnist'] = None")
    try:
        found.add_worker()
        wait_for_workers(found, 1)
        with pytest.raises(ClusterError, match=r"the scheduler: has no module kaggle_mnist\S*; install the same"):
            train(TINY, input=small, folds=3, cluster=found.address)
    finally:
        found.close()


def test_a_worker_of_another_version_that_comes_late_is_passed_over(
    machines: Machines, small: Digits, caplog: pytest.LogCaptureFixture
) -> None:
    """Also once the only suitable worker has been replaced by another."""
    machines.kill(machines.workers.pop())
    wait_for_workers(machines, 1)
    seen: list[int] = []
    with Cluster(machines.address, small) as cluster:
        machines.add_worker(code=OTHER_TORCH)
        wait_for_workers(machines, 2)
        for outcome in cluster.run((Job(f"{i}", worker_process) for i in range(12)), lambda job, event: True):
            seen.append(outcome.value[0])
            if len(seen) == 6:
                machines.kill(machines.workers[0])
                machines.add_worker()
    assert len(seen) == 12 and len(set(seen)) == 2
    ours = [record.message for record in caplog.records if record.name.startswith("kaggle_mnist")]
    assert [line.count("has torch 1.0") for line in ours] == [1]


def test_no_scheduler_is_one_line(small: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "PATIENCE", 2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"{address}: no Dask scheduler answers there"):
            train(RECIPE, input=small, folds=3, cluster=address)
    for wrong in ("nowhere", "tcp://", "ftp://127.0.0.1:1"):
        with pytest.raises(ClusterError, match=f"{wrong}: no Dask scheduler answers there"):
            train(RECIPE, input=small, folds=3, cluster=wrong)
        left = [one for one in gc.get_objects() if type(one) is Client and one.status != "closed"]
        assert left == []  # collected while the next client starts, one would lock both for ever


def test_a_scheduler_without_workers_is_one_line(tmp_path: Path, small: Digits) -> None:
    found = Machines(tmp_path)
    try:
        with pytest.raises(ClusterError, match="the scheduler has no workers; start one with `dask worker"):
            train(RECIPE, input=small, folds=3, cluster=found.address)
    finally:
        found.close()


def test_a_task_that_kills_its_workers_is_named(small: Digits) -> None:
    with Cluster("local", small) as cluster:
        [outcome] = cluster.run(iter([Job("repeat 7", die)]), lambda job, event: True)
    assert isinstance(outcome.error, ClusterError)
    assert "repeat 7: 4 workers were killed while they worked on it" in f"{outcome.error}"


def die(digits: Digits, **options: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_errors_of_the_user_come_back_as_such(machines: Machines, small: Digits) -> None:
    with Cluster(machines.address, small) as cluster:
        [outcome] = cluster.run(iter([Job("large", needs_much)]), lambda job, event: True)
    assert isinstance(outcome.error, NotEnoughMemory)
    assert f"{outcome.error}" == "too much"


def needs_much(digits: Digits, **options: Any) -> None:
    raise NotEnoughMemory("too much")


def test_a_job_that_is_stopped_ends_on_its_worker(machines: Machines, small: Digits, tmp_path: Path) -> None:
    with Cluster(machines.address, small) as cluster:
        job = Job("long", count_epochs, {"file": f"{tmp_path / 'stopped'}"})
        [outcome] = cluster.run(iter([job]), lambda job, event: event.epoch < 3)
        assert outcome == Outcome(job)
        wait_until((tmp_path / "stopped").exists)


def test_ctrl_c_stops_what_runs_on_the_workers(machines: Machines, small: Digits, tmp_path: Path) -> None:
    def interrupt(job: Job, event: EpochEnd) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Cluster(machines.address, small) as cluster:
        list(cluster.run(iter([Job("long", count_epochs, {"file": f"{tmp_path / 'stopped'}"})]), interrupt))
    wait_until((tmp_path / "stopped").exists)


def count_epochs(digits: Digits, *, file: str, on_epoch: Callable[[EpochEnd], None], **options: Any) -> None:
    """Epochs for longer than a test waits; `file` appears if they are stopped before that."""
    for epoch in range(1, 100 * LONG):
        try:
            on_epoch(EpochEnd(epoch, 100 * LONG, (), 0.1))
        except Stopped:
            Path(file).touch()
            raise
        time.sleep(0.1)


def test_a_search_runs_as_many_trials_at_once_as_there_are_workers(machines: Machines, small: Digits) -> None:
    most = 0

    def watch(state: SearchState) -> None:
        nonlocal most
        most = max(most, int((state.trials.state == "running").sum()))

    found = searching.search(
        TINY.replaced(learning_rate=1e-4),
        ["learning_rate=1e-4..1e-1:log"],
        input=small,
        folds=3,
        trials=6,
        seeds=3,
        cluster=machines.address,
        on_change=watch,
    )
    assert most == 2
    assert len(found.trials) == 6
    assert found.confirmation is not None and found.confirmation.is_better


def test_a_local_cluster_listens_on_loopback_only(small: Digits) -> None:
    with Cluster(clusters.LOCAL, small) as cluster:
        assert cluster.workers >= 1
        listening: set[str] = set()
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # ended meanwhile
                listening |= {one.laddr.ip for one in process.net_connections() if one.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_a_cluster_that_does_not_close_in_time_takes_no_result_along(
    machines: Machines, small: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close(self: Client, timeout: float) -> None:
        closed(self)
        raise TimeoutError

    closed: Any = Client.close
    with monkeypatch.context() as patch, Cluster(machines.address, small) as cluster:
        [outcome] = cluster.run(iter([Job("one", worker_process)]), lambda job, event: True)
        patch.setattr(Client, "close", close)
    assert outcome.value[1] == 400
