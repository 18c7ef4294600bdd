"""Forecast a run's score on the withheld labels or the leaderboard."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    """

    expected: float
    low: float
    high: float


def predict_score(run: Run) -> Forecast:
    """Forecast a run's score on the withheld labels or on Kaggle's public leaderboard."""
    data, scores = run.record.data, run.record.scores
    scored = data.test_images if data.practice or data.test_labels else max(1, round(PUBLIC_SHARE * data.test_images))
    return forecast(scores.oof_accuracy, scores.ensemble_gain or 0.0, data.independent_images, scored)


def forecast_of(scored: ScoredRun) -> Forecast:
    """The forecast made when a run was uploaded, before its score was known; else one made now."""
    if scored.submitted is not None and (made := scored.submitted.prediction) is not None:
        return Forecast(made.expected, made.low, made.high)
    return predict_score(scored.run)


def forecast(oof_accuracy: float, gain: float, train_images: float, scored_images: int) -> Forecast:
    """Forecast a score from OOF accuracy and the gain of the ensemble.

    A test image is classified by the mean of all members, an OOF image by one of each repeat, so scores are higher than
    OOF accuracy by a gain. The interval is that of a difference of two proportions: accuracy on the labeled images, and
    on the scored ones. Two right and two wrong answers are added to each (Agresti & Coull, The American Statistician
    52, 1998), so that the interval has a width even if all answers are right.

    Parameters
    ----------
    oof_accuracy : from 0 to 1
    gain : as `metrics.estimate_gain` finds it; 0 if it is not known
    train_images, scored_images : how many there are; of labeled images with copies, as many as tell as much

    Examples
    --------
    >>> found = forecast(0.9879, 0.0014, 42_000, 28_000)
    >>> round(found.expected, 4), round(found.low, 4), round(found.high, 4)
    (0.9893, 0.9877, 0.9909)
    """
    expected = min(1.0, max(0.0, oof_accuracy + gain))
    half_width = NORMAL_95 * math.sqrt(_variance(oof_accuracy, train_images) + _variance(expected, scored_images))
    return Forecast(expected, max(0.0, expected - half_width), min(1.0, expected + half_width))


def _variance(accuracy: float, images: float) -> float:
    smoothed = (accuracy * images + 2) / (images + 4)
    return smoothed * (1 - smoothed) / (images + 4)
