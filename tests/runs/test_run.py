from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from kaggle_mnist.cli import app
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.run import Run, ScoredRun, as_argument, read_run
from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.files import SUMS
from tests.conftest import reseal
from tests.opened import opened_files

FILES = ("run.json", "submission.csv", "outputs.npz")
BOARD = {
    "competition": "digit-recognizer",
    "submitted": "2026-11-24T21:00:00+00:00",
    "sha256": "0" * 64,
    "ref": 1,
    "message": "mlp",
    "status": "complete",
    "public_score": 0.99,
    "prediction": None,
}


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_was_edited_or_removed_is_named(file: str, submissions: Path) -> None:
    path = list_runs(submissions)[-1]
    (path / file).write_bytes((path / file).read_bytes() + b"\n")
    with pytest.raises(BadRun, match=f"{file}: does not match its checksum"):
        read_run(path).verify()
    (path / file).unlink()
    with pytest.raises(BadRun, match=f"{file}: is missing"):
        read_run(path).verify()


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("run.json", lambda run: read_run(run.path)),
        ("outputs.npz", Run.outputs),
        ("folds.csv", lambda run: run.table("folds")),
        ("confusion.csv", lambda run: run.table("confusion")),
        ("members.safetensors", Run.weights),
        ("submission.csv", lambda run: run.verified("submission.csv")),
    ],
)
def test_a_flipped_bit_is_noticed_when_the_file_is_read(
    file: str, read: Callable[[Run], object], submissions: Path
) -> None:
    run = read_run(list_runs(submissions)[0])
    read(run)
    flip_a_bit(run.path / file)
    for use in (read, Run.verify):
        with pytest.raises(BadRun, match=f"{file}: does not match its checksum"):
            use(run)
    (run.path / file).unlink()
    with pytest.raises(BadRun, match=f"{file}: is missing"):
        read(run)


def test_check_notices_that_the_runs_own_csv_was_changed(submissions: Path) -> None:
    run = read_run(list_runs(submissions)[0])
    check = ["check", f"{run.submission.parent / '..' / run.name / 'submission.csv'}", "--run", run.name]
    assert CliRunner().invoke(app, check).exit_code == 0
    content = run.submission.read_bytes()
    run.submission.write_bytes(content[:-2] + (b"1" if content[-2:-1] != b"1" else b"2") + b"\n")
    done = CliRunner().invoke(app, check)
    assert done.exit_code == 2
    assert "submission.csv: does not match its checksum" in done.stderr


def test_a_file_that_the_checksums_do_not_list_is_not_read(submissions: Path) -> None:
    run = read_run(list_runs(submissions)[0])
    lines = (run.path / SUMS).read_text().splitlines(keepends=True)
    (run.path / SUMS).write_text("".join(line for line in lines if "folds.csv" not in line))
    with pytest.raises(BadRun, match=r"SHA256SUMS: does not list folds\.csv"):
        run.table("folds")


def test_outputs_are_parsed_from_the_bytes_that_were_verified(submissions: Path) -> None:
    run = read_run(list_runs(submissions)[0])
    with opened_files() as names:
        run.outputs()
        run.table("folds")
    assert sorted(names) == ["SHA256SUMS", "SHA256SUMS", "folds.csv", "outputs.npz"]


def test_outputs_that_were_edited_and_given_new_checksums_are_refused(submissions: Path) -> None:
    path = list_runs(submissions)[0]
    outputs = read_run(path).outputs()
    assert outputs.fold_test is not None
    arrays: dict[str, NDArray[Any]] = {
        "oof_outputs": outputs.oof,
        "test_outputs": outputs.test,
        "y_true": outputs.y_true,
        "test_ids": outputs.test_ids,
        "fold_of": outputs.fold_of,
        "fold_test_outputs": outputs.fold_test,
    }
    for changed, message in (
        ({"oof_outputs": outputs.oof[:-1]}, r"oof_outputs must have shape \(1500, 10\) and type float32"),
        ({"test_outputs": outputs.test.astype(np.float64)}, r"test_outputs must have shape \(300, 10\) and type"),
        ({"oof_outputs": np.where(outputs.oof > 0.9, np.float32("nan"), outputs.oof)}, "has values outside 0 to 1"),
        ({"fold_test_outputs": outputs.fold_test[:-1]}, r"fold_test_outputs must have shape \(3, 300, 10\)"),
        ({"y_true": np.array([object()] * 1500)}, "y_true must have shape"),
    ):
        np.savez(path / "outputs.npz", **{**arrays, **changed})  # type: ignore[arg-type]
        reseal(path)
        with pytest.raises(BadRun, match=message):
            read_run(path).outputs()


def test_a_run_whose_checksums_lack_a_required_file_is_refused(submissions: Path) -> None:
    path = list_runs(submissions)[0]
    lines = (path / SUMS).read_text().splitlines(keepends=True)
    (path / SUMS).write_text("".join(line for line in lines if "outputs.npz" not in line))
    with pytest.raises(BadRun, match=r"SHA256SUMS: does not list outputs\.npz"):
        read_run(path)


@pytest.mark.parametrize(
    ("old", "new"), [('"seed": ', '"seeds": '), ('"cv_accuracy": 0', '"cv_accuracy": 7'), ("{", "")]
)
def test_a_record_that_no_run_writes_is_refused(submissions: Path, old: str, new: str) -> None:
    path = list_runs(submissions)[0]
    (path / "run.json").write_text((path / "run.json").read_text().replace(old, new, 1))
    reseal(path)
    with pytest.raises(BadRun, match=r"run\.json: "):
        read_run(path)


def test_a_public_score_counts_before_the_withheld_labels(submissions: Path) -> None:
    run = read_run(list_runs(submissions)[0])
    assert ScoredRun.of(run) == ScoredRun(run, None)
    assert ScoredRun.of(run).score is None
    scores = run.record.scores.model_copy(update={"withheld_accuracy": 0.97})
    practiced = Run(run.path, run.record.model_copy(update={"scores": scores}))
    assert ScoredRun.of(practiced).score == 0.97
    (run.path / "leaderboard.json").write_text(json.dumps({**BOARD, "public_score": None}))
    assert ScoredRun.of(practiced).score == 0.97
    (run.path / "leaderboard.json").write_text(json.dumps(BOARD))
    assert ScoredRun.of(practiced).score == 0.99


def test_a_leaderboard_file_that_cannot_be_read_says_what_to_do(submissions: Path) -> None:
    run = read_run(list_runs(submissions)[0])
    (run.path / "leaderboard.json").write_text("{}")
    with pytest.raises(BadRun, match=r"leaderboard\.json: cannot be read; move it away to treat"):
        run.submitted()


def test_the_argument_for_a_run_names_its_folder_unless_that_is_the_default() -> None:
    assert as_argument(Path("submissions/a b")) == "'a b'"
    assert as_argument(Path("submissions/../submissions/a")) == "a --output submissions/../submissions"
    assert as_argument(Path("my runs/a")) == "a --output 'my runs'"
    assert as_argument(Path("submissions").absolute() / "a") == "a"
