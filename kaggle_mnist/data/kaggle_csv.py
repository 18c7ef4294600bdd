"""CSV files of digits: Kaggle's `train.csv` and `test.csv`, and the forms that other sets and programs give them."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kaggle_mnist.data.cache import cached
from kaggle_mnist.data.csv_errors import LIMITS, MAX_LINE, MAX_START, first_error
from kaggle_mnist.data.csv_format import ID, LABEL, Format, are_ids, other_classes, recognize
from kaggle_mnist.data.digits import CLASSES, SIDE, Digits, WithheldLabels
from kaggle_mnist.data.places import StoredFile
from kaggle_mnist.data.sample import read_sample, with_ids
from kaggle_mnist.utils.dialect import AsUtf8
from kaggle_mnist.utils.errors import BadData, OutputError
from kaggle_mnist.utils.files import write_atomic
from kaggle_mnist.utils.formats import require_csv
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.reading import BoundedLines

PIXELS = [f"pixel{i}" for i in range(SIDE * SIDE)]
COLUMNS = {"train.csv": ["label", *PIXELS], "test.csv": PIXELS}
BUFFER = 1 << 18  # bytes read at once
CHUNK = 5000  # rows parsed between two progress reports


class Table(NamedTuple):
    """The content of a CSV: `pixels`, uint8 ``(rows, columns)``, and the columns before them by kind, int64."""

    pixels: NDArray[np.uint8]
    leading: dict[str, NDArray[np.int64]]


def load_csv(
    train: StoredFile, test: StoredFile, sample: StoredFile | None = None, *, progress: Progress = quiet
) -> Digits:
    """Load a pair of CSV files; the parsed digits are cached.

    Parameters
    ----------
    train : columns ``label,pixel0,…,pixel783``: whole numbers, labels 0 to 9, pixels 0 to 255; or one of the other
        forms that `csv_format.recognize` knows
    test : columns ``pixel0,…,pixel783``, or the same with ids, or with labels, which are withheld
    sample : the competition's `sample_submission.csv`, whose header and ids the submission gets
    progress : called with the MB parsed

    Raises
    ------
    BadData
        A file cannot be read or has another format; the message names the file, and the first bad row and column. A
        header is row 1.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> images = np.zeros((10, 28, 28), np.uint8)
    >>> with TemporaryDirectory() as folder:
    ...     export_csv(Digits("practice set", "here", images, np.arange(10), images[:3]), Path(folder))
    ...     digits = load_csv(StoredFile(Path(folder, "train.csv")), StoredFile(Path(folder, "test.csv")))
    >>> digits.train_labels.tolist(), digits.test_images.shape
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], (3, 28, 28))
    """
    path = f"{train} and {test}"

    def parse() -> Digits:
        total, read = train.size + test.size, dict.fromkeys((train, test), 0)  # bytes

        def report(file: StoredFile, position: int) -> None:
            read[file] = min(position, file.size)  # of a compressed file, the position is larger
            progress("Reading CSV", sum(read.values()) >> 20, total >> 20, "MB")

        report(train, 0)
        with ThreadPoolExecutor(2) as pool:  # pandas releases the GIL while parsing
            labeled, unlabeled = pool.map(_read, (train, test), COLUMNS.values(), (report, report))
        labels = unlabeled.leading.get(LABEL)
        digits = Digits(
            source="Kaggle CSV",
            path=path,
            train_images=labeled.pixels.reshape(-1, SIDE, SIDE),
            train_labels=labeled.leading[LABEL],
            test_images=unlabeled.pixels.reshape(-1, SIDE, SIDE),
            withheld=None if labels is None or (labels == labels[0]).all() else WithheldLabels(labels),  # a placeholder
        )
        ids = unlabeled.leading.get(ID)
        return with_ids(digits, ids, read_sample(sample) if sample else None, of=f"{test}")

    files = [train, test, *([sample] if sample else [])]
    return cached(dict.fromkeys(file.path for file in files), parse, path=path)


def row_of_first_image(file: StoredFile, half: str) -> int:
    """The row of a `train.csv` or `test.csv` with the first image: 2, or 1 without a header.

    Raises BadData as `load_csv` does.
    """
    return 1 + _format(file, COLUMNS[half]).header


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
    id_name, label_name = digits.header
    tables = {
        "train.csv": pd.DataFrame(labeled, columns=COLUMNS["train.csv"]),
        "test.csv": pd.DataFrame(digits.test_images.reshape(-1, SIDE * SIDE), columns=PIXELS),
        "sample_submission.csv": pd.DataFrame({id_name: digits.test_ids, label_name: 0}),
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


def _format(file: StoredFile, expected: list[str]) -> Format:
    with file.open() as stream:
        start = stream.read(MAX_START).removeprefix(b"\xef\xbb\xbf")
    if not start.strip():
        raise BadData(f"{file}: is empty; download it again")
    require_csv(file, start)
    found = recognize(start, expected)
    if isinstance(found, str):
        raise BadData(f"{file}, {found}")
    first_row = next((line for line in start.splitlines()[found.header :] if line.strip()), b"")
    if found.encoding == "utf-8-sig" and first_row.count(found.separator.encode()) != len(found.columns) - 1:
        raise _bad_row(file, found, expected)  # pandas would take extra values for an index
    return found


def _text(stream: IO[bytes], found: Format) -> IO[bytes]:
    return stream if found.encoding == "utf-8-sig" else io.BufferedReader(AsUtf8(stream, found.encoding))


def _read(file: StoredFile, expected: list[str], report: Callable[[StoredFile, int], None]) -> Table:
    """The values of a CSV. pandas parses; `first_error` describes what it cannot parse."""
    found = _format(file, expected)
    columns, first = found.columns, len(found.leading)
    limits = [LIMITS.get(name, 255) for name in columns]
    parts: list[tuple[NDArray[np.int64], NDArray[np.uint8]]] = []
    decimals = False
    try:
        with (
            file.open() as stream,
            pd.read_csv(
                io.BufferedReader(BoundedLines(_text(stream, found), MAX_LINE), BUFFER),
                sep=found.separator,
                header=0 if found.header else None,
                encoding="utf-8-sig",
                chunksize=CHUNK,
                low_memory=False,
            ) as tables,
        ):
            for table in tables:
                values = table.to_numpy()
                # With rows longer than the header, pandas takes the first value for an index.
                shifted = not isinstance(table.index, pd.RangeIndex) or values.shape[1] != len(columns)
                if values.dtype == np.float64:
                    decimals = True
                    values = values[~np.isnan(values).all(1)]  # without rows that Excel emptied
                if shifted or values.dtype not in (np.int64, np.float64):
                    break
                if not ((values >= 0) & (values <= limits)).all():  # NaN is neither
                    break
                parts.append((values[:, :first].astype(np.int64), values[:, first:].astype(np.uint8)))
                report(file, stream.tell())
            else:
                if not decimals or not _first_error(file, found):
                    leading = np.concatenate([head for head, _ in parts])
                    by_kind = {kind: leading[:, i].copy() for i, kind in enumerate(found.leading)}
                    if found.leading and not found.header and expected == PIXELS and are_ids(leading[:, 0].tolist()):
                        raise _ids(file, expected)
                    pixels = np.ascontiguousarray(np.concatenate([pixels for _, pixels in parts]))
                    unnamed = not found.header or found.pixels[0] == "1"  # pandas names the columns 0 to 784
                    if found.leading and unnamed and _are_labels_last(leading[:, 0], pixels[:, -1]):
                        raise BadData(f"{file}: the last column has the labels; they must be in the first")
                    return Table(pixels, by_kind)
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError, OverflowError):
        pass
    raise _bad_row(file, found, expected)


def _first_error(file: StoredFile, found: Format) -> str | None:
    with file.open() as stream:
        return first_error(_text(stream, found), found.columns, found.separator, header=found.header)


def _bad_row(file: StoredFile, found: Format, expected: list[str]) -> BadData:
    labels = _labels(file, found)
    if not found.header and are_ids(labels) and max(labels) > LIMITS[LABEL]:
        return _ids(file, expected)
    if classes := other_classes(labels):
        return BadData(f"{file}: has {classes}; only sets of ten classes, 0 to 9, can be used")
    return BadData(f"{file}, {_first_error(file, found) or 'some row: not whole numbers'}")


def _are_labels_last(first: NDArray[np.int64], last: NDArray[np.uint8]) -> bool:
    """Whether the labels are in the last column, whose pixel is background, and the first has a pixel like it."""
    return bool((first == first[0]).all() and last.max() < CLASSES and len(np.unique(last)) > 2)


def _ids(file: StoredFile, expected: list[str]) -> BadData:
    """What is wrong with a file without a header that has an index or ids where labels are expected."""
    if expected == PIXELS:
        advice = "save it without its index (index=False in pandas), or with a header: id,pixel0,…,pixel783"
    else:
        advice = "save it with its labels there, and without its index (index=False in pandas)"
    return BadData(f"{file}: the first column has the rows' numbers or ids instead of labels; {advice}")


def _labels(file: StoredFile, found: Format) -> list[int]:
    """The labels, whatever their values; none if there are none, or they cannot be read."""
    if LABEL not in found.leading:
        return []
    try:
        with file.open() as stream:
            labels = pd.read_csv(
                io.BufferedReader(BoundedLines(_text(stream, found), MAX_LINE), BUFFER),
                sep=found.separator,
                header=0 if found.header else None,
                encoding="utf-8-sig",
                usecols=[found.leading.index(LABEL)],
            ).iloc[:, 0]
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError, OverflowError):
        return []
    return labels.tolist() if labels.dtype == np.int64 else []
