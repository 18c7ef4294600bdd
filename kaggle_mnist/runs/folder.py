"""The run folder as it is written: its files, and their checksums last of all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from kaggle_mnist.runs.arrays import npz_bytes
from kaggle_mnist.runs.record import Record
from kaggle_mnist.runs.run import Outputs
from kaggle_mnist.runs.submission import submission_csv
from kaggle_mnist.utils.errors import OutputError
from kaggle_mnist.utils.files import SUMS, leftovers, write_sums, write_whole


def run_files(record: Record, outputs: Outputs, tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """The files of a run folder by name; each of `tables` becomes a CSV file."""
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
        "outputs.npz": npz_bytes(arrays),
        **{f"{name}.csv": csv_bytes(table) for name, table in tables.items()},
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


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A CSV file of `table`, without its index."""
    return table.to_csv(index=False, lineterminator="\n").encode()
