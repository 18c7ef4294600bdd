from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from kaggle_mnist.runs.finding import find_path, find_paths, find_run, list_runs, other_runs
from kaggle_mnist.runs.folder import write_run
from kaggle_mnist.runs.labels import Labels, write_labels
from kaggle_mnist.runs.listing import remove_runs
from kaggle_mnist.runs.run import read_run
from kaggle_mnist.runs.unfinished import find_unfinished
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


def test_a_run_here_is_preferred_to_one_in_the_output_folder_and_a_run_to_any_other_folder(output: Path) -> None:
    (output / "run" / "checkpoint").mkdir(parents=True)
    assert find_path("run", output) == output / "run"
    Path("run").mkdir()
    assert find_path("run", output) == output / "run"
    Path("run/checkpoint").mkdir()
    assert find_path("run", output) == Path("run")


@pytest.mark.parametrize("name", ["notes", "out/notes", ".", "out", "downloads"])
def test_a_folder_that_is_no_run_is_refused_in_one_line(name: str, output: Path) -> None:
    for folder in (output / "notes", Path("downloads")):
        folder.mkdir()
    Path("downloads/SHA256SUMS").write_text("0  debian.iso\n")
    with pytest.raises(
        BadRun, match=r"(notes|\.|out|downloads): this folder is no run; `kaggle-mnist runs` lists the runs$"
    ):
        find_path(name, output)


@pytest.fixture
def named(submissions: Path) -> Path:
    """Three finished runs, of the recipes a, b and c; b and c are called wide; and an unfinished one, called narrow."""
    old = Path(__file__).parent / "version-0.1" / "20261124-210000-old"
    unfinished = Path(shutil.copytree(old, submissions / "20261125-090000-old"))
    write_labels(submissions / "20261124-200001-b", Labels(name="wide"))
    write_labels(submissions / "20261124-200000-c", Labels(name="wide"))
    write_labels(unfinished, Labels(name="narrow"))
    return submissions


@pytest.mark.parametrize(
    ("run", "folders"),
    [
        ("a", ["20261124-200000-a"]),
        ("wide", ["20261124-200001-b", "20261124-200000-c"]),
        ("wi", ["20261124-200001-b", "20261124-200000-c"]),
        ("narrow", ["20261125-090000-old"]),
        ("old", ["20261125-090000-old"]),
        ("20261124-200000", ["20261124-200000-a", "20261124-200000-c"]),
        ("20261124-200000-a", ["20261124-200000-a"]),
        ("submissions/20261124-200000-a", ["20261124-200000-a"]),
        ("20261125", ["20261125-090000-old"]),
        ("latest", ["20261124-200000-c"]),
    ],
)
def test_a_run_is_meant_by_its_name_its_recipe_or_its_beginning(run: str, folders: list[str], named: Path) -> None:
    assert [path.name for path in find_paths(run, named)] == folders


def test_a_name_given_by_the_user_comes_before_a_recipes(named: Path) -> None:
    write_labels(named / "20261124-200000-c", Labels(name="a"))
    assert find_path("a", named).name == "20261124-200000-c"


def test_one_run_is_asked_for_where_several_are_meant(named: Path) -> None:
    with pytest.raises(BadRun) as refused:
        find_run("wide", named)
    assert str(refused.value) == "wide: 2 runs match; name one: 20261124-200000-c, 20261124-200001-b"
    for number in range(5):
        shutil.copytree(named / "20261124-200000-c", named / f"copy-{number}")
    with pytest.raises(BadRun, match=r"wide: 7 runs .* name one: copy-4, (copy-\d, ){3}copy-0 and 2 more$"):
        find_run("wide", named)


def test_a_typing_error_is_answered_with_the_nearest_name(named: Path) -> None:
    with pytest.raises(BadRun, match=r"wied: no such run, here or in submissions \(did you mean wide\?\)"):
        find_run("wied", named)
    with pytest.raises(BadRun, match=r": no such run, here or in submissions$"):
        find_run("", named)


def test_every_command_takes_the_runs_that_it_can_work_on(named: Path) -> None:
    unfinished = named / "20261125-090000-old"
    write_labels(unfinished, Labels(name="wide"))
    (named / "20261124-200001-b" / "labels.json").unlink()
    assert find_run("wide", named).name == "20261124-200000-c"
    assert find_unfinished("wide", named) == unfinished
    assert find_unfinished("20261125-09", named) == unfinished
    with pytest.raises(BadRun, match="wide: 2 runs match"):
        remove_runs(["wide"], named)
    with pytest.raises(BadRun, match="is finished; there is nothing to resume"):
        find_unfinished("b", named)
    with pytest.raises(BadRun, match="is not finished; resume it with"):
        find_run("old", named)
    assert remove_runs([unfinished.name], named) == [unfinished]
