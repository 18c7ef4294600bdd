from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import save

from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs import checkpoint
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.run import Run
from kaggle_mnist.runs.unfinished import epoch_of, read_plan, unfinished_like, unfinished_runs
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.trainer import RepeatTrainer
from kaggle_mnist.utils.errors import BadData, BadRun, Diverged, Interrupted, OutputError
from tests.conftest import TINY

SAME = ("submission.csv", "outputs.npz", "members.safetensors", "history.csv", "folds.csv")
RECIPES = {
    "adamw": TINY,
    "sgd": TINY.replaced(optimizer="sgd", learning_rate=0.1, warmup=1.0),
    "article's": TINY.replaced(optimizer="adam", dropout=0.5, schedule="steps", steps=[[2, 1e-4]], elastic=0.0),
}


@pytest.fixture(autouse=True)
def _a_checkpoint_after_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PRICE", 0)


def stop_after(epoch: int, error: type[BaseException] = KeyboardInterrupt) -> Callable[[EpochEnd], None]:
    """An `on_epoch` that interrupts, as Ctrl-C does."""

    def on_epoch(event: EpochEnd) -> None:
        if event.epoch == epoch:
            raise error

    return on_epoch


def stop_at(stage: str, done: int) -> Callable[..., None]:
    """A progress that interrupts, as Ctrl-C does."""

    def progress(at: str, so_far: int, total: int, unit: str = "") -> None:
        if (at, so_far) == (stage, done):
            raise KeyboardInterrupt

    return progress


def interrupted(digits: Digits, recipe: Recipe = TINY, *, after: int = 2, **options: Any) -> Path:
    """The folder of a run that was stopped after that many epochs."""
    with pytest.raises(Interrupted, match=rf"`kaggle-mnist resume \S+` resumes after epoch {after} of 4"):
        pipeline.train(recipe, input=digits, folds=2, on_epoch=stop_after(after), **options)
    [path] = unfinished_runs(Path("submissions"))
    return path


def same_files(a: Run, b: Run) -> bool:
    return all((a.path / name).read_bytes() == (b.path / name).read_bytes() for name in SAME)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_run_that_was_stopped_ends_with_the_same_bytes(few: Digits, recipe: Recipe) -> None:
    whole = pipeline.train(recipe, input=few, folds=2, repeats=2, output="whole")
    with_input = replace(few, input="practice")
    path = interrupted(with_input, recipe, repeats=2)
    assert epoch_of(path) == 2
    export_csv(few, Path("digits"))
    resumed = pipeline.resume(input="digits")
    assert resumed.path == path
    assert same_files(whole, resumed)
    assert resumed.record.resumed
    assert not whole.record.resumed
    assert not (path / "checkpoint").exists()
    assert find_run("latest", Path("submissions")).path == path


def test_it_can_be_stopped_again_and_while_it_predicts(few: Digits) -> None:
    whole = pipeline.train(TINY, input=few, folds=2, output="whole")
    export_csv(few, Path("input"))
    with pytest.raises(Interrupted):
        pipeline.train(TINY, folds=2, on_epoch=stop_after(1))
    with pytest.raises(Interrupted):
        pipeline.resume(on_epoch=stop_after(3))
    for stage, done in (("Out of fold", 1), ("Predicting", 2)):
        with pytest.raises(Interrupted):
            pipeline.resume(progress=stop_at(stage, done))
    assert same_files(whole, pipeline.resume())


def test_without_a_state_to_go_on_from_nothing_is_left(few: Digits) -> None:
    with pytest.raises(Interrupted, match="nothing was kept"):
        pipeline.train(TINY, input=few, folds=2, progress=stop_at("Training", 0))
    assert list(Path("submissions").iterdir()) == []


