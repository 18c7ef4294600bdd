"""The run folder: written whole or not at all, found again, and read only if it is as it was written."""

from __future__ import annotations

import io
import math
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kaggle_mnist import scores
from kaggle_mnist.arrays import npz_bytes, read_npz
from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.errors import BadRun, OutputError
from kaggle_mnist.files import SUMS, checked_sums, leftovers, write_sums, write_whole
from kaggle_mnist.reading import read_bounded
from kaggle_mnist.records import Record, Submitted, parse_record
from kaggle_mnist.submission import submission_csv

LEADERBOARD = "leaderboard.json"  # written after the run; not among the checksums
LATEST = "latest"
MAX_RECORD, MAX_LEADERBOARD, MAX_TABLE = 4 << 20, 1 << 16, 64 << 20  # bytes; a run's have 2 kB, 400 B and 20 kB
CHECKPOINT = "checkpoint"  # the folder inside a run's that holds what `resume` goes on from


@dataclass(frozen=True)
class Outputs:
    """The arrays of `outputs.npz`; outputs are sigmoid outputs, float32, from 0 to 1.

    Attributes
    ----------
    oof : ``(n, 10)``, of the labeled images out of fold, averaged over the repeats
    test : ``(m, 10)``, of the unlabeled images, averaged over the members
    y_true : int64 ``(n,)``, the labels
    test_ids : int64 ``(m,)``, the ImageIds
    fold_of : int64 ``(repeats, n)``, the fold in which each image was held out
    """

    oof: NDArray[np.float32]
    test: NDArray[np.float32]
    y_true: NDArray[np.int64]
    test_ids: NDArray[np.int64]
    fold_of: NDArray[np.int64]


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, and the content of its `run.json`."""

    path: Path
    record: Record

    @property
    def name(self) -> str:
        """The folder's name, which is what RUN takes on the command line."""
        return self.path.name

    @property
    def created(self) -> datetime:
        """When it was begun, with its time zone."""
        return datetime.fromisoformat(self.record.created)

    @property
    def submission(self) -> Path:
        """The CSV for Kaggle."""
        return self.path / "submission.csv"

    @property
    def cv_accuracy(self) -> float:
        """Mean over the members of each one's accuracy on the images it held out."""
        return self.record.scores.cv_accuracy

    @property
    def withheld_accuracy(self) -> float | None:
        """Accuracy on the practice set's withheld labels; None on other digits, and where they stayed closed."""
        return self.record.scores.withheld_accuracy

    def table(self, name: str) -> pd.DataFrame:
        """`folds`, `history`, `confusion` or `digits`: one of the run's CSV files. Raises BadRun."""
        try:
            return pd.read_csv(io.BytesIO(read_bounded(self.path / f"{name}.csv", MAX_TABLE)))
        except (OSError, ValueError) as error:
            raise BadRun(f"{self.path / name}.csv: cannot be read ({error})") from error

    def outputs(self) -> Outputs:
        """The run's outputs. Raises BadRun where they cannot be those of the digits that `run.json` tells of."""
        file, data = self.path / "outputs.npz", self.record.data
        n, m = data.train_images, data.test_images
        expected: dict[str, tuple[tuple[int, ...], str, int]] = {
            "oof_outputs": ((n, CLASSES), "float32", 1),
            "test_outputs": ((m, CLASSES), "float32", 1),
            "y_true": ((n,), "int64", CLASSES - 1),
            "test_ids": ((m,), "int64", 10**9),
            "fold_of": ((self.record.repeats, n), "int64", self.record.folds - 1),
        }
        arrays = read_npz(file, expected)
        return Outputs(
            arrays["oof_outputs"], arrays["test_outputs"], arrays["y_true"], arrays["test_ids"], arrays["fold_of"]
        )

    def submitted(self) -> Submitted | None:
        """What Kaggle answered, if the run was uploaded. Raises BadRun where `leaderboard.json` cannot be read."""
        file = self.path / LEADERBOARD
        try:
            return Submitted.model_validate_json(read_bounded(file, MAX_LEADERBOARD))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BadRun(f"{file}: cannot be read; move it away to go on as if nothing had been uploaded") from error

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The members' parameters, as `networks.Members` names them, each with a leading members axis.

        Raises BadRun where they cannot be read, or are not those of the recipe; a blend has none.
        """
        if self.record.recipe is None:
            raise BadRun(f"{self.path}: is a blend; its members are those of its parents")
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        file = self.path / "members.safetensors"
        units = (28 * 28, *self.record.recipe.hidden, CLASSES)
        members = self.record.folds * self.record.repeats
        shapes = {f"weights.{i}": (members, units[i], units[i + 1]) for i in range(len(units) - 1)}
        shapes |= {f"biases.{i}": (members, 1, units[i + 1]) for i in range(len(units) - 1)}
        expected = sum(math.prod(shape) for shape in shapes.values()) * 4
        try:
            if file.stat().st_size > expected + MAX_RECORD:
                raise BadRun(f"{file}: is larger than the members that run.json tells of")
            weights = load_file(file)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise BadRun(f"{file}: cannot be read ({error})") from error
        if {name: array.shape for name, array in weights.items()} != shapes:
            raise BadRun(f"{file}: does not hold the members that run.json tells of")
        return {name: array.astype(np.float32) for name, array in weights.items()}


def run_files(record: Record, outputs: Outputs, fold_table: pd.DataFrame) -> dict[str, bytes]:
    """What every run's folder holds, trained or blended, by file name."""
    arrays: dict[str, NDArray[Any]] = {
        "oof_outputs": outputs.oof,
        "test_outputs": outputs.test,
        "y_true": outputs.y_true,
        "test_ids": outputs.test_ids,
        "fold_of": outputs.fold_of,
    }
    return {
        "submission.csv": submission_csv(outputs.test, outputs.test_ids),
        "run.json": record.model_dump_json(indent=2).encode() + b"\n",
        "folds.csv": csv_bytes(fold_table),
        "confusion.csv": csv_bytes(scores.confusion(outputs.oof, outputs.y_true), index=True),
        "digits.csv": csv_bytes(scores.digit_scores(outputs.oof, outputs.y_true)),
        "outputs.npz": npz_bytes(arrays),
    }


