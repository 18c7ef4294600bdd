from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from kaggle_mnist import pipeline
from kaggle_mnist.audit import audit_run
from kaggle_mnist.blend import blend_runs
from kaggle_mnist.cli import app
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.runs import checkpoint, unfinished
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.labels import Labels, write_labels
from kaggle_mnist.runs.listing import all_runs, remove_runs
from kaggle_mnist.runs.run import LEADERBOARD
from kaggle_mnist.utils.errors import BadRun, Interrupted
from tests.conftest import TINY
from tests.runs.test_checkpoint import stop_after


@pytest.fixture
def stopped(few: Digits, submissions: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An interrupted run, in a folder with three finished ones."""
    monkeypatch.setattr(checkpoint, "PRICE", 0)
    with pytest.raises(Interrupted):
        pipeline.train(TINY, input=few, folds=2, output=submissions, on_epoch=stop_after(3))
    return unfinished.unfinished_runs(submissions)[0]


def test_every_run_is_listed_with_its_state_and_size(stopped: Path, submissions: Path) -> None:
    damaged = list_runs(submissions)[0]
    (damaged / "folds.csv").write_text("edited")
    (submissions / "notes").mkdir()
    states = {run.path.name: run.state for run in all_runs(submissions)}
    assert len(states) == 4
    assert states[stopped.name] == "stopped after epoch 3 of 4"
    assert states[damaged.name].startswith(f"damaged: {damaged / 'folds.csv'}")
    assert sorted(states.values())[-1].startswith("stopped")
    assert all(run.size > 1000 for run in all_runs(submissions))
    shown = CliRunner().invoke(app, ["runs"]).output
    assert f"kaggle-mnist resume {stopped.name}" in shown
    assert "4 runs" in shown


def test_a_running_run_is_listed_as_running_and_not_removed(stopped: Path, submissions: Path) -> None:
    with FileLock(stopped / "checkpoint" / "lock"):
        assert {run.path: run.state for run in all_runs(submissions)}[stopped] == "running"
        with pytest.raises(BadRun, match="another process is working on this run"):
            remove_runs([list_runs(submissions)[0].name, stopped.name], submissions)
    assert len(all_runs(submissions)) == 4


def test_only_the_named_runs_are_removed(stopped: Path, submissions: Path) -> None:
    first, *others = list_runs(submissions)
    done = CliRunner().invoke(app, ["runs", "--remove", first.name, "--remove", str(stopped)])
    assert done.exit_code == 0, done.output
    assert list_runs(submissions) == others
    assert not first.exists()
    assert not stopped.exists()


def test_a_run_is_removed_only_by_its_path_or_a_whole_name(submissions: Path) -> None:
    write_labels(submissions / "20261124-200001-b", Labels(name="renamed"))
    everything = list_runs(submissions)
    for name in ("ren", "a", "20261124-200001", "latest", "c"):
        with pytest.raises(BadRun, match=rf"^{name}: means 20261124-20000\d-\w; to remove a run, name it in full$"):
            remove_runs([name], submissions)
    with pytest.raises(BadRun, match=r"^2026: means (2026\S+, ){2}20261124-200000-a; to remove a run"):
        remove_runs(["2026"], submissions)
    assert list_runs(submissions) == everything
    whole = ["renamed", "20261124-200000-a", "submissions/20261124-200000-c/"]
    assert len(remove_runs(whole, submissions)) == 3


def test_folders_that_are_not_runs_are_not_removed(submissions: Path) -> None:
    Path("precious/checkpoint").mkdir(parents=True)
    Path("precious/checkpoint/model.bin").write_text("years of work")
    Path("downloads").mkdir()
    Path("downloads/SHA256SUMS").write_text("0  debian.iso\n")
    Path("checkpoint").mkdir()
    (submissions / "link").symlink_to(list_runs(submissions)[0], target_is_directory=True)
    for name in ("precious", "downloads", "nowhere", "link", "..", ".", "", "submissions/.."):
        with pytest.raises(BadRun, match=r"no such run|is no run"):
            remove_runs([name], submissions)
    assert Path("precious/checkpoint/model.bin").exists()
    assert Path("downloads/SHA256SUMS").exists()
    assert len(list_runs(submissions)) >= 3


def test_an_empty_folder_says_how_to_make_a_run() -> None:
    assert "`kaggle-mnist train` makes one" in CliRunner().invoke(app, ["runs"]).output


def test_nothing_of_the_users_is_removed_with_a_run(stopped: Path, submissions: Path) -> None:
    finished = list_runs(submissions)[0]
    for folder in (finished, stopped):
        (folder / "notes.txt").write_text("mine")
    remove_runs([finished.name, stopped.name], submissions)
    for folder in (finished, stopped):
        assert [file.name for file in folder.iterdir()] == ["notes.txt"]


def test_parents_of_a_blend_are_removed_only_with_it_or_if_forced(submissions: Path) -> None:
    first, second, third = list_runs(submissions)
    blend = blend_runs([first.name, second.name], submissions)
    whole = blend_runs([blend.name, third.name], submissions)
    refused = CliRunner().invoke(app, ["runs", "--remove", third.name, "--remove", first.name, "--remove", whole.name])
    message = f"{blend.name}: this blend cannot predict without {first.name}; remove it, too, or add --force"
    assert (refused.exit_code, refused.stderr) == (2, f"kaggle-mnist: {message}\n")
    assert len(list_runs(submissions)) == 5
    with pytest.raises(BadRun, match=f"{whole.name}: this blend cannot predict without {blend.name}; remove it, too"):
        remove_runs([first.name, blend.name], submissions)
    remove_runs([first.name, str(blend.path), whole.name], submissions)
    assert list_runs(submissions) == [second, third]
    last = blend_runs([second.name, third.name], submissions)
    (last.path / LEADERBOARD).write_text("{")  # the blend predicts without it
    with pytest.raises(BadRun, match=f"{last.name}: this blend cannot predict without {third.name}; remove it, too"):
        remove_runs([third.name], submissions)
    assert CliRunner().invoke(app, ["runs", "--remove", third.name, "--force"]).exit_code == 0
    assert not third.exists()


def test_an_edited_list_of_suspects_is_removed_only_if_forced(few: Digits, submissions: Path) -> None:
    export_csv(few, Path("input"))
    first, second, third = list_runs(submissions)
    for run in (first, second):
        audit_run(run.name)
        audit_run(run.name, confident=False)
    assert sum(1 for _ in first.glob("audit*")) == 4
    remove_runs([first.name], submissions)
    assert not first.exists()
    table = second / "audit-all.csv"
    table.write_text("image,label\n")
    refused = CliRunner().invoke(app, ["runs", "--remove", third.name, "--remove", second.name])
    message = f"kaggle-mnist: {table}: may have been edited since audit wrote it; move it away, or add --force\n"
    assert (refused.exit_code, refused.stderr) == (2, message)
    assert list_runs(submissions) == [second, third]
    assert CliRunner().invoke(app, ["runs", "--remove", second.name, "--force"]).exit_code == 0
    assert not second.exists()


@pytest.mark.parametrize("inside", [[], ["locksmith.txt"], ["plan.json.backup"], ["lock", "notes.txt"]])
def test_a_folder_with_a_checkpoint_that_is_not_ours_is_not_removed(inside: list[str], submissions: Path) -> None:
    precious = submissions / "precious"
    (precious / "checkpoint").mkdir(parents=True)
    for name in ("thesis.txt", *(f"checkpoint/{name}" for name in inside)):
        (precious / name).write_text("mine")
    with pytest.raises(BadRun, match="precious: no such run"):
        remove_runs(["precious"], submissions)
    assert (precious / "thesis.txt").read_text() == "mine"
