"""Files written whole or not at all, and how long jobs tell how far they are."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Protocol


class Progress(Protocol):
    """Called as a long job goes on: what it is, how much of it is done, and what can be said of it already."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None: ...


def quiet(stage: str, done: int, total: int, note: str = "") -> None:
    """The progress of a job that nobody watches."""


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` beside `path`, then rename: readers see the old file or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
