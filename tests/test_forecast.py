"""Forecasts of a run's score."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kaggle_mnist.forecast import Forecast, Gains, predict_score
from kaggle_mnist.runs.finding import find_run, list_runs
from kaggle_mnist.runs.record import Record
from kaggle_mnist.runs.run import Run, ScoredRun


@pytest.fixture
def run(submissions: Path) -> Run:
    return find_run(list_runs(submissions)[0].name, submissions)


def forecast(run: Run, *others: Run) -> Forecast:
    return predict_score(run, Gains(map(ScoredRun.of, others)))


def altered(run: Run, created: str, withheld: float | None, oof: float) -> Run:
    scores = run.record.scores.model_copy(update={"withheld_accuracy": withheld, "oof_accuracy": oof})
    record: Record = run.record.model_copy(update={"created": created, "scores": scores})
    return Run(run.path, record)


def test_without_earlier_runs_the_forecast_is_oof_accuracy_with_the_noise_of_both_sets(run: Run) -> None:
    run = altered(run, "2026-11-24T12:00:00+00:00", None, 0.9)
    found = forecast(run)
    assert found.expected == 0.9
    public = 300 / 4  # of the leaderboard
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * (0.09 * (1 / 1500 + 1 / public)) ** 0.5)


def test_the_gain_of_earlier_runs_is_added_and_later_runs_are_ignored(run: Run) -> None:
    run = altered(run, "2026-11-24T12:00:00+00:00", None, 0.9)
    earlier = altered(run, "2026-11-24T11:00:00+00:00", 0.93, 0.92)
    later = altered(run, "2026-11-24T13:00:00+00:00", 1.0, 0.92)
    repeated = Run(
        earlier.path, earlier.record.model_copy(update={"repeats": 2})
    )  # twice as many members per OOF image
    found = forecast(run, run, earlier, later, repeated)
    assert found.expected == pytest.approx(0.91)
    assert found.earlier == 1
    assert found.high - found.low > 2 * 0.06  # wider than without: one run says little about the gain


def test_a_leaderboard_score_counts_only_for_runs_created_after_it(run: Run) -> None:
    run = altered(run, "2026-11-24T12:00:00+00:00", None, 0.9)
    earlier = altered(run, "2026-11-24T12:30:00+01:00", None, 0.9)  # 11:30 UTC
    content = {"competition": "x", "sha256": "0" * 64, "ref": 1, "message": "", "status": "complete"}
    for submitted, gain in (("2026-11-24T11:45:00+00:00", 0.05), ("2026-11-24T12:15:00+00:00", 0.0)):
        answer = {**content, "submitted": submitted, "public_score": 0.95, "prediction": None}
        (run.path / "leaderboard.json").write_text(json.dumps(answer))
        assert forecast(run, earlier).expected == pytest.approx(0.9 + gain)
