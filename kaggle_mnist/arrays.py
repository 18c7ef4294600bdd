"""Arrays in `.npz` files: the same arrays give the same bytes, and reading unpickles nothing."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.errors import BadRun

# What the standard library and NumPy raise on archives that are cut off, damaged or made with intent.
FAULTS = (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An `.npz` file of `arrays`; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read_npz(file: Path, expected: Mapping[str, tuple[tuple[int, ...], str, int]]) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz` file, nothing unpickled: for each name its shape, type, and largest value (least: 0).

    Headers are read before arrays, so that no file can ask for more memory than expected. Raises BadRun.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(file) as archive:
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
