from __future__ import annotations

import atexit
import gc
import signal
import threading

import pytest

from kaggle_mnist.cli.signals import stoppable

ASKING = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_that_asks_to_end_interrupts_and_its_handler_is_put_back(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # also where the tests run under nohup
    try:
        with pytest.raises(KeyboardInterrupt), stoppable():
            signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_that_nohup_ignores_stays_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)


def test_an_interrupted_command_ends_without_looking_for_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[object] = []
    monkeypatch.setattr(atexit, "register", registered.append)
    with stoppable():
        pass
    assert registered == []
    with pytest.raises(KeyboardInterrupt), stoppable():
        raise KeyboardInterrupt
    assert registered == [gc.freeze]


def test_a_thread_may_call_a_command() -> None:
    failed: list[BaseException] = []

    def call() -> None:
        try:
            with stoppable():
                pass
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert failed == []
