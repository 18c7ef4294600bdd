"""Finished runs: found again, and each of their files read only if it is as it was written."""

from __future__ import annotations

import errno
import hashlib
import io
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.models.registry import network_class
from kaggle_mnist.runs.arrays import read_npz
from kaggle_mnist.runs.record import Record, Submitted, parse_record
from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.files import SUMS, check_sum, checked_sums, listed_sums
from kaggle_mnist.utils.reading import read_bounded, require_regular

LEADERBOARD = "leaderboard.json"  # written after the run; not among the checksums
COLUMNS = {  # that a run's tables have at least
    "folds": ("repeat", "fold", "images", "accuracy", "loss"),
    "history": ("epoch", "repeat", "fold", "learning_rate", "train_loss", "watched_loss", "watched_accuracy"),
    "confusion": ("true", *map(str, range(CLASSES))),
    "digits": ("digit", "images", "precision", "recall"),
}
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
    """A finished run: its folder, and the content of its `run.json`.

    Its other files are compared with their checksums when they are read, so that none is read that nobody needs.
    """

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
        """The CSV for Kaggle; whoever reads it verifies it first, by `verified`."""
        return self.path / "submission.csv"

    @property
    def cv_accuracy(self) -> float:
        """Mean over the members of each one's accuracy on the images it held out."""
        return self.record.scores.cv_accuracy

    @property
    def withheld_accuracy(self) -> float | None:
        """Accuracy on the practice set's withheld labels; None on other digits, and where they stayed closed."""
        return self.record.scores.withheld_accuracy

    def verify(self) -> None:
        """Compare every file with its checksum. Raises BadRun, naming the first that is missing or was changed."""
        checked_sums(self.path)

    def verified(self, name: str) -> Path:
        """The path of one of the run's files, once it has its checksum. Raises BadRun."""
        return check_sum(self.path, name, listed_sums(self.path))

    def table(self, name: str) -> pd.DataFrame:
        """`folds`, `history`, `confusion` or `digits`: one of the run's CSV files. Raises BadRun."""
        file, columns = self.path / f"{name}.csv", list(COLUMNS[name])
        content = _read_verified(file, MAX_TABLE)
        try:
            table = pd.read_csv(io.BytesIO(content), low_memory=False)
        except (OSError, ValueError) as error:
            raise BadRun(f"{file}: cannot be read ({error})") from error
        if table.empty or not set(columns) <= set(table) or not all(map(is_numeric_dtype, table[columns].dtypes)):
            raise BadRun(f"{file}: lacks rows, or numbers in one of the columns {', '.join(columns)}")
        if not np.isfinite(table[columns].to_numpy(float)).all():
            raise BadRun(f"{file}: has gaps, or numbers that are not finite; it was changed since")
        return table

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
        arrays = read_npz(file, expected, _read_verified)
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
        """The members' parameters by name, each with a leading members axis.

        Raises BadRun where they cannot be read, or are not those of the recipe; a blend has none.
        """
        if self.record.recipe is None:
            raise BadRun(f"{self.path}: is a blend; its members are those of its parents")
        from safetensors import SafetensorError, safe_open

        file, recipe = self.verified("members.safetensors"), self.record.recipe
        members = self.record.folds * self.record.repeats
        of_one = network_class(recipe.network).parameter_shapes(**recipe.network_settings)
        shapes = {name: ((members, *shape), "F32") for name, shape in of_one.items()}
        try:
            require_regular(file, file.stat())
            with safe_open(file, "numpy") as stored:  # its header first: no file asks for more memory than expected
                found = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118  no dict
                if {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in found.items()} != shapes:
                    raise BadRun(f"{file}: does not hold the members that run.json tells of")
                weights = {name: stored.get_tensor(name) for name in shapes}
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise BadRun(f"{file}: cannot be read ({error})") from error
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise BadRun(f"{file}: has weights that are no finite numbers")
        return weights


@dataclass(frozen=True)
class ScoredRun:
    """A run with what Kaggle has answered so far, read once; None where it was not uploaded."""

    run: Run
    submitted: Submitted | None

    @classmethod
    def of(cls, run: Run) -> ScoredRun:
        """`run` with its score. Raises BadRun where `leaderboard.json` cannot be read."""
        return cls(run, run.submitted())

    @property
    def score(self) -> float | None:
        """The accuracy that was found on the test images: the leaderboard's, else that on the withheld labels."""
        if self.submitted is not None and self.submitted.public_score is not None:
            return self.submitted.public_score
        return self.run.withheld_accuracy

    @property
    def scored_at(self) -> datetime:
        """When the score was known."""
        if self.submitted is not None and self.submitted.public_score is not None:
            return self.submitted.at
        return self.run.created


def as_argument(path: Path) -> str:
    """A run's folder as RUN on the command line, with the `--output` that finds it."""
    usual = path.parent.absolute() == Path("submissions").absolute()
    place = "" if usual else f" --output {shlex.quote(str(path.parent))}"
    return f"{shlex.quote(path.name)}{place}"


def read_run(path: Path) -> Run:
    """The run in a folder, once `run.json` has the checksum that it was written with. Raises BadRun.

    The other files are not opened: `Run` verifies what it reads, and `Run.verify` all of them.
    """
    if (path / CHECKPOINT).is_dir() and not (path / SUMS).exists():
        raise BadRun(f"{path}: is not finished; `kaggle-mnist resume {as_argument(path)}` goes on with it")
    sums, file = listed_sums(path), path / "run.json"
    if missing := {"run.json", "submission.csv", "outputs.npz"} - set(sums):
        raise BadRun(f"{path / SUMS}: does not list {min(missing)}; the run cannot be trusted any more")
    content = _read_verified(file, MAX_RECORD, sums)
    try:
        return Run(path, parse_record(content))
    except BadRun as error:
        raise BadRun(f"{file}: {error}") from error


def _read_verified(file: Path, most: int, sums: Mapping[str, str] | None = None) -> bytes:
    """The content of a run's file of at most `most` bytes, once those very bytes have its checksum. Raises BadRun."""
    sums = sums or listed_sums(file.parent)
    try:
        content = read_bounded(file, most)
    except OSError as error:
        if error.errno != errno.EFBIG:  # who knows how long its checksum would take
            check_sum(file.parent, file.name, sums)
        raise BadRun(f"{file}: cannot be read ({error})") from error
    if sums.get(file.name) != hashlib.sha256(content).hexdigest():
        check_sum(file.parent, file.name, sums)
        raise BadRun(f"{file}: changed while it was read; try again")
    return content
