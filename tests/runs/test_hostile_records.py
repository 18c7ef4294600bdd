"""Malicious recipes, runs and CSV files: each gives a valid result or a one-line error; nothing is unpickled."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kaggle_mnist.blend import blend_runs
from kaggle_mnist.cli import app
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.pipeline import train
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import parse_setting
from kaggle_mnist.report.page import write_report
from kaggle_mnist.runs import submission
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.run import Run
from kaggle_mnist.runs.submission import check_submission
from tests.conftest import TINY, reseal
from tests.data.test_hostile_files import ODD_NUMBERS, bounded, refused
from tests.harness import recorded
from tests.harness.archives import Member, npy_bytes, zip_bytes

SUBMISSION = b"ImageId,Label\n1,3\n2,0\n3,9\n"
ODD_VALUES = ["1e400", "nan", "٣", "0x" + "f" * 5000, "1" * 5000, "[" * 5000, "\x1b[31m", "1" * 20_000]


class Payload:
    """Creates a file when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (Path("unpickled"),)


@pytest.fixture
def run() -> Run:
    """A run of ten labeled and two unlabeled images, made without training."""
    Path("run").mkdir()
    for name, content in recorded.run_files(np.zeros((10, 28, 28), np.uint8), np.zeros((2, 28, 28), np.uint8)).items():
        Path("run", name).write_bytes(content)
    return find_run("run", Path())


# Recipes


@pytest.mark.parametrize(
    "line",
    [
        *(f"dropout = {number}" for number in ODD_NUMBERS),
        "epochs = 0x" + "f" * 5000,  # written in decimal, too long for Python
        "epochs = [" + "1" * 5000 + "]",
        "base = 0x" + "f" * 5000,
        "self = 1",  # a method's argument
        '"\\u202e\\n" = 1',
        "hidden = [[[1]]]",
        "epochs = " + "[" * 5000,
        "a" + ".a" * 5000 + " = 1",
        "name = '" + "x" * 10_000 + "'",
        'name = "' + "\U00020000" * 60 + '"',  # 240 bytes: too long for a folder name with a date
        "epochs = 5 # " + "x" * (1 << 20),
    ],
    ids=lambda line: line[:24].encode("ascii", "replace").decode(),
)
def test_an_odd_line_in_a_recipe_is_refused(line: str) -> None:
    Path("odd.toml").write_text(f'base = "fast"\n{line}\n', "utf-8")
    refused(lambda: find_recipe("odd.toml"), "odd.toml")


@pytest.mark.parametrize("value", ODD_VALUES)
def test_an_odd_setting_is_refused_on_the_command_line(value: str) -> None:
    done = CliRunner().invoke(app, ["train", "--set", f"epochs={value}"])
    assert done.exit_code == 2
    assert done.stderr.startswith("kaggle-mnist: epochs")
    assert done.stderr.removesuffix("\n").isprintable()
    assert len(done.stderr) < 1100


def test_a_setting_named_like_a_python_argument_is_an_unknown_field() -> None:
    refused(lambda: find_recipe("fast").replaced(**dict([parse_setting("self=1")])), "self: no such field")


def test_a_huge_recipe_file_or_a_pipe_is_refused() -> None:
    Path("endless.toml").touch()
    os.truncate("endless.toml", 1 << 40)
    refused(lambda: find_recipe("endless.toml"), "endless.toml", "larger than 16 kB")
    os.mkfifo("pipe.toml")
    refused(lambda: find_recipe("pipe.toml"), "pipe.toml", "it is not a regular file")
    refused(lambda: find_recipe("a\0.toml"))


# Runs


