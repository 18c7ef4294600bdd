"""The run folder: written whole or not at all, found again, and read only if it is as it was written."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kaggle_mnist.errors import BadRun, OutputError
from kaggle_mnist.files import sha256_of

SUMS = "SHA256SUMS"
LATEST = "latest"


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, and the content of its `run.json`."""

    path: Path
    record: dict[str, Any]

    @property
    def submission(self) -> Path:
        """The CSV for Kaggle."""
        return self.path / "submission.csv"

    @property
    def cv_accuracy(self) -> float:
        """Mean over the members of each one's accuracy on the images it held out."""
        return float(self.record["scores"]["cv_accuracy"])

    @property
    def withheld_accuracy(self) -> float | None:
        """Accuracy on the practice set's withheld labels; None on other digits, and where they stayed closed."""
        score: float | None = self.record["scores"]["withheld_accuracy"]
        return score

    def table(self, name: str) -> pd.DataFrame:
        """`folds`, `history`, `confusion` or `digits`: one of the run's CSV files."""
        return pd.read_csv(self.path / f"{name}.csv")

    def outputs(self) -> dict[str, NDArray[Any]]:
        """The arrays of `outputs.npz`."""
        with np.load(self.path / "outputs.npz", allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


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


def write_run(output: Path, recipe_name: str, files: Mapping[str, bytes], *, now: datetime | None = None) -> Path:
    """Write `files` as a new run folder below `output`, with their checksums, and give its path.

    All is written beside its final place and then renamed, so a folder with a run's name is a whole run.

    Raises OutputError, leaving nothing behind.
    """
    name = f"{now or datetime.now():%Y%m%d-%H%M%S}-{recipe_name}"
    try:
        with tempfile.TemporaryDirectory(dir=output, prefix=".unfinished-", ignore_cleanup_errors=True) as parent:
            folder = Path(parent) / name
            folder.mkdir()
            for file, content in files.items():
                (folder / file).write_bytes(content)
            sums = "".join(f"{sha256_of(folder / file)}  {file}\n" for file in sorted(files))
            (folder / SUMS).write_text(sums, newline="\n")
            return _move_to_free_name(folder, output / name)
    except OSError as error:
        raise OutputError(
            f"{output}: the run could not be written ({error.strerror}); nothing of it was kept"
        ) from error


def find_run(run: str | None, output: Path) -> Run:
    """A finished run by its path, by its folder's name below `output`, or the newest (`latest` or None).

    Raises BadRun where there is none, it did not finish, or a file of it is not as it was written.
    """
    if run is None or run == LATEST:
        finished = sorted(sums.parent for sums in output.glob(f"[!.]*/{SUMS}"))
        if not finished:
            raise BadRun(f"{output}: holds no finished run; `kaggle-mnist train` makes one")
        return read_run(finished[-1])
    path = next((path for path in (Path(run), output / run) if path.is_dir()), None)
    if path is None:
        raise BadRun(f"{run}: no such run, here or in {output}")
    return read_run(path)


def read_run(path: Path) -> Run:
    """The run in a folder, once every file has the checksum that it was written with. Raises BadRun."""
    try:
        lines = (path / SUMS).read_text().splitlines()
        for expected, file in (line.split("  ", 1) for line in lines):
            if Path(file).name != file or sha256_of(path / file) != expected:
                raise BadRun(f"{path / file}: is not as the run wrote it; the run cannot be trusted any more")
        return Run(path, json.loads((path / "run.json").read_text()))
    except FileNotFoundError as error:
        raise BadRun(f"{error.filename}: is missing; the run did not finish or was taken apart") from error
    except (OSError, ValueError) as error:
        raise BadRun(f"{path}: is not a run that can be read ({error})") from error


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An `.npz` file of `arrays`; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def csv_bytes(table: pd.DataFrame, *, index: bool = False) -> bytes:
    """A CSV file of `table`."""
    return table.to_csv(index=index, lineterminator="\n").encode()


def _move_to_free_name(folder: Path, path: Path) -> Path:
    """Rename `folder` to `path`, or to `path-2`, `path-3`, … where another run has taken the name."""
    for number in range(1, 1000):
        target = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            folder.rename(target)
            return target
        except OSError:
            if not target.exists():
                raise
    raise OutputError(f"{path}: a thousand runs have this name already")
