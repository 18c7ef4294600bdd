"""What needs no network makes no socket: an audit hook ends the process at the first one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.runs import list_runs

WITHOUT_NETWORK = """
import os, sys
def refuse(event, arguments):
    if event.startswith("socket."):
        print("reached for the network:", event, arguments, file=sys.stderr, flush=True)
        os._exit(9)
sys.addaudithook(refuse)
from kaggle_mnist.cli import app
app(prog_name="kaggle-mnist")
"""


def offline(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_NETWORK, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_hook_ends_a_process_that_reaches_for_the_network() -> None:
    code = WITHOUT_NETWORK.split("from kaggle_mnist", maxsplit=1)[0] + "import socket; socket.socket()"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 9


def test_training_comparing_and_reporting_need_no_network(few: Digits, submissions: Path) -> None:
    export_csv(few, Path("input"))
    names = [path.name for path in list_runs(submissions)]
    quick = ["--folds", "2", "--epochs", "1", "--set", f"hidden={list(TINY.hidden)}"]
    for arguments in (
        ["train", *quick],
        ["compare"],
        ["report", names[0]],
        ["blend", *names],
        ["runs"],
        ["check", f"{submissions / names[0] / 'submission.csv'}", "--run", names[0]],
    ):
        done = offline(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)


@pytest.mark.parametrize("command", ["audit", "predict"])
def test_looking_at_runs_needs_no_network(few: Digits, submissions: Path, command: str) -> None:
    export_csv(few, Path("input"))
    Image.fromarray(few.test_images[0]).resize((280, 280)).save("digit.png")
    done = offline(command, list_runs(submissions)[0].name, *(["digit.png"] if command == "predict" else []))
    assert done.returncode == 0, done.stderr
