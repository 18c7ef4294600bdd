"""How long a server asks to wait: the Retry-After header."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from kaggle_mnist.utils.words import plural


def retry_after(response: Any) -> float | None:
    """Seconds from the Retry-After header, 0 to 86,400; None if there is none that can be read."""
    value = response.headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(0.0, seconds), 86_400.0)


def when(seconds: float | None) -> str:
    """When to try again, for a message.

    >>> when(None)
    'in a few minutes'
    """
    if seconds is None:
        return "in a few minutes"
    moment = datetime.now().astimezone() + timedelta(seconds=seconds)
    if seconds < 120:
        return f"after {moment:%H:%M:%S} (in {plural(round(seconds), 'second')})"
    return f"after {moment:%a %H:%M %Z}"
