"""Kaggle's real client, against a server of ours that speaks its protocol and scores what it is sent."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.kaggle import client as kaggle_client
from kaggle_mnist.kaggle import leaderboard
from kaggle_mnist.kaggle.leaderboard import download, upload
from kaggle_mnist.pipeline import train
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.utils.errors import BadData, BadOption, BadRun, KaggleRefused, MissingPackage, OutputError
from tests.conftest import TINY, reseal
from tests.kaggle.server import KEY, SIGNATURE, TOKEN, USER, Fault, Kaggle, Server
from tests.opened import opened_files

RUN = "20261124-200000-tiny"
FILE = Path("submissions", RUN, "leaderboard.json")
SECRETS = (KEY, TOKEN, base64.b64encode(f"{USER}:{KEY}".encode()).decode(), SIGNATURE)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(scope="module")
def digits(practice: Digits) -> Digits:
    """1,500 labeled and 28,000 unlabeled digits, as many as the competition's, and not the practice set's own."""
    images, labels = practice.train_images, practice.train_labels
    return Digits("Kaggle CSV", "tests", images[:1500], labels[:1500], images[2000:30_000])


@pytest.fixture(scope="module")
def finished(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished")
    train(TINY, input=digits, output=output, folds=2).path.rename(output / RUN)
    return output


@pytest.fixture
def submissions(finished: Path) -> Path:
    return Path(shutil.copytree(finished, "submissions"))


@pytest.fixture
def kaggle(practice: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    """The server; this process and its children call it, as somebody whose token is in the environment."""
    for name in list(os.environ):
        if (name.startswith("KAGGLE_") and name != "KAGGLE_MNIST_CACHE") or name.upper() in PROXIES:
            monkeypatch.delenv(name)
    server = Server(Kaggle(practice.train_labels[2000:30_000]))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / ".kaggle"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("HTTP_PROXY", server.address)
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    monkeypatch.setattr(leaderboard, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(kaggle_client, "PAUSE", 0.01)
    yield server.kaggle
    server.shutdown()
    server.server_close()


def kaggle_mnist(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kaggle_mnist", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=os.environ)
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)
    return done


def python(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=os.environ)


def stored() -> Any:
    return json.loads(FILE.read_text())


def public_accuracy(kaggle: Kaggle) -> float:
    """By pandas' way instead of the server's: of the images 4, 8, 12, …"""
    rows = np.loadtxt(f"submissions/{RUN}/submission.csv", np.int64, delimiter=",", skiprows=1)
    return round(float((rows[3::4, 1] == kaggle.labels[3::4]).mean()), 5)


def trace_of(call: Callable[[], object], kind: type[BaseException]) -> str:
    """What `--debug` would show of the error that a call ends in, and what that error drags along unseen."""
    with pytest.raises(kind) as raised:
        call()
    shown = "".join(traceback.format_exception(raised.value))
    error: BaseException | None = raised.value
    unseen = ""
    while error is not None:
        unseen, error = f"{unseen}{error!r}{vars(error)}", error.__context__
    assert not any(secret in shown + unseen for secret in SECRETS)
    return shown


def without(secrets: tuple[str, ...], folder: Path) -> bool:
    return not any(s.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file() for s in secrets)


# Sending


def test_an_upload_ends_in_the_public_score_beside_the_prediction(kaggle: Kaggle, submissions: Path) -> None:
    done = kaggle_mnist("upload", "--wait")
    assert done.returncode == 0, done.stderr
    score = public_accuracy(kaggle)
    assert f"Public score {score:.5f} on 25% of the test images" in done.stdout
    assert "Left today   9 more submissions" in done.stdout
    found, run = stored(), find_run(RUN, submissions)
    assert (found["status"], found["public_score"], found["ref"]) == ("complete", score, 4711)
    assert found["prediction"]["low"] < found["prediction"]["expected"] < found["prediction"]["high"]
    assert f"Predicted    {found['prediction']['expected']:.4f}" in done.stdout
    assert found["message"] == kaggle.submissions[0]["description"]
    assert found["message"].startswith(f"tiny: CV {run.cv_accuracy:.4f} ± ")
    assert kaggle.submissions[0]["content"] == run.submission.read_bytes()
    assert without(SECRETS, submissions)


def test_a_pending_submission_is_waited_for(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.pending = 2
    told: list[str] = []
    uploaded = upload(wait=60, progress=lambda stage, done, total, note="": told.append(f"{stage} {note}"))
    assert uploaded.submitted.public_score == public_accuracy(kaggle)
    assert told == ["Scoring pending"] * 2
    assert kaggle.asked["GetSubmission"] == 3


def test_waiting_again_does_not_send_again(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.pending = 2
    assert upload(message="mine").submitted.status == "pending"
    assert stored() == stored() | {"status": "pending", "public_score": None, "message": "mine"}
    assert upload().submitted.status == "pending"
    with pytest.raises(KaggleRefused, match=rf"submission 4711 has no score yet: `kaggle-mnist upload {RUN} --wait`"):
        upload(wait=0)
    assert upload(wait=60).submitted.public_score == stored()["public_score"] == public_accuracy(kaggle)
    assert len(kaggle.submissions) == 1
    assert kaggle.submissions[0]["description"] == "mine"


def test_the_same_csv_is_not_sent_twice_by_accident(kaggle: Kaggle, submissions: Path) -> None:
    upload(wait=60)
    score = f"{public_accuracy(kaggle):.5f}"
    with pytest.raises(BadRun, match=rf"{RUN}: the same CSV was sent on 20.* \(public score {score}\); --again"):
        upload(wait=60)
    shutil.copytree(submissions / RUN, submissions / "20261125-080000-twin", ignore=shutil.ignore_patterns("leader*"))
    with pytest.raises(BadRun, match=rf"{RUN}: the same CSV was sent"):
        upload("20261125-080000-twin")
    assert len(kaggle.submissions) == 1
    upload("20261125-080000-twin", again=True)
    assert [one["ref"] for one in kaggle.submissions] == [4711, 4712]


def test_another_csv_of_the_same_run_may_be_sent(kaggle: Kaggle, submissions: Path) -> None:
    upload()
    file = submissions / RUN / "submission.csv"
    content = file.read_text()
    file.write_text(f"{content[:-2]}{(int(content[-2]) + 1) % 10}\n")
    reseal(submissions / RUN)
    upload()
    assert len(kaggle.submissions) == 2


def test_what_kaggle_cannot_score_is_not_sent(kaggle: Kaggle, submissions: Path) -> None:
    record = json.loads((submissions / RUN / "run.json").read_text())
    record["data"]["practice"] = True
    copy = Path(shutil.copytree(submissions / RUN, submissions / "20261125-090000-practice"))
    (copy / "run.json").write_text(json.dumps(record))
    reseal(copy)
    with pytest.raises(BadRun, match="was made on the practice set, whose ImageIds are other digits"):
        upload(copy.name)
    file = submissions / RUN / "submission.csv"
    file.write_bytes(file.read_bytes().replace(b"\n17,", b"\n17,1", 1))
    reseal(submissions / RUN)
    with pytest.raises(BadRun, match=r"submission\.csv: Kaggle would not take it, row 18: Label is '1\d'"):
        upload(RUN)
    assert not kaggle.asked


def test_a_csv_that_was_changed_since_is_not_sent(kaggle: Kaggle, submissions: Path) -> None:
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


def test_what_kaggle_answered_of_earlier_runs_is_read_once(kaggle: Kaggle, submissions: Path) -> None:
    upload(wait=60)
    shutil.copytree(submissions / RUN, submissions / "20261125-080000-twin")
    (submissions / "20261125-080000-twin" / "leaderboard.json").unlink()
    with opened_files() as names, pytest.raises(BadRun, match="the same CSV was sent on"):
        upload("20261125-080000-twin")
    assert names.count("leaderboard.json") == 1
    with opened_files() as names:
        upload("20261125-080000-twin", again=True)
    assert names.count("leaderboard.json") == 1


def test_a_damaged_leaderboard_file_is_named(kaggle: Kaggle, submissions: Path) -> None:
    FILE.write_text('{"competition": "digit-recognizer"}')
    with pytest.raises(BadRun, match=r"leaderboard\.json: cannot be read; move it away"):
        upload()
    assert not kaggle.asked


# Connections


def test_a_connection_dropped_within_the_file_is_taken_up_again(kaggle: Kaggle, submissions: Path) -> None:
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
        ({"CreateSubmission": [Fault()]}, "Kaggle does not list the submission .*: see whether it arrived before you"),
        ({"CreateSubmission": [Fault(500)]}, r"does not list the submission \(CreateSubmission 500\)"),
        ({"upload": [Fault(503)]}, "nothing was submitted: the file did not get through to Kaggle; start again"),
        (
            {"StartSubmissionUpload": [Fault()]},
            "nothing was submitted: Kaggle cannot be reached: the proxy",
        ),
        ({"StartSubmissionUpload": [Fault(502)]}, r"Kaggle has a fault of its own \(StartSubmissionUpload 502\)"),
    ],
)
def test_an_unfinished_upload_leaves_nothing_that_claims_otherwise(
    kaggle: Kaggle, submissions: Path, faults: dict[str, list[Fault]], message: str
) -> None:
    kaggle.faults = faults
    with pytest.raises(KaggleRefused, match=message):
        upload(wait=60)
    assert not FILE.exists()
    assert not kaggle.submissions
    assert upload(wait=60).submitted.public_score == public_accuracy(kaggle)


def test_a_fault_while_waiting_is_waited_out(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.faults["GetSubmission"] = [Fault(404), Fault(), Fault(503)]
    assert upload(wait=60).submitted.public_score == public_accuracy(kaggle)


def test_an_interrupt_says_where_the_submission_is(
    kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle.pending = 9
    monkeypatch.setattr("kaggle_mnist.kaggle.leaderboard.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt, match=rf"submission 4711 is with Kaggle, `kaggle-mnist upload {RUN} --wait`"):
        upload(wait=60)
    assert stored()["status"] == "pending"


def interrupt(seconds: float) -> None:
    raise KeyboardInterrupt


def test_without_a_network_that_is_said(kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://someone:{KEY}@127.0.0.1:{port}")
    for call in (upload, download):
        shown = trace_of(call, KaggleRefused)
        assert (
            "Kaggle cannot be reached: the proxy does not let it through; set HTTPS_PROXY (HTTP_PROXY) right" in shown
        )
    monkeypatch.setenv("http_proxy", f"http://someone:{KEY}@:no-port")
    assert "HTTPS_PROXY (HTTP_PROXY) is no address" in trace_of(upload, KaggleRefused)


def test_no_question_waits_for_ever(kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaggle_client, "ANSWER_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(KaggleRefused, match="it gave no answer within"):
            upload()


def test_the_sign_in_of_the_clients_first_import_does_not_wait_either(
    kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "from kaggle_mnist.kaggle import client; client.ANSWER_SECONDS = 0.05; client.Client()"
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        done = python(script)
    assert "KaggleRefused: Kaggle cannot be reached: it gave no answer within" in done.stderr


def test_nor_does_the_file_that_is_sent(kaggle: Kaggle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        done = python(f"""
import os, time
from kaggle_mnist.kaggle import client as kaggle_client