def ensure_writable(output: Path) -> None:
    """Make the folder for runs, and find out before training whether files can be written there.

    Raises OutputError.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise OutputError(
            f"{output}: cannot write there ({error.strerror}); name another place with --output"
        ) from error


def write_run(output: Path, name: str, files: Mapping[str, bytes], *, now: datetime | None = None) -> Path:
    """Write `files` as a new run folder below `output`, with their checksums, and give its path.

    Raises OutputError, leaving nothing behind.
    """
    path = new_folder(output, f"{now or datetime.now():%Y%m%d-%H%M%S}-{name}")
    try:
        finish_run(path, files)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return path


def new_folder(output: Path, name: str) -> Path:
    """A new folder `name` below `output`, or `name-2`, `name-3`, … where another run has taken the name.

    Raises OutputError.
    """
    for number in range(1, 1000):
        path = output / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            continue
        except OSError as error:
            raise OutputError(f"{output}: cannot write there ({error.strerror})") from error
    raise OutputError(f"{output / name}: a thousand runs have this name already")


def finish_run(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` into the folder of a run and, last of all, their checksums: those say that it is finished.

    Raises OutputError; the folder is no finished run then.
    """
    try:
        for part in leftovers(folder, [*files, SUMS]):
            part.unlink()
        for name, content in files.items():
            write_whole(folder / name, content)
        write_sums(folder, files)
    except OSError as error:
        raise OutputError(f"{folder}: the run could not be written ({error.strerror})") from error


def list_runs(output: Path) -> list[Path]:
    """The folders of the finished runs below `output`, the oldest first, whatever they are called."""
    found = [sums.parent for sums in output.glob(f"[!.]*/{SUMS}")]
    return sorted(found, key=lambda path: (_begun(path), path.name))


def _begun(path: Path) -> float:
    """When a run was begun, in seconds since 1970; 0 where its record cannot be read, as whoever reads the run says."""
    try:
        return datetime.fromisoformat(parse_record(read_bounded(path / "run.json", MAX_RECORD)).created).timestamp()
    except (OSError, ValueError, BadRun):
        return 0.0


def other_runs(output: Path, known: Sequence[Run]) -> list[Run]:
    """The finished runs below `output` besides those known; nobody asked for them, so a damaged one is passed over."""
    found = []
    for path in list_runs(output):
        if all(path.resolve() != run.path.resolve() for run in known):
            with suppress(BadRun):
                run = read_run(path)
                run.submitted()
                found.append(run)
    return found


def find_run(run: str | None, output: Path) -> Run:
    """A finished run by its path, by its folder's name below `output`, or the newest (`latest` or None).

    Raises BadRun where there is none, it did not finish, or a file of it is not as it was written.
    """
    if run is None or run == LATEST:
        finished = list_runs(output)
        if not finished:
            raise BadRun(f"{output}: holds no finished run; `kaggle-mnist train` makes one")
        return read_run(finished[-1])
    return read_run(find_folder(run, output))


def as_argument(path: Path) -> str:
    """A run's folder as RUN on the command line, with the `--output` that finds it."""
    place = "" if path.parent.name == "submissions" else f" --output {shlex.quote(str(path.parent))}"
    return f"{shlex.quote(path.name)}{place}"


def find_folder(run: str, output: Path) -> Path:
    """A folder by its path or by its name below `output`. Raises BadRun where there is none."""
    with suppress(OSError):  # of names that no folder can have
        for path in (Path(run), output / run):
            if path.is_dir():
                return path
    raise BadRun(f"{run}: no such run, here or in {output}")


def read_run(path: Path) -> Run:
    """The run in a folder, once every file has the checksum that it was written with. Raises BadRun."""
    if (path / CHECKPOINT).is_dir() and not (path / SUMS).exists():
        raise BadRun(f"{path}: is not finished; `kaggle-mnist resume {as_argument(path)}` goes on with it")
    if missing := {"run.json", "submission.csv", "outputs.npz"} - set(checked_sums(path)):
        raise BadRun(f"{path / SUMS}: does not list {min(missing)}; the run cannot be trusted any more")
    try:
        return Run(path, parse_record(read_bounded(path / "run.json", MAX_RECORD)))
    except BadRun as error:
        raise BadRun(f"{path / 'run.json'}: {error}") from error
    except OSError as error:
        raise BadRun(f"{path / 'run.json'}: cannot be read ({error.strerror})") from error


def csv_bytes(table: pd.DataFrame, *, index: bool = False) -> bytes:
    """A CSV file of `table`."""
    return table.to_csv(index=index, lineterminator="\n").encode()
