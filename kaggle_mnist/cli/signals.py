"""SIGTERM and SIGHUP end a command as Ctrl-C does: it keeps what it can, and says what."""

from __future__ import annotations

import atexit
import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise KeyboardInterrupt for a signal that asks the process to end, except where it is ignored, as by `nohup`.

    Examples
    --------
    >>> try:
    ...     with stoppable():
    ...         signal.raise_signal(signal.SIGTERM)
    ... except KeyboardInterrupt:
    ...     print("interrupted")
    interrupted
    """
    installed = []
    if threading.current_thread() is threading.main_thread():  # no other one may install handlers
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # there is no SIGHUP on Windows
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _interrupt)
                installed.append(number)
    try:
        yield
    except KeyboardInterrupt:
        atexit.register(gc.freeze)  # else Python looks through all modules for garbage, which takes most of a second
        raise
    finally:
        for number in installed:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
