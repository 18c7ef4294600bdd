from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save

from kaggle_mnist import pipeline, score
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs import checkpoint
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.folder import finish_run
from kaggle_mnist.runs.run import Run
from kaggle_mnist.runs.unfinished import PLAN, progress_of, unfinished_runs
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.trainer import RepeatTrainer
from kaggle_mnist.utils import files
from kaggle_mnist.utils.errors import BadData, BadRun, Diverged, Interrupted, OutputError
from tests.conftest import TINY, reseal

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
    """The folder of a run that was interrupted after that many epochs."""
    with pytest.raises(Interrupted, match=rf"epoch {after} of 4 is kept; `kaggle-mnist resume \S+` goes on"):
        pipeline.train(recipe, input=digits, folds=2, on_epoch=stop_after(after), **options)
    [path] = unfinished_runs(Path("submissions"))
    return path


def same_files(a: Run, b: Run) -> bool:
    return all((a.path / name).read_bytes() == (b.path / name).read_bytes() for name in SAME)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_resumed_run_ends_with_the_bytes_of_an_uninterrupted_one(few: Digits, recipe: Recipe) -> None:
    whole = pipeline.train(recipe, input=few, folds=2, repeats=2, output="whole")
    with_input = replace(few, input="practice")
    path = interrupted(with_input, recipe, repeats=2)
    assert progress_of(path)[0] == 2
    export_csv(few, Path("digits"))
    resumed = pipeline.resume(input="digits")
    assert resumed.path == path
    assert same_files(whole, resumed)
    assert resumed.record.resumed
    assert not whole.record.resumed
    assert not (path / "checkpoint").exists()
    assert find_run("latest", Path("submissions")).path == path


def test_a_run_can_be_interrupted_again_and_while_it_predicts(few: Digits) -> None:
    whole = pipeline.train(TINY, input=few, folds=2, output="whole")
    export_csv(few, Path("input"))
    with pytest.raises(Interrupted):
        pipeline.train(TINY, folds=2, on_epoch=stop_after(1))
    with pytest.raises(Interrupted):
        pipeline.resume(on_epoch=stop_after(3))
    for stage, done in (("Out of fold", 1), ("Predicting", 1)):
        with pytest.raises(Interrupted):
            pipeline.resume(progress=stop_at(stage, done))
    assert same_files(whole, pipeline.resume())


def test_a_run_interrupted_before_its_first_checkpoint_leaves_nothing(few: Digits) -> None:
    with pytest.raises(Interrupted, match="nothing was kept"):
        pipeline.train(TINY, input=few, folds=2, progress=stop_at("Training", 0))
    assert list(Path("submissions").iterdir()) == []


