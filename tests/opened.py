"""Which files Python opens meanwhile, whoever opens them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_watching: list[list[str]] = []  # an audit hook stays for good: one for all tests


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watching and isinstance(arguments[0], (str, bytes)):
        _watching[-1].append(Path(os.fsdecode(arguments[0])).name)


sys.addaudithook(_note)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """The names of the files that are opened inside, one for each time."""
    names: list[str] = []
    _watching.append(names)
    try:
        yield names
    finally:
        _watching.remove(names)
