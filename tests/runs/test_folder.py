from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from kaggle_mnist.runs import folder
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.folder import csv_bytes, ensure_writable, finish_run, new_folder, run_files, write_run
from kaggle_mnist.runs.run import read_run
from kaggle_mnist.utils import files
from kaggle_mnist.utils.errors import OutputError

NOON = datetime(2026, 11, 23, 12)


@pytest.fixture
def output() -> Path:
    path = Path("submissions")
    path.mkdir()
    return path


def test_a_run_folder_is_named_for_its_time_and_recipe_and_sha256sum_verifies_it(
    run_content: dict[str, bytes], output: Path
) -> None:
    path = write_run(output, "mlp", run_content, now=NOON)
    assert path == Path("submissions/20261123-120000-mlp")
    assert {file.name for file in path.iterdir()} == {*run_content, "SHA256SUMS"}
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=path, check=False).returncode == 0
    assert [entry.name for entry in output.iterdir()] == [path.name]


def test_runs_of_the_same_second_get_different_folders(run_content: dict[str, bytes], output: Path) -> None:
    names = [write_run(output, "mlp", run_content, now=NOON).name for _ in range(3)]
    assert names == [f"20261123-120000-mlp{end}" for end in ("", "-2", "-3")]


def test_after_999_runs_of_one_name_another_folder_is_asked_for(output: Path) -> None:
    for number in range(1, 1000):
        (output / ("mlp" if number == 1 else f"mlp-{number}")).mkdir()
    with pytest.raises(OutputError, match="mlp: 999 runs already have this name; choose another folder with --output"):
        new_folder(output, "mlp")


def test_the_files_of_a_run_are_made_from_its_record_outputs_and_tables(submissions: Path) -> None:
    run = read_run(list_runs(submissions)[0])
    tables = {name: run.table(name) for name in ("folds", "confusion")}
    made = run_files(run.record, run.outputs(), tables)
    assert set(made) == {"submission.csv", "run.json", "outputs.npz", "folds.csv", "confusion.csv"}
    for name, content in made.items():
        assert content == (run.path / name).read_bytes()


def test_a_folder_that_cannot_be_written_to_is_noticed_before_training() -> None:
    Path("file").write_text("x")
    with pytest.raises(OutputError, match=r"cannot write there .*; choose another folder with --output"):
        ensure_writable(Path("file/submissions"))
    ensure_writable(Path("new/submissions"))
    assert list(Path("new/submissions").iterdir()) == []


def test_a_failed_write_leaves_nothing(
    run_content: dict[str, bytes], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == "submission.csv":
            raise OSError(28, "No space left on device")
        files.write_atomic(path, content)

    monkeypatch.setattr(folder, "write_atomic", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_run(output, "mlp", run_content)
    assert list(output.iterdir()) == []


def test_finishing_a_run_deletes_what_a_killed_process_left_and_keeps_other_files(
    run_content: dict[str, bytes], output: Path
) -> None:
    (output / ".run.json.abc").write_text("partial")
    (output / ".notes").write_text("mine")
    finish_run(output, run_content)
    assert {file.name for file in output.iterdir()} == {*run_content, "SHA256SUMS", ".notes"}


def test_a_table_is_written_without_its_index_and_with_every_decimal() -> None:
    table = pd.DataFrame({"fold": [0, 1], "accuracy": [0.1 + 0.2, 1 / 3]}, index=[7, 8])
    assert csv_bytes(table) == b"fold,accuracy\n0,0.30000000000000004\n1,0.3333333333333333\n"
