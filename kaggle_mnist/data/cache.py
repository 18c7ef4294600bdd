"""Decoded digits, kept in the user's cache folder for as long as the files they came from stay the same."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from kaggle_mnist.data.digits import Digits

KEPT = 5  # data sets, of 55 MB each at the competition's size


def cached(files: Iterable[str | Path], load: Callable[[], Digits], *, path: str) -> Digits:
    """What `load` makes of `files`, from the cache where their paths, sizes and times are those of an earlier call.

    An entry holds the fingerprint of its digits and is believed only if they still have it. A damaged entry, or a
    folder that cannot be written, costs time and nothing else. `path` is where the digits are said to come from; no
    entry holds it. `KAGGLE_MNIST_CACHE` names another folder.
    """
    folder = Path(os.environ.get("KAGGLE_MNIST_CACHE") or user_cache_path("kaggle-mnist", appauthor=False))
    entry = folder / f"{_manifest(files)}.npz"
    digits = _read(entry, path)
    if digits is None:
        digits = load()
        with contextlib.suppress(OSError):
            _write(entry, digits)
    return digits


def _manifest(files: Iterable[str | Path]) -> str:
    here = str(Path.cwd())
    states = ((file, os.stat(file)) for file in files)
    lines = [f"{os.path.join(here, file)}\0{state.st_size}\0{state.st_mtime_ns}\n" for file, state in states]
    content = "kaggle-mnist digits, version 1\n" + "".join(lines)
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()


def _read(entry: Path, path: str) -> Digits | None:
    try:
        with np.load(entry, allow_pickle=False) as stored:
            fields = {name: stored[name] for name in stored.files}
            fingerprint = str(fields.pop("fingerprint"))
            digits = Digits(source=str(fields.pop("source")), path=path, **fields)
            return digits if digits.fingerprint == fingerprint else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _write(entry: Path, digits: Digits) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=entry.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                source=np.array(digits.source),
                train_images=digits.train_images,
                train_labels=digits.train_labels,
                test_images=digits.test_images,
                fingerprint=np.array(digits.fingerprint),
            )
        Path(part).replace(entry)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    newest_first = sorted(entry.parent.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest_first[KEPT:]:
        old.unlink(missing_ok=True)
