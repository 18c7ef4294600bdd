"""What the withheld labels or the leaderboard will say of a run, before they do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import mean

from kaggle_mnist.runs import Run

PUBLIC_SHARE = 0.25  # of the test images; Kaggle's page of the competition says so
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Forecast:
    """A score from 0 to 1, its 95 % interval, and how many earlier runs the ensemble's gain was measured on."""

    expected: float
    low: float
    high: float
    earlier: int


def outcome(run: Run, before: datetime | None = None) -> float | None:
    """The accuracy that was found on the test images: the leaderboard's, else that on the withheld labels.

    With `before`, only what was known then.
    """
    submitted = run.submitted()
    if submitted is not None and submitted.public_score is not None:
        return submitted.public_score if before is None or submitted.at < before else None
    return run.withheld_accuracy if before is None or run.created < before else None


def predict_score(run: Run, others: Iterable[Run]) -> Forecast:
    """The score that `run` should get, from its OOF accuracy and the gain of earlier runs on the same digits.

    The mean of all members judges a test image, fewer of them an OOF image, so scores lie above OOF accuracy: the first
    run's forecast is rather too low. By how much is the mean over those of `others` whose score was known before `run`
    was made, and whose OOF images were judged by as many members. The interval is that of a difference of two shares,
    of the labeled and of the scored test images (Kaggle's public leaderboard scores a quarter of them), wider where few
    runs tell the gain.
    """
    data, accuracy = run.record.data, run.record.scores.oof_accuracy
    gains = [
        score - other.record.scores.oof_accuracy
        for other in others
        if other.record.data.fingerprint == data.fingerprint and _judges(other) == _judges(run)
        if (score := outcome(other, before=run.created)) is not None
    ]
    scored = data.test_images if data.practice else max(1, round(PUBLIC_SHARE * data.test_images))
    expected = min(1.0, max(0.0, accuracy + (mean(gains) if gains else 0.0)))
    variance = accuracy * (1 - accuracy) * (1 / data.train_images + 1 / scored)
    reach = NORMAL_95 * math.sqrt(variance * (1 + 1 / len(gains) if gains else 1))
    return Forecast(expected, max(0.0, expected - reach), min(1.0, expected + reach), len(gains))


def _judges(run: Run) -> tuple[int, int]:
    """How many members judge an OOF image: repeats, and for a blend its parents too."""
    return run.record.repeats, len(run.record.parents)