api = kaggle_client.Client().api
os.environ["http_proxy"] = "http://127.0.0.1:{deaf.getsockname()[1]}"
kaggle_client.ANSWER_SECONDS = 0.05
time.sleep = lambda seconds: None  # between the attempts
from kaggle.models.kaggle_models_extended import ResumableUploadResult
print(api.upload_complete({__file__!r}, "http://localhost/files/a", quiet=True) == ResumableUploadResult.FAILED)
""")
    assert done.stdout == "True\n", done.stderr


# What a call leaves in the process


def test_a_call_changes_nothing_of_requests(kaggle: Kaggle) -> None:
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send
    assert kaggle_client.Client().ask(lambda: HTTPAdapter.send) is send


def test_the_first_import_of_the_client_leaves_the_process_as_it_was(
    kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERBOSE", "1")  # the client then sets up the root logger
    done = python("""
import logging, sys
from kagglesdk.kaggle_http_client import KaggleHttpClient
from requests.adapters import HTTPAdapter
from kaggle_mnist.kaggle.client import Client

def state():
    root = logging.getLogger()
    return sys.stdout, sys.stderr, HTTPAdapter.send, KaggleHttpClient.__enter__, root.level, list(root.handlers)

before = state()
Client()
assert state() == before
print("unchanged")
""")
    assert (done.stdout, done.stderr) == ("unchanged\n", "")


# Refusals

JOIN = "https://www.kaggle.com/competitions/digit-recognizer/rules, click 'Join Competition' and accept the rules"

NAME = "digit-recognizer"


def fault(fault: Fault) -> Callable[[Kaggle], None]:
    return lambda kaggle: kaggle.faults.update(CreateSubmission=[fault])


def change(**fields: object) -> Callable[[Kaggle], None]:
    return lambda kaggle: [setattr(kaggle, name, value) for name, value in fields.items()] and None


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (change(joined=False), f"nothing was submitted: you have not joined digit-recognizer: open {JOIN}"),
        (
            change(joined=False, tells=False),
            "does not say why (StartSubmissionUpload 403): either you have not",
        ),
        (
            change(joined=False, faults={"GetCompetition": [Fault(403)] * 2}),  # the list of competitions tells
            f"nothing was submitted: you have not joined digit-recognizer: open {JOIN}",
        ),
        (change(name="titanic"), f"either you have not joined {NAME}: open {JOIN}; or today's submissions are used up"),
        (change(tells=False, daily=0), "or today's submissions are used up: there are more from 00:00 UTC, in "),
        (fault(Fault(400)), f"nothing was submitted: the file is not what {NAME} expects: compare it with sample_sub"),
        (fault(Fault(403)), f"either the file is not what {NAME} expects: compare it with sample_submission.csv at "),
        (fault(Fault(403, "Verify your phone")), "submitted: Kaggle says 'Verify your phone' (CreateSubmission 403)"),
    ],
)
def test_a_bare_refusal_is_told_with_its_cause_and_remedy(
    kaggle: Kaggle, submissions: Path, alter: Callable[[Kaggle], None], message: str
) -> None:
    alter(kaggle)
    with pytest.raises(KaggleRefused) as refused:
        upload(wait=60)
    assert message in str(refused.value)
    assert not FILE.exists()


def test_after_the_last_submission_of_a_day_nothing_more_is_sent(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.daily = 1
    assert upload().left == 0
    asked = kaggle.asked["StartSubmissionUpload"]
    with pytest.raises(KaggleRefused, match=r"used up \(1 sent\): there are more from 00:00 UTC, in \d+ h \d\d min"):
        upload(again=True)
    assert kaggle.asked["StartSubmissionUpload"] == asked


def test_another_competition_is_looked_for_by_its_name(kaggle: Kaggle, submissions: Path) -> None:
    with pytest.raises(KaggleRefused, match="or there is no competition digit-recogniser: give --competition"):
        upload(competition="digit-recogniser")
    kaggle.faults["GetCompetition"] = [Fault(404)]
    with pytest.raises(KaggleRefused, match="nothing was submitted: there is no competition digit-recogniser"):
        upload(competition="digit-recogniser")
    with pytest.raises(BadOption, match="must be the last part of its address"):
        upload(competition="../else")


def test_what_kaggle_says_of_a_file_that_it_cannot_score_is_passed_on(kaggle: Kaggle, submissions: Path) -> None:
    kaggle.labels = kaggle.labels[:1000]
    with pytest.raises(KaggleRefused, match="could not score submission 4711: Submission must have 1000 rows"):
        upload(wait=60)
    assert (stored()["status"], stored()["public_score"]) == ("error", None)
    with pytest.raises(BadRun, match=r"the same CSV was sent on .* \(error\)"):
        upload(wait=60)


def test_a_rate_limit_is_kept_to(kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("kaggle_mnist.kaggle.client.time.sleep", slept.append)
    kaggle.faults["StartSubmissionUpload"] = [Fault(429, headers={"Retry-After": "7"}), Fault(429)]
    kaggle.faults["GetSubmission"] = [Fault(429, headers={"Retry-After": "9"})]
    assert upload(wait=60).submitted.public_score == public_accuracy(kaggle)
    assert slept == [7, 0.01, 9]
    slept.clear()
    kaggle.faults["GetSubmissionLimits"] = [Fault(429, headers={"Retry-After": "5400"})]
    with pytest.raises(KaggleRefused, match=r"nothing was submitted: Kaggle was asked too often; start again after \w"):
        upload(again=True)
    kaggle.faults["GetSubmissionLimits"] = [Fault(429, headers={"Retry-After": "25"}) for _ in range(9)]
    with pytest.raises(KaggleRefused, match=r"start again after \d\d:\d\d:\d\d \(in 25 seconds\)"):
        upload(again=True)
    assert slept == [25, 25]


def test_where_only_the_count_of_submissions_fails_the_file_is_sent(kaggle: Kaggle, submissions: Path) -> None:
    for status in (403, 404, 500):
        kaggle.faults["GetSubmissionLimits"] = [Fault(status)]
        assert upload(again=True).left is None
    assert len(kaggle.submissions) == 3


# Credentials


def test_without_credentials_a_line_says_what_to_click(
    kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    done = kaggle_mnist("upload")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "kaggle-mnist: no credentials for Kaggle: click 'Generate New Token' at https://www.kaggle.com/settings/api, "
        "and set KAGGLE_API_TOKEN to it or save it as ~/.kaggle/access_token\n"
    )
    with pytest.raises(KaggleRefused, match="no credentials for Kaggle: click 'Generate New Token'"):
        download()


def test_the_key_of_an_older_account_does_too(
    kaggle: Kaggle, submissions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kaggle.api.kaggle_api_extended import KaggleApi

    monkeypatch.delenv("KAGGLE_API_TOKEN")
    file = tmp_path / "kaggle.json"
    monkeypatch.setattr(KaggleApi, "config", str(file))  # it looked for its folder when it was imported
    file.write_text(json.dumps({"username": USER, "key": KEY}))
    assert upload(wait=60).submitted.public_score == public_accuracy(kaggle)
    file.write_text(json.dumps({"username": USER, "key": KEY[::-1]}))
    with pytest.raises(KaggleRefused, match=r"does not accept the credentials in .*kaggle\.json"):
        upload(again=True)
    monkeypatch.setenv("KAGGLE_USERNAME", USER)
    monkeypatch.setenv("KAGGLE_KEY", KEY[::-1])
    shown = trace_of(lambda: upload(again=True), KaggleRefused)
    assert "Kaggle does not accept the credentials in KAGGLE_USERNAME and KAGGLE_KEY (mistyped, revoked" in shown
    assert KEY[::-1] not in shown


@pytest.mark.parametrize("token", [f"{TOKEN[:-1]}x", f"{TOKEN}\nx", f"{TOKEN}’"])
def test_a_token_that_is_not_accepted_is_not_shown(
    kaggle: Kaggle, submissions: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    shown = trace_of(upload, KaggleRefused)
    assert "Kaggle does not accept the credentials in KAGGLE_API_TOKEN (mistyped, revoked or expired)" in shown
    assert token[:20] not in shown


def test_credentials_are_nowhere_in_a_traceback(
    kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERBOSE", "1")  # the client then prints every request with its headers
    kaggle.faults["CreateSubmission"] = [Fault(403, f"Bearer {TOKEN} may not")]
    done = kaggle_mnist("--debug", "upload", "--wait")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "Kaggle says 'Bearer *** may not' (CreateSubmission 403)" in done.stderr
    assert "Authorization" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "operation", ["IntrospectToken", "StartSubmissionUpload", "upload", "CreateSubmission", "GetSubmission"]
)
@pytest.mark.parametrize("fault", [Fault(401, f"Bearer {TOKEN}"), Fault(403, f"{TOKEN} may not"), Fault()])
def test_credentials_are_nowhere_whatever_fails(
    kaggle: Kaggle, submissions: Path, operation: str, fault: Fault, capfd: pytest.CaptureFixture[str]
) -> None:
    kaggle.faults[operation] = [fault] * 12
    if operation == "upload" and fault.status is None:
        kaggle.faults[operation] = [fault]
        upload(wait=0)
    else:
        trace_of(lambda: upload(wait=0), KaggleRefused)
    assert capfd.readouterr() == ("", "")
    assert without(SECRETS, submissions)


def test_without_the_client_a_line_says_how_to_install_it(
    submissions: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kaggle", "kaggle.api.kaggle_api_extended"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackage, match=r"not installed .*pip install 'kaggle-mnist\[kaggle\]'"):
        upload()


# Downloading


@pytest.fixture
def bundle(handful: Digits, kaggle: Kaggle) -> bytes:
    export_csv(handful, Path("csv"))
    with zipfile.ZipFile("bundle.zip", "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(Path("csv").iterdir()):
            archive.write(file, file.name)
        archive.writestr("more", bytes(3 << 20))
    kaggle.bundle = Path("bundle.zip").read_bytes()
    return kaggle.bundle


def test_a_download_is_what_the_loader_reads(
    kaggle: Kaggle, bundle: bytes, handful: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERBOSE", "1")  # the client would print its requests between the lines of progress
    done = kaggle_mnist("download")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Downloaded   input/digit-recognizer.zip (3.")
    assert [path.name for path in Path("input").iterdir()] == ["digit-recognizer.zip"]
    assert load_digits().fingerprint == handful.fingerprint
    with pytest.raises(OutputError, match=r"input: holds digit-recognizer\.zip already; move that away, then download"):
        download()


def test_a_broken_download_is_taken_up_where_it_broke(
    kaggle: Kaggle, bundle: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaggle_mnist.kaggle.client.time.sleep", lambda seconds: None)  # also the client's
    kaggle.faults["archive"] = [Fault()]
    told: list[tuple[int, int]] = []
    file = download(progress=lambda stage, done, total, note="": told.append((done, total)))
    assert file.read_bytes() == bundle
    assert kaggle.asked["archive"] == 2
    assert told == [(1, 3)]
    file.unlink()
    download(progress=lambda stage, done, total, note="": told.append((done, total)))
    assert told[1:] == [(1, 3), (2, 3), (3, 3), (3, 3)]


@pytest.mark.parametrize(
    ("alter", "kind", "message"),
    [
        (change(joined=False), KaggleRefused, f"nothing was downloaded: you have not joined {NAME}: open {JOIN}"),
        (
            change(joined=False, tells=False),
            KaggleRefused,
            "does not say why (DownloadDataFiles 403): either",
        ),
        (change(bundle=b"<html>"), BadData, "digit-recognizer.zip: not a readable zip"),
    ],
)
def test_a_download_that_fails_leaves_nothing(
    kaggle: Kaggle, bundle: bytes, alter: Callable[[Kaggle], None], kind: type[Exception], message: str
) -> None:
    alter(kaggle)
    with pytest.raises(kind) as refused:
        download()
    assert message in str(refused.value)
    assert not list(Path("input").iterdir())


def test_a_zip_of_something_else_is_not_kept(kaggle: Kaggle) -> None:
    with zipfile.ZipFile("titanic.zip", "w") as archive:
        archive.writestr("train.csv", "PassengerId")
    kaggle.bundle = Path("titanic.zip").read_bytes()
    with pytest.raises(KaggleRefused, match=r"its files lack test\.csv"):
        download()
    assert not list(Path("input").iterdir())


def test_a_download_never_overwrites(kaggle: Kaggle) -> None:
    Path("input").mkdir()
    for name in ("README.md", "train.csv", "test.csv"):
        Path("input", name).write_text("mine")
    with pytest.raises(OutputError, match=r"input: holds test\.csv and 1 more already"):
        download()
    assert Path("input/train.csv").read_text() == "mine"
    assert not kaggle.asked
    with pytest.raises(OutputError, match="cannot write there"):
        download(Path("input/train.csv"))
