"""Finished runs: each file is read only if it still has the checksum it was written with."""

from __future__ import annotations

import errno
import hashlib
import io
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.recipes.variants import member_shapes
from kaggle_mnist.runs.arrays import read_npz
from kaggle_mnist.runs.names import CHECKPOINT
from kaggle_mnist.runs.record import Record, Submitted, parse_record
from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.files import SUMS, read_sums, verify_file, verify_sums
from kaggle_mnist.utils.reading import read_bounded, require_regular

LEADERBOARD = "leaderboard.json"  # written after the run; not among the checksums
COLUMNS = {  # required in a run's tables
    "folds": ("repeat", "fold", "images", "accuracy", "loss"),
    "history": ("epoch", "repeat", "fold", "learning_rate", "train_loss", "watched_loss", "watched_accuracy"),
    "confusion": ("true", *map(str, range(CLASSES))),
    "digits": ("digit", "images", "precision", "recall"),
}
MAX_RECORD, MAX_LEADERBOARD, MAX_TABLE = 4 << 20, 1 << 16, 64 << 20  # bytes; usual are 2 kB, 400 B and 20 kB


@dataclass(frozen=True)
class Outputs:
    """The arrays of `outputs.npz`. Outputs are sigmoid outputs, float32, from 0 to 1.

    Attributes
    ----------
    oof : ``(n, 10)``, out-of-fold outputs for the labeled images, averaged over the repeats
    test : ``(m, 10)``, outputs for the unlabeled images, averaged over the members
    y_true : int64 ``(n,)``, the labels
    test_ids : int64 ``(m,)``, the ImageIds
    fold_of : int64 ``(repeats, n)``, the fold in which each image was held out
    fold_test : float16 ``(k, m, 10)``, test outputs of each fold's members, averaged over the repeats; None in runs
        that were made before they were stored
    """

    oof: NDArray[np.float32]
    test: NDArray[np.float32]
    y_true: NDArray[np.int64]
    test_ids: NDArray[np.int64]
    fold_of: NDArray[np.int64]
    fold_test: NDArray[np.float16] | None = None


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, and the content of its `run.json`.

    The other files are read, and compared with their checksums, only when they are needed: `outputs`, `fold_scores`,
    `history` and `weights` read them.

    Attributes
    ----------
    path : the run folder
    record : the content of `run.json`
    """

    path: Path
    record: Record = field(repr=False)

    @property
    def name(self) -> str:
        """The folder's name, which the command line accepts as RUN."""
        return self.path.name

    @property
    def created(self) -> datetime:
        """When the run started, with time zone."""
        return datetime.fromisoformat(self.record.created)

    @property
    def submission(self) -> Path:
        """The CSV for Kaggle; use `verified` before reading it."""
        return self.path / "submission.csv"

    @property
    def cv_accuracy(self) -> float:
        """Mean of the members' accuracies, each on the images it held out."""
        return self.record.scores.cv_accuracy

    @property
    def withheld_accuracy(self) -> float | None:
        """Accuracy on the practice set's withheld labels; None on other digits, or if they were not used."""
        return self.record.scores.withheld_accuracy

    @property
    def fold_scores(self) -> pd.DataFrame:
        """A row for each member: repeat, fold, number of images held out, and accuracy (0 to 1) and loss on them."""
        return self.table("folds")

    @property
    def history(self) -> pd.DataFrame:
        """A row for each epoch and member, as in `CrossValidation.history`; a blend has none, and raises BadRun."""
        if self.record.recipe is None:
            raise BadRun(f"{self.path}: a blend has no history; use one of its parents")
        return self.table("history")

    def verify(self) -> None:
        """Compare every file with its checksum. Raises BadRun for the first that is missing or was changed."""
        verify_sums(self.path)

    def verified(self, name: str) -> Path:
        """The path of one of the run's files, after comparing its checksum. Raises BadRun."""
        return verify_file(self.path, name, read_sums(self.path))

    def table(self, name: str) -> pd.DataFrame:
        """Read one of the run's CSV files.

        Parameters
        ----------
        name : ``"folds"``, ``"history"``, ``"confusion"`` or ``"digits"``

        Returns
        -------
        A table with at least the columns in `COLUMNS`, which hold finite numbers.

        Raises
        ------
        BadRun
            The file is missing, was changed, or has no such table.
        """
        file, columns = self.path / f"{name}.csv", list(COLUMNS[name])
        content = _read_verified(file, MAX_TABLE)
        try:
            table = pd.read_csv(io.BytesIO(content), low_memory=False)
        except (OSError, ValueError) as error:
            raise BadRun(f"{file}: cannot be read ({error})") from error
        if table.empty or not set(columns) <= set(table) or not all(map(is_numeric_dtype, table[columns].dtypes)):
            raise BadRun(f"{file}: must have rows, with numbers in the columns {', '.join(columns)}")
        if not np.isfinite(table[columns].to_numpy(float)).all():
            raise BadRun(f"{file}: has empty cells or numbers that are not finite; the file was edited after the run")
        return table

    def outputs(self) -> Outputs:
        """Read `outputs.npz`. Raises BadRun if the arrays do not fit the digits that `run.json` describes."""
        file, data = self.path / "outputs.npz", self.record.data
        n, m = data.train_images, data.test_images
        expected: dict[str, tuple[tuple[int, ...], str, int]] = {
            "oof_outputs": ((n, CLASSES), "float32", 1),
            "test_outputs": ((m, CLASSES), "float32", 1),
            "y_true": ((n,), "int64", CLASSES - 1),
            "test_ids": ((m,), "int64", 10**9),
            "fold_of": ((self.record.repeats, n), "int64", self.record.folds - 1),
        }
        if self.record.scores.ensemble_gain is not None:
            expected["fold_test_outputs"] = ((self.record.folds, m, CLASSES), "float16", 1)
        arrays = read_npz(file, expected, _read_verified)
        names = ("oof_outputs", "test_outputs", "y_true", "test_ids", "fold_of", "fold_test_outputs")
        return Outputs(*(arrays[name] for name in names if name in arrays))

    def test_ids(self) -> NDArray[np.int64]:
        """The ids of a submission, int64 ``(m,)``. Raises BadRun as `outputs` does."""
        data = self.record.data
        return self.outputs().test_ids if data.own_ids else np.arange(1, data.test_images + 1)

    def submitted(self) -> Submitted | None:
        """Kaggle's answer, or None if the run was not uploaded. Raises BadRun if `leaderboard.json` cannot be read."""
        file = self.path / LEADERBOARD
        try:
            return Submitted.model_validate_json(read_bounded(file, MAX_LEADERBOARD))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BadRun(f"{file}: cannot be read; move it away to treat the run as not uploaded") from error

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Read the members' parameters.

        Returns
        -------
        Arrays by name, float32, with members on the first axis: ``(folds * repeats, …)``. If the recipe varies from
        repeat to repeat, names begin with the number of the variant, as in ``0.weights.1``, and have its members only.

        Raises
        ------
        BadRun
            They cannot be read or do not fit the recipe, or the run is a blend, which has none.
        """
        if self.record.recipe is None:
            raise BadRun(f"{self.path}: a blend has no members; use one of its parents")
        from safetensors import SafetensorError, safe_open

        file, recipe = self.verified("members.safetensors"), self.record.recipe
        expected = member_shapes(recipe, folds=self.record.folds, repeats=self.record.repeats)
        shapes = {name: (shape, "F32") for name, shape in expected.items()}
        try:
            require_regular(file, file.stat())
            with safe_open(file, "numpy") as stored:  # the header first: no file can take more memory than expected
                found = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118  no dict
                if {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in found.items()} != shapes:
                    raise BadRun(f"{file}: does not match the members that run.json describes")
                weights = {name: stored.get_tensor(name) for name in shapes}
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise BadRun(f"{file}: cannot be read ({error})") from error
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise BadRun(f"{file}: has weights that are not finite")
        return weights


@dataclass(frozen=True)
class ScoredRun:
    """A run with its score on the test images, read once.

    Attributes
    ----------
    run : a finished run
    submitted : Kaggle's answer so far; None if the run was not uploaded
    """

    run: Run
    submitted: Submitted | None

    @classmethod
    def of(cls, run: Run) -> ScoredRun:
        """`run` with its score. Raises BadRun if `leaderboard.json` cannot be read."""
        return cls(run, run.submitted())

    @property
    def score(self) -> float | None:
        """Accuracy on the test images: the public leaderboard's, else that on the withheld labels, else None."""
        if self.submitted is not None and self.submitted.public_score is not None:
            return self.submitted.public_score
        return self.run.withheld_accuracy


