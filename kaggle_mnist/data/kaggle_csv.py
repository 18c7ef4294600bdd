"""Kaggle's files: `train.csv` and `test.csv`, extracted or inside the downloaded zip."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kaggle_mnist.data.cache import cached
from kaggle_mnist.data.csv_errors import MAX_LINE, MAX_START, first_error, header_error
from kaggle_mnist.data.digits import SIDE, Digits
from kaggle_mnist.utils.errors import BadData, OutputError
from kaggle_mnist.utils.files import write_atomic
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.reading import ZIP_ERRORS, BoundedLines, TranslatedErrors, open_regular, open_zip

PIXELS = [f"pixel{i}" for i in range(SIDE * SIDE)]
COLUMNS = {"train.csv": ["label", *PIXELS], "test.csv": PIXELS}
MAX_BYTES = 1 << 29  # of one CSV; Kaggle's train.csv has 77 MB
BUFFER = 1 << 18  # bytes read at once
CHUNK = 5000  # rows parsed between two progress reports


@dataclass(frozen=True)
class CsvFile:
    """A CSV file on disk, or a member of a zip, which is read without extracting it.

    Attributes
    ----------
    path : the file or the zip
    member : the name inside the zip; None for a file

    Examples
    --------
    >>> print(CsvFile(Path("digit-recognizer.zip"), "train.csv"))
    digit-recognizer.zip/train.csv
    """

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else f"{self.path}"

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the file's content as a stream of bytes.

        Raises BadData if the file or its zip cannot be read, and so does reading the stream.
        """
        with ExitStack() as opened:
            file: IO[bytes]
            with self._as_bad_data():
                if self.member is None:
                    file = opened.enter_context(open_regular(self.path))
                else:
                    archive = opened.enter_context(open_zip(self.path))
                    file = opened.enter_context(archive.open(self.member))
            yield io.BufferedReader(TranslatedErrors(file, self._as_bad_data))

    @contextmanager
    def _as_bad_data(self) -> Iterator[None]:
        """Turn every error of a damaged file or zip into BadData."""
        try:
            yield
        except OSError as error:
            raise BadData(f"{self}: cannot be read ({error.strerror or error})") from error
        except ZIP_ERRORS as error:
            raise BadData(f"{self.path}: the zip cannot be read ({error}); download it again") from error

    @property
    def size(self) -> int:
        """Size in bytes, uncompressed. Raises BadData if the zip cannot be read, OSError if the file cannot."""
        if self.member is None:
            return self.path.stat().st_size
        with self._as_bad_data(), open_zip(self.path) as archive:
            return archive.getinfo(self.member).file_size

    def size_and_crc(self) -> tuple[int, int]:
        """Return the size in bytes and the CRC-32, which identify a zip member and its extracted copy as the same.

        Raises BadData if the file or its zip cannot be read.
        """
        if self.member is not None:
            with self._as_bad_data(), open_zip(self.path) as archive:
                info = archive.getinfo(self.member)
                return info.file_size, info.CRC
        crc, size = 0, 0
        with self.open() as file:
            while chunk := file.read(1 << 20):
                crc, size = zlib.crc32(chunk, crc), size + len(chunk)
        return size, crc


def in_folder(folder: Path) -> dict[str, CsvFile]:
    """Find `train.csv` and `test.csv` in `folder`; the result has an entry for each one that exists.

    Raises BadData if one is larger than `MAX_BYTES`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "train.csv").write_text("label,pixel0")
    ...     list(in_folder(Path(folder)))
    ['train.csv']
    """
    found = {name: CsvFile(folder / name) for name in COLUMNS if (folder / name).is_file()}
    for file in found.values():
        if file.size > MAX_BYTES:
            raise BadData(f"{file}: too large ({file.size:,} bytes); download it again")
    return found


def in_zip(path: Path) -> dict[str, CsvFile]:
    """Find `train.csv` and `test.csv` in a zip, at its top level or one folder down; an entry for each that exists.

    Raises BadData if the file is not a readable zip, or one of them would be larger than `MAX_BYTES`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from zipfile import ZipFile
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "digit-recognizer.zip")
    ...     with ZipFile(path, "w") as archive:
    ...         archive.writestr("digit-recognizer/test.csv", "pixel0")
    ...     in_zip(path)["test.csv"].member
    'digit-recognizer/test.csv'
    """
    try:
        with open_zip(path) as archive:
            members = [info for info in archive.infolist() if info.filename.count("/") <= 1]
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror or error})") from error
    except ZIP_ERRORS as error:
        raise BadData(f"{path}: not a readable zip ({error}); download it again") from error
    found: dict[str, CsvFile] = {}
    for info in members:
        name = info.filename.rpartition("/")[2]
        if name in COLUMNS and name not in found:
            if info.file_size > MAX_BYTES:
                raise BadData(f"{path}: {info.filename} is too large ({info.file_size:,} bytes); download it again")
            found[name] = CsvFile(path, info.filename)
    return found


