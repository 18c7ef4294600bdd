from __future__ import annotations

import re
from pathlib import Path

import pytest

from kaggle_mnist import pipeline, prepare
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.dry_run import dry_run
from kaggle_mnist.pipeline import Start
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.utils.errors import BadFolds, BadOption, OutputError
from tests.cli.invoke import invoke

BANNER = ("Digits", "Recipe", "Device", "Parameters", "Memory", "Expected")


def test_a_dry_run_plans_what_train_would_train_and_writes_nothing(few: Digits, tiny: Recipe) -> None:
    starts: list[Start] = []
    dry = dry_run(tiny, input=few, folds=2, seed=4, drop_suspects=(3, 5))
    assert not Path("submissions").exists()
    pipeline.train(tiny, input=few, folds=2, seed=4, drop_suspects=(3, 5), on_start=starts.append)
    [start] = starts
    assert dry.plan.model_copy(update={"created": start.plan.created}) == start.plan
    assert start.estimate is not None and dry.estimate is not None
    estimate = dry.estimate()
    assert estimate.all_parameters == start.estimate().all_parameters
    assert estimate.training > 0


def test_the_command_shows_the_same_banner_as_training_and_no_more(few: Digits) -> None:
    export_csv(few.head(300, 50), Path("input"))
    settings = ["--folds", "2", "--epochs", "2", "--set", "hidden=[32]", "--repeats", "2"]
    done = invoke("train", "--dry-run", *settings)
    assert done.exit_code == 0, done.output
    labels = [line.split("  ")[0] for line in done.output.splitlines()]
    assert labels == [*BANNER, "Dry run"]
    assert "Parameters   21,098 per member, 84,392 of all 4 members\n" in done.output
    assert re.search(r"\nMemory +about 0\.\d GB needed, [\d.]+ GB available\n", done.output)
    assert re.search(r"\nExpected +\d+:\d\d of training, \d+\.\d s per epoch; \d+:\d\d with outputs\n", done.output)
    assert not Path("submissions").exists()
    trained = invoke("train", *settings)
    assert [line.split("  ")[0] for line in trained.output.splitlines()][: len(BANNER)] == list(BANNER)
    assert trained.output.count("Expected") == 1  # not again after the first epoch


def test_a_dry_run_is_refused_where_training_would_be(few: Digits, tiny: Recipe) -> None:
    with pytest.raises(BadFolds):
        dry_run(tiny, input=few, folds=1)
    with pytest.raises(BadOption, match="dropped image 1500"):
        dry_run(tiny, input=few, drop_suspects=(1500,))
    refused = invoke("train", "--dry-run", "--cluster", "local")
    assert (refused.exit_code, "leave out --cluster" in refused.stderr) == (2, True)


def test_a_dry_run_refuses_an_output_that_cannot_be_written_and_creates_none(few: Digits) -> None:
    export_csv(few.head(300, 50), Path("input"))
    Path("file").touch()
    for output in ("/proc/x", "file", "file/deeper"):
        refused = invoke("train", "--dry-run", "-o", output)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert re.fullmatch(rf"kaggle-mnist: {output}: cannot write there \(.*\); choose .*--output\n", refused.stderr)
    with pytest.raises(OutputError, match=r"file: cannot write there"):
        dry_run("fast", input=few, output="file")
    quick = ["--folds", "2", "--epochs", "1", "--set", "hidden=[16]"]
    assert invoke("train", "--dry-run", "-o", "new/folder", *quick).exit_code == 0
    assert not Path("new").exists()


def test_nothing_is_timed_unless_the_estimate_is_asked_for(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "estimate_run", None)  # a call would fail
    events: list[Start | EpochEnd] = []
    pipeline.train(tiny.replaced(epochs=1), input=few, folds=2, on_start=events.append, on_epoch=events.append)
    assert [type(event) for event in events] == [Start, EpochEnd]
