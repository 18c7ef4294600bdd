"""Kaggle's own files: `train.csv` and `test.csv`, loose or still inside the downloaded zip."""

from __future__ import annotations

import csv
import io
import re
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
from kaggle_mnist.data.digits import SIDE, Digits
from kaggle_mnist.utils.errors import BadData, OutputError
from kaggle_mnist.utils.files import write_whole
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.reading import ZIP_FAULTS, BoundedLines, TranslatedErrors, open_regular, open_zip

PIXELS = [f"pixel{i}" for i in range(SIDE * SIDE)]
COLUMNS = {"train.csv": ["label", *PIXELS], "test.csv": PIXELS}
MAX_BYTES = 1 << 29  # of one CSV; Kaggle's train.csv has 77 MB
MAX_START = 1 << 16  # bytes that must hold the header, 7 kB, and the first row below it
MAX_LINE = 1 << 14  # bytes; a row has at most 4 kB
MAX_BLANK = 1 << 16  # lines without a value
PIECE = 1 << 18  # bytes read at once
CHUNK = 5000  # rows parsed between two reports of progress


@dataclass(frozen=True)
class CsvFile:
    """A CSV file on disk, or a member of a zip, which is read in place and never unpacked."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else f"{self.path}"

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The file's bytes as a stream.

        Raises BadData where the file or its archive cannot be read, also when that shows while reading.
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
        """Whatever a damaged file or archive raises, as one line."""
        try:
            yield
        except OSError as error:
            raise BadData(f"{self}: cannot be read ({error.strerror or error})") from error
        except ZIP_FAULTS as error:
            raise BadData(f"{self.path}: the zip cannot be read ({error}); download it again") from error

    @property
    def size(self) -> int:
        """Bytes, unpacked."""
        if self.member is None:
            return self.path.stat().st_size
        with self._as_bad_data(), open_zip(self.path) as archive:
            return archive.getinfo(self.member).file_size

    def size_and_crc(self) -> tuple[int, int]:
        """Size in bytes and CRC-32: how a zip's member and a loose file are known to be the same."""
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
    """Those of `train.csv` and `test.csv` that lie in `folder`, by name. Raises BadData for one over `MAX_BYTES`."""
    found = {name: CsvFile(folder / name) for name in COLUMNS if (folder / name).is_file()}
    for file in found.values():
        if file.size > MAX_BYTES:
            raise BadData(f"{file}: has {file.size:,} bytes; that is no digits file")
    return found


def in_zip(path: Path) -> dict[str, CsvFile]:
    """Those of `train.csv` and `test.csv` inside a zip, at its top or one folder down, by name.

    Raises BadData where the file is no zip, or a member claims more than `MAX_BYTES`.
    """
    try:
        with open_zip(path) as archive:
            members = [info for info in archive.infolist() if info.filename.count("/") <= 1]
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror or error})") from error
    except ZIP_FAULTS as error:
        raise BadData(f"{path}: not a readable zip ({error}); download it again") from error
    found: dict[str, CsvFile] = {}
    for info in members:
        name = info.filename.rpartition("/")[2]
        if name in COLUMNS and name not in found:
            if info.file_size > MAX_BYTES:
                raise BadData(f"{path}: {info.filename} unpacks to {info.file_size:,} bytes; that is no digits file")
            found[name] = CsvFile(path, info.filename)
    return found


def load_csv(train: CsvFile, test: CsvFile, *, progress: Progress = quiet) -> Digits:
    """The digits of a pair of CSV files, parsed once and then cached.

    Raises BadData, naming file, row and column, for whatever is not `label,pixel0…pixel783` with whole numbers in
    range. Rows are counted as an editor counts them: the header is row 1.
    """
    path = f"{train} and {test}"

    def parse() -> Digits:
        total, read = train.size + test.size, dict.fromkeys((train, test), 0)  # bytes

        def tell(file: CsvFile, position: int) -> None:
            read[file] = position
            progress("Reading CSV", sum(read.values()) >> 20, total >> 20, "MB")

        tell(train, 0)
        with ThreadPoolExecutor(2) as pool:  # pandas parses without holding the interpreter's lock
            labeled, unlabeled = pool.map(_read, (train, test), COLUMNS.values(), (tell, tell))
        return Digits(
            source="Kaggle CSV",
            path=path,
            train_images=np.ascontiguousarray(labeled[:, 1:]).reshape(-1, SIDE, SIDE),
            train_labels=labeled[:, 0].astype(np.int64),
            test_images=unlabeled.reshape(-1, SIDE, SIDE),
        )

    return cached([train.path, test.path], parse, path=path)


def export_csv(digits: Digits, folder: Path, *, progress: Progress = quiet) -> None:
    """`train.csv`, `test.csv` and `sample_submission.csv` as Kaggle ships them.

    Raises OutputError where one of them is there already, or `folder` cannot be written to.
    """
    labeled = np.column_stack([digits.train_labels, digits.train_images.reshape(-1, SIDE * SIDE)])
    tables = {
        "train.csv": pd.DataFrame(labeled, columns=COLUMNS["train.csv"]),
        "test.csv": pd.DataFrame(digits.test_images.reshape(-1, SIDE * SIDE), columns=PIXELS),
        "sample_submission.csv": pd.DataFrame({"ImageId": digits.test_ids, "Label": 0}),
    }
    present = [name for name in tables if (folder / name).exists()]
    if present:
        raise OutputError(f"{folder / present[0]}: is there already; choose another folder for --export")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for i, (name, table) in enumerate(tables.items()):
            progress("Exporting", i, len(tables), name)
            write_whole(folder / name, table.to_csv(index=False, lineterminator="\n").encode())
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there ({error.strerror})") from error
    progress("Exporting", len(tables), len(tables))


