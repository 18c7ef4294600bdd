from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from kaggle_mnist.runs.finding import find_folder, find_run, list_runs, other_runs
from kaggle_mnist.runs.folder import write_run
from kaggle_mnist.runs.run import read_run
from kaggle_mnist.utils.errors import BadRun
from tests.opened import opened_files

NOON = datetime(2026, 11, 23, 12)


@pytest.fixture
def output() -> Path:
    path = Path("out")
    path.mkdir()
    return path


def test_a_run_is_found_by_path_by_name_and_as_the_latest(run_content: dict[str, bytes], output: Path) -> None:
    old = write_run(output, "mlp", run_content, now=NOON)
    new = write_run(output, "mlp", run_content, now=NOON.replace(hour=13))
    assert find_run(str(old), output).path == old
    assert find_run(old.name, output).path == old
    assert find_run("latest", output).path == new
    assert find_run(None, output).path == new


def test_the_latest_run_is_the_one_made_last_whatever_its_folder_is_called(submissions: Path) -> None:
    old, *_, new = list_runs(submissions)
    old.rename(submissions / "zebra")
    new.rename(submissions / "a run of mine [red]")
    assert find_run("latest", submissions).name == "a run of mine [red]"
    with pytest.raises(BadRun, match="no such run"):
        find_run("x" * 300, submissions)


def test_a_run_that_does_not_exist_or_did_not_finish_is_refused(run_content: dict[str, bytes], output: Path) -> None:
    with pytest.raises(BadRun, match="no finished run here; `kaggle-mnist train` makes one"):
        find_run(None, output)
    path = write_run(output, "mlp", run_content)
    with pytest.raises(BadRun, match="nowhere: no such run, here or in out"):
        find_run("nowhere", output)
    (path / "SHA256SUMS").unlink()
    with pytest.raises(BadRun, match="SHA256SUMS: is missing; restore it"):
        find_run(path.name, output)


def test_runs_are_listed_oldest_first_and_an_unreadable_one_before_all(submissions: Path) -> None:
    a_or_c, second, newest = list_runs(submissions)
    created = [read_run(path).created for path in (a_or_c, second, newest)]
    assert created == sorted(created)
    (newest / "run.json").write_text("edited")
    (submissions / ".hidden").mkdir()
    shutil.copy(second / "SHA256SUMS", submissions / ".hidden")
    assert list_runs(submissions) == [newest, a_or_c, second]


def test_finding_a_run_and_its_neighbours_opens_none_of_their_large_files(submissions: Path) -> None:
    with opened_files() as names:
        run = find_run("latest", submissions)
        assert len(other_runs(submissions, [run])) == 2
    assert set(names) == {"SHA256SUMS", "run.json"}


def test_damaged_runs_are_left_out_of_the_other_runs(submissions: Path) -> None:
    first, second, third = list_runs(submissions)
    (second / "run.json").write_text("edited")
    assert [other.run.path for other in other_runs(submissions, [read_run(first)])] == [third]


def test_a_folder_here_is_preferred_to_one_in_the_output_folder(output: Path) -> None:
    (output / "run").mkdir()
    assert find_folder("run", output) == output / "run"
    Path("run").mkdir()
    assert find_folder("run", output) == Path("run")