def test_checkpoints_are_written_only_as_often_as_they_pay(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PRICE", 1e9)
    with pytest.raises(Interrupted, match="nothing was kept"):
        pipeline.train(TINY, input=few, folds=2, on_epoch=stop_after(3))
    monkeypatch.setattr(checkpoint, "PRICE", 0)
    run = pipeline.train(TINY, input=few, folds=2)
    assert 0 < run.record.seconds["checkpoints"] < run.record.seconds["train"]


def test_an_unfinished_run_is_no_run_and_says_how_to_go_on(few: Digits) -> None:
    path = interrupted(few)
    with pytest.raises(BadRun, match=rf"is not finished; resume it with `kaggle-mnist resume {path.name}`"):
        find_run(path.name, Path("submissions"))
    plan = read_plan(path)
    assert unfinished_like(Path("submissions"), plan) == [path]
    for other in ({"seed": 1}, {"dropped": (3,)}, {"recipe": TINY.replaced(epochs=5)}):
        assert unfinished_like(Path("submissions"), plan.model_copy(update=other)) == []
    with FileLock(path / "checkpoint" / "lock"):
        assert unfinished_like(Path("submissions"), plan) == []


def test_a_diverging_run_says_what_to_change_and_keeps_its_last_good_state(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    original = RepeatTrainer.train_epoch

    def diverges(trainer: RepeatTrainer, epoch: int) -> list[float]:
        calls.append(1)
        return [float("nan")] if len(calls) == 3 else original(trainer, epoch)

    monkeypatch.setattr(RepeatTrainer, "train_epoch", diverges)
    with pytest.raises(Diverged, match="epoch 3 is not finite; try a learning_rate below"):
        pipeline.train(TINY, input=few, folds=2)
    [path] = unfinished_runs(Path("submissions"))
    assert epoch_of(path) == 2


def test_digits_that_changed_in_between_are_refused_with_what_changed(few: Digits) -> None:
    export_csv(few, Path("input"))
    with pytest.raises(Interrupted):
        pipeline.train(TINY, folds=2, on_epoch=stop_after(2))
    for changed, message in (
        (replace(few, test_images=255 - few.test_images), "the unlabeled images have changed"),
        (replace(few, train_labels=(few.train_labels + 1) % 10), "the labeled images or their labels have changed"),
        (replace(few, train_images=few.train_images[:99], train_labels=few.train_labels[:99]), "99 and 300 now"),
    ):
        for file in Path("input").iterdir():
            file.unlink()
        export_csv(changed, Path("input"))
        with pytest.raises(BadData, match=message):
            pipeline.resume()
    assert epoch_of(unfinished_runs(Path("submissions"))[0]) == 2


def test_what_a_killed_process_left_is_cleaned_and_what_a_user_put_there_is_not(few: Digits) -> None:
    path = interrupted(replace(few, input="digits"))
    export_csv(few, Path("digits"))
    (path / ".ipynb_checkpoints").mkdir()
    (path / ".notes").write_text("mine")
    (path / ".run.json.abc").write_text("half")
    for left in (".epoch-00003.safetensors.xyz", "epoch-00001.safetensors", ".SHA256SUMS.x"):
        (path / "checkpoint" / left).write_text("left")
    with pytest.raises(Interrupted):
        pipeline.resume(on_epoch=stop_after(3))
    assert {file.name for file in (path / "checkpoint").iterdir()} == {
        "plan.json",
        "lock",
        "epoch-00003.safetensors",
        "SHA256SUMS",
    }
    pipeline.resume()
    assert (path / ".notes").read_text() == "mine"
    assert not (path / ".run.json.abc").exists()


def test_a_run_that_was_finished_meanwhile_is_not_touched(few: Digits) -> None:
    path = interrupted(few)
    (path / "SHA256SUMS").write_text("")
    with pytest.raises(BadRun, match="is finished"), checkpoint.reopen(path):
        pass
    assert (path / "checkpoint" / "plan.json").exists()


def test_the_command_that_goes_on_names_the_folder_of_the_runs(few: Digits) -> None:
    with pytest.raises(Interrupted, match=r"`kaggle-mnist resume \S+ --output 'my runs'` resumes after epoch 2"):
        pipeline.train(TINY, input=few, folds=2, output="my runs", on_epoch=stop_after(2))
    with pytest.raises(Interrupted, match=r"resume \S+ --output other/submissions` resumes"):
        pipeline.train(TINY, input=few, folds=2, output="other/submissions", on_epoch=stop_after(2))


def test_weights_that_explode_in_the_last_step_of_an_epoch_are_not_kept(few: Digits) -> None:
    hot = TINY.replaced(optimizer="sgd", learning_rate=1e38, batch_size=100_000)
    with pytest.raises(Diverged, match="try a learning_rate below"):
        pipeline.train(hot, input=few, folds=2)
    assert list(Path("submissions").iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value"), [("seed", -1), ("threads", 2**40), ("repeats", 10**9), ("device", "tpu"), ("dropped", [-1])]
)
def test_a_plan_that_no_run_writes_is_refused(few: Digits, field: str, value: object) -> None:
    path = interrupted(few)
    plan = json.loads((path / "checkpoint" / "plan.json").read_text())
    (path / "checkpoint" / "plan.json").write_text(json.dumps({**plan, field: value}))
    checkpoint.write_sums(path / "checkpoint", ["plan.json", "epoch-00002.safetensors"])
    with pytest.raises(BadRun, match=r"plan\.json: cannot be read"):
        pipeline.resume()


def test_a_state_of_other_members_or_another_name_is_refused(few: Digits) -> None:
    path = interrupted(replace(few, input="digits"))
    export_csv(few, Path("digits"))
    state = path / "checkpoint" / "epoch-00002.safetensors"
    state.write_bytes(save({"network.weights.0": torch.zeros(2)}, {"history": "[]", "seconds": "0"}))
    checkpoint.write_sums(path / "checkpoint", ["plan.json", state.name])
    with pytest.raises(BadRun, match="is not of this recipe's members"):
        pipeline.resume()
    state.rename(state.with_name("epoch-zz.safetensors"))
    checkpoint.write_sums(path / "checkpoint", ["plan.json", "epoch-zz.safetensors"])
    with pytest.raises(BadRun, match="SHA256SUMS: is not as the run wrote it"):
        pipeline.resume()


def test_a_run_that_a_process_is_at_work_on_is_left_to_it(few: Digits) -> None:
    path = interrupted(few)
    with FileLock(path / "checkpoint" / "lock"), pytest.raises(BadRun, match="another process is working on this run"):
        pipeline.resume(path.name)


@pytest.mark.parametrize("name", ["plan.json", "epoch-00002.safetensors", "SHA256SUMS"])
def test_a_damaged_checkpoint_is_noticed_and_named(few: Digits, name: str) -> None:
    export_csv(few, Path("digits"))
    path = interrupted(replace(few, input="digits"))
    file = path / "checkpoint" / name
    content = file.read_bytes()
    generator = np.random.default_rng(0)
    damaged = [content[: int(generator.integers(len(content)))] for _ in range(4)]
    damaged += [b"", *(content[: i + 1] for i in range(min(len(content), 300) - 1) if content[i] == 10)]
    for at in generator.integers(len(content), size=6):
        damaged.append(content[:at] + bytes([content[at] ^ 1 << int(generator.integers(8))]) + content[at + 1 :])
    for bad in damaged:
        file.write_bytes(bad)
        with pytest.raises(BadRun, match=r"submissions/\S+"):
            pipeline.resume()
        file.write_bytes(content)
    file.unlink()
    with pytest.raises(BadRun, match=f"{name}: is missing"):
        pipeline.resume(path.name)


def test_a_full_disk_stops_the_run_and_keeps_the_state_before(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    original = checkpoint.write_whole

    def full(path: Path, content: bytes) -> None:
        if path.name == "epoch-00003.safetensors":
            raise OSError(28, "No space left on device")
        original(path, content)

    monkeypatch.setattr(checkpoint, "write_whole", full)
    with pytest.raises(OutputError, match=r"No space left on device.*`kaggle-mnist resume \S+` resumes after epoch 2"):
        pipeline.train(TINY, input=few, folds=2)
    assert epoch_of(unfinished_runs(Path("submissions"))[0]) == 2


def test_a_disk_that_is_full_from_the_start_leaves_nothing_and_advises_to_train_again(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = checkpoint.write_whole

    def full(path: Path, content: bytes) -> None:
        if path.suffix == ".safetensors":
            raise OSError(28, "No space left on device")
        original(path, content)

    monkeypatch.setattr(checkpoint, "write_whole", full)
    with pytest.raises(OutputError, match=r"\(No space left on device\); once that is fixed, train again$"):
        pipeline.train(TINY, input=few, folds=2)
    assert list(Path("submissions").iterdir()) == []


def test_there_must_be_something_to_resume(few: Digits) -> None:
    with pytest.raises(BadRun, match="no unfinished run here"):
        pipeline.resume()
    run = pipeline.train(TINY, input=few, folds=2)
    with pytest.raises(BadRun, match="is finished; there is nothing to resume"):
        pipeline.resume(run.name)
    with pytest.raises(BadRun, match="nowhere: no such run"):
        pipeline.resume("nowhere")
    (Path("submissions") / "folder").mkdir()
    with pytest.raises(BadRun, match="no checkpoint to resume from"):
        pipeline.resume("folder")


def test_a_plan_of_a_newer_version_is_refused(few: Digits) -> None:
    path = interrupted(few)
    plan = json.loads((path / "checkpoint" / "plan.json").read_text())
    (path / "checkpoint" / "plan.json").write_text(json.dumps({**plan, "surprise": 1}))
    checkpoint.write_sums(path / "checkpoint", ["plan.json"])
    with pytest.raises(BadRun, match="a newer kaggle-mnist may have written it"):
        pipeline.resume()
