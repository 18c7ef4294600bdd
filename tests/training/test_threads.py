from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest
import torch

from kaggle_mnist.training.threads import choose_threads, thread_count


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Eight cores, of which other programs keep `busy` busy, and this process `own`."""
    state = SimpleNamespace(busy=0.0, own=0.0, now=100.0)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 8)
    times = psutil.cpu_times()._replace(user=0.0)

    def system() -> object:
        return times._replace(user=(state.busy + state.own) * state.now)

    def sleep(seconds: float) -> None:
        state.now += seconds

    monkeypatch.setattr(psutil, "cpu_times", system)
    own = SimpleNamespace(cpu_times=lambda: SimpleNamespace(user=state.own * state.now, system=0.0))
    monkeypatch.setattr(psutil, "Process", lambda: own)
    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("time.perf_counter", lambda: state.now)
    return state


@pytest.mark.parametrize(("busy", "chosen"), [(0.0, 8), (0.3, 8), (1.0, 7), (2.9, 5), (8.0, 1), (40.0, 1)])
def test_cores_that_other_programs_keep_busy_get_no_thread(machine: SimpleNamespace, busy: float, chosen: int) -> None:
    machine.busy = busy
    assert choose_threads() == chosen
    machine.own = 1.0  # this process itself does not count
    assert choose_threads() == chosen


def test_a_number_that_the_user_sets_is_kept(machine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.busy = 7.0
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert choose_threads() == 8


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), thread_count(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError
    assert torch.get_num_threads() == before
