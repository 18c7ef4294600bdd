"""What a competition accepts and refuses, and how a refusal is explained."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Self

import pytest

from kaggle_mnist.kaggle import limits
from kaggle_mnist.kaggle.competition import competition_name
from kaggle_mnist.kaggle.leaderboard import download, upload
from kaggle_mnist.utils.errors import BadData, BadOption, KaggleRefused
from tests.kaggle import server
from tests.kaggle.conftest import (
    FILE,
    JOIN,
    NAME,
    change,
    public_accuracy,
    stored,
)
from tests.kaggle.server import Fault, Kaggle


def fault(fault: Fault) -> Callable[[Kaggle], None]:
    return lambda kaggle: kaggle.faults.update(CreateSubmission=[fault])


def test_an_upload_is_retried_after_a_dropped_connection(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.faults["upload"] = [Fault()]
    assert upload(wait=60).submitted.public_score == public_accuracy(kaggle)
    assert kaggle.asked["upload"] == 2


@pytest.mark.parametrize("fault", [Fault(late=True), Fault(500, late=True)])
def test_a_submission_that_arrived_without_an_answer_is_found(kaggle: Kaggle, submissions: Path, fault: Fault) -> None:
    upload(message="the same")
    kaggle.faults["CreateSubmission"] = [fault]
    assert upload(message="the same", again=True, wait=60).submitted.ref == 4712
    assert stored()["public_score"] == public_accuracy(kaggle)
    assert len(kaggle.submissions) == 2


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (
            {"CreateSubmission": [Fault()]},
            "Kaggle does not list the submission .*: before you submit again, check https://",
        ),
        ({"CreateSubmission": [Fault(500)]}, r"does not list the submission \(CreateSubmission 500\)"),
        ({"upload": [Fault(503)]}, "nothing was submitted: the upload to Kaggle failed; try again"),
        (
            {"StartSubmissionUpload": [Fault()]},
            "nothing was submitted: Kaggle cannot be reached: the proxy",
        ),
        ({"StartSubmissionUpload": [Fault(502)]}, r"Kaggle has an internal error \(StartSubmissionUpload 502\)"),
    ],
)
def test_a_failed_upload_is_not_recorded(
    kaggle: Kaggle, submissions: Path, faults: dict[str, list[Fault]], message: str
) -> None:
    kaggle.faults = faults
    with pytest.raises(KaggleRefused, match=message):
        upload(wait=60)
    assert not FILE.exists()
    assert not kaggle.submissions
    assert upload(wait=60).submitted.public_score == public_accuracy(kaggle)


def test_errors_while_waiting_for_a_score_are_retried(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.faults["GetSubmission"] = [Fault(404), Fault(), Fault(503)]
    assert upload(wait=60).submitted.public_score == public_accuracy(kaggle)


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (change(joined=False), f"nothing was submitted: you have not joined digit-recognizer: open {JOIN}"),
        (
            change(joined=False, explains=False),
            "does not say why (StartSubmissionUpload 403): either you have not",
        ),
        (
            change(joined=False, faults={"GetCompetition": [Fault(403)] * 2}),  # the list of competitions says so
            f"nothing was submitted: you have not joined digit-recognizer: open {JOIN}",
        ),
        (
            fault(Fault(400, "daily submission limit reached")),
            "submitted: Kaggle says 'daily submission limit reached' (CreateSubmission 400); submit again after 00:00",
        ),
        (
            fault(Fault(429, "Your team has used its daily Submission allowance (5) today")),
            "Kaggle says 'Your team has used its daily Submission allowance (5) today' (CreateSubmission 429); submit",
        ),
        (
            change(
                explains=False,
                faults={
                    "StartSubmissionUpload": [Fault(403, "You must accept the rules")],
                    "GetSubmissionLimits": [Fault(404, "NotFound")],
                    "GetCompetition": [Fault(404, "NotFound")] * 2,  # so Kaggle answered for competitions that exist
                },
            ),
            "nothing was submitted: Kaggle says 'You must accept the rules' (StartSubmissionUpload 403)",
        ),
        (
            change(faults={"StartSubmissionUpload": [Fault(401, "This account is suspended")]}),
            "Kaggle says 'This account is suspended' (StartSubmissionUpload 401); Kaggle rejects the credentials in ",
        ),
        (change(name="titanic"), f"either you have not joined {NAME}: open {JOIN}; or the daily limit is reached"),
        (change(explains=False, daily=0), "or the daily limit is reached: submit again after 00:00 UTC, in "),
        (
            fault(Fault(400)),
            f"nothing was submitted: the file is not in the format of {NAME}: compare it with sample_sub",
        ),
        (
            fault(Fault(403)),
            f"either the file is not in the format of {NAME}: compare it with sample_submission.csv at ",
        ),
        (fault(Fault(403, "Verify your phone")), "submitted: Kaggle says 'Verify your phone' (CreateSubmission 403)"),
    ],
)
def test_an_unexplained_refusal_gets_its_cause_and_remedy(
    kaggle: Kaggle, submissions: Path, alter: Callable[[Kaggle], None], message: str
) -> None:
    alter(kaggle)
    with pytest.raises(KaggleRefused) as refused:
        upload(wait=60)
    assert message in str(refused.value)
    assert not FILE.exists()


def test_nothing_is_sent_beyond_the_daily_limit(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.daily = 1
    assert upload().left == 0
    asked = kaggle.asked["StartSubmissionUpload"]
    with pytest.raises(
        KaggleRefused, match=r"the daily limit is reached \(1 sent\): submit again after 00:00 UTC, in \d+ h \d\d min"
    ):
        upload(again=True)
    assert kaggle.asked["StartSubmissionUpload"] == asked


class Noon(datetime):
    """A clock that stands still: midnight does not come between two submissions."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2026, 11, 25, 12, tzinfo=tz)


