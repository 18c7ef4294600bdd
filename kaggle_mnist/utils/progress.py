"""How long-running jobs report progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

Event = TypeVar("Event")


class Progress(Protocol):
    """A progress callback.

    Called with the stage, the amount done, the total, and a unit such as ``"MB"`` unless both are plain counts.
    """

    def __call__(self, stage: str, done: int, total: int, unit: str = "") -> None: ...


def quiet(stage: str, done: int, total: int, unit: str = "") -> None:
    """Ignore the progress; the default callback."""


def in_turn(*callbacks: Callable[[Event], object]) -> Callable[[Event], None]:
    """One callback that calls several.

    >>> in_turn(print, lambda event: print(event + 1))(1)
    1
    2
    """

    def each(event: Event) -> None:
        for callback in callbacks:
            callback(event)

    return each


class Counter:
    """Reports the progress of a stage of `total` equal steps; call it after each step.

    Examples
    --------
    >>> step = Counter("Predicting", 2, lambda stage, done, total, unit="": print(f"{stage} {done}/{total}"))
    Predicting 0/2
    >>> step()
    Predicting 1/2
    """

    def __init__(self, stage: str, total: int, progress: Progress):
        self.stage, self.done, self.total, self.progress = stage, 0, total, progress
        progress(stage, 0, total)

    def __call__(self) -> None:
        """Report that one more step is done."""
        self.done += 1
        self.progress(self.stage, self.done, self.total)