def test_no_checkpoint_is_written_before_it_is_worth_its_time(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []

    def after_epoch(event: EpochEnd) -> None:
        written.append(progress_of(unfinished_runs(Path("submissions"))[0])[0])

    monkeypatch.setattr(checkpoint, "PRICE", 1e9)
    pipeline.train(TINY, input=few, folds=2, on_epoch=after_epoch)
    assert written == [0, 0, 0, 0]
    monkeypatch.setattr(checkpoint, "PRICE", 0)
    run = pipeline.train(TINY, input=few, folds=2)
    assert 0 < run.record.seconds["checkpoints"] < run.record.seconds["train"]


@pytest.mark.parametrize("recipe", ["mlp", "cnn"])
@pytest.mark.parametrize("repeats", [1, 2])
def test_an_interrupt_in_the_middle_of_an_epoch_keeps_the_one_before(
    few: Digits, recipe: str, repeats: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, moments and batch statistics have moved on by then; the copy has not."""
    small = {"hidden": (24,)} if recipe == "mlp" else {"stages": ((4,), (4,)), "dropout": 0.2}
    chosen = find_recipe(recipe, epochs=4).replaced(batch_size=100, **small)
    digits = few.head(600, 50)
    whole = pipeline.train(chosen, input=digits, folds=2, repeats=repeats, output="whole")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "PRICE", 1e9)
        patch.setattr(RepeatTrainer, "is_finite", interrupting(RepeatTrainer.is_finite, 3 * repeats))
        with pytest.raises(Interrupted, match="epoch 2 of 4 is kept"):
            pipeline.train(chosen, input=digits, folds=2, repeats=repeats)
    assert same_files(whole, pipeline.resume(input=digits))


def interrupting(method: Callable[..., Any], call: int) -> Callable[..., Any]:
    """A method that an interrupt hits in that call, counted from 1."""
    calls = itertools.count(1)

    def interrupted(*arguments: Any) -> Any:
        if next(calls) == call:
            raise KeyboardInterrupt
        return method(*arguments)

    return interrupted


def test_an_interrupt_while_the_state_is_copied_keeps_that_state(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pipeline.train(TINY, input=few, folds=2, output="whole")
    monkeypatch.setattr(checkpoint, "PRICE", 1e9)
    tensors = len(load_file(whole.path / "members.safetensors"))
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "copy_", interrupting(torch.Tensor.copy_, tensors + 3))
        with pytest.raises(Interrupted, match=r"epoch [23] of 4 is kept"):
            pipeline.train(TINY, input=few, folds=2)
    assert same_files(whole, pipeline.resume(input=few))


def test_a_second_interrupt_ends_at_once_with_what_was_written_before(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, content: bytes) -> None:
        if path.name == "epoch-00003.safetensors":
            raise KeyboardInterrupt
        files.write_atomic(path, content)

    monkeypatch.setattr(checkpoint, "write_atomic", write)
    for output, price, message in (("a", 0, "epoch 2 of 4 is kept"), ("b", 1e9, "nothing was kept")):
        monkeypatch.setattr(checkpoint, "PRICE", price)
        with pytest.raises(Interrupted, match=message):
            pipeline.train(TINY, input=few, folds=2, output=output, on_epoch=stop_after(3))
    assert list(Path("b").iterdir()) == []


def test_an_interrupt_on_a_full_disk_says_that_the_epoch_could_not_be_written(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.suffix == ".safetensors":
            raise OSError(28, "No space left on device")
        files.write_atomic(path, content)

    monkeypatch.setattr(checkpoint, "PRICE", 1e9)
    monkeypatch.setattr(checkpoint, "write_atomic", full)
    with pytest.raises(Interrupted, match=r"^interrupted; .*cannot be written \(No space left on device\)"):
        pipeline.train(TINY, input=few, folds=2, on_epoch=stop_after(3))


def test_an_interrupt_after_the_last_file_says_that_the_run_is_complete(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish(folder: Path, content: dict[str, bytes]) -> None:
        finish_run(folder, content)
        raise KeyboardInterrupt

    monkeypatch.setattr(score, "finish_run", finish)
    with pytest.raises(Interrupted, match=r"is complete except for its page; `kaggle-mnist report \S+` writes that"):
        pipeline.train(TINY, input=few, folds=2)
    assert not (find_run("latest", Path("submissions")).path / "checkpoint").exists()


def test_a_resumed_run_that_has_not_finished_an_epoch_begins_again(few: Digits) -> None:
    path = interrupted(few, after=1)
    for file in (path / "checkpoint").glob("*.safetensors"):
        file.unlink()
    files.write_sums(path / "checkpoint", ["plan.json"])
    with pytest.raises(Interrupted, match=r"no epoch was finished; `kaggle-mnist resume \S+` begins again"):
        pipeline.resume(input=few, progress=stop_at("Training", 0))
    assert path.exists()


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
    assert progress_of(path)[0] == 2


def test_a_run_that_began_with_copies_in_several_folds_is_refused(few: Digits) -> None:
    order = np.concatenate([np.arange(1500), np.arange(100)])
    copied = replace(few, train_images=few.train_images[order], train_labels=few.train_labels[order])
    for digits in (few, copied):
        with pytest.raises(Interrupted):
            pipeline.train(TINY, input=digits, folds=2, on_epoch=stop_after(2))
    for path in unfinished_runs(Path("submissions")):
        plan = path / "checkpoint" / PLAN
        plan.write_text(re.sub(r'"format": ?3', '"format": 2', plan.read_text(), count=1))
        reseal(path / "checkpoint")
    older, newer = (path.name for path in unfinished_runs(Path("submissions")))
    pipeline.resume(older, input=few)
    with pytest.raises(BadRun, match="began before copies of an image were held out together; train anew"):
        pipeline.resume(newer, input=copied)


def test_changed_digits_are_refused_with_what_changed(few: Digits) -> None:
    export_csv(few, Path("input"))
    with pytest.raises(Interrupted):
        pipeline.train(TINY, folds=2, on_epoch=stop_after(2))
    for changed, message in (
        (replace(few, test_images=few.test_images[::-1]), "the unlabeled images have changed"),
        (replace(few, train_labels=(few.train_labels + 1) % 10), "the labeled images or their labels have changed"),
        (replace(few, train_images=few.train_images[:99], train_labels=few.train_labels[:99]), "99 and 300 now"),
        (replace(few, header=("id", "label"), ids=np.arange(300)), "sample_submission.csv has changed"),
    ):
        for file in Path("input").iterdir():
            file.unlink()
        export_csv(changed, Path("input"))
        with pytest.raises(BadData, match=message):
            pipeline.resume()
    assert progress_of(unfinished_runs(Path("submissions"))[0])[0] == 2


def test_partial_files_of_a_killed_process_are_deleted_and_a_users_files_are_not(few: Digits) -> None:
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


def test_a_run_that_another_process_finished_is_not_touched(few: Digits) -> None:
    path = interrupted(few)
    (path / "SHA256SUMS").write_text("")
    with pytest.raises(BadRun, match="is finished"), checkpoint.reopen(path):
        pass
    assert (path / "checkpoint" / "plan.json").exists()


def test_weights_that_explode_in_the_last_step_of_an_epoch_are_not_kept(few: Digits) -> None:
    hot = TINY.replaced(optimizer="sgd", learning_rate=1e38, batch_size=100_000)
    with pytest.raises(Diverged, match="try a learning_rate below"):
        pipeline.train(hot, input=few, folds=2)
    assert list(Path("submissions").iterdir()) == []


def test_a_state_with_other_members_or_an_odd_name_is_refused(few: Digits) -> None:
    path = interrupted(replace(few, input="digits"))
    export_csv(few, Path("digits"))
    state = path / "checkpoint" / "epoch-00002.safetensors"
    state.write_bytes(save({"network.weights.0": torch.zeros(2)}, {"history": "[]", "seconds": "0"}))
    files.write_sums(path / "checkpoint", ["plan.json", state.name])
    with pytest.raises(BadRun, match="is not of this recipe's members"):
        pipeline.resume()
    state.rename(state.with_name("epoch-zz.safetensors"))
    files.write_sums(path / "checkpoint", ["plan.json", "epoch-zz.safetensors"])
    with pytest.raises(BadRun, match="SHA256SUMS: is damaged or was edited"):
        pipeline.resume()


@pytest.mark.parametrize("name", ["plan.json", "epoch-00002.safetensors", "SHA256SUMS"])
def test_a_damaged_checkpoint_file_is_named(few: Digits, name: str) -> None:
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


def test_a_full_disk_stops_the_run_and_keeps_the_previous_state(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == "epoch-00003.safetensors":
            raise OSError(28, "No space left on device")
        files.write_atomic(path, content)

    monkeypatch.setattr(checkpoint, "write_atomic", full)
    with pytest.raises(OutputError, match=r"No space left on device.*`kaggle-mnist resume \S+` resumes after epoch 2"):
        pipeline.train(TINY, input=few, folds=2)
    assert progress_of(unfinished_runs(Path("submissions"))[0])[0] == 2


def test_a_disk_that_is_full_from_the_start_leaves_nothing_and_advises_to_train_again(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.suffix == ".safetensors":
            raise OSError(28, "No space left on device")
        files.write_atomic(path, content)

    monkeypatch.setattr(checkpoint, "write_atomic", full)
    with pytest.raises(OutputError, match=r"\(No space left on device\); once that is fixed, train again$"):
        pipeline.train(TINY, input=few, folds=2)
    assert list(Path("submissions").iterdir()) == []


def test_an_interrupted_run_says_how_to_resume_it_and_is_not_resumed_twice_at_once(few: Digits) -> None:
    path = interrupted(few)
    with pytest.raises(BadRun, match=rf"is not finished; resume it with `kaggle-mnist resume {path.name}`"):
        find_run(path.name, Path("submissions"))
    with FileLock(path / "checkpoint" / "lock"), pytest.raises(BadRun, match="another process is working on this run"):
        pipeline.resume(path.name)


def test_the_interruption_names_the_folder_of_the_runs_unless_it_is_the_default(few: Digits) -> None:
    with pytest.raises(Interrupted, match=r"epoch 2 .*; `kaggle-mnist resume \S+ --output 'my runs'` goes on"):
        pipeline.train(TINY, input=few, folds=2, output="my runs", on_epoch=stop_after(2))


def test_resuming_without_an_unfinished_run_says_so() -> None:
    with pytest.raises(BadRun, match="no unfinished run here; `kaggle-mnist train` starts a new one"):
        pipeline.resume()
