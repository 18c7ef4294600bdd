"""Decoded digits, kept in the user's cache folder for as long as the files they came from stay the same."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.reading import open_zip, require_regular

KINDS = [np.uint8, np.int64, np.uint8]  # of an entry's images, labels and unlabeled images
KEPT = 5  # data sets, of 55 MB each at the competition's size
FOLDER = "digits"  # ours alone, inside a folder that may hold anything
ENTRY, PART = re.compile(r"[0-9a-f]{64}\.npz"), re.compile(r"[0-9a-f]{64}\.\w{8}\.part")
STALE = 3600  # seconds; no process takes that long to write an entry


def cached(files: Iterable[str | Path], load: Callable[[], Digits], *, path: str) -> Digits:
    """What `load` makes of `files`, from the cache where their paths, sizes and times are those of an earlier call.

    An entry holds the fingerprint of its digits and is believed only if they still have it. A damaged entry, or a
    folder that cannot be written, costs time and nothing else. `path` is where the digits are said to come from; no
    entry holds it. `KAGGLE_MNIST_CACHE` names another folder; entries lie in its subfolder `digits`. Raises BadData for
    a file that is not there or is none.
    """
    folder = Path(os.environ.get("KAGGLE_MNIST_CACHE") or user_cache_path("kaggle-mnist", appauthor=False))
    try:
        entry = folder / FOLDER / f"{_manifest(files)}.npz"
    except OSError as error:
        raise BadData(f"{error.filename}: cannot be read ({error.strerror})") from error
    digits = _read(entry, path)
    if digits is None:
        digits = load()
        with contextlib.suppress(OSError):
            _write(entry, digits)
    return digits


def _manifest(files: Iterable[str | Path]) -> str:
    here = str(Path.cwd())
    lines = []
    for file in files:
        state = os.stat(file)
        require_regular(file, state)
        lines.append(f"{os.path.join(here, file)}\0{state.st_size}\0{state.st_mtime_ns}\n")
    content = "kaggle-mnist digits, version 1\n" + "".join(lines)
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()


def _read(entry: Path, path: str) -> Digits | None:
    try:
        with open_zip(entry) as archive:
            if sum(info.file_size for info in archive.infolist()) > entry.stat().st_size:
                return None  # `_write` packs nothing: what grows when it is read was not written by it
        with warnings.catch_warnings(), np.load(entry, allow_pickle=False) as stored:
            warnings.simplefilter("error")  # of headers that NumPy has to guess at
            fields = {name: stored[name] for name in stored.files}
            fingerprint = str(fields.pop("fingerprint"))
            digits = Digits(source=str(fields.pop("source")), path=path, **fields)
            kinds = [array.dtype for array in (digits.train_images, digits.train_labels, digits.test_images)]
            return digits if kinds == KINDS and digits.fingerprint == fingerprint else None
    except Exception:  # NumPy and the standard library raise many kinds; whatever it was, the entry is made anew
        return None


def _write(entry: Path, digits: Digits) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    if entry.parent.is_symlink():  # to a folder that is not ours
        return
    handle, part = tempfile.mkstemp(dir=entry.parent, prefix=f"{entry.stem}.", suffix=".part")
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
    _remove_old(entry.parent)


def _remove_old(folder: Path) -> None:
    """Remove all but the newest entries, and what a killed process left half written; nothing that is not ours."""
    with os.scandir(folder) as found:
        files = [file for file in found if file.is_file(follow_symlinks=False)]
    age = {file: time.time() - file.stat(follow_symlinks=False).st_mtime for file in files}
    old = sorted((file for file in files if ENTRY.fullmatch(file.name)), key=age.__getitem__)[KEPT:]
    stale = [file for file in files if PART.fullmatch(file.name) and age[file] > STALE]
    for file in (*old, *stale):
        Path(file).unlink(missing_ok=True)
