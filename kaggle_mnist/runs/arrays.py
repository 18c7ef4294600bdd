"""Arrays in `.npz` files: the same arrays give the same bytes, and reading unpickles nothing."""

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
from kaggle_mnist.utils.reading import ZIP_FAULTS, open_zip, read_bounded, shown_size

MAX_BYTES = 1 << 30  # of a file's arrays; 42,000 and 28,000 images take 3 MB, and 0.3 MB more for each repeat
SPARE = 1 << 20  # bytes that a file may have beside its arrays

# What NumPy, too, raises on files that are cut off, damaged or made with intent.
FAULTS = (*ZIP_FAULTS, OSError, MemoryError, SyntaxError, TypeError, tokenize.TokenError, Warning)


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An `.npz` file of `arrays`; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read_npz(
    file: Path,
    expected: Mapping[str, tuple[tuple[int, ...], str, int]],
    read: Callable[[Path, int], bytes] = read_bounded,
) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz` file, nothing unpickled: for each name its shape, type, and largest value (least: 0).

    Headers are read before arrays, so that no file can ask for more memory than expected. Raises BadRun.

    `read` gives the content of a file of at most so many bytes, and may raise BadRun for what it finds wrong with it.
    """
    arrays: dict[str, NDArray[Any]] = {}
    size = sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind, _ in expected.values())
    if size > MAX_BYTES:
        raise BadRun(f"{file}: would hold more than {shown_size(MAX_BYTES)} of outputs; no run does")
    try:
        content = io.BytesIO(read(file, 2 * size + SPARE))
        with open_zip(content) as archive, warnings.catch_warnings():
            warnings.simplefilter("error")  # of headers that NumPy has to guess at
            for name, (shape, kind, _) in expected.items():
                with archive.open(f"{name}.npy") as member:
                    first_version = np.lib.format.read_magic(member) == (1, 0)
                    header = np.lib.format.read_array_header_1_0(member) if first_version else None
                    if header != (shape, False, np.dtype(kind)):
                        raise BadRun(f"{file}: {name} is not the {shape} of {kind} that run.json tells of")
                with archive.open(f"{name}.npy") as member:
                    arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
    except FAULTS as error:
        raise BadRun(f"{file}: cannot be read ({error})") from error
    for name, (_, _, largest) in expected.items():
        if not ((arrays[name] >= 0) & (arrays[name] <= largest)).all():  # NaN is neither
            raise BadRun(f"{file}: {name} has values outside 0 to {largest}; it was changed since")
    return arrays