def test_nothing_is_sent_if_the_list_of_submissions_shows_that_none_is_left(
    kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (limits, server):
        monkeypatch.setattr(module, "datetime", Noon)
    kaggle.daily, kaggle.tells_daily = 2, True
    kaggle.faults["GetSubmissionLimits"] = [Fault(404, "NotFound") for _ in range(3)]
    assert upload().left == 1
    assert upload(again=True).left == 0
    asked = kaggle.asked["StartSubmissionUpload"]
    with pytest.raises(KaggleRefused, match=r"the daily limit is reached \(2 sent\): submit .* 00:00 UTC, in"):
        upload(again=True)
    assert kaggle.asked["StartSubmissionUpload"] == asked
    kaggle.submissions[0]["date"] = "2026-11-24T20:00:00.000Z"  # before today
    kaggle.faults["GetSubmissionLimits"] = [Fault(404, "NotFound")]
    kaggle.daily = 3
    assert upload(again=True).left == 1


def test_an_answer_without_a_number_that_names_the_daily_limit_is_passed_on(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.faults["CreateSubmission"] = [Fault(200, "You have exceeded today's submission limit.")]
    with pytest.raises(KaggleRefused, match=r"submitted: Kaggle says .You have exceeded today's .*00:00 UTC"):
        upload()


def test_an_unknown_competition_is_named(kaggle: Kaggle, submissions: Path) -> None:
    with pytest.raises(KaggleRefused, match="or the name digit-recogniser is wrong: set --competition"):
        upload(competition="digit-recogniser")
    for said in (None, "NotFound"):  # may mean anything
        kaggle.faults["GetCompetition"] = [Fault(404, said) for _ in range(2)]
        with pytest.raises(KaggleRefused, match="and Kaggle does not say why"):
            upload(competition="digit-recogniser")
    kaggle.faults["GetCompetition"] = [Fault(404, "Competition not found")]
    with pytest.raises(KaggleRefused, match="nothing was submitted: there is no competition digit-recogniser"):
        upload(competition="digit-recogniser")
    with pytest.raises(BadOption, match="must be its name or address"):
        upload(competition="../else")


def test_a_competition_may_be_given_by_the_address_of_one_of_its_pages(
    kaggle: Kaggle, submissions: Path, bundle: bytes
) -> None:
    assert upload(competition=f"https://www.kaggle.com/competitions/{NAME}/overview").submitted.competition == NAME
    assert competition_name("Digit-Recognizer") == NAME
    kaggle.name = "Kannada-MNIST"
    assert download("elsewhere", competition="kaggle.com/c/Kannada-MNIST?rvi=1").name == "Kannada-MNIST.zip"
    assert Path("elsewhere/competition.txt").read_text() == "Kannada-MNIST\n"


def test_the_file_is_submitted_even_if_the_remaining_submissions_are_unknown(kaggle: Kaggle, submissions: Path) -> None:
    for status in (403, 404, 500):
        kaggle.faults["GetSubmissionLimits"] = [Fault(status)]
        assert upload(again=True).left is None
    assert len(kaggle.submissions) == 3


def test_a_broken_download_resumes_where_it_stopped(
    kaggle: Kaggle, bundle: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaggle_mnist.kaggle.client.time.sleep", lambda seconds: None)  # also the client's
    kaggle.faults["archive"] = [Fault()]
    reported: list[tuple[int, int]] = []
    file = download(progress=lambda stage, done, total, note="": reported.append((done, total)))
    assert file.read_bytes() == bundle
    assert kaggle.asked["archive"] == 2
    assert reported == [(1, 3)]
    file.unlink()
    download(progress=lambda stage, done, total, note="": reported.append((done, total)))
    assert reported[1:] == [(1, 3), (2, 3), (3, 3), (3, 3)]


@pytest.mark.parametrize(
    ("alter", "kind", "message"),
    [
        (change(joined=False), KaggleRefused, f"nothing was downloaded: you have not joined {NAME}: open {JOIN}"),
        (
            change(joined=False, explains=False),
            KaggleRefused,
            "does not say why (DownloadDataFiles 403): either",
        ),
        (change(bundle=b"<html>"), BadData, "digit-recognizer.zip: is a web page, not a zip; download it again"),
        (change(bundle=b"x"), BadData, "digit-recognizer.zip: not a readable zip"),
    ],
)
def test_a_failed_download_leaves_no_files(
    kaggle: Kaggle, bundle: bytes, alter: Callable[[Kaggle], None], kind: type[Exception], message: str
) -> None:
    alter(kaggle)
    with pytest.raises(kind) as refused:
        download()
    assert message in str(refused.value)
    assert not list(Path("input").iterdir())
