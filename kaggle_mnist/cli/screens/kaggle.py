"""What `download` and `upload` show."""

from __future__ import annotations

from pathlib import Path

from kaggle_mnist.cli.console import say
from kaggle_mnist.forecast import PUBLIC_SHARE
from kaggle_mnist.kaggle.leaderboard import Uploaded


def show_download(file: Path) -> None:
    """Where the files are, and what to do with them."""
    say("Downloaded", f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
    say("", "`kaggle-mnist train` reads it as it is")


def show_upload(uploaded: Uploaded) -> None:
    """What was sent, what it was predicted to score, and what it scored if that is known."""
    run, submitted = uploaded.run, uploaded.submitted
    say("Submitted", f"{run.submission} to {submitted.competition}, as {submitted.ref}: {submitted.status}")
    say("Message", submitted.message)
    predicted = submitted.prediction
    if predicted is not None:
        interval = f"{predicted.low:.4f} to {predicted.high:.4f} with 95 % confidence"
        say("Predicted", f"{predicted.expected:.4f} ({interval})")
    if submitted.public_score is not None:
        verdict = ""
        if predicted is not None:
            inside = predicted.low <= submitted.public_score <= predicted.high
            higher = "higher" if submitted.public_score > predicted.high else "lower"
            verdict = ", as predicted" if inside else f", {higher} than predicted"
        say("Public score", f"{submitted.public_score:.5f} on {PUBLIC_SHARE:.0%} of the test images{verdict}")
    elif submitted.status == "complete":
        say("Public score", "Kaggle gives none that is an accuracy")
    else:
        say("Public score", f"not yet; `kaggle-mnist upload {run.name} --wait` fetches it")
    if uploaded.left is not None:
        say("Left today", f"{uploaded.left} more submission{'' if uploaded.left == 1 else 's'}")