def _read(file: CsvFile, columns: list[str], tell: Callable[[CsvFile, int], None]) -> NDArray[np.uint8]:
    """The values, shape ``(rows, columns)``. pandas reads; where it finds anything odd, `_first_fault` says what."""
    with file.open() as stream:
        start = stream.read(MAX_START).removeprefix(b"\xef\xbb\xbf")
    _check_header(file, start, columns)
    first_row = next((line for line in start.splitlines()[1:] if line.strip()), b"")
    if first_row.count(b",") != len(columns) - 1:  # pandas would take what is too much for an index
        raise BadData(f"{file}, {_first_fault(file, columns)}")
    limits = [10 if name == "label" else 256 for name in columns]
    parts: list[NDArray[np.uint8]] = []
    try:
        with (
            file.open() as stream,
            pd.read_csv(
                io.BufferedReader(BoundedLines(stream, MAX_LINE), PIECE),
                encoding="utf-8-sig",
                chunksize=CHUNK,
                low_memory=False,
            ) as tables,
        ):
            for table in tables:
                values = table.to_numpy()
                # Rows longer than the header make pandas take their first value for an index.
                shifted = not isinstance(table.index, pd.RangeIndex) or values.shape[1] != len(columns)
                if shifted or values.dtype != np.int64 or (values < 0).any() or (values >= limits).any():
                    break
                parts.append(values.astype(np.uint8))
                tell(file, stream.tell())
            else:
                return np.concatenate(parts)
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError, OverflowError):
        pass
    raise BadData(f"{file}, {_first_fault(file, columns)}")


def _check_header(file: CsvFile, start: bytes, columns: list[str]) -> None:
    expected = f"{columns[0]},…,{columns[-1]}" if columns[0] != "label" else "label,pixel0,…,pixel783"
    if not start.strip():
        raise BadData(f"{file}: is empty; download it again")
    line = start.splitlines()[0].decode("utf-8", errors="replace")
    found = [name.strip().strip('"') for name in line.split(",")]
    if found == columns:
        return
    missing = [name for name in columns if name not in set(found)]
    extra = [name for name in found if name not in set(columns)]
    if len(missing) == len(columns):
        fault = f"begins with {line[:40]!r}, not with the header"
    elif missing or extra:
        fault = " and ".join(
            f"{what} {', '.join(repr(name[:30]) for name in names[:3])}{' …' if len(names) > 3 else ''}"
            f" ({len(names)} in all)"
            for what, names in (("lacks the columns", missing), ("has the unknown columns", extra))
            if names
        )
    elif len(found) > len(columns):
        fault = "names a column twice"
    else:
        at = next(i for i, (a, b) in enumerate(zip(found, columns, strict=True)) if a != b)
        fault = f"has its columns in another order: column {at + 1} is {found[at]!r}, not {columns[at]!r}"
    raise BadData(f"{file}, row 1: {fault}; expected {expected}")


def _first_fault(file: CsvFile, columns: list[str]) -> str:
    """The first row that breaks the format, in words."""
    usual, blank, number = _usual_row(columns), 0, 1
    with file.open() as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace")
        text.readline(MAX_START)
        while line := text.readline(MAX_LINE):
            number += 1
            if usual.fullmatch(line):
                continue
            if not line.strip(" \t\r\n"):  # pandas skips it too
                blank += 1
                if blank > MAX_BLANK:
                    return f"row {number}: is blank, as more than {MAX_BLANK:,} before it"
            elif fault := _fault(line, columns):
                cut = not text.readline(1)
                return f"row {number}: {fault}{'; the file looks cut off, download it again' if cut else ''}"
    return (
        "some row: cannot be read as whole numbers" if number - blank > 1 else "row 2: the header has no rows below it"
    )


def _usual_row(columns: list[str]) -> re.Pattern[str]:
    """What a row looks like where nothing is wrong; almost every one does."""
    pixel = "(?:[0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
    first = "[0-9]" if columns[0] == "label" else pixel
    return re.compile(f"{first}(?:,{pixel}){{{len(columns) - 1}}}\n?")


def _fault(line: str, columns: list[str]) -> str | None:
    if len(line) >= MAX_LINE:
        return f"has more than {MAX_LINE:,} characters"
    try:
        row = next(csv.reader([line]))  # by itself: no value goes on in the next line
    except csv.Error as error:
        return f"cannot be read as CSV ({error})"
    if len(row) != len(columns):
        return f"has {len(row)} values instead of {len(columns)}"
    for name, text in zip(columns, row, strict=True):
        limit, value = 9 if name == "label" else 255, text.strip(" \t")
        if not (value.isascii() and value.isdigit() and len(value) <= 20 and int(value) <= limit):
            shown = repr(value[:20]) if value else "empty"
            return f"{name} is {shown}; it must be a whole number from 0 to {limit}"
    return None
