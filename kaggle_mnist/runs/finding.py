"""Finding finished runs: all of a folder's, or one by its path, its name or as the latest."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from kaggle_mnist.runs.record import parse_record
from kaggle_mnist.runs.run import MAX_RECORD, Run, ScoredRun, read_run
from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.files import SUMS
from kaggle_mnist.utils.reading import read_bounded

LATEST = "latest"


def list_runs(output: Path) -> list[Path]:
    """The folders of the finished runs below `output`, the oldest first, whatever they are called."""
    found = [sums.parent for sums in output.glob(f"[!.]*/{SUMS}")]
    return sorted(found, key=lambda path: (_start_time(path), path.name))


def _start_time(path: Path) -> float:
    """When a run was begun, in seconds since 1970; 0 where its record cannot be read, as whoever reads the run says."""
    try:
        return datetime.fromisoformat(parse_record(read_bounded(path / "run.json", MAX_RECORD)).created).timestamp()
    except (OSError, ValueError, BadRun):
        return 0.0


def other_runs(output: Path, known: Iterable[Run]) -> list[ScoredRun]:
    """The finished runs below `output` besides those known; nobody asked for them, so a damaged one is passed over.

    Nothing of them is read but `run.json` and `leaderboard.json`.
    """
    found, places = [], {run.path.resolve() for run in known}
    for path in list_runs(output):
        if path.resolve() not in places:
            with suppress(BadRun):
                found.append(ScoredRun.of(read_run(path)))
    return found


def find_run(run: str | None, output: Path) -> Run:
    """A finished run by its path, by its folder's name below `output`, or the newest (`latest` or None).

    Raises BadRun where there is none, it did not finish, or its `run.json` is not as it was written.
    """
    if run is None or run == LATEST:
        finished = list_runs(output)
        if not finished:
            raise BadRun(f"{output}: holds no finished run; `kaggle-mnist train` makes one")
        return read_run(finished[-1])
    return read_run(find_folder(run, output))


def find_folder(run: str, output: Path) -> Path:
    """A folder by its path or by its name below `output`. Raises BadRun where there is none."""
    with suppress(OSError):  # of names that no folder can have
        for path in (Path(run), output / run):
            if path.is_dir():
                return path
    raise BadRun(f"{run}: no such run, here or in {output}")
