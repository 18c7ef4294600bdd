from __future__ import annotations

import atexit
import gc
import signal
import subprocess
import sys
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


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
def test_a_second_interrupt_while_python_ends_shows_no_traceback() -> None:
    script = """
import atexit, os, signal, time
from kaggle_mnist.cli import app

@app.command()
def wait() -> None:
    raise KeyboardInterrupt

def end() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

atexit.register(end)
app(["wait"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "kaggle-mnist: interrupted; nothing was kept\n")
