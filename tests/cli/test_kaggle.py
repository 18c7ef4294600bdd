"""The commands download and upload, against a local server."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.runs.finding import find_run
from tests.cli.invoke import invoke, run_program
from tests.kaggle.conftest import RUN, SECRETS, bundle, digits, finished, kaggle, public_accuracy, stored, without
from tests.kaggle.server import Kaggle

__all__ = ["bundle", "digits", "finished", "kaggle"]  # fixtures


@pytest.fixture
def submissions(finished: Path) -> Path:
    return Path(shutil.copytree(finished, "submissions"))


def test_upload_prints_the_public_score_and_the_forecast(kaggle: Kaggle, submissions: Path) -> None:
    done = run_program("upload", "--wait")
    assert done.returncode == 0, done.stderr
    score = public_accuracy(kaggle)
    assert f"Public score {score:.5f} on 25% of the test images" in done.stdout
    assert "Left today   9 more submissions" in done.stdout
    found, run = stored(), find_run(RUN, submissions)
    assert (found["status"], found["public_score"], found["ref"]) == ("complete", score, 4711)
    assert found["prediction"]["low"] < found["prediction"]["expected"] < found["prediction"]["high"]
    assert f"Forecast     {found['prediction']['expected']:.4f}" in done.stdout
    assert found["message"] == kaggle.submissions[0]["description"]
    assert found["message"].startswith(f"tiny: CV {run.cv_accuracy:.4f} ± ")
    assert kaggle.submissions[0]["content"] == run.submission.read_bytes()
    assert without(SECRETS, submissions)


def test_download_fetches_the_zip_that_train_reads(
    kaggle: Kaggle, bundle: bytes, handful: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERBOSE", "1")  # the client would print its requests between the lines of progress
    done = run_program("download")
    assert done.returncode == 0, done.stderr
    *progress, downloaded, _ = done.stdout.splitlines()
    assert downloaded.startswith("Downloaded   input/digit-recognizer.zip (3.")
    assert all(line.startswith("Downloading  ") for line in progress)  # if it takes two seconds
    assert [path.name for path in Path("input").iterdir()] == ["digit-recognizer.zip"]
    assert load_digits().fingerprint == handful.fingerprint
    again = invoke("download")
    assert again.exit_code == 2
    assert "input: already contains digit-recognizer.zip; empty it, or name another with --input" in again.stderr


def test_upload_says_how_to_wait_for_a_pending_score(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.pending = 1
    done = invoke("upload")
    assert done.exit_code == 0, done.output
    assert f"Public score pending; to wait for it: kaggle-mnist upload {RUN} --wait\n" in done.stdout
