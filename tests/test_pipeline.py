from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from sklearn.metrics import accuracy_score

import kaggle_mnist
from kaggle_mnist import pipeline, prepare, score
from kaggle_mnist.check import check_csv
from kaggle_mnist.data import practice as practice_set
from kaggle_mnist.data.digits import Digits, WithheldLabels
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.record import parse_record
from kaggle_mnist.runs.run import Run
from kaggle_mnist.runs.submission import check_submission
from kaggle_mnist.utils.errors import BadFolds, BadOption, BadRecipe, UserError
from tests.conftest import write_folders

COMPARED = ("submission.csv", "outputs.npz", "members.safetensors", "folds.csv", "history.csv", "confusion.csv")


@pytest.fixture
def run(few: Digits, tiny: Recipe) -> Run:
    return pipeline.train(tiny, input=few, folds=3)


def test_a_run_computes_with_the_threads_that_were_chosen_for_it(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "choose_threads", lambda: 2)
    found: list[int] = []
    run = pipeline.train(
        tiny.replaced(epochs=1), input=few, folds=2, on_epoch=lambda _: found.append(torch.get_num_threads())
    )
    assert found == [2]
    assert run.record.environment["threads"] == 2
    assert torch.get_num_threads() == 1


def test_the_run_folder_has_all_files_and_arrays(run: Run, few: Digits, tiny: Recipe) -> None:
    assert {file.name for file in run.path.iterdir()} == {*COMPARED, "run.json", "digits.csv", "SHA256SUMS"}
    assert parse_record((run.path / "run.json").read_bytes()) == run.record
    assert run.record.data.fingerprint == few.fingerprint
    assert run.record.recipe == tiny
    assert run.record.environment["products"] == "float32"
    outputs = run.outputs()
    assert outputs.oof.shape == (1500, 10)
    assert outputs.test.shape == (300, 10)
    assert outputs.test_ids.tolist() == list(range(1, 301))
    assert np.array_equal(outputs.y_true, few.train_labels)
    assert outputs.fold_of.shape == (1, 1500)
    assert load_file(run.path / "members.safetensors")["weights.0"].shape == (3, 784, 48)


def test_the_submission_is_valid_and_better_than_chance(run: Run) -> None:
    assert (run.submission).read_bytes().startswith(b"ImageId,Label\n1,")
    verdict = check_submission(run.submission, 300)
    assert (verdict.errors, verdict.warnings) == ([], [])
    labels = pd.read_csv(run.submission).Label
    assert accuracy_score(practice_set.open_withheld_labels()[:300], labels) > 0.8


def test_scores_agree_with_the_outputs(run: Run) -> None:
    outputs = run.outputs()
    right = outputs.oof.argmax(1) == outputs.y_true
    folds = run.table("folds")
    for row in folds.itertuples():
        assert right[outputs.fold_of[0] == row.fold].mean() == pytest.approx(row.accuracy)
    assert run.cv_accuracy == pytest.approx(folds.accuracy.mean())
    assert run.record.scores.oof_accuracy == pytest.approx(right.mean())
    assert run.table("confusion").set_index("true").to_numpy().trace() == right.sum()


def test_the_same_recipe_and_seed_give_the_same_bytes(run: Run, few: Digits, tiny: Recipe) -> None:
    again, other = (pipeline.train(tiny, input=few, folds=3, seed=seed) for seed in (0, 1))
    assert again.path != run.path
    for file in COMPARED:
        assert (again.path / file).read_bytes() == (run.path / file).read_bytes()
    assert (other.path / "outputs.npz").read_bytes() != (run.path / "outputs.npz").read_bytes()


