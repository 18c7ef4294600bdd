"""All runs in a folder, finished or not: their state and size, and how to remove them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kaggle_mnist.data.suspects import TABLES, is_edited
from kaggle_mnist.runs.finding import find_path_in_full, finished_folders, list_runs
from kaggle_mnist.runs.labels import Labels, read_labels
from kaggle_mnist.runs.names import CHECKPOINT, LABELS, PAGE, oldest_first
from kaggle_mnist.runs.record import Record
from kaggle_mnist.runs.run import LEADERBOARD, ScoredRun, read_run
from kaggle_mnist.runs.unfinished import LOCK, PLAN, REPEAT, STATE, Plan, is_running, lock_run, progress_of, read_plan
from kaggle_mnist.utils.errors import BadRun, OutputError
from kaggle_mnist.utils.files import SUMS, leftovers, read_sums, verify_file

OUR_FILES = (
    *("submission.csv", "run.json", "folds.csv", "history.csv", "confusion.csv", "digits.csv", "outputs.npz"),
    *("members.safetensors", SUMS, PAGE, LEADERBOARD, LABELS),
    *(*TABLES, "audit.png", "audit-all.png"),
)


@dataclass(frozen=True)
class RunStatus:
    """A run's folder with its state.

    Attributes
    ----------
    path : the run folder
    state : ``"finished"``, ``"running"``, ``"stopped after epoch 12 of 30"`` or ``"damaged: …"`` with the reason
    size : of all its files, in bytes
    labels : its name, note and tags, if they can be read
    scored : the finished run with its score; None unless finished
    plan : of an unfinished run, if it can be read
    """

    path: Path
    state: str
    size: int
    labels: Labels = field(default_factory=Labels)
    scored: ScoredRun | None = None
    plan: Plan | None = None

    @property
    def made(self) -> Record | Plan | None:
        """What the run was made with; None if that cannot be read."""
        return self.plan if self.scored is None else self.scored.run.record


def all_runs(output: Path, *, verify: bool = False) -> list[RunStatus]:
    """Every run in `output`, oldest first.

    Of finished ones, `run.json` and the files that were changed after their checksums were written are compared with
    these; all others are, too, if `verify` is set or when a command reads them.

    Examples
    --------
    >>> all_runs(Path("an-empty-folder"))
    []
    """
    folders = [path.parent for path in output.glob(f"[!.]*/{CHECKPOINT}")]
    folders = [path for path in folders if not (path / SUMS).exists() and _is_run(path)]
    return [
        _finished(path, verify) if (path / SUMS).exists() else _unfinished(path)
        for path in oldest_first([*finished_folders(output), *folders])
    ]


def remove_runs(names: Sequence[str], output: Path, *, force: bool = False) -> list[Path]:
    """Delete the files of runs and return their folders; if one is refused, none is deleted.

    Only files that kaggle-mnist writes are deleted: a folder stays if something else is in it.

    Parameters
    ----------
    names : paths, whole folder names or whole names given with `--name`, each of one run
    output : the folder of the runs
    force : also delete runs that a blend in their folder needs, and lists of suspects that may have been edited

    Raises
    ------
    BadRun
        A folder is not a run, a run is not named in full, a process is working on it, or `force` is needed.
    OutputError
        A file cannot be deleted.

    Examples
    --------
    >>> remove_runs(["precious"], Path("an-empty-folder"))
    Traceback (most recent call last):
        ...
    kaggle_mnist.utils.errors.BadRun: precious: no such run, here or in an-empty-folder
    """
    chosen = list({path.resolve(): path for path in (_find(name, output) for name in names)}.values())
    if not force:
        _refuse_needed(chosen)
        _refuse_edited(chosen)
    with ExitStack() as locks:
        for path in chosen:
            if not (path / SUMS).exists():
                locks.enter_context(lock_run(path))
        for path in chosen:
            try:
                (path / SUMS).unlink(missing_ok=True)  # first, so that a partly deleted run does not look finished
                _delete_ours(path)
            except OSError as error:
                raise OutputError(f"{path}: cannot be removed ({error.strerror})") from error
    return chosen


def _refuse_needed(chosen: Sequence[Path]) -> None:
    """Raise BadRun if a run is part of a blend that is not to be removed."""
    removed = {path.resolve() for path in chosen}
    for folder in {path.parent for path in removed}:
        for path in list_runs(folder):
            needed = sorted({folder / parent for parent in _parents_of(path)} & removed)
            if needed and path.resolve() not in removed:
                names = " and ".join(parent.name for parent in needed)
                raise BadRun(f"{path.name}: this blend cannot predict without {names}; remove it, too, or add --force")


def _parents_of(path: Path) -> list[str]:
    """The names of a blend's parents; none of another run, or if they cannot be read."""
    with suppress(BadRun):
        return [parent.run for parent in read_run(path).record.parents]
    return []