def test_pickles_in_place_of_arrays_and_weights_are_not_unpickled(run: Run) -> None:
    objects = npy_bytes(np.zeros(1)).replace(b"'<f8'", b"'|O' ") + pickle.dumps(Payload())
    for content in (pickle.dumps(Payload()), zip_bytes([Member(b"oof_outputs.npy", objects)]), zip_bytes([])):
        (run.path / "outputs.npz").write_bytes(content)
        (run.path / "members.safetensors").write_bytes(content)
        reseal(run.path)
        refused(run.outputs, "outputs.npz: ")
        refused(run.weights, "members.safetensors: cannot be read")
    assert not Path("unpickled").exists()


@pytest.mark.slow
def test_a_non_utf8_folder_name_does_not_lose_the_run(handful: Digits) -> None:
    export_csv(handful, Path("x\udcffy"))
    run = train(TINY.replaced(epochs=1), input="x\udcffy", output="runs", folds=2)
    assert "x\\udcffy/train.csv" in find_run(str(run.path), Path("runs")).record.data.path
    (run.path / "leaderboard.json").write_bytes(recorded.leaderboard_json().replace(b'"tiny"', b'"\\ud800"'))
    refused(lambda: write_report(run), "leaderboard.json: cannot be read")
    (run.path / "leaderboard.json").write_bytes(recorded.leaderboard_json().replace(b'"tiny"', b'"</script>"'))
    assert "&lt;/script&gt;" in write_report(run).read_text("utf-8")
    moved = run.path.rename(run.path.with_name("with spaces"))
    other = train(TINY.replaced(epochs=1), input=handful, output="runs", folds=2, seed=1)
    assert blend_runs([str(moved), other.name], Path("runs")).record.parents[0].run == "with spaces"
    moved = moved.rename(moved.with_name("\udcff"))
    refused(lambda: blend_runs([str(moved), other.name], Path("runs")), "rename it")


# Submissions


@pytest.mark.parametrize("number", [number for number in ODD_NUMBERS if number != '"'])
def test_an_odd_number_in_a_submission_is_an_error(number: str) -> None:
    for row in (f"2,{number}", f"{number},0"):
        Path("odd.csv").write_bytes(SUBMISSION.replace(b"2,0", row.encode()))
        verdict = check_submission(Path("odd.csv"), 3)
        assert verdict.errors
        assert max(map(len, verdict.errors)) < 200
        done = CliRunner().invoke(app, ["check", "odd.csv"])
        assert done.exit_code == 2
        assert all(sign.isprintable() for line in done.stdout.split("\n") for sign in line)


def test_a_submission_of_millions_of_rows_is_not_checked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "MAX_ROWS", 1000)
    Path("many.csv").write_bytes(SUBMISSION + b"1,1\n" * 3000)
    assert check_submission(Path("many.csv"), 3).errors == [
        "row 5: ImageId 1 is already in row 2 (996 rows in all)",
        "row 1001: too many rows; it was not checked, nor was any row below",
    ]


@pytest.mark.parametrize("content", [b"\n", b",", b'"', b"1,1\n"])
def test_a_submission_of_millions_of_rows_or_cells_takes_no_memory(content: bytes) -> None:
    Path("many.csv").write_bytes(content * (15_000_000 // len(content)))
    _, grown = bounded("runs.submission import check_submission", "many.csv")
    assert grown < 400 << 20


def test_many_missing_ids_are_reported_in_a_short_line() -> None:
    Path("half.csv").write_bytes(b"ImageId,Label\n" + b"".join(b"%d,0\n" % i for i in range(1, 28_000, 2)))
    (error,) = check_submission(Path("half.csv")).errors
    assert error.startswith("ImageIds without a row: 2, 4, 6,")
    assert error.endswith("38, 40, … (14000 in all)")


def test_a_submission_from_a_pipe_is_checked_and_one_from_a_device_is_not() -> None:
    os.mkfifo("pipe.csv")
    writer = threading.Thread(target=Path("pipe.csv").write_bytes, args=[SUBMISSION])
    writer.start()
    assert not check_submission(Path("pipe.csv"), 3).errors
    writer.join()
    refused(lambda: check_submission(Path("/dev/zero")), "/dev/zero")
