"""What train, resume, data, recipes and check print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kaggle_mnist import pipeline
from kaggle_mnist.cli.screens.training import (
    show_recipes,
    show_resumed,
    show_run,
    show_start,
    show_verdict,
)
from kaggle_mnist.data.digits import Digits, WithheldLabels
from kaggle_mnist.data.practice import open_withheld_labels
from kaggle_mnist.pipeline import Start
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.submission import Verdict
from tests.cli.screens.screen import screen


@pytest.fixture
def start(handful: Digits, tiny: Recipe) -> Start:
    """The event before the first epoch of a run of one epoch."""
    starts: list[Start] = []
    pipeline.train(tiny.replaced(epochs=1, hidden=(16,)), input=handful, folds=2, on_start=starts.append)
    return starts[0]


def test_the_start_names_what_is_trained_and_on_what(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_start(start)
    assert "Digits       practice set: 120 labeled, 12 unlabeled (tests)\n" in text.getvalue()
    assert "Recipe       tiny: 784-16-10, 1 epoch, 2 folds, seed 0\n" in text.getvalue()
    assert "Device       cpu, 1 thread" in text.getvalue()


def test_the_start_says_when_other_programs_keep_the_machine_busy(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = screen(monkeypatch)
    products = {**start.environment, "products": "bfloat16"}
    show_start(replace(start, environment=products, threads_if_idle=2))
    others = "1 thread (1 fewer, for other programs that keep the machine busy)"
    assert f"Device       cpu, {others}, bfloat16\n" in text.getvalue()
    show_start(replace(start, plan=start.plan.model_copy(update={"device": "cuda"}), threads_if_idle=2))
    assert "Device       cuda\n" in text.getvalue()


def test_the_start_says_how_to_resume_the_same_run(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_start(replace(start, unfinished=(Path("submissions/20261124-200000-tiny"),)))
    expected = "the same run was interrupted earlier; to resume it: kaggle-mnist resume 20261124-200000-tiny\n"
    assert expected in text.getvalue()


def test_labels_of_a_test_set_are_said_to_be_used_only_at_the_end(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[Start] = []
    digits = replace(few, withheld=WithheldLabels(open_withheld_labels()[:300]))
    run = pipeline.train(tiny.replaced(epochs=1), input=digits, folds=2, on_start=starts.append)
    text = screen(monkeypatch)
    show_start(starts[0])
    show_run(run)
    assert "1,500 labeled, 300 test images with labels (tests)\n" in text.getvalue()
    assert "The labels of the test images are used only to score a finished run.\n" in text.getvalue()
    assert f"Test set     {run.withheld_accuracy:.4f} on the 300 labels that it came with" in text.getvalue()
    assert "leaderboard" not in text.getvalue()


def test_a_resumed_run_says_what_has_changed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_resumed(replace(start, epoch=1))
    assert text.getvalue() == f"Run          {start.run}, after epoch 1 of 1\n"
    show_resumed(replace(start, environment={**start.environment, "torch": "9.0"}))
    assert f"torch {start.environment['torch']}, now 9.0;" in text.getvalue()
    assert "the result may differ from an uninterrupted run's" in text.getvalue()


def test_a_run_with_repeats_is_shown_fold_by_fold(few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    run = pipeline.train(tiny.replaced(epochs=1), input=few, folds=2, repeats=2, drop_suspects=(3, 5))
    text = screen(monkeypatch)
    show_run(run)
    lines = text.getvalue().splitlines()
    assert [line.split()[:3] for line in lines[3:7]] == [[repeat, fold, "750"] for repeat in "01" for fold in "01"]
    assert f"CV accuracy  {run.cv_accuracy:.4f} ± " in text.getvalue()
    assert "OOF accuracy " in text.getvalue()
    assert "Dropped      2 images excluded from training; the scores include them" in text.getvalue()
    show_run(replace(run, record=run.record.model_copy(update={"dropped": (3,)})))
    assert "Dropped      1 image excluded from training; the scores include it," in text.getvalue()
    matrix = [line.split() for line in lines if line[:5].strip().isdigit() and len(line.split()) == 12]
    counts = np.array([[0 if cell == "·" else int(cell) for cell in row[1:11]] for row in matrix])
    assert counts.sum() == 1500


def test_many_errors_of_a_csv_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_verdict(Path("s.csv"), Verdict(errors=[f"row {i}: odd" for i in range(2, 102)]), 28_000)
    assert "row 41: odd" in text.getvalue()
    assert "row 42" not in text.getvalue()
    assert "… and 60 more" in text.getvalue()
    assert "Invalid      s.csv: Kaggle would reject it\n" in text.getvalue()


@pytest.mark.parametrize("width", [80, 112, 150])
def test_recipes_fit_a_narrow_terminal_and_are_explained_in_a_wide_one(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = screen(monkeypatch, width=width, terminal=True)
    show_recipes()
    assert all(field in text.getvalue() for field in Recipe.model_fields)
    assert "…" not in text.getvalue()
    assert "best, 3      features = pixels\n" in text.getvalue()
    assert max(map(len, text.getvalue().splitlines())) <= width
    assert ("Widen the terminal" in text.getvalue()) == (width < 140)
    assert ("meaning" in text.getvalue()) == (width == 150)
