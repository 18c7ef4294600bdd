"""Downloading, submitting and scoring, with Kaggle's own client against a local server."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.kaggle.leaderboard import download, upload
from kaggle_mnist.pipeline import train
from kaggle_mnist.utils.errors import BadRun, KaggleRefused, OutputError
from tests.conftest import TINY, reseal
from tests.kaggle.conftest import (
    FILE,
    RUN,
    public_accuracy,
    stored,
)
from tests.kaggle.server import Kaggle
from tests.opened import opened_files


def test_upload_waits_for_a_pending_submission(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.pending = 2
    reported: list[str] = []
    uploaded = upload(wait=60, progress=lambda stage, done, total, note="": reported.append(f"{stage} {note}"))
    assert uploaded.submitted.public_score == public_accuracy(kaggle)
    assert reported == ["Scoring pending"] * 2
    assert kaggle.asked["GetSubmission"] == 3


def test_waiting_again_does_not_submit_again(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.pending = 2
    assert upload(message="mine").submitted.status == "pending"
    assert stored() == stored() | {"status": "pending", "public_score": None, "message": "mine"}
    assert upload().submitted.status == "pending"
    with pytest.raises(
        KaggleRefused, match=rf"submission 4711 has no score yet; to keep waiting: kaggle-mnist upload {RUN} --wait"
    ):
        upload(wait=0)
    assert upload(wait=60).submitted.public_score == stored()["public_score"] == public_accuracy(kaggle)
    assert len(kaggle.submissions) == 1
    assert kaggle.submissions[0]["description"] == "mine"


def test_the_same_csv_is_not_submitted_twice_by_accident(kaggle: Kaggle, submissions: Path) -> None:
    upload(wait=60)
    score = f"{public_accuracy(kaggle):.5f}"
    with pytest.raises(BadRun, match=rf"{RUN}: the same CSV was submitted on 20.* \(public score {score}\); --again"):
        upload(wait=60)
    shutil.copytree(submissions / RUN, submissions / "20261125-080000-twin", ignore=shutil.ignore_patterns("leader*"))
    with pytest.raises(BadRun, match=rf"{RUN}: the same CSV was submitted"):
        upload("20261125-080000-twin")
    assert len(kaggle.submissions) == 1
    upload("20261125-080000-twin", again=True)
    assert [one["ref"] for one in kaggle.submissions] == [4711, 4712]
    kaggle.pending = 1
    upload(RUN, again=True)
    upload(RUN)
    assert stored() == stored() | {"ref": 4713, "status": "pending", "public_score": float(score)}  # of the same CSV
    assert upload(RUN).submitted.status == "complete"


def test_a_changed_csv_of_the_same_run_may_be_submitted(kaggle: Kaggle, submissions: Path) -> None:
    upload()
    file = submissions / RUN / "submission.csv"
    content = file.read_text()
    file.write_text(f"{content[:-2]}{(int(content[-2]) + 1) % 10}\n")
    reseal(submissions / RUN)
    upload()
    assert len(kaggle.submissions) == 2


def test_a_csv_that_kaggle_cannot_score_is_not_submitted(kaggle: Kaggle, submissions: Path) -> None:
    record = json.loads((submissions / RUN / "run.json").read_text())
    record["data"]["practice"] = True
    copy = Path(shutil.copytree(submissions / RUN, submissions / "20261125-090000-practice"))
    (copy / "run.json").write_text(json.dumps(record))
    reseal(copy)
    with pytest.raises(BadRun, match="trained on the practice set, whose ImageIds do not match"):
        upload(copy.name)
    file = submissions / RUN / "submission.csv"
    file.write_bytes(file.read_bytes().replace(b"\n17,", b"\n17,1", 1))
    reseal(submissions / RUN)
    with pytest.raises(BadRun, match=r"submission\.csv: Kaggle would reject it: row 18: Label is '1\d'"):
        upload(RUN)
    assert not kaggle.asked


def test_a_csv_that_changed_since_the_run_is_not_submitted(kaggle: Kaggle, submissions: Path) -> None:
    file = submissions / RUN / "submission.csv"
    content = file.read_bytes()
    last = content[-2:-1]
    file.write_bytes(content[:-2] + (b"1" if last != b"1" else b"2") + b"\n")  # Kaggle would take it
    with pytest.raises(BadRun, match=r"submission\.csv: does not match its checksum"):
        upload()
    assert not kaggle.submissions
    file.write_bytes(content)
    (submissions / RUN / "members.safetensors").write_bytes(b"damaged")  # nothing that is sent
    assert upload(wait=60).submitted.status == "complete"


def test_the_answers_about_earlier_runs_are_read_once(kaggle: Kaggle, submissions: Path) -> None:
    upload(wait=60)
    shutil.copytree(submissions / RUN, submissions / "20261125-080000-twin")
    (submissions / "20261125-080000-twin" / "leaderboard.json").unlink()
    with opened_files() as names, pytest.raises(BadRun, match="the same CSV was submitted on"):
        upload("20261125-080000-twin")
    assert names.count("leaderboard.json") == 1
    with opened_files() as names:
        upload("20261125-080000-twin", again=True)
    assert names.count("leaderboard.json") == 0


def test_a_damaged_leaderboard_file_is_named(kaggle: Kaggle, submissions: Path) -> None:
    FILE.write_text('{"competition": "digit-recognizer"}')
    with pytest.raises(BadRun, match=r"leaderboard\.json: cannot be read; move it away"):
        upload()
    assert not kaggle.asked


def test_an_interrupt_says_that_kaggle_has_the_submission(
    kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle.pending = 9
    monkeypatch.setattr("kaggle_mnist.kaggle.leaderboard.time.sleep", interrupt)
    with pytest.raises(
        KeyboardInterrupt, match=rf"Kaggle has submission 4711; to keep waiting: kaggle-mnist upload {RUN} --wait"
    ):
        upload(wait=60)
    assert stored()["status"] == "pending"


def test_the_reason_why_kaggle_cannot_score_a_file_is_passed_on(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.labels = kaggle.labels[:1000]
    with pytest.raises(KaggleRefused, match="could not score submission 4711: Submission must have 1000 rows"):
        upload(wait=60)
    assert (stored()["status"], stored()["public_score"]) == ("error", None)
    with pytest.raises(BadRun, match=r"the same CSV was submitted on .* \(error\)"):
        upload(wait=60)


def test_a_run_is_uploaded_to_the_competition_that_its_digits_were_downloaded_from(
    kaggle: Kaggle, digits: Digits, bundle: bytes
) -> None:
    kaggle.name = "Kannada-MNIST"
    assert download(competition="https://www.kaggle.com/competitions/Kannada-MNIST/data").name == "Kannada-MNIST.zip"
    assert Path("input/competition.txt").read_text() == "Kannada-MNIST\n"
    assert load_digits().competition == load_digits("input/Kannada-MNIST.zip").competition == "Kannada-MNIST"
    Path("input/competition.txt").write_text("Rules of our competition:\n1. No peeking.\n")  # somebody else's
    assert load_digits().competition is None

    recipe, named = TINY.replaced(epochs=1), replace(digits, competition="Kannada-MNIST")
    run = train(recipe, input=named, folds=2)
    assert upload(run.name).submitted.competition == "Kannada-MNIST"
    run = train(recipe, input=replace(named, header=("id", "label"), ids=np.arange(28_000)), folds=2)
    with pytest.raises(BadRun, match=r"reject it: row 1: is 'id,label'.*; its digits are .*: name it with --comp"):
        upload(run.name, competition="digit-recognizer")
    with pytest.raises(KaggleRefused, match="compare it with sample_submission"):  # by the server, which knows no other
        upload(run.name)


def test_a_zip_without_digits_is_not_kept(kaggle: Kaggle) -> None:
    with zipfile.ZipFile("titanic.zip", "w") as archive:
        archive.writestr("train.csv", "PassengerId")
    kaggle.bundle = Path("titanic.zip").read_bytes()
    with pytest.raises(KaggleRefused, match=r"its files do not include test\.csv"):
        download()
    assert not list(Path("input").iterdir())


def test_a_download_never_overwrites_files(kaggle: Kaggle) -> None:
    Path("input").mkdir()
    for name in ("README.md", "train.csv", "test.csv"):
        Path("input", name).write_text("mine")
    with pytest.raises(OutputError, match=r"input: already contains test\.csv and 1 more"):
        download()
    assert Path("input/train.csv").read_text() == "mine"
    assert not kaggle.asked
    with pytest.raises(OutputError, match="cannot write there"):
        download(Path("input/train.csv"))


def interrupt(seconds: float) -> None:
    raise KeyboardInterrupt
