"""The Typer app: what every command shares, and how an error becomes one line and an exit status."""

from __future__ import annotations

import errno
import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

USERS_TO_FIX = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.ENOTDIR, errno.EISDIR}
TOO_LITTLE_MEMORY = (  # "memory" alone is also in what PyTorch says of an illegal access
    "out of memory",
    "allocate memory",
    "not enough memory",
    "bad_alloc",
    "alloc_failed",
    "could not create a primitive",
    "can't start new thread",
    "failed to map segment",
)

ORDER = ["train", "resume", "runs", "compare", "report", "blend", "audit", "predict", "download", "upload"]  # of --help
ORDER += ["data", "recipes", "check"]


class Commands(TyperGroup):
    """Turns what a command raises into one line and an exit status: 2 the user's, 130 interrupted, 1 ours."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=ORDER.index)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BaseException as error:
            explained = _explain(error)
            if explained is None or ctx.params.get("debug"):
                raise
            message, status = explained
            print(f"kaggle-mnist: {message}", file=sys.stderr)
            raise typer.Exit(status) from None


def _explain(error: BaseException) -> tuple[str, int] | None:
    """One line and an exit status for an error; None for what Typer reports itself, usage errors among it."""
    from kaggle_mnist.utils.errors import UserError, one_line

    match error:
        case KeyboardInterrupt():
            return str(error) or "interrupted; nothing was kept", 130
        case UserError():
            return str(error), 2
        case OSError(errno=number, filename=str(name)) if number in USERS_TO_FIX:
            return one_line(f"{name}: {error.strerror}"), 2
        case MemoryError() | RuntimeError() | ImportError() | OSError() | Warning() if _lacks_memory(error):
            return "out of memory; try fewer --repeats, a smaller batch_size or fewer hidden units", 1
        case BrokenPipeError() | SystemExit() | GeneratorExit():
            return None
        case _ if type(error).__module__.startswith(("typer", "click")):
            return None
        case _:
            return f"internal error: {one_line(f'{type(error).__name__}: {error}')} (--debug shows where)", 1


def _lacks_memory(error: BaseException) -> bool:
    """Whether too little memory is behind an error of Python's, the dynamic loader's or PyTorch's."""
    by_type = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    torchs = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)  # PyTorch may not be imported
    return by_type or torchs or any(phrase in str(error).lower() for phrase in TOO_LITTLE_MEMORY)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A fold ensemble of multilayer perceptrons for Kaggle's Digit Recognizer.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from kaggle_mnist import __version__

        print(f"kaggle-mnist {__version__}")
        raise typer.Exit


@app.callback()
def main(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    # Only for as long as the command runs: what called it may go on afterwards.
    ctx.with_resource(warnings.catch_warnings())
    if not debug:
        warnings.simplefilter("ignore")  # of the libraries: what a user can do about one, we say ourselves
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            ctx.with_resource(_showing_any_character(stream))


@contextmanager
def _showing_any_character(stream: io.TextIOWrapper) -> Iterator[None]:
    """A terminal that cannot show a character gets another, not a traceback."""
    before = stream.errors
    stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # its reader may be gone, or it was closed
            stream.reconfigure(errors=before)


Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        "-i",
        help="Folder or zip with the digits, or 'practice'.",
        show_default="what is in input/",
        metavar="PATH",
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of the runs.", metavar="DIR")]
RunArgument = Annotated[
    str | None,
    typer.Argument(help="A run: its path, its folder's name, or latest.", metavar="RUN", show_default="the newest"),
]
