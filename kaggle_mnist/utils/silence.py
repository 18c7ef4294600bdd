"""Suppress what a library prints or logs without suppressing the rest of the program."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_silent: ContextVar[bool] = ContextVar("silent", default=False)  # per thread
_lock = threading.Lock()
_calls = 0


class _Filter:
    """Stands in for a stream: drops what silenced threads write and passes on everything else."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text) if _silent.get() else self._stream.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def silence() -> Iterator[None]:
    """Suppress what this thread prints to `sys.stdout` and `sys.stderr`; other threads still print.

    The streams belong to the whole process, so the first call to start replaces them and the last one to end restores
    them. With `contextlib.redirect_stdout`, a thread could restore a stream that another thread had replaced.

    Examples
    --------
    >>> with silence():
    ...     print("suppressed")
    >>> print("shown")
    shown
    """
    _enter()
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)
        _leave()


@contextmanager
def errors_only(library: str) -> Iterator[None]:
    """Let a library log errors, but no warnings.

    Examples
    --------
    >>> with errors_only("matplotlib"):
    ...     logging.getLogger("matplotlib.font_manager").isEnabledFor(logging.WARNING)
    False
    """
    log = logging.getLogger(library)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _enter() -> None:
    global _calls  # noqa: PLW0603
    with _lock:
        _calls += 1
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, _Filter):
                setattr(sys, name, _Filter(stream))


def _leave() -> None:
    global _calls  # noqa: PLW0603
    with _lock:
        _calls -= 1
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if not _calls and isinstance(stream, _Filter):
                setattr(sys, name, stream._stream)
