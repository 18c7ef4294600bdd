from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kaggle_mnist import pipeline, seeds
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.pipeline import Start
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.run import Run
from kaggle_mnist.seeds import list_seeds, parse_seeds, train_seeds
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.utils.errors import BadOption, Interrupted
from tests.cli.invoke import invoke
from tests.runs.test_checkpoint import same_files

QUICK = ["--folds", "2", "--epochs", "2", "--set", "hidden=[32]", "--set", "batch_size=100"]


def test_every_seed_is_a_run_of_its_own_and_the_digits_are_loaded_once(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def counted(place: str, **options: object) -> Digits:
        loaded.append(place)
        return load_digits(place)

    monkeypatch.setattr(seeds, "load_digits", counted)
    export_csv(few, Path("digits"))
    two = tiny.replaced(epochs=2)
    runs = train_seeds(two, [3, 1], input="digits", folds=2, repeats=2)
    assert loaded == ["digits"]
    assert [run.record.seed for run in runs] == [3, 1]
    assert same_files(runs[1], pipeline.train(two, input=few, folds=2, repeats=2, seed=1))


def test_every_seed_has_its_events_in_one_stage(few: Digits, tiny: Recipe) -> None:
    events: list[EpochEnd] = []
    stages: list[tuple[str, int, int]] = []
    finished: list[Run] = []
    runs = train_seeds(
        tiny.replaced(epochs=2),
        [0, 1, 2],
        input=few,
        folds=2,
        on_epoch=events.append,
        on_run=finished.append,
        progress=lambda stage, done, total, unit="": stages.append((stage, done, total)),
    )
    assert [(event.epoch, event.epochs) for event in events] == [(1, 2), (2, 2)] * 3
    assert stages == [("Training", 0, 6)]
    assert finished == runs


def test_an_interrupted_series_says_what_is_finished_and_how_to_go_on(few: Digits, tiny: Recipe) -> None:
    starts: list[Start] = []

    def stop(event: EpochEnd) -> None:
        if (len(starts), event.epoch) == (2, 3):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        train_seeds(tiny, [0, 1, 2, 3, 4], input=few, folds=2, on_start=starts.append, on_epoch=stop)
    assert re.fullmatch(
        r"interrupted; epoch 3 of 4 is kept; `kaggle-mnist resume \S+` goes on; finished: seed 0;"
        r" for the rest, train with --seeds 2\.\.4",
        f"{stopped.value}",
    )
    resumed = pipeline.resume(input=few)
    assert resumed.record.seed == 1
    assert same_files(resumed, pipeline.train(tiny, input=few, folds=2, seed=1))


def test_an_interrupted_seed_of_which_nothing_is_kept_is_among_the_rest(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*arguments: Any, seed: int, **options: Any) -> Run:
        if seed == 9:
            raise Interrupted("interrupted; nothing was kept")
        return pipeline.train(*arguments, seed=seed, **options)

    monkeypatch.setattr(seeds, "train", train)
    with pytest.raises(Interrupted, match=r"nothing was kept; finished: seeds 5, 7; for the rest, .* --seeds 9,11$"):
        train_seeds(tiny, [5, 7, 9, 11], input=few, folds=2)
    assert len(list_runs(Path("submissions"))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4..0", "must rise"),
        ("0,0", "name a seed twice"),
        ("0..2147483648", "from 0 to 2147483647"),
        ("0..1000", "more than 1,000"),
        ("0-4", "must be a range such as 0..4, or a list such as 0,3,7"),
        ("-1", "must be a range"),
        ("", "must be a range"),
    ],
)
def test_what_are_no_seeds_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadOption, match=re.escape(message)):
        parse_seeds(text)


def test_seeds_are_listed_as_they_are_read() -> None:
    for numbers in ([0], [0, 1], [0, 1, 2], [4, 2, 3], list(range(1000))):
        assert parse_seeds(list_seeds(numbers, ",")) == numbers


def test_the_command_trains_a_run_for_each_seed_and_shows_the_line_of_the_recipe(few: Digits) -> None:
    export_csv(few.head(300, 50), Path("input"))
    done = invoke("train", "--seeds", "0..1", *QUICK)
    assert done.exit_code == 0, done.output
    assert "2 folds, seeds 0, 1\n" in done.output
    assert re.search(r"\n +0:0\d for all 2 seeds\n", done.output)
    runs = list_runs(Path("submissions"))
    assert len(runs) == 2
    assert all((run / "report.html").exists() for run in runs)
    assert re.search(r"\nSeed 0 +CV accuracy 0\.\d{4}, submissions/\S+/submission\.csv\n(.+\n)?Seed 1 ", done.output)
    assert re.search(r"\nA +mlp\n", done.output)
    assert re.search(r"seeds +mean +SD +s +seed 0 +seed 1 *\n.*\n A +2 +0\.\d{4} +0\.\d{4} ", done.output)
    assert re.search(r"\nTime +\d+ s training, \d+ s in all\n$", done.output)
    both = invoke("train", "--seeds", "0..1", "--seed", "3")
    assert (both.exit_code, both.stderr) == (2, "kaggle-mnist: --seed and --seeds: give one of them\n")
