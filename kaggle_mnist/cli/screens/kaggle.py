"""What `download` and `upload` print."""

from __future__ import annotations

from pathlib import Path

from kaggle_mnist.cli.console import say
from kaggle_mnist.forecast import PUBLIC_SHARE
from kaggle_mnist.kaggle.competition import DIGIT_RECOGNIZER
from kaggle_mnist.kaggle.leaderboard import Uploaded
from kaggle_mnist.runs.run import as_argument
from kaggle_mnist.utils.words import plural


def show_download(file: Path) -> None:
    """Print where the files are, and what to do with them."""
    say("Downloaded", f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
    say("", "`kaggle-mnist train` reads it directly")


def show_upload(uploaded: Uploaded) -> None:
    """Print what was submitted, the forecast of its score, and the public score if known."""
    run, submitted = uploaded.run, uploaded.submitted
    say("Submitted", f"{run.submission} to {submitted.competition} as {submitted.ref}: {submitted.status}")
    say("Message", submitted.message)
    forecast = submitted.prediction
    if forecast is not None:
        interval = f"{forecast.low:.4f} to {forecast.high:.4f} with 95 % confidence"
        say("Forecast", f"{forecast.expected:.4f} ({interval})")
    if submitted.public_score is not None:
        verdict = ""
        if forecast is not None:
            inside = forecast.low <= submitted.public_score <= forecast.high
            higher = "higher" if submitted.public_score > forecast.high else "lower"
            verdict = ", as forecast" if inside else f", {higher} than forecast"
        known = submitted.competition == DIGIT_RECOGNIZER
        share = f" on {PUBLIC_SHARE:.0%} of the test images" if known else ""
        say("Public score", f"{submitted.public_score:.5f}{share}{verdict}")
    elif submitted.status == "complete":
        say("Public score", "none: Kaggle gave no accuracy")
    else:
        say("Public score", f"pending; to wait for it: kaggle-mnist upload {as_argument(run.path)} --wait")
    if uploaded.left is not None:
        say("Left today", plural(uploaded.left, "more submission"))
