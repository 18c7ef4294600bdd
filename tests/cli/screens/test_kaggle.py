"""What download and upload print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kaggle_mnist.cli.screens.kaggle import show_download, show_upload
from kaggle_mnist.kaggle.leaderboard import Uploaded
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.record import Prediction, Submitted
from tests.cli.screens.screen import screen


@pytest.fixture
def uploaded(submissions: Path) -> Uploaded:
    submitted = Submitted(
        competition="digit-recognizer",
        submitted="2026-11-24T23:00:00+00:00",
        sha256="0" * 64,
        ref=4711,
        message="fast: CV 0.9885",
        status="complete",
        public_score=0.99,
        prediction=Prediction(expected=0.9885, low=0.985, high=0.991),
    )
    return Uploaded(find_run("20261124-200000-a", submissions), submitted, 1)


def changed(uploaded: Uploaded, **fields: object) -> Uploaded:
    return replace(uploaded, submitted=uploaded.submitted.model_copy(update=fields))


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(0.99, "as forecast"), (0.992, "higher than forecast"), (0.984, "lower than forecast")],
)
def test_the_public_score_is_compared_with_the_forecast(
    uploaded: Uploaded, score: float, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = screen(monkeypatch)
    show_upload(changed(uploaded, public_score=score))
    csv = "submissions/20261124-200000-a/submission.csv"
    assert f"Submitted    {csv} to digit-recognizer as 4711: complete\n" in text.getvalue()
    assert "Forecast     0.9885 (0.9850 to 0.9910 with 95 % confidence)\n" in text.getvalue()
    assert f"Public score {score:.5f} on 25% of the test images, {verdict}\n" in text.getvalue()
    assert "Left today   1 more submission\n" in text.getvalue()
    show_upload(changed(uploaded, public_score=score, competition="kannada-mnist"))
    assert f"Public score {score:.5f}, {verdict}\n" in text.getvalue()


def test_a_pending_score_comes_with_the_command_that_waits_for_it(
    uploaded: Uploaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = screen(monkeypatch)
    show_upload(replace(changed(uploaded, status="pending", public_score=None), left=None))
    expected = "Public score pending; to wait for it: kaggle-mnist upload 20261124-200000-a --wait\n"
    assert text.getvalue().endswith(expected)


def test_a_score_that_is_not_an_accuracy_is_not_shown(uploaded: Uploaded, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_upload(changed(uploaded, public_score=None))
    assert "Public score none: Kaggle gave no accuracy\n" in text.getvalue()


def test_a_download_says_where_the_zip_is(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("digits.zip").write_bytes(bytes(1_500_000))
    text = screen(monkeypatch)
    show_download(Path("digits.zip"))
    assert text.getvalue().startswith("Downloaded   digits.zip (1.5 MB)\n")
