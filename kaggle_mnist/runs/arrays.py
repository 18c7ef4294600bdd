"""Arrays in `.npz` files: equal arrays give equal bytes, and reading never unpickles."""

from __future__ import annotations

import io
import math
import tokenize
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.reading import ZIP_ERRORS, format_size, open_zip, read_bounded

MAX_BYTES = 1 << 30  # of all arrays; 42,000 and 28,000 images take 3 MB, plus 0.3 MB for each repeat
MAX_OVERHEAD = 1 << 20  # bytes of a file that are not array data

# What NumPy and zipfile raise on truncated, damaged or malicious files.
FAULTS = (*ZIP_ERRORS, OSError, MemoryError, SyntaxError, TypeError, tokenize.TokenError, Warning)


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of an `.npz` file of `arrays`; equal arrays give equal bytes.

    Examples
    --------
    >>> content = npz_bytes({"fold_of": np.zeros((1, 4), np.int64)})
    >>> content == npz_bytes({"fold_of": np.zeros((1, 4), np.int64)})
    True
    """
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read_npz(
    file: Path,
    expected: Mapping[str, tuple[tuple[int, ...], str, int]],
    read: Callable[[Path, int], bytes] = read_bounded,
) -> dict[str, NDArray[Any]]:
    """Read an `.npz` file without unpickling, checking the shape, type and range of each array.

    Headers are checked before arrays are read, so no file can take more memory than expected.

    Parameters
    ----------
    file : the `.npz` file
    expected : for each array its shape, dtype and largest value; the smallest is 0
    read : returns the content of a file up to a number of bytes; raises OSError or BadRun

    Raises
    ------
    BadRun
        The file cannot be read, or an array is missing or not as expected.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "outputs.npz"
    ...     _ = file.write_bytes(npz_bytes({"y_true": np.array([3, 0, 9])}))
    ...     read_npz(file, {"y_true": ((3,), "int64", 9)})
    {'y_true': array([3, 0, 9])}
    """
    arrays: dict[str, NDArray[Any]] = {}
    size = sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind, _ in expected.values())
    if size > MAX_BYTES:
        raise BadRun(f"{file}: run.json describes more than {format_size(MAX_BYTES)} of outputs; no run has that many")
    try:
        content = io.BytesIO(read(file, 2 * size + MAX_OVERHEAD))
        with open_zip(content) as archive, warnings.catch_warnings():
            warnings.simplefilter("error")  # on headers that NumPy has to guess
            for name, (shape, kind, _) in expected.items():
                with archive.open(f"{name}.npy") as member:
                    first_version = np.lib.format.read_magic(member) == (1, 0)
                    header = np.lib.format.read_array_header_1_0(member) if first_version else None
                    if header != (shape, False, np.dtype(kind)):
                        raise BadRun(f"{file}: {name} must have shape {shape} and type {kind}, as run.json says")
                with archive.open(f"{name}.npy") as member:
                    arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
    except FAULTS as error:
        raise BadRun(f"{file}: cannot be read ({error})") from error
    for name, (_, _, largest) in expected.items():
        if not ((arrays[name] >= 0) & (arrays[name] <= largest)).all():  # False for NaN
            raise BadRun(f"{file}: {name} has values outside 0 to {largest}; the file was edited after the run")
    return arrays
