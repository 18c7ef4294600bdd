"""Forecast a run's score on the withheld labels or the leaderboard."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import mean

from kaggle_mnist.runs.run import Run, ScoredRun

PUBLIC_SHARE = 0.25  # of the test images, according to the competition's page
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Forecast:
    """An expected score.

    Attributes
    ----------
    expected : accuracy on the test images, from 0 to 1
    low, high : its 95 % prediction interval
    earlier : number of earlier runs that the ensemble's gain was estimated from
    """

    expected: float
    low: float
    high: float
    earlier: int


class Gains:
    """How far the scores of runs are above their OOF accuracy, and since when that is known.

    Parameters
    ----------
    standings : runs with their scores; those without one are ignored
    """

    def __init__(self, standings: Iterable[ScoredRun]):
        self._found: dict[tuple[str, int, int], list[tuple[datetime, float]]] = {}  # (when known, gain), by kind of run
        for standing in standings:
            if (score := standing.score) is not None:
                gain = score - standing.run.record.scores.oof_accuracy
                self._found.setdefault(_kind(standing.run), []).append((standing.scored_at, gain))
        for gains in self._found.values():
            gains.sort()

    def before(self, run: Run) -> list[float]:
        """List the gains known before `run` was created, of runs on its digits with as many members per OOF image."""
        gains = self._found.get(_kind(run), [])
        end = bisect_left(gains, run.created, key=lambda gain: gain[0])
        return [gain for _, gain in gains[:end]]


def predict_score(run: Run, known: Gains) -> Forecast:
    """Forecast a run's score from its OOF accuracy and the gain of earlier runs on the same digits.

    A test image is classified by the mean of all members, an OOF image by fewer of them, so scores are higher than OOF
    accuracy. The gain is estimated as the mean of the gains known before `run` was created, and as 0 if there are none,
    which is rather too low. The interval is that of a difference of two proportions (OOF accuracy, and accuracy on the
    scored test images, a quarter of them on Kaggle's public leaderboard), wider if the gain comes from few runs.

    Parameters
    ----------
    run : the run whose score is to be forecast
    known : gains of other runs
    """
    data, accuracy = run.record.data, run.record.scores.oof_accuracy
    gains = known.before(run)
    scored = data.test_images if data.practice else max(1, round(PUBLIC_SHARE * data.test_images))
    expected = min(1.0, max(0.0, accuracy + (mean(gains) if gains else 0.0)))
    variance = accuracy * (1 - accuracy) * (1 / data.train_images + 1 / scored)
    half_width = NORMAL_95 * math.sqrt(variance * (1 + 1 / len(gains) if gains else 1))
    return Forecast(expected, max(0.0, expected - half_width), min(1.0, expected + half_width), len(gains))


def _kind(run: Run) -> tuple[str, int, int]:
    """The digits, and what determines the number of members per OOF image: repeats and a blend's parents."""
    return run.record.data.fingerprint, run.record.repeats, len(run.record.parents)