def test_csv_zip_and_numbered_png_files_give_the_same_bytes(few: Digits, tiny: Recipe, run: Run) -> None:
    export_csv(few, Path("csv"))
    with zipfile.ZipFile("digit-recognizer.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in Path("csv").iterdir():
            archive.write(file, file.name)
    write_folders(few, Path("png"))
    for source in ("csv", "digit-recognizer.zip", "png"):
        other = pipeline.train(tiny, input=source, folds=3)
        for name in COMPARED:
            assert (other.path / name).read_bytes() == (run.path / name).read_bytes(), (source, name)


def test_withheld_labels_are_used_only_to_score_the_practice_set(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bool] = []
    labels = practice_set.open_withheld_labels()[:300]

    def opens() -> NDArray[np.int64]:
        opened.append(True)
        return labels

    monkeypatch.setattr(practice_set, "open_withheld_labels", opens)
    assert pipeline.train(tiny, input=few, folds=2).withheld_accuracy is None
    monkeypatch.setattr(practice_set, "FINGERPRINT", few.fingerprint)
    assert pipeline.train(tiny, input=few, folds=2, score=False).withheld_accuracy is None
    assert opened == []
    run = pipeline.train(tiny, input=replace(few, source="Kaggle CSV"), folds=2)  # recognized by its pixels
    assert run.record.data.practice is True
    assert run.withheld_accuracy == accuracy_score(labels, run.outputs().test.argmax(1))


def test_labels_of_a_test_set_are_opened_only_to_score_the_finished_run(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, tiny = practice_set.open_withheld_labels()[:300], tiny.replaced(epochs=2)
    without = pipeline.train(tiny, input=few, folds=2)
    opened: list[int] = []

    def opens(kept: WithheldLabels) -> NDArray[np.int64]:
        opened.append(1)
        return kept.sealed

    monkeypatch.setattr(WithheldLabels, "open", opens)
    digits = replace(few, withheld=WithheldLabels(labels))

    unscored = pipeline.train(tiny, input=digits, folds=2, score=False)
    assert (unscored.withheld_accuracy, opened) == (None, [])
    epochs = []
    run = pipeline.train(tiny, input=digits, folds=2, on_epoch=lambda event: epochs.append(len(opened)))
    assert epochs == [0] * tiny.epochs
    assert len(opened) == 1
    assert run.withheld_accuracy == accuracy_score(labels, run.outputs().test.argmax(1))
    assert run.record.data.test_labels
    for name in COMPARED:
        assert (run.path / name).read_bytes() == (without.path / name).read_bytes(), name


def test_a_sample_submission_decides_the_header_and_the_ids_of_the_submission(few: Digits, tiny: Recipe) -> None:
    digits = replace(few, header=("id", "label"), ids=np.arange(300), competition="Kannada-MNIST")
    run = pipeline.train(tiny.replaced(epochs=1), input=digits, folds=2)
    plain = pipeline.train(tiny.replaced(epochs=1), input=few, folds=2)
    rows = [line.split(",") for line in run.submission.read_text().splitlines()]
    assert rows[0] == ["id", "label"]
    assert [row[0] for row in rows[1:]] == [f"{number}" for number in range(300)]
    assert [row[1] for row in rows[1:]] == [
        line.split(",")[1] for line in plain.submission.read_text().splitlines()[1:]
    ]
    assert check_csv(run.submission, run=run).verdict.errors == []
    assert check_csv(plain.submission, run=run).verdict.errors[0].startswith("row 1: is 'ImageId,Label'")
    assert run.record.data.competition == "Kannada-MNIST"


def test_repeats_add_members_and_are_averaged(few: Digits, tiny: Recipe) -> None:
    run = pipeline.train(tiny.replaced(epochs=2), input=few, folds=2, repeats=3)
    assert len(run.table("folds")) == 6
    assert load_file(run.path / "members.safetensors")["weights.0"].shape[0] == 6
    assert run.record.scores.oof_accuracy > run.cv_accuracy


def test_in_a_kaggle_notebook_the_submission_is_copied_to_the_working_folder(
    few: Digits, tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "KAGGLE_WORKING", tmp_path)
    run = pipeline.train(tiny, input=few, folds=2)
    assert (tmp_path / "submission.csv").read_bytes() == run.submission.read_bytes()


def test_train_is_one_call_and_prints_nothing(few: Digits, tiny: Recipe, capfd: pytest.CaptureFixture[str]) -> None:
    run = kaggle_mnist.train(tiny, input=few, folds=2, output="elsewhere")
    assert run.submission.parent.parent == Path("elsewhere")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"recipe": "nothing"}, BadRecipe),
        ({"folds": 1}, BadFolds),
        ({"folds": 500}, BadFolds),
        ({"seed": -1}, BadOption),
        ({"device": "tpu"}, BadOption),
        ({"recipe": Recipe(optimizer="sgd", learning_rate=1e9, hidden=(8,))}, UserError),
    ],
)
def test_invalid_arguments_leave_no_run_folder(few: Digits, arguments: dict[str, Any], kind: type[UserError]) -> None:
    with pytest.raises(kind):
        pipeline.train(**{"recipe": "mlp", "input": few, **arguments})
    assert not Path("submissions").exists() or list(Path("submissions").iterdir()) == []


def test_another_number_of_threads_gives_nearly_the_same_scores_and_is_recorded(few: Digits, tiny: Recipe) -> None:
    def with_threads(count: int) -> Run:
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            return pipeline.train(tiny, input=few, folds=2)
        finally:
            torch.set_num_threads(before)

    one, two = with_threads(1), with_threads(2)
    assert (one.record.environment["threads"], two.record.environment["threads"]) == (1, 2)
    assert one.cv_accuracy == pytest.approx(two.cv_accuracy, abs=0.01)
