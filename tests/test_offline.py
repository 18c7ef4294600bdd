"""Commands that need no network open no socket: an audit hook ends the process at the first one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.runs.finding import list_runs
from tests.conftest import TINY

WITHOUT_NETWORK = """
import json, os, sys
def refuse(event, arguments):
    if event.startswith("socket."):
        print("opened a socket:", event, arguments, file=sys.stderr, flush=True)
        os._exit(9)
sys.addaudithook(refuse)
"""
COMMANDS = """
from kaggle_mnist.cli import app
for command in json.loads(sys.argv[1]):
    try:
        app(command, prog_name="kaggle-mnist")
    except SystemExit as end:
        assert not end.code, command
"""


def test_the_hook_ends_a_process_that_opens_a_socket() -> None:
    code = WITHOUT_NETWORK + "import socket; socket.socket()"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 9


@pytest.mark.slow
def test_only_download_and_upload_use_the_network(few: Digits, submissions: Path) -> None:
    export_csv(few, Path("input"))
    Image.fromarray(few.test_images[0]).resize((280, 280)).save("digit.png")
    names = [path.name for path in list_runs(submissions)]
    commands = [
        ["train", "--folds", "2", "--epochs", "1", "--set", f"hidden={list(TINY.hidden)}"],
        ["compare"],
        ["report", names[0]],
        ["blend", *names],
        ["audit", names[0]],
        ["predict", "latest", "digit.png"],
        ["runs"],
        ["data"],
        ["recipes"],
        ["check", f"{submissions / names[0] / 'submission.csv'}", "--run", names[0]],
    ]
    command = [sys.executable, "-c", WITHOUT_NETWORK + COMMANDS, json.dumps(commands)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
