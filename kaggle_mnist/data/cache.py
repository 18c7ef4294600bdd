"""Cache of parsed digits in the user's cache folder, valid until the source files change."""

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
from numpy.typing import NDArray
from platformdirs import user_cache_path

from kaggle_mnist.data.digits import Digits, WithheldLabels
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.reading import open_zip, require_regular

DTYPES = [np.uint8, np.int64, np.uint8]  # of an entry's images, labels and unlabeled images
KEPT = 5  # data sets; the competition's has 55 MB
FOLDER = "digits"  # the parent may be any folder; only this one is ours
ENTRY, PART = re.compile(r"[0-9a-f]{64}\.npz"), re.compile(r"[0-9a-f]{64}\.\w{8}\.part")
STALE = 3600  # seconds; writing an entry never takes that long


def cached(files: Iterable[str | Path], load: Callable[[], Digits], *, path: str) -> Digits:
    """Return the digits of `files` from the cache, or call `load` and cache the result.

    An entry is found by the paths, sizes and modification times of the files, and used only if its content matches the
    checksum stored with it. If an entry is damaged or the folder is not writable, `load` is called every time.
    The cache is the subfolder `digits` of ``$KAGGLE_MNIST_CACHE``, or of the user's cache folder.

    Parameters
    ----------
    files : everything that `load` reads
    load : parses or decodes the files
    path : the `Digits.path` of a cached result; not stored in the entry

    Raises
    ------
    BadData
        A file is missing or is not a regular file. Errors of `load` pass through.
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
    content = "kaggle-mnist digits, version 3\n" + "".join(lines)
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()


def _read(entry: Path, path: str) -> Digits | None:
    try:
        with open_zip(entry) as archive:
            if sum(info.file_size for info in archive.infolist()) > entry.stat().st_size:
                return None  # `_write` does not compress, so it did not write this
        with warnings.catch_warnings(), np.load(entry, allow_pickle=False) as stored:
            warnings.simplefilter("error")  # NumPy warns of headers that it has to guess
            fields = {name: stored[name] for name in stored.files}
            checksum = str(fields.pop("checksum"))
            source, (id_name, label_name) = str(fields.pop("source")), map(str, fields.pop("header"))
            withheld = WithheldLabels(fields.pop("withheld")) if "withheld" in fields else None
            digits = Digits(source=source, path=path, header=(id_name, label_name), withheld=withheld, **fields)
            dtypes = [array.dtype for array in (digits.train_images, digits.train_labels, digits.test_images)]
            return digits if dtypes == DTYPES and _checksum(digits) == checksum else None
    except Exception:  # NumPy and zipfile raise many types; any error means a new entry
        return None


def _checksum(digits: Digits) -> str:
    """SHA-256 of everything that an entry has but the source."""
    sha = hashlib.sha256(f"{digits.fingerprint} {digits.header}".encode())
    for name, array in _optional(digits).items():
        sha.update(name.encode() + array.astype("<i8").data)
    return sha.hexdigest()


def _optional(digits: Digits) -> dict[str, NDArray[np.int64]]:
    """The arrays that only some sets have."""
    found = {} if digits.ids is None else {"ids": digits.ids}
    return found if digits.withheld is None else {**found, "withheld": digits.withheld.sealed}


def _write(entry: Path, digits: Digits) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    if entry.parent.is_symlink():  # not our folder
        return
    handle, part = tempfile.mkstemp(dir=entry.parent, prefix=f"{entry.stem}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                source=np.array(digits.source),
                header=np.array(digits.header),
                train_images=digits.train_images,
                train_labels=digits.train_labels,
                test_images=digits.test_images,
                checksum=np.array(_checksum(digits)),
                **_optional(digits),  # type: ignore[arg-type]  # its one named option has another name
            )
        Path(part).replace(entry)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    _remove_old(entry.parent)


def _remove_old(folder: Path) -> None:
    """Remove all but the newest entries, and partial files of killed processes; foreign files stay."""
    with os.scandir(folder) as found:
        files = [file for file in found if file.is_file(follow_symlinks=False)]
    now = time.time()  # one for all, or a file would seem older for every second that the ones before it took
    age = {file: now - file.stat(follow_symlinks=False).st_mtime for file in files}
    old = sorted((file for file in files if ENTRY.fullmatch(file.name)), key=age.__getitem__)[KEPT:]
    stale = [file for file in files if PART.fullmatch(file.name) and age[file] > STALE]
    for file in (*old, *stale):
        Path(file).unlink(missing_ok=True)
