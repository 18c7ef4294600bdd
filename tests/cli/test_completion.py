"""What a shell completes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kaggle_mnist.cli import app
from kaggle_mnist.recipes.named import NAMES
from kaggle_mnist.runs.labels import Labels, write_labels


def completed(line: str) -> list[str]:
    """The words that bash is offered at the end of a line."""
    asked = {"COMP_WORDS": line, "COMP_CWORD": f"{line.count(' ')}", "_KAGGLE_MNIST_COMPLETE": "complete_bash"}
    return CliRunner().invoke(app, [], env=asked, prog_name="kaggle-mnist").output.split()


@pytest.fixture
def named(submissions: Path) -> Path:
    """Three finished runs, one of them called wide, and an unfinished one."""
    write_labels(submissions / "20261124-200001-b", Labels(name="wide"))
    old = Path(__file__).parent.parent / "runs" / "version-0.1" / "20261124-210000-old"
    shutil.copytree(old, submissions / "20261124-210000-old")
    (submissions / "20261124-200000-c").rename(submissions / "two words")
    return submissions


FOLDERS = ["20261124-200001-b", "20261124-200000-a", "20261124-210000-old"]


@pytest.mark.parametrize(
    "command",
    [
        *("compare", "compare latest", "report", "audit", "upload", "predict", "blend a", "label", "export"),
        "check s.csv --run",
    ],
)
def test_runs_are_completed_by_name_recipe_and_folder_wherever_one_is_named(command: str, named: Path) -> None:
    assert completed(f"kaggle-mnist {command} ") == ["latest", "wide", "c", "b", "a", "old", *FOLDERS]
    assert completed(f"kaggle-mnist {command} 20261124-20") == FOLDERS[:2]
    assert completed(f"kaggle-mnist {command} x") == []


def test_only_runs_that_can_be_resumed_are_offered_to_resume(named: Path) -> None:
    assert completed("kaggle-mnist resume ") == ["old", FOLDERS[2]]
    write_labels(named / FOLDERS[2], Labels(name="narrow"))
    assert completed("kaggle-mnist resume n") == ["narrow"]


def test_only_whole_names_are_offered_to_remove(named: Path) -> None:
    assert completed("kaggle-mnist runs --remove ") == ["wide", *FOLDERS]


def test_recipes_and_tags_of_runs_are_completed_where_runs_are_filtered_or_tags_taken_away(named: Path) -> None:
    Path("mine.toml").touch()
    assert completed("kaggle-mnist runs --recipe ") == ["c", "b", "a", "old"]
    write_labels(named / FOLDERS[0], Labels(name="wide", tags=("good", "slow")))
    write_labels(named / FOLDERS[1], Labels(tags=("good", "great")))
    assert completed("kaggle-mnist runs --tag ") == ["good", "slow", "great"]
    assert completed("kaggle-mnist runs --tag gr") == ["great"]
    assert completed("kaggle-mnist label wide --untag ") == ["good", "slow", "great"]
    (named / FOLDERS[1] / "labels.json").write_text('{"tags": [7, "a b", "good"]}')
    assert completed("kaggle-mnist runs --tag ") == ["good", "slow"]


def test_runs_are_those_of_the_output_folder(named: Path) -> None:
    named.rename("elsewhere")
    assert completed("kaggle-mnist compare ") == ["latest"]
    assert completed("kaggle-mnist compare --output elsewhere w") == ["wide"]


@pytest.mark.parametrize("command", ["train", "search"])
def test_recipes_are_completed_and_files_here(command: str) -> None:
    Path("mine").mkdir()
    for file in ("wide.toml", "notes.txt", "mine/tall.toml"):
        Path(file).touch()
    assert set(completed(f"kaggle-mnist {command} --recipe ")) == {*NAMES, "wide.toml"}
    assert completed(f"kaggle-mnist {command} -r m") == ["mlp"]
    assert completed(f"kaggle-mnist {command} -r mine/") == ["mine/tall.toml"]


def test_a_shell_does_not_wait_for_slow_packages(named: Path) -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'sklearn', 'PIL', 'rich'}"  # Typer itself imports pydantic
    code = f"""import atexit, sys
atexit.register(lambda: print(sorted({heavy} & set(sys.modules))))
from kaggle_mnist.cli import app
app(prog_name="kaggle-mnist")"""
    asked = {"COMP_WORDS": "kaggle-mnist compare w", "COMP_CWORD": "2", "_KAGGLE_MNIST_COMPLETE": "complete_bash"}
    command, environment = [sys.executable, "-c", code], {**os.environ, **asked}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=600)
    assert done.stdout == "wide\n[]\n"


def test_completion_can_be_installed() -> None:
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).output
