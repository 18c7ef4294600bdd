"""Writing a run folder: its files, and last their checksums."""

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
from kaggle_mnist.utils.files import SUMS, leftovers, write_atomic, write_sums


def run_files(record: Record, outputs: Outputs, tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """The content of a run folder's files by name, without the members.

    Parameters
    ----------
    record : written as `run.json`
    outputs : written as `outputs.npz`; the test outputs make `submission.csv`
    tables : each is written as a CSV file of its name
    """
    arrays: dict[str, NDArray[Any]] = {
        "oof_outputs": outputs.oof,
        "test_outputs": outputs.test,
        "y_true": outputs.y_true,
        "test_ids": outputs.test_ids,
        "fold_of": outputs.fold_of,
    }
    if outputs.fold_test is not None:
        arrays["fold_test_outputs"] = outputs.fold_test
    return {
        "submission.csv": submission_csv(outputs.test, outputs.test_ids, record.data.header),
        "run.json": record.model_dump_json(indent=2).encode() + b"\n",
        "outputs.npz": npz_bytes(arrays),
        **{f"{name}.csv": csv_bytes(table) for name, table in tables.items()},
    }


def ensure_writable(output: Path, *, create: bool = True) -> None:
    """Create the folder for runs if needed, and check before training that files can be written there.

    Without `create`, nothing is created: where the folder does not exist, the one that it would be in is checked.

    Raises
    ------
    OutputError
        The folder cannot be created or written to.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     ensure_writable(Path(folder) / "submissions")
    ...     (Path(folder) / "submissions").is_dir()
    True
    """
    try:
        if create:
            output.mkdir(parents=True, exist_ok=True)
        existing = next((place for place in (output, *output.parents) if place.exists()), output)
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise OutputError(
            f"{output}: cannot write there ({error.strerror}); choose another folder with --output"
        ) from error


def write_run(output: Path, name: str, files: Mapping[str, bytes], *, now: datetime | None = None) -> Path:
    """Write a new run folder with its checksums, and return its path.

    Parameters
    ----------
    output : the folder of the runs; it must exist
    name : the last part of the run folder's name; the first is the date and time
    files : the files' content by name
    now : the date and time, if not the present

    Raises
    ------
    OutputError
        The folder cannot be written; nothing is left behind.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     run = write_run(Path(folder), "mlp", {"run.json": b"{}"}, now=datetime(2026, 11, 24, 20))
    ...     run.name, sorted(file.name for file in run.iterdir())
    ('20261124-200000-mlp', ['SHA256SUMS', 'run.json'])
    """
    path = new_folder(output, f"{now or datetime.now():%Y%m%d-%H%M%S}-{name}")
    try:
        finish_run(path, files)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return path


def new_folder(output: Path, name: str) -> Path:
    """Create the folder `name` below `output`, or `name-2`, `name-3`, … if that name is taken.

    Raises
    ------
    OutputError
        The folder cannot be created.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     [new_folder(Path(folder), "20261124-200000-mlp").name for _ in range(2)]
    ['20261124-200000-mlp', '20261124-200000-mlp-2']
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
    raise OutputError(f"{output / name}: 999 runs already have this name; choose another folder with --output")


def finish_run(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` into a run's folder and last their checksums, which mark the run as finished.

    Raises
    ------
    OutputError
        A file cannot be written; the run is not finished then.
    """
    try:
        for part in leftovers(folder, [*files, SUMS]):
            part.unlink()
        for name, content in files.items():
            write_atomic(folder / name, content)
        write_sums(folder, files)
    except OSError as error:
        raise OutputError(f"{folder}: the run could not be written ({error.strerror})") from error


def csv_bytes(table: pd.DataFrame) -> bytes:
    """`table` as a CSV file, without its index.

    Examples
    --------
    >>> csv_bytes(pd.DataFrame({"digit": [0, 1], "recall": [0.5, 1.0]}))
    b'digit,recall\\n0,0.5\\n1,1.0\\n'
    """
    return table.to_csv(index=False, lineterminator="\n").encode()
