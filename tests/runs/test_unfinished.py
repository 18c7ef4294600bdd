from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from kaggle_mnist.runs.unfinished import (
    find_unfinished,
    is_running,
    lock_run,
    progress_of,
    read_plan,
    resume_command,
    state_name,
    unfinished_like,
    unfinished_runs,
)
from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.files import write_sums

INTERRUPTED, FINISHED = "20261124-210000-old", "20261124-200000-old"


@pytest.fixture
def output() -> Path:
    """A folder with an interrupted run, stopped after epoch 2 of 4, and a finished one."""
    return Path(shutil.copytree(Path(__file__).parent / "version-0.1", "submissions"))


@pytest.fixture
def run(output: Path) -> Path:
    """The interrupted run."""
    return output / INTERRUPTED


def copy_run(run: Path, name: str, **changes: object) -> Path:
    """A copy of an interrupted run whose plan has other values."""
    copy = Path(shutil.copytree(run, run.with_name(name)))
    change_plan(copy, **changes)
    return copy


def change_plan(run: Path, **changes: object) -> None:
    file = run / "checkpoint" / "plan.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    write_sums(run / "checkpoint", ["plan.json", "epoch-00002.safetensors"])


def test_an_unfinished_run_is_found_by_name_by_path_and_as_the_newest(run: Path, output: Path) -> None:
    assert find_unfinished(run.name, output) == run
    assert find_unfinished(str(run), Path("elsewhere")) == run
    newer = copy_run(run, "a", created="2026-11-24T22:00:00+00:00")
    assert find_unfinished(None, output) == newer
    assert find_unfinished("latest", output) == newer


def test_what_is_not_an_unfinished_run_is_refused_with_the_reason(output: Path, run: Path) -> None:
    for folder in ("folder", "notes"):
        (output / folder).mkdir()
    (output / "folder" / "run.json").touch()
    for name, message in (
        (FINISHED, "is finished; there is nothing to resume"),
        ("nowhere", "nowhere: no such run"),
        ("folder", "no checkpoint to resume from; `kaggle-mnist train` starts a new run"),
        ("notes", "notes: this folder is no run"),
    ):
        with pytest.raises(BadRun, match=message):
            find_unfinished(name, output)
    shutil.rmtree(run)
    with pytest.raises(BadRun, match="no unfinished run here; `kaggle-mnist train` starts a new one"):
        find_unfinished(None, output)


def test_unfinished_runs_are_listed_oldest_first_without_finished_ones_and_links(run: Path, output: Path) -> None:
    older = copy_run(run, "z", created="2026-11-24T20:30:00+00:00")
    (output / "link").symlink_to(run, target_is_directory=True)
    assert unfinished_runs(output) == [older, run]
    (run / "SHA256SUMS").write_text("")
    assert unfinished_runs(output) == [older]


def test_runs_with_the_same_result_are_those_of_an_equal_plan_that_nobody_works_on(run: Path, output: Path) -> None:
    plan = read_plan(run)
    same = copy_run(run, "same", created="2026-11-24T22:00:00+00:00", threads=2, score=True)
    copy_run(run, "other", seed=1)
    assert unfinished_like(output, plan) == [run, same]
    for change in ({"seed": 2}, {"dropped": (3,)}, {"folds": 4}, {"repeats": 2}):
        assert unfinished_like(output, plan.model_copy(update=change)) == []
    other_recipe = plan.recipe.model_copy(update={"epochs": 5})
    assert unfinished_like(output, plan.model_copy(update={"recipe": other_recipe})) == []
    with FileLock(run / "checkpoint" / "lock"):
        assert unfinished_like(output, plan) == [same]


def test_a_locked_run_is_running_and_is_not_locked_again(run: Path) -> None:
    assert not is_running(run)
    with lock_run(run):
        assert is_running(run)
        with (
            pytest.raises(BadRun, match="another process is working on this run"),
            lock_run(run),
        ):
            pass
    assert not is_running(run)


def test_a_finished_run_or_one_without_a_checkpoint_is_not_locked(run: Path, output: Path) -> None:
    (output / "folder").mkdir()
    with pytest.raises(BadRun, match="no checkpoint to resume from"), lock_run(output / "folder"):
        pass
    (run / "SHA256SUMS").write_text("")
    for finished in (run, output / FINISHED):  # the second one's checkpoint is gone already
        with pytest.raises(BadRun, match="is finished; there is nothing to resume"), lock_run(finished):
            pass
    assert not is_running(run)  # the lock was released


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", -1), ("threads", 2**40), ("repeats", 10**9), ("device", "tpu"), ("dropped", [-1]), ("surprise", 1)],
)
def test_a_plan_that_this_version_does_not_write_is_refused(run: Path, field: str, value: object) -> None:
    change_plan(run, **{field: value})
    with pytest.raises(BadRun, match=r"plan\.json: cannot be read; a newer kaggle-mnist may have written it"):
        read_plan(run)


def test_the_epoch_is_that_of_the_state_that_the_checksums_list(run: Path) -> None:
    checkpoint = run / "checkpoint"
    assert progress_of(run)[0] == 2
    shutil.copy(checkpoint / state_name(2), checkpoint / state_name(3))
    assert progress_of(run)[0] == 2
    write_sums(checkpoint, ["plan.json"])
    assert progress_of(run)[0] == 0
    for listed in ([state_name(2), state_name(3)], ["notes.txt"]):
        (checkpoint / listed[-1]).touch()
        write_sums(checkpoint, ["plan.json", *listed])
        with pytest.raises(BadRun, match="SHA256SUMS: is damaged or was edited"):
            progress_of(run)[0]


def test_the_command_that_resumes_a_run_names_the_folder_of_the_runs_unless_it_is_the_default(run: Path) -> None:
    assert resume_command(run) == f"kaggle-mnist resume {INTERRUPTED}"
    assert resume_command(Path("my runs/a")) == "kaggle-mnist resume a --output 'my runs'"
    assert resume_command(Path("other/submissions/a")) == "kaggle-mnist resume a --output other/submissions"