def as_argument(path: Path) -> str:
    """A run's folder as RUN on the command line, followed by `--output` if that is needed to find it.

    Examples
    --------
    >>> as_argument(Path("submissions/20261124-200000-mlp"))
    '20261124-200000-mlp'
    >>> as_argument(Path("my runs/20261124-200000-mlp"))
    "20261124-200000-mlp --output 'my runs'"
    """
    default = path.parent.absolute() == Path("submissions").absolute()
    option = "" if default else f" --output {shlex.quote(str(path.parent))}"
    return f"{shlex.quote(path.name)}{option}"


def read_run(path: Path) -> Run:
    """Read the run in a folder, after comparing the checksum of its `run.json`.

    No other file is opened: `Run` verifies each file that it reads, and `Run.verify` all of them.

    Raises
    ------
    BadRun
        The run is not finished, or its `run.json` is missing, was changed or cannot be read.

    Examples
    --------
    >>> read_run(Path("nowhere"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    kaggle_mnist.utils.errors.BadRun: nowhere/SHA256SUMS: ...
    """
    if (path / CHECKPOINT).is_dir() and not (path / SUMS).exists():
        raise BadRun(f"{path}: is not finished; resume it with `kaggle-mnist resume {as_argument(path)}`")
    sums, file = read_sums(path), path / "run.json"
    if missing := {"run.json", "submission.csv", "outputs.npz"} - set(sums):
        raise BadRun(f"{path / SUMS}: does not list {min(missing)}; the run can no longer be trusted")
    content = _read_verified(file, MAX_RECORD, sums)
    try:
        return Run(path, parse_record(content))
    except BadRun as error:
        raise BadRun(f"{file}: {error}") from error


def _read_verified(file: Path, most: int, sums: Mapping[str, str] | None = None) -> bytes:
    """The content of a run's file, at most `most` bytes, verified by its checksum. Raises BadRun."""
    sums = sums or read_sums(file.parent)
    try:
        content = read_bounded(file, most)
    except OSError as error:
        if error.errno != errno.EFBIG:  # a checksum of a file this large may take very long
            verify_file(file.parent, file.name, sums)
        raise BadRun(f"{file}: cannot be read ({error})") from error
    if sums.get(file.name) != hashlib.sha256(content).hexdigest():
        verify_file(file.parent, file.name, sums)
        raise BadRun(f"{file}: changed while being read; try again")
    return content
