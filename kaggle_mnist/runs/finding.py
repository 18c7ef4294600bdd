"""Finding finished runs: all those in a folder, or one by its path or name, or the latest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from kaggle_mnist.runs.record import parse_record
from kaggle_mnist.runs.run import MAX_RECORD, Run, ScoredRun, read_run
from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.files import SUMS
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.reading import read_bounded

LATEST = "latest"


def list_runs(output: Path) -> list[Path]:
    """The folders of the finished runs in `output`, oldest first, whatever their names.

    Examples
    --------
    >>> list_runs(Path("an-empty-folder"))
    []
    """
    found = [sums.parent for sums in output.glob(f"[!.]*/{SUMS}")]
    return sorted(found, key=lambda path: (_start_time(path), path.name))


def _start_time(path: Path) -> float:
    """When a run started, in seconds since 1970; 0 if its record cannot be read, which `read_run` reports."""
    try:
        return datetime.fromisoformat(parse_record(read_bounded(path / "run.json", MAX_RECORD)).created).timestamp()
    except (OSError, ValueError, BadRun):
        return 0.0


def other_runs(output: Path, known: Iterable[Run]) -> list[ScoredRun]:
    """The finished runs in `output` except those in `known`, reading only `run.json` and `leaderboard.json`.

    Damaged runs are skipped without an error, since the user did not ask for them.
    """
    found, known_paths = [], {run.path.resolve() for run in known}
    for path in list_runs(output):
        if path.resolve() not in known_paths:
            with suppress(BadRun):
                found.append(ScoredRun.of(read_run(path)))
    return found


def for_each_run(
    names: Sequence[str], output: Path, take: Callable[[Run], None], progress: Progress = quiet
) -> list[str]:
    """Read the named runs, or all finished ones in `output`, and hand each to `take`.

    Parameters
    ----------
    names : as for `find_run`; empty for all that can be read
    output : the folder of the runs
    take : may raise BadRun, as reading may
    progress : called while the runs are read

    Returns
    -------
    Why a run was passed over, for each that could not be read or taken and was not named by the user.

    Raises
    ------
    BadRun
        A named run cannot be read or taken.
    """
    passed_over: list[str] = []
    wanted: Sequence[str | Path] = names or list_runs(output)
    progress("Reading runs", 0, len(wanted))
    for number, name in enumerate(wanted, start=1):
        try:
            take(find_run(name, output) if isinstance(name, str) else read_run(name))
        except BadRun as error:
            if names:
                raise
            passed_over.append(str(error))
        progress("Reading runs", number, len(wanted))
    return passed_over


def find_run(run: str | None, output: Path) -> Run:
    """Find a finished run.

    Parameters
    ----------
    run : a path, a folder name in `output`, or ``"latest"`` or None for the newest
    output : the folder of the runs

    Raises
    ------
    BadRun
        There is no such run, it did not finish, or its `run.json` was changed.

    Examples
    --------
    >>> find_run("latest", Path("an-empty-folder"))
    Traceback (most recent call last):
        ...
    kaggle_mnist.utils.errors.BadRun: an-empty-folder: no finished run here; `kaggle-mnist train` makes one
    """
    if run is None or run == LATEST:
        finished = list_runs(output)
        if not finished:
            raise BadRun(f"{output}: no finished run here; `kaggle-mnist train` makes one")
        return read_run(finished[-1])
    return read_run(find_folder(run, output))


def find_folder(run: str, output: Path) -> Path:
    """A folder by its path or by its name in `output`. Raises BadRun if there is none."""
    with suppress(OSError):  # names that no folder can have
        for path in (Path(run), output / run):
            if path.is_dir():
                return path
    raise BadRun(f"{run}: no such run, here or in {output}")
