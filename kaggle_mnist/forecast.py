"""What the withheld labels or the leaderboard will say of a run, before they do."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import mean

from kaggle_mnist.runs.run import Run, ScoredRun

PUBLIC_SHARE = 0.25  # of the test images; Kaggle's page of the competition says so
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Forecast:
    """A score from 0 to 1, its 95 % interval, and how many earlier runs the ensemble's gain was measured on."""

    expected: float
    low: float
    high: float
    earlier: int


class Gains:
    """By how much the scores of runs lie above their OOF accuracy, and since when that is known."""

    def __init__(self, standings: Iterable[ScoredRun]):
        self._found: dict[tuple[str, int, int], list[tuple[datetime, float]]] = {}  # by digits and judges
        for standing in standings:
            if (score := standing.score) is not None:
                gain = score - standing.run.record.scores.oof_accuracy
                self._found.setdefault(_kind(standing.run), []).append((standing.scored_at, gain))
        for gains in self._found.values():
            gains.sort()

    def before(self, run: Run) -> list[float]:
        """Those known before `run` was made, of runs on its digits whose OOF images were judged by as many members."""
        gains = self._found.get(_kind(run), [])
        end = bisect_left(gains, run.created, key=lambda gain: gain[0])
        return [gain for _, gain in gains[:end]]


def predict_score(run: Run, known: Gains) -> Forecast:
    """The score that `run` should get, from its OOF accuracy and the gain of earlier runs on the same digits.

    The mean of all members judges a test image, fewer of them an OOF image, so scores lie above OOF accuracy: the first
    run's forecast is rather too low. By how much is the mean of the gains known before `run` was made. The interval is
    that of a difference of two shares, of the labeled and of the scored test images (Kaggle's public leaderboard scores
    a quarter of them), wider where few runs tell the gain.
    """
    data, accuracy = run.record.data, run.record.scores.oof_accuracy
    gains = known.before(run)
    scored = data.test_images if data.practice else max(1, round(PUBLIC_SHARE * data.test_images))
    expected = min(1.0, max(0.0, accuracy + (mean(gains) if gains else 0.0)))
    variance = accuracy * (1 - accuracy) * (1 / data.train_images + 1 / scored)
    reach = NORMAL_95 * math.sqrt(variance * (1 + 1 / len(gains) if gains else 1))
    return Forecast(expected, max(0.0, expected - reach), min(1.0, expected + reach), len(gains))


def _kind(run: Run) -> tuple[str, int, int]:
    """The digits, and how many members judge an OOF image: repeats, and for a blend its parents too."""
    return run.record.data.fingerprint, run.record.repeats, len(run.record.parents)
