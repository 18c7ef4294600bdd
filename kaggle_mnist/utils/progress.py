"""How long jobs tell how far they are."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as a job goes on: its stage, how much is done, out of how much, and the unit where it is not a count."""

    def __call__(self, stage: str, done: int, total: int, unit: str = "") -> None: ...


def quiet(stage: str, done: int, total: int, unit: str = "") -> None:
    """The progress of a job that nobody watches."""


class Counter:
    """Tells `progress` about a stage of `total` equal steps; called after each of them."""

    def __init__(self, stage: str, total: int, progress: Progress):
        self.stage, self.done, self.total, self.progress = stage, 0, total, progress
        progress(stage, 0, total)

    def __call__(self) -> None:
        self.done += 1
        self.progress(self.stage, self.done, self.total)
