"""The folder of a search, beside those of the runs.

submissions/<date>-<time>-search-<recipe>/
    search.json       recipe, space, folds, seed, digits and budget
    journal.log       every trial, as Optuna's journal storage writes it
    trials.csv        every trial in a line
    confirmation.csv  the best recipe and the first one, trained again with other folds and seeds
    recipe.toml       the best recipe, for `train --recipe`
    report.html       the page
    lock              locked by the process that searches
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from kaggle_mnist.runs.finding import find_folder
from kaggle_mnist.runs.folder import new_folder
from kaggle_mnist.runs.names import LATEST
from kaggle_mnist.runs.record import Data, Moment, Readable, RecordedRecipe, Strict
from kaggle_mnist.runs.run import as_argument
from kaggle_mnist.utils.errors import BadRun, ClusterError, Interrupted, OutputError
from kaggle_mnist.utils.files import write_atomic
from kaggle_mnist.utils.reading import read_bounded

PLAN, JOURNAL, TRIALS, CONFIRMATION = "search.json", "journal.log", "trials.csv", "confirmation.csv"
RECIPE, PAGE, LOCK = "recipe.toml", "report.html", "lock"
MAX_SEEDS = 1000  # of a confirmation
MAX_PLAN = 1 << 20  # bytes; usual are 3 kB


class SearchPlan(Strict):
    """The settings of a search: what it starts from, and how long it may take."""

    format: Literal[1] = 1
    created: Moment
    start: RecordedRecipe
    space: tuple[str, ...] = Field(description="dimensions, as `trials.space.Space.of` reads them")
    folds: int = Field(ge=2, le=100_000)
    seed: int = Field(ge=0, lt=2**31)
    trials: int | None = Field(ge=1, description="after which no more are begun")
    minutes: float | None = Field(gt=0, description="in all, with the confirmation")
    seeds: int = Field(ge=3, le=MAX_SEEDS, description="with which the best recipe is confirmed")
    device: Literal["cpu", "cuda"]
    threads: int = Field(ge=1, le=4096)
    input: Readable | None
    data: Data
    environment: dict[str, str | int]


class SearchFolder:
    """An open folder of a search; only one process at a time has it open."""

    def __init__(self, path: Path, plan: SearchPlan):
        self.path, self.plan = path, plan

    def write(self, name: str, content: str) -> None:
        """Write one of the files. Raises OutputError."""
        try:
            write_atomic(self.path / name, content.encode())
        except OSError as error:
            raise OutputError(f"{self.path / name}: cannot be written ({error.strerror})") from error

    def read(self, name: str) -> str | None:
        """The content of one of the files; None if there is none. Raises BadRun if it cannot be read."""
        file = self.path / name
        try:
            return read_bounded(file, 64 << 20).decode()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BadRun(f"{file}: cannot be read ({error})") from error

    def write_plan(self) -> None:
        """Write the plan, as it is now. Raises OutputError."""
        self.write(PLAN, self.plan.model_dump_json(indent=2) + "\n")

    @property
    def command(self) -> str:
        """What goes on with this search."""
        return f"kaggle-mnist search {as_argument(self.path)} --resume"


@contextmanager
def begin_search(output: Path, name: str, plan: SearchPlan) -> Iterator[SearchFolder]:
    """Create and lock the folder of a new search. It is deleted if the search ends before its first trial.

    Raises
    ------
    OutputError
        The folder cannot be written.
    Interrupted
        In place of KeyboardInterrupt.
    """
    folder = SearchFolder(new_folder(output, name), plan)
    try:
        with _locked(folder):
            folder.write_plan()
            yield folder
    finally:
        if not (folder.path / TRIALS).exists():
            shutil.rmtree(folder.path, ignore_errors=True)


@contextmanager
def reopen_search(path: Path) -> Iterator[SearchFolder]:
    """Lock the folder of a search, to go on with it.

    Raises
    ------
    BadRun
        Another process searches, or the plan cannot be read.
    Interrupted
        In place of KeyboardInterrupt.
    """
    folder = SearchFolder(path, read_plan(path))
    if (path / TRIALS).exists() and not (path / JOURNAL).exists():
        raise BadRun(f"{path / JOURNAL}: is missing; restore it or search anew")
    with _locked(folder):
        yield folder


@contextmanager
def _locked(folder: SearchFolder) -> Iterator[None]:
    lock = FileLock(folder.path / LOCK)
    try:
        lock.acquire(timeout=0.2)
    except Timeout as error:
        raise BadRun(f"{folder.path}: another process is searching; let it finish, or stop it first") from error
    except OSError as error:
        raise OutputError(f"{folder.path}: cannot write there ({error.strerror})") from error
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {_remedy(folder)}") from None
    except ClusterError as error:
        raise ClusterError(f"{error}; {_remedy(folder)}") from error
    except OSError as error:  # Optuna's journal
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO):
            raise
        raise OutputError(f"{folder.path}: cannot write there ({error.strerror}); {_remedy(folder)}") from error
    finally:
        lock.release()
        with suppress(OSError):
            (folder.path / LOCK).unlink(missing_ok=True)


def _remedy(folder: SearchFolder) -> str:
    return f"`{folder.command}` goes on" if (folder.path / TRIALS).exists() else "nothing was kept"


def read_plan(path: Path) -> SearchPlan:
    """The plan of a search. Raises BadRun if it is missing, damaged or from a newer version."""
    file = path / PLAN
    try:
        return SearchPlan.model_validate_json(read_bounded(file, MAX_PLAN), context={"recorded": True})
    except FileNotFoundError as error:
        raise BadRun(f"{path}: is not a search: it has no {PLAN}") from error
    except (OSError, ValidationError) as error:
        raise BadRun(f"{file}: cannot be read; it was edited, or a newer kaggle-mnist wrote it") from error


def find_search(search: str | None, output: Path) -> Path:
    """Find the folder of a search.

    Parameters
    ----------
    search : a path, a folder name in `output`, or ``"latest"`` or None for the newest
    output : the folder of the runs

    Raises
    ------
    BadRun
        There is no such search.

    Examples
    --------
    >>> find_search(None, Path("an-empty-folder"))
    Traceback (most recent call last):
        ...
    kaggle_mnist.utils.errors.BadRun: an-empty-folder: no search here; `kaggle-mnist search` begins one
    """
    if search is not None and search != LATEST:
        return find_folder(search, output)
    found = sorted((path.parent for path in output.glob(f"[!.]*/{PLAN}")), key=lambda path: path.name)
    if not found:
        raise BadRun(f"{output}: no search here; `kaggle-mnist search` begins one")
    return found[-1]