def load_csv(train: CsvFile, test: CsvFile, *, progress: Progress = quiet) -> Digits:
    """Load a pair of CSV files; the parsed digits are cached.

    Parameters
    ----------
    train : columns ``label,pixel0,…,pixel783``: whole numbers, labels 0 to 9, pixels 0 to 255
    test : columns ``pixel0,…,pixel783``
    progress : called with the MB parsed

    Raises
    ------
    BadData
        A file cannot be read or has another format; the message names the file, and the first bad row and column. The
        header is row 1.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> images = np.zeros((10, 28, 28), np.uint8)
    >>> with TemporaryDirectory() as folder:
    ...     export_csv(Digits("practice set", "here", images, np.arange(10), images[:3]), Path(folder))
    ...     digits = load_csv(CsvFile(Path(folder, "train.csv")), CsvFile(Path(folder, "test.csv")))
    >>> digits.train_labels.tolist(), digits.test_images.shape
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], (3, 28, 28))
    """
    path = f"{train} and {test}"

    def parse() -> Digits:
        total, read = train.size + test.size, dict.fromkeys((train, test), 0)  # bytes

        def report(file: CsvFile, position: int) -> None:
            read[file] = position
            progress("Reading CSV", sum(read.values()) >> 20, total >> 20, "MB")

        report(train, 0)
        with ThreadPoolExecutor(2) as pool:  # pandas releases the GIL while parsing
            labeled, unlabeled = pool.map(_read, (train, test), COLUMNS.values(), (report, report))
        return Digits(
            source="Kaggle CSV",
            path=path,
            train_images=np.ascontiguousarray(labeled[:, 1:]).reshape(-1, SIDE, SIDE),
            train_labels=labeled[:, 0].astype(np.int64),
            test_images=unlabeled.reshape(-1, SIDE, SIDE),
        )

    return cached([train.path, test.path], parse, path=path)


def export_csv(digits: Digits, folder: Path, *, progress: Progress = quiet) -> None:
    """Write `train.csv`, `test.csv` and `sample_submission.csv` in Kaggle's format.

    Raises OutputError if one of them already exists, or `folder` cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> images = np.zeros((10, 28, 28), np.uint8)
    >>> with TemporaryDirectory() as folder:
    ...     export_csv(Digits("practice set", "here", images, np.arange(10), images[:2]), Path(folder))
    ...     Path(folder, "sample_submission.csv").read_text().split()
    ['ImageId,Label', '1,0', '2,0']
    """
    labeled = np.column_stack([digits.train_labels, digits.train_images.reshape(-1, SIDE * SIDE)])
    tables = {
        "train.csv": pd.DataFrame(labeled, columns=COLUMNS["train.csv"]),
        "test.csv": pd.DataFrame(digits.test_images.reshape(-1, SIDE * SIDE), columns=PIXELS),
        "sample_submission.csv": pd.DataFrame({"ImageId": digits.test_ids, "Label": 0}),
    }
    present = [name for name in tables if (folder / name).exists()]
    if present:
        raise OutputError(f"{folder / present[0]}: already exists; choose another folder for --export")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for i, (name, table) in enumerate(tables.items()):
            progress("Exporting", i, len(tables), name)
            write_atomic(folder / name, table.to_csv(index=False, lineterminator="\n").encode())
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    progress("Exporting", len(tables), len(tables))


def _read(file: CsvFile, columns: list[str], report: Callable[[CsvFile, int], None]) -> NDArray[np.uint8]:
    """The values, shape ``(rows, columns)``. pandas parses; `first_error` describes what it cannot parse."""
    with file.open() as stream:
        start = stream.read(MAX_START).removeprefix(b"\xef\xbb\xbf")
    if not start.strip():
        raise BadData(f"{file}: is empty; download it again")
    if problem := header_error(start, columns):
        raise BadData(f"{file}, {problem}")
    first_row = next((line for line in start.splitlines()[1:] if line.strip()), b"")
    if first_row.count(b",") != len(columns) - 1:  # pandas would take extra values for an index
        raise _bad_row(file, columns)
    limits = [10 if name == "label" else 256 for name in columns]
    parts: list[NDArray[np.uint8]] = []
    try:
        with (
            file.open() as stream,
            pd.read_csv(
                io.BufferedReader(BoundedLines(stream, MAX_LINE), BUFFER),
                encoding="utf-8-sig",
                chunksize=CHUNK,
                low_memory=False,
            ) as tables,
        ):
            for table in tables:
                values = table.to_numpy()
                # With rows longer than the header, pandas takes the first value for an index.
                shifted = not isinstance(table.index, pd.RangeIndex) or values.shape[1] != len(columns)
                if shifted or values.dtype != np.int64 or (values < 0).any() or (values >= limits).any():
                    break
                parts.append(values.astype(np.uint8))
                report(file, stream.tell())
            else:
                return np.concatenate(parts)
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError, OverflowError):
        pass
    raise _bad_row(file, columns)


def _bad_row(file: CsvFile, columns: list[str]) -> BadData:
    with file.open() as stream:
        return BadData(f"{file}, {first_error(stream, columns)}")
