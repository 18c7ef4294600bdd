"""Watches a reader: its time, its memory, what it opens, starts and unpickles, and which lines an input reaches."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from kaggle_mnist.utils.errors import UserError

SECONDS = 10  # allowed per input
MEMORY = 2 << 30  # bytes allowed per input
LONGEST_MESSAGE = 2000  # characters: one line that a person can read
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events that no reader may cause, and those whose first path must be in the reader's own folder.
FORBIDDEN = (
    *("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "os.kill", "os.startfile"),
    *("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "pickle.find_class", "ctypes.dlopen", "pty."),
    "webbrowser.",
)
PATHS = (
    *("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("shutil.", "tempfile.mk", "os.utime", "os.setxattr"),
)
WATCHED = ("/kaggle_mnist/", "/zipfile", "/tomllib/", "/PIL/", "/numpy/lib/", "/gzip.py", "/safetensors/", "/csv.py")


class Hang(BaseException):
    """An input took more than `SECONDS`."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of an input: `kind` is valid, refused or finding, and `what` describes the finding."""

    kind: str
    what: str = ""
    reached: frozenset[tuple[str, int]] = frozenset()


@dataclass
class Watch:
    """Runs a reader on one input at a time; it may write to `folder` only."""

    folder: Path
    violations: list[str] = field(default_factory=list)
    active: bool = False
    own: tuple[str, ...] = ()
    peak: int = 0

    def begin(self) -> None:
        """Limit the process's memory, install the audit hook and set up the timer."""
        with contextlib.suppress(OSError):  # on Linux: reset the peak that loading the samples reached
            Path("/proc/self/clear_refs").write_text("5")
        self.peak = peak()
        self.own = (f"{self.folder}", f"{self.folder.resolve()}")
        sys.addaudithook(self._audit)
        signal.signal(signal.SIGALRM, self._too_long)
        try:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY + (1 << 30),) * 2)
        except (OSError, ValueError):
            pass  # not on Linux: the peak is still checked after each input
        warnings.simplefilter("always")
        for hidden in (ResourceWarning, DeprecationWarning, PendingDeprecationWarning):  # as Python hides them
            warnings.simplefilter("ignore", hidden)
        warnings.showwarning = lambda message, category, *_: self._note(f"warning {category.__name__}: {message}")

    def outcome(self, read: Callable[[Path], object], folder: Path, *, trace: bool) -> Outcome:
        """Run `read` on the input in `folder`."""
        self.violations.clear()
        reached = set[tuple[str, int]]()
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        self.active = True
        if trace:
            sys.settrace(_tracer(reached))
        try:
            read(folder)
            found = Outcome("valid")
        except UserError as error:
            reached |= _lines_of(error)
            found = Outcome("refused", _bad_message(str(error)))
        except Hang as error:
            found = Outcome("finding", f"hang {_last(error)}")
        except BaseException as error:
            found = Outcome("finding", f"{type(error).__name__} {_last(error)}: {error}"[:300])
        finally:
            sys.settrace(None)
            self.active = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        before, self.peak = self.peak, peak()
        if self.peak - before > MEMORY:
            self._note(f"memory {(self.peak - before) >> 20} MB")
        if self.violations or (found.kind == "refused" and found.what):
            found = Outcome("finding", self.violations[0] if self.violations else found.what)
        return Outcome(found.kind, found.what, frozenset(reached))

    def _note(self, what: str) -> None:
        if len(self.violations) < 10:
            self.violations.append(what)

    def _too_long(self, signum: int, frame: FrameType | None) -> None:
        raise Hang

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITES and not self._is_own(path):
                self._note(f"writes {path!r}")
        elif event == "exec":
            name = getattr(arguments[0], "co_filename", "")
            if name.startswith("<") and not name.startswith("<frozen") and not _importing():
                self._note(f"executes code of {name}")
        elif event.startswith(FORBIDDEN) or (event.startswith(PATHS) and not self._is_own(arguments[0])):
            self._note(f"event {event} {arguments!r}"[:200])

    def _is_own(self, path: object) -> bool:
        return isinstance(path, int) or os.fsdecode(path).startswith(self.own)  # type: ignore[arg-type]


def peak() -> int:
    """Peak resident bytes of this process; `ru_maxrss` starts at the parent's on Linux."""
    try:
        with open("/proc/self/status", "rb", buffering=0) as status:  # noqa: PTH123  faster, and called often
            return int(status.read().split(b"VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def work_folder() -> Path:
    """A new temporary folder, in memory if possible."""
    shared = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir=shared if shared.is_dir() else None))


def _bad_message(message: str) -> str:
    if not message.isprintable():
        return "message with unprintable characters"
    if len(message) > LONGEST_MESSAGE:
        return f"message of {len(message):,} characters: {message[:60]!r}"
    return "" if message.strip() else "empty message"


def _importing() -> bool:
    """Whether a module is being imported: some create classes by executing code."""
    return any("importlib" in frame.filename for frame in traceback.extract_stack())


def _last(error: BaseException) -> str:
    """Where it was raised: the last frame in the package, and the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/kaggle_mnist/" in frame.filename]
    places = dict.fromkeys(f"{Path(frame.filename).name}:{frame.lineno}" for frame in (*ours[-1:], *frames[-1:]))
    return " ".join(places)


def _lines_of(error: BaseException | None) -> set[tuple[str, int]]:
    """Every line in the tracebacks of an exception and its causes."""
    found = set()
    while error is not None:
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            found.add((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    return found


def _tracer(reached: set[tuple[str, int]]) -> Callable[[FrameType, str, Any], Any]:
    def line(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        return line if any(part in frame.f_code.co_filename for part in WATCHED) else None

    return call
