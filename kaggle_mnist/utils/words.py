"""Words for messages."""

from __future__ import annotations

from collections.abc import Sequence


def enumerated(words: Sequence[str]) -> str:
    """Words with commas and an "and".

    >>> enumerated(["A"]), enumerated(["A", "B"]), enumerated(["A", "B", "C"])
    ('A', 'A and B', 'A, B and C')
    """
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def plural(number: float, noun: str) -> str:
    """A number with its noun, which gets an s unless there is exactly one.

    Examples
    --------
    >>> plural(1, "run"), plural(0, "run"), plural(1500, "labeled image"), plural(2.5, "minute")
    ('1 run', '0 runs', '1,500 labeled images', '2.5 minutes')
    """
    shown = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{shown} {noun}{'' if number == 1 else 's'}"
