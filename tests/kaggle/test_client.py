"""Credentials, timeouts, rate limits, and the global state that Kaggle's client would change."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from kaggle_mnist.kaggle import client as kaggle_client
from kaggle_mnist.kaggle.leaderboard import download, upload
from kaggle_mnist.utils.errors import KaggleRefused, MissingPackage
from tests.kaggle.conftest import (
    SECRETS,
    kaggle_mnist,
    public_accuracy,
    python,
    trace_of,
    without,
)
from tests.kaggle.server import KEY, TOKEN, USER, Fault, Kaggle


def test_a_missing_network_is_reported(kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound but not listening: nobody else can take the port meanwhile
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://someone:{KEY}@127.0.0.1:{taken.getsockname()[1]}")
        for call in (upload, download):
            shown = trace_of(call, KaggleRefused)
            assert (
                "Kaggle cannot be reached: the proxy refuses the connection; correct or unset HTTPS_PROXY (HTTP_PROXY)"
                in shown
            )
    monkeypatch.setenv("http_proxy", f"http://someone:{KEY}@:no-port")
    assert "HTTPS_PROXY (HTTP_PROXY) is not a valid URL" in trace_of(upload, KaggleRefused)


def test_a_credentials_file_that_is_a_folder_is_named(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home/.kaggle/kaggle.json").mkdir(parents=True)
    monkeypatch.setenv("HOME", f"{tmp_path / 'home'}")
    monkeypatch.delenv("KAGGLE_API_TOKEN", raising=False)
    done = kaggle_mnist("download")
    assert done.returncode == 2
    assert "home/.kaggle/kaggle.json: cannot be used by Kaggle's client (Is a directory); move it away" in done.stderr


def test_certificates_that_do_not_exist_are_named(
    kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/proxy.pem")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    error = OSError("Could not find a suitable TLS CA certificate bundle, invalid path: /nowhere/proxy.pem")

    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("requests.Session.send", fails)  # the server on loopback needs no certificate
    with pytest.raises(KaggleRefused, match=r"REQUESTS_CA_BUNDLE is /nowhere/proxy\.pem, which does not exist"):
        upload()


def test_every_request_has_a_timeout(kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaggle_client, "ANSWER_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(KaggleRefused, match="no answer within"):
            upload()


def test_the_sign_in_on_first_import_has_a_timeout(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "from kaggle_mnist.kaggle import client; client.ANSWER_SECONDS = 0.05; client.Client()"
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        done = python(script)
    assert "KaggleRefused: Kaggle cannot be reached: no answer within" in done.stderr


def test_the_file_upload_has_a_timeout(kaggle: Kaggle) -> None:
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


def test_a_call_does_not_patch_requests(kaggle: Kaggle) -> None:
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send
    assert kaggle_client.Client().call(lambda: HTTPAdapter.send) is send


def test_the_first_import_of_the_client_leaves_no_global_state_behind(
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


def test_rate_limits_are_respected(kaggle: Kaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("kaggle_mnist.kaggle.client.time.sleep", slept.append)
    kaggle.faults["StartSubmissionUpload"] = [Fault(429, headers={"Retry-After": "7"}), Fault(429)]
    kaggle.faults["GetSubmission"] = [Fault(429, headers={"Retry-After": "9"})]
    assert upload(wait=60).submitted.public_score == public_accuracy(kaggle)
    assert slept == [7, 0.01, 9]
    slept.clear()
    kaggle.faults["GetSubmissionLimits"] = [Fault(429, headers={"Retry-After": "5400"})]
    with pytest.raises(KaggleRefused, match=r"nothing was submitted: too many requests to Kaggle; try again after \w"):
        upload(again=True)
    kaggle.faults["GetSubmissionLimits"] = [Fault(429, headers={"Retry-After": "25"}) for _ in range(9)]
    with pytest.raises(KaggleRefused, match=r"try again after \d\d:\d\d:\d\d \(in 25 seconds\)"):
        upload(again=True)
    assert slept == [25, 25]


def test_missing_credentials_are_reported_with_what_to_click(
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


def test_a_legacy_api_key_works_too(
    kaggle: Kaggle, submissions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kaggle.api.kaggle_api_extended import KaggleApi

    monkeypatch.delenv("KAGGLE_API_TOKEN")
    file = tmp_path / "kaggle.json"
    monkeypatch.setattr(KaggleApi, "config", str(file))  # it looked for its folder when it was imported
    file.write_text(json.dumps({"username": USER, "key": KEY}))
    assert upload(wait=60).submitted.public_score == public_accuracy(kaggle)
    file.write_text(json.dumps({"username": USER, "key": KEY[::-1]}))
    with pytest.raises(KaggleRefused, match=r"rejects the credentials in .*kaggle\.json"):
        upload(again=True)
    monkeypatch.setenv("KAGGLE_USERNAME", USER)
    monkeypatch.setenv("KAGGLE_KEY", KEY[::-1])
    shown = trace_of(lambda: upload(again=True), KaggleRefused)
    assert "Kaggle rejects the credentials in KAGGLE_USERNAME and KAGGLE_KEY (mistyped, revoked" in shown
    assert KEY[::-1] not in shown


@pytest.mark.parametrize("token", [f"{TOKEN[:-1]}x", f"{TOKEN}\nx", f"{TOKEN}’"])
def test_a_rejected_token_is_not_shown(
    kaggle: Kaggle, submissions: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    shown = trace_of(upload, KaggleRefused)
    assert "Kaggle rejects the credentials in KAGGLE_API_TOKEN (mistyped, revoked or expired)" in shown
    assert token[:20] not in shown


def test_a_traceback_contains_no_credentials(
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
def test_no_failure_shows_credentials(
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


def test_a_missing_client_is_reported_with_how_to_install_it(
    submissions: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kaggle", "kaggle.api.kaggle_api_extended"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackage, match=r"not installed .*pip install 'kaggle-mnist\[kaggle\]'"):
        upload()
