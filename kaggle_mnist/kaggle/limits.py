"""How many submissions Kaggle still accepts, and when it counts anew: at 00:00 UTC, as its client documents."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

DAY = re.compile(r"\b(?:daily|today|(?:per|a|each) day)\b", re.IGNORECASE)
LIMIT = re.compile(r"\b(?:limit|allowance|maximum|quota|allowed (?:per|a|each)|exceeded)", re.IGNORECASE)


def is_daily_limit(words: str) -> bool:
    """Whether Kaggle says that the daily limit is reached.

    Examples
    --------
    >>> is_daily_limit("Your team has used its daily Submission allowance (5) today, please try again tomorrow UTC")
    True
    >>> is_daily_limit("The deadline was today, late submissions are not allowed")
    False
    """
    return bool(DAY.search(words) and LIMIT.search(words))


def is_counted(limits: Any) -> bool:
    """Whether Kaggle has counted; all is zero for a user without a team yet."""
    return bool(limits.num_allowed_now or limits.num_today or limits.num_total)


def exhausted(limits: Any) -> str | None:
    """Why no submission is left, by Kaggle's count; None if some are left or nothing was counted."""
    if limits.num_allowed_now > 0 or not is_counted(limits):
        return None
    if limits.limited_by_total:
        return f"the competition allows no more submissions ({limits.num_total} made)"
    return used_up(limits.num_today)


def used_up(sent: int) -> str:
    """That the submissions of today are used up, and when there are more."""
    return f"the daily limit is reached ({sent} sent): {new_day()}"


def sent_today(submissions: Iterable[Any]) -> int:
    """How many of the submissions count today: Kaggle counts valid ones since 00:00 UTC."""
    today = datetime.now(UTC).date()
    return sum(one.date is not None and one.date.date() == today and one.status.name != "ERROR" for one in submissions)


def new_day() -> str:
    """When Kaggle counts anew."""
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    minutes = (midnight - now).seconds // 60
    return f"submit again after 00:00 UTC, in {minutes // 60} h {minutes % 60:02} min"