def _refuse_edited(chosen: Sequence[Path]) -> None:
    """Raise BadRun if a list of suspects may have been edited."""
    for table in (path / name for path in chosen for name in TABLES):
        if table.is_file() and is_edited(table):
            raise BadRun(f"{table}: may have been edited since audit wrote it; move it away, or add --force")


def _delete_ours(run: Path) -> None:
    """Delete a run's files, and its folder unless something of the user's is left in it."""
    folder = run / CHECKPOINT
    inside = [file for file in folder.iterdir() if _is_of_checkpoint(file.name)] if folder.is_dir() else []
    for file in (*(run / name for name in OUR_FILES), *leftovers(run, OUR_FILES), *inside):
        file.unlink(missing_ok=True)
    for place in (folder, run):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def _is_of_checkpoint(name: str) -> bool:
    """Whether we write a file of that name, or a temporary file for it, into a checkpoint."""
    if name.startswith("."):  # of a process that was killed: `write_atomic` writes .plan.json.TOKEN
        name = name[1:].rpartition(".")[0]
    return name in (PLAN, LOCK, SUMS) or any(pattern.fullmatch(name) for pattern in (STATE, REPEAT))


def _find(name: str, output: Path) -> Path:
    if Path(name).name not in ("", ".."):
        path = find_path_in_full(name, output)
        if _is_run(path):
            return path
    raise BadRun(f"{name}: no such run, here or in {output}")


def _is_run(path: Path) -> bool:
    """Whether a folder is a run, finished or not, intact or damaged, and not something else with checksums."""
    try:
        if path.is_symlink() or not path.is_dir():
            return False
        if (path / SUMS).is_file():
            return (path / "run.json").is_file() or (path / "outputs.npz").is_file()
        inside = [file.name for file in (path / CHECKPOINT).iterdir()]
        alone = {file.name for file in path.iterdir()} <= {CHECKPOINT, LABELS}
    except OSError:
        return False
    return all(map(_is_of_checkpoint, inside)) and (bool(inside) or alone)


def _finished(path: Path, every_file: bool) -> RunStatus:
    labels = Labels()
    try:
        labels = read_labels(path)
        scored = ScoredRun.of(read_run(path))
        _verify(path, every_file)
    except BadRun as error:
        return RunStatus(path, f"damaged: {error}", _size_of(path), labels)
    return RunStatus(path, "finished", _size_of(path), labels, scored)


def _verify(path: Path, every_file: bool) -> None:
    sums, sealed = read_sums(path), (path / SUMS).stat().st_mtime_ns
    for name in sums:
        file = path / name
        if every_file or not file.is_file() or file.stat().st_mtime_ns >= sealed:
            verify_file(path, name, sums)


def _unfinished(path: Path) -> RunStatus:
    labels, plan = Labels(), None
    try:
        labels, plan = read_labels(path), read_plan(path)
        epoch, repeats = progress_of(path)
        after = f"{len(repeats)} of {plan.repeats} repeats" if repeats else f"epoch {epoch} of {plan.recipe.epochs}"
        state = f"stopped after {after}"
    except BadRun as error:
        state = f"damaged: {error}"
    return RunStatus(path, "running" if is_running(path) else state, _size_of(path), labels, plan=plan)


def _size_of(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
