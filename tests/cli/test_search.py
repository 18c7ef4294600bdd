from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from tests.cli.invoke import invoke

ARGUMENTS = ["search", "--recipe", "tiny.toml", "--folds", "3", "--seeds", "3"]
ARGUMENTS += ["--vary", "learning_rate=1e-4..1e-1:log", "--trials", "6"]
TINY = "hidden = [32]\nepochs = 3\nbatch_size = 100\nlearning_rate = 1e-4\n"


def run(*arguments: str) -> tuple[int, str]:
    """Exit status and output."""
    result = invoke(*arguments)
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def _digits(few: Digits) -> None:
    export_csv(few.head(300, 30), Path("input"))
    Path("tiny.toml").write_text(TINY)


def test_a_search_tells_of_every_trial_and_ends_with_a_verdict() -> None:
    status, text = run(*ARGUMENTS)
    assert status == 0, text
    assert len(re.findall(r"^Trial \d+ +(0\.\d{4} in|pruned after)", text, flags=re.MULTILINE)) == 6
    assert re.search(r"^Confirmed +best 0\.\d{4}, start 0\.\d{4}: means over 3 fresh seeds$", text, re.MULTILINE)
    assert re.search(r"^Luck +[+-]0\.\d{4} of the \+0\.\d{4} that it was ahead", text, re.MULTILINE)
    assert re.search(r"^Verdict +The best trial is better than tiny", text, re.MULTILINE)
    recipe = re.search(r"^Recipe +(\S+)$", text, re.MULTILINE)
    submission = re.search(r"^Submission +(\S+)$", text, re.MULTILINE)
    assert recipe and submission
    assert len(pd.read_csv(submission[1])) == 30
    assert run("train", "--recipe", recipe[1], "--folds", "3")[0] == 0
    assert run("compare", "--by", "recipe")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vary", "learning_rat=1..2"], "learning_rat: no such field (did you mean learning_rate?)"),
        (["--vary", "rotation=0..500"], "rotation: 500.0: must be less than or equal to 180"),
        (["--trials", "0"], "0 trials: must be at least 1"),
        (["--seeds", "1"], "1 seed: a confirmation needs from 3 to 1000"),
        (["--seeds", "2"], "2 seeds: a confirmation needs from 3 to 1000"),
        (["space.toml"], "no such file"),
        (["somewhere"], "somewhere: is no .toml file; to go on with a search, add --resume"),
        (["--resume", "--vary", "dropout=0..1"], "--vary: stays as it was when the search began"),
        (["--resume", "--folds", "3"], "--folds: stays as it was when the search began"),
        (["--resume"], "no search here"),
        (["--cluster", "nowhere"], "nowhere: no Dask scheduler answers there"),
    ],
)
def test_bad_usage_is_one_line_and_leaves_nothing_behind(arguments: list[str], message: str) -> None:
    status, text = run("search", *arguments)
    assert status == 2
    assert message in text and text.count("\n") == 1
    assert not list(Path.cwd().glob("submissions/*"))


KILLED = """
import signal
from kaggle_mnist.cli import app
from kaggle_mnist.cli.screens import search

def say(label, text):
    print(label, text)
    if label == "Trial 2":
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)  # whose signal kills; it counts what this process computes

search.say = say
app(prog_name="kaggle-mnist")
"""


def test_a_search_that_was_killed_goes_on() -> None:
    """In the middle, at a different place each time; no finished trial is lost or repeated."""
    command = [sys.executable, "-c", KILLED, *ARGUMENTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == -signal.SIGVTALRM, done.stderr
    [folder] = Path("submissions").glob("*-search-tiny")
    before = pd.read_csv(folder / "trials.csv")
    status, text = run("search", "--resume")
    assert status == 0, text
    after = pd.read_csv(folder / "trials.csv")
    assert len(after) == 6
    over = before[before.state != "running"].drop(columns="seconds")
    pd.testing.assert_frame_equal(after.drop(columns="seconds").head(len(over)), over, check_dtype=False)
    assert after.learning_rate.is_unique
