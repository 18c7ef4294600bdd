"""The Typer app: what all commands share, and how an error becomes one line and an exit status."""

from __future__ import annotations

import atexit
import errno
import io
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from kaggle_mnist.cli.completion import complete_run
from kaggle_mnist.utils.silence import errors_only

FIXABLE_BY_USER = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.ENOTDIR, errno.EISDIR}
OUT_OF_MEMORY = (  # not just "memory", which PyTorch also says of an illegal access
    "out of memory",
    "allocate memory",
    "not enough memory",
    "bad_alloc",
    "alloc_failed",
    "could not create a primitive",
    "can't start new thread",
    "failed to map segment",
)

LEAST_WIDTH = 10  # columns that --help needs not to fail
LEAST_HELP = 50  # columns that Typer's --help takes unless told otherwise
USAGE = "Error: "  # with which Typer begins a usage error

# in which --help lists the commands
ORDER = ["train", "resume", "search", "runs", "label", "compare", "report", "blend", "audit", "predict", "export"]
ORDER += ["download", "upload", "data", "recipes", "check"]


class Commands(TyperGroup):
    """Turns an exception into one line and an exit status: 2 user error, 130 interrupted, 1 internal error."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=ORDER.index)

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        if (columns := shutil.get_terminal_size().columns) < LEAST_HELP + 2:
            options["terminal_width"] = max(columns - 2, LEAST_WIDTH)
        with _one_line_errors():  # of --version
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _one_line_errors(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)


@contextmanager
def _one_line_errors(*, debug: bool = False) -> Iterator[None]:
    try:
        try:
            yield
        except typer.Exit:
            _flush()
            raise
        _flush()
    except BaseException as error:
        explained = _explain(error)
        if explained is None and hasattr(error, "format_message"):  # a usage error
            message = _fitted(f"{USAGE}{error.format_message()}").removeprefix(USAGE)
            error.format_message = lambda: message
        if explained is None or debug:
            raise
        message, status = explained
        if isinstance(error, KeyboardInterrupt):  # another one, while Python ends, shows no traceback of that
            atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)
        print(_fitted(f"kaggle-mnist: {message}"), file=sys.stderr)
        if getattr(error, "errno", None) == errno.ENOSPC and sys.stdout is sys.__stdout__:
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  what could not be printed, Python would try again
                os.dup2(nowhere.fileno(), 1)
        raise typer.Exit(status) from None


def _fitted(line: str) -> str:
    """In a terminal, a line for errors in several, so that no word is broken at the edge."""
    if sys.stderr is None or not sys.stderr.isatty():
        return line
    from kaggle_mnist.cli.console import wrapped

    return "\n".join(wrapped(line, shutil.get_terminal_size().columns))


def _flush() -> None:
    """Print what is buffered: an error is reported here, not when Python ends."""
    if sys.stdout is not None:  # as where a daemon has closed it
        sys.stdout.flush()


def _explain(error: BaseException) -> tuple[str, int] | None:
    """The message and exit status for an error; None for what Typer reports itself, such as usage errors."""
    from kaggle_mnist.utils.errors import UserError, one_line

    match error:
        case KeyboardInterrupt():
            return str(error) or "interrupted; nothing was kept", 130
        case UserError():
            return str(error), 2
        case OSError(errno=number, filename=str(name)) if number in FIXABLE_BY_USER:
            return one_line(f"{name}: {error.strerror}"), 2
        case OSError(errno=errno.ENOSPC):
            return "cannot print: the disk that the output goes to is full; free some of it", 2
        case MemoryError() | RuntimeError() | ImportError() | OSError() | Warning() if _is_out_of_memory(error):
            return "out of memory; try fewer --repeats, a smaller batch_size or fewer hidden units", 1
        case BrokenPipeError() | SystemExit() | GeneratorExit():
            return None
        case _ if type(error).__module__.startswith(("typer", "click")):
            return None
        case _:
            return f"internal error: {one_line(f'{type(error).__name__}: {error}')} (--debug shows the traceback)", 1


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether an error from Python, the dynamic loader or PyTorch means too little memory."""
    by_type = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    from_torch = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)  # without importing PyTorch
    return by_type or from_torch or any(phrase in str(error).lower() for phrase in OUT_OF_MEMORY)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Train fold ensembles of neural networks for Kaggle's Digit Recognizer.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from kaggle_mnist import __version__

        print(f"kaggle-mnist {__version__}")
        raise typer.Exit


@app.callback()
def main(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback if a command fails.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    # only while the command runs: a Python program may call it
    ctx.with_resource(warnings.catch_warnings())
    if not debug:
        warnings.simplefilter("ignore")  # from libraries
        ctx.with_resource(errors_only("matplotlib"))  # of a home that it cannot write to
        ctx.with_resource(errors_only("mlflow"))  # of the tables that it makes
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            ctx.with_resource(_replacing_unprintable(stream))


@contextmanager
def _replacing_unprintable(stream: io.TextIOWrapper) -> Iterator[None]:
    """Print a replacement for a character that the terminal's encoding lacks, instead of failing."""
    before = stream.errors
    stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # closed, or a broken pipe
            stream.reconfigure(errors=before)


Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        "-i",
        help="Folder or zip with the digits, or 'practice'.",
        show_default="input/",
        metavar="PATH",
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of the runs.", metavar="DIR")]
Cluster = Annotated[
    str | None,
    typer.Option(help="Address of a Dask scheduler, or 'local' for one process per core.", metavar="ADDRESS"),
]
RUN_HELP = "Folder, name or recipe of a run, or how its name begins; or latest."
Name = Annotated[str | None, typer.Option(help="Name for the run, usable as RUN.", metavar="NAME")]
Note = Annotated[str | None, typer.Option(help="A line about the run.", metavar="TEXT")]
Tag = Annotated[list[str] | None, typer.Option(help="Tag the run; repeatable.", metavar="TAG")]
NamedRun = Annotated[str, typer.Argument(help=RUN_HELP, metavar="RUN", autocompletion=complete_run)]
RunArgument = Annotated[
    str | None,
    typer.Argument(help=RUN_HELP, metavar="RUN", show_default="latest", autocompletion=complete_run),
]
