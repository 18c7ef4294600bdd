"""Kaggle on loopback, a run that can be submitted to it, and calls whose output is searched for credentials."""

from __future__ import annotations

import base64
import json
import os
import shutil
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
from kaggle_mnist.kaggle import client as kaggle_client
from kaggle_mnist.kaggle import leaderboard
from kaggle_mnist.pipeline import train
from tests.conftest import TINY
from tests.kaggle.server import KEY, SIGNATURE, TOKEN, USER, Kaggle, Server

RUN = "20261124-200000-tiny"
FILE = Path("submissions", RUN, "leaderboard.json")
SECRETS = (KEY, TOKEN, base64.b64encode(f"{USER}:{KEY}".encode()).decode(), SIGNATURE)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
NAME = "digit-recognizer"
JOIN = "https://www.kaggle.com/competitions/digit-recognizer/rules, click 'Join Competition' and accept the rules"


@pytest.fixture(scope="session")
def digits(practice: Digits) -> Digits:
    """1,500 labeled and 28,000 unlabeled digits, as many as the competition's, and not the practice set's own."""
    images, labels = practice.train_images, practice.train_labels
    return Digits("Kaggle CSV", "tests", images[:1500], labels[:1500], images[2000:30_000])


@pytest.fixture(scope="session")
def finished(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished")
    train(TINY, input=digits, output=output, folds=2).path.rename(output / RUN)
    return output


@pytest.fixture
def submissions(finished: Path) -> Path:
    return Path(shutil.copytree(finished, "submissions"))


@pytest.fixture
def kaggle(practice: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    """The server, which this process and its children call with a token from the environment."""
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


@pytest.fixture
def bundle(handful: Digits, kaggle: Kaggle) -> bytes:
    export_csv(handful, Path("csv"))
    with zipfile.ZipFile("bundle.zip", "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(Path("csv").iterdir()):
            archive.write(file, file.name)
        archive.writestr("more", bytes(3 << 20))
    kaggle.bundle = Path("bundle.zip").read_bytes()
    return kaggle.bundle


def kaggle_mnist(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kaggle_mnist", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=os.environ)
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)
    return done


def python(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=os.environ)


def stored() -> Any:
    """The content of the run's `leaderboard.json`."""
    return json.loads(FILE.read_text())


def public_accuracy(kaggle: Kaggle) -> float:
    """Computed from the CSV, not by the server: on the images 4, 8, 12, …"""
    rows = np.loadtxt(f"submissions/{RUN}/submission.csv", np.int64, delimiter=",", skiprows=1)
    return round(float((rows[3::4, 1] == kaggle.labels[3::4]).mean()), 5)


def trace_of(call: Callable[[], object], kind: type[BaseException]) -> str:
    """The traceback of an expected error; neither it nor any exception in its context may contain a secret."""
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
    """Whether no file below a folder contains a secret."""
    return not any(s.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file() for s in secrets)


def change(**fields: object) -> Callable[[Kaggle], None]:
    """A function that sets fields of the server."""

    def alter(kaggle: Kaggle) -> None:
        for name, value in fields.items():
            setattr(kaggle, name, value)

    return alter
