"""The row of figures at the top of a run's page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kaggle_mnist.forecast import forecast_of
from kaggle_mnist.runs.record import Submitted
from kaggle_mnist.runs.run import Run, ScoredRun


@dataclass(frozen=True)
class Metric:
    """One figure: its name, its value, and what else is to know of it."""

    name: str
    value: str
    note: str


def headline(run: Run, submitted: Submitted | None) -> list[Metric]:
    """The figures of a run, the most important first.

    Parameters
    ----------
    run : a trained run or a blend
    submitted : Kaggle's answer; its forecast, made before the score was known, is the one that is shown
    """
    return list(_metrics(run, submitted))


def _metrics(run: Run, submitted: Submitted | None) -> Iterator[Metric]:
    record, scores = run.record, run.record.scores
    images = record.data.train_images
    wrong = round((1 - scores.oof_accuracy) * images)
    yield Metric("CV accuracy", f"{scores.cv_accuracy:.4f}", f"± {scores.cv_accuracy_std:.4f} (SD)")
    if record.repeats > 1:
        yield Metric("OOF accuracy", f"{scores.oof_accuracy:.4f}", "outputs averaged")
    yield Metric("Log loss", f"{scores.oof_log_loss:.4f}", "out of fold")
    yield Metric("Errors", f"{wrong:,}", f"of {images:,} digits")
    forecast = forecast_of(ScoredRun(run, submitted))
    yield Metric("Forecast", f"{forecast.expected:.4f}", f"95 % interval: {forecast.low:.4f}–{forecast.high:.4f}")
    if submitted is not None and submitted.public_score is None:
        yield Metric("Public score", "none yet", submitted.status)
    elif submitted is not None and submitted.public_score is not None:
        inside = forecast.low <= submitted.public_score <= forecast.high
        yield Metric(
            "Public score", f"{submitted.public_score:.5f}", "as forecast" if inside else "outside the forecast"
        )
    if scores.withheld_accuracy is not None:
        yield Metric("Withheld", f"{scores.withheld_accuracy:.4f}", f"{record.data.test_images:,} labels")
    if record.recipe is not None:
        yield Metric(
            "Training", format_seconds(record.seconds["train"]), f"on {record.environment.get('device', 'cpu')}"
        )


def format_seconds(seconds: float) -> str:
    """A duration to read at a glance.

    >>> format_seconds(41.3), format_seconds(724), format_seconds(3900)
    ('41 s', '12 min', '1 h 5 min')
    """
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
