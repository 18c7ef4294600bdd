"""Run the program: in a process of its own, or faster in this one."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from kaggle_mnist.cli import app, console


def run_program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `kaggle-mnist` as a user does."""
    command = [sys.executable, "-m", "kaggle_mnist", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=os.environ)


def invoke(*arguments: str, columns: int = 80) -> Result:
    """Run a command in this process, with output for a terminal of that width, and no progress of what takes long."""
    with pytest.MonkeyPatch.context() as patch:
        for least in ("QUICK_SECONDS", "PLAIN_SECONDS"):  # a busy machine may take as long for anything
            patch.setattr(console, least, math.inf)
        return CliRunner().invoke(app, arguments, env={"COLUMNS": f"{columns}"})
