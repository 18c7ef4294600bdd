"""Finding finished runs: all those in a folder, or one by its path or name, or the latest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from kaggle_mnist.recipes.recipe import did_you_mean
from kaggle_mnist.runs.names import CHECKPOINT, LATEST, RunNames, named_runs, names_of, oldest_first
from kaggle_mnist.runs.run import Run, ScoredRun, read_run
from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.files import SUMS
from kaggle_mnist.utils.progress import Progress, quiet

State = Literal["finished", "unfinished"]
MAX_MATCHES = 5  # that a message lists
RUN_MARKS = ("run.json", "outputs.npz", CHECKPOINT)  # a folder with one of them is a run, maybe a damaged one


def list_runs(output: Path) -> list[Path]:
    """The folders of the finished runs in `output`, oldest first, whatever their names.

    Examples
    --------
    >>> list_runs(Path("an-empty-folder"))
    []
    """
    return oldest_first(finished_folders(output))


def finished_folders(output: Path) -> list[Path]:
    """As `list_runs`, in no order: nothing is read."""
    return [sums.parent for sums in output.glob(f"[!.]*/{SUMS}")]


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
    names : as for `find_paths`, each for one run or for several; empty for all that can be read
    output : the folder of the runs
    take : may raise BadRun, as reading may
    progress : called while the runs are read

    Returns
    -------
    Why a run was passed over, for each that could not be read or taken and was not the only one that a name means.

    Raises
    ------
    BadRun
        A named run cannot be read or taken.
    """
    passed_over: list[str] = []
    groups = [find_paths(name, output, "finished") for name in names] if names else [list_runs(output)]
    wanted = [(path, bool(names) and len(group) == 1) for group in groups for path in group]
    progress("Reading runs", 0, len(wanted))
    for number, (path, named) in enumerate(wanted, start=1):
        try:
            take(read_run(path))
        except BadRun as error:
            if named:
                raise
            passed_over.append(str(error))
        progress("Reading runs", number, len(wanted))
    return passed_over


def find_run(run: str | None, output: Path) -> Run:
    """Find a finished run.

    Parameters
    ----------
    run : as for `find_paths`, but None for the newest
    output : the folder of the runs

    Raises
    ------
    BadRun
        There is no such run, there are several, it did not finish, or its `run.json` was changed.

    Examples
    --------
    >>> find_run("latest", Path("an-empty-folder"))
    Traceback (most recent call last):
        ...
    kaggle_mnist.utils.errors.BadRun: an-empty-folder: no finished run here; `kaggle-mnist train` makes one
    """
    return read_run(find_path(LATEST if run is None else run, output, "finished"))


def find_path(run: str, output: Path, prefer: State | None = None) -> Path:
    """The folder of the one run that `find_paths` finds. Raises BadRun also if there are several."""
    found = find_paths(run, output, prefer)
    if len(found) > 1:
        raise BadRun(f"{run}: {len(found):,} runs match; name one: {_listed(found)}")
    return found[0]


def find_path_in_full(run: str, output: Path) -> Path:
    """As `find_path`, but only for a path, a folder's whole name or a whole name given with `--name`.

    Raises BadRun also for the beginning of a name, a recipe's name and ``"latest"``, with the runs that these mean.
    """
    found = find_paths(run, output)
    folders = [path.resolve() for path in (Path(run), output / run) if _is_folder(path)]
    if found[0].resolve() not in folders and any(names_of(path).name != run for path in found):
        raise BadRun(f"{run}: means {_listed(found)}; to remove a run, name it in full")
    return find_path(run, output)


def _listed(found: Sequence[Path]) -> str:
    more = f" and {len(found) - MAX_MATCHES:,} more" if len(found) > MAX_MATCHES else ""
    return f"{', '.join(path.name for path in reversed(found[-MAX_MATCHES:]))}{more}"  # the newest first


def find_paths(run: str, output: Path, prefer: State | None = None) -> list[Path]:
    """The folders of the runs that are meant by what the command line accepts as RUN.

    In this order: ``"latest"`` for the newest finished run; a path; a folder's name in `output`; a name given with
    `--name`; the name of a recipe; or the beginning of a folder's name or of a name given with `--name`.

    Parameters
    ----------
    run : see above
    output : the folder of the runs
    prefer : the finished or the unfinished ones, where a name or its beginning is that of both

    Returns
    -------
    At least one, oldest first: names and recipes may have several runs.

    Raises
    ------
    BadRun
        There is no such run, or the folder is none.
    """
    if run == LATEST:
        if newest := list_runs(output)[-1:]:
            return newest
        raise BadRun(f"{output}: no finished run here; `kaggle-mnist train` makes one")
    folders = [path for path in (Path(run), output / run) if run and _is_folder(path)]
    for path in folders:
        if any((path / mark).exists() for mark in RUN_MARKS):
            return [path]
    runs = named_runs(output)
    ways: list[Callable[[RunNames], bool]] = [
        lambda known: known.name == run,
        lambda known: known.recipe == run,
        lambda known: any(name.startswith(run) for name in (known.path.name, known.name or "")),
    ]
    for means in ways:
        if run and (found := [known for known in runs if means(known)]):
            preferred = [known.path for known in found if known.finished == (prefer == "finished")]
            return (preferred if prefer else []) or [known.path for known in found]
    if folders:
        raise BadRun(f"{folders[0]}: this folder is no run; `kaggle-mnist runs` lists the runs")
    names = {name for known in runs for name in (known.path.name, known.name, known.recipe) if name}
    raise BadRun(f"{run}: no such run, here or in {output}{did_you_mean(run, sorted(names))}")


def find_folder(name: str, output: Path) -> Path:
    """A folder of a search, by its path or by its name in `output`. Raises BadRun if there is none."""
    for path in (Path(name), output / name):
        if _is_folder(path):
            return path
    raise BadRun(f"{name}: no such folder, here or in {output}")


def _is_folder(path: Path) -> bool:
    with suppress(OSError, ValueError):  # names that no folder can have
        return path.is_dir()
    return False


def load_run(run: str | None = LATEST, output: str | Path = "submissions") -> Run:
    """A finished run as an object, whose outputs, scores and history are arrays and data frames; see `Run`.

    Parameters
    ----------
    run : as for `find_run`
    output : the folder of the runs

    Raises BadRun as `find_run` does.

    Examples
    --------
    >>> load_run("latest", "an-empty-folder")
    Traceback (most recent call last):
        ...
    kaggle_mnist.utils.errors.BadRun: an-empty-folder: no finished run here; `kaggle-mnist train` makes one
    """
    return find_run(run, Path(output))
