from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kaggle_mnist import pipeline, score, seeds
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.data.suspects import HEADER
from kaggle_mnist.pipeline import Start
from kaggle_mnist.prepare import estimate_plan
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs import checkpoint
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.labels import Labels
from kaggle_mnist.runs.run import Run
from kaggle_mnist.runs.unfinished import Plan, unfinished_runs
from kaggle_mnist.seeds import list_seeds, parse_seeds, train_seeds
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.training.estimate import RunEstimate
from kaggle_mnist.training.folds import fold_digits
from kaggle_mnist.utils.errors import BadFolds, BadOption, Diverged, Interrupted, OutputError
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
        r" for the rest, the same command with --seeds 2\.\.4",
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


def leave_unfinished(few: Digits, recipe: Recipe) -> Path:
    """Another run in the same folder, interrupted after its first epoch."""

    def stop(event: EpochEnd) -> None:
        raise KeyboardInterrupt

    before = unfinished_runs(Path("submissions"))
    with pytest.raises(Interrupted):
        pipeline.train(recipe, input=few, folds=2, seed=99, on_epoch=stop)
    [left] = set(unfinished_runs(Path("submissions"))) - set(before)
    return left


@pytest.mark.parametrize("begun", [True, False])
def test_another_run_that_is_interrupted_meanwhile_takes_no_seed_out_of_the_rest(
    begun: bool, few: Digits, tiny: Recipe
) -> None:
    others: list[Path] = []

    def stop(event: EpochEnd | Start) -> None:
        others.append(leave_unfinished(few, tiny))
        raise KeyboardInterrupt

    on = {"on_epoch": stop} if begun else {"on_start": stop}
    with pytest.raises(Interrupted) as stopped:
        train_seeds(tiny, [0, 1, 2], input=few, folds=2, **on)  # type: ignore[arg-type]
    kept = set(unfinished_runs(Path("submissions"))) - set(others)
    assert len(kept) == begun
    named = f"epoch 1 of 4 is kept; `kaggle-mnist resume {kept.pop().name}` goes on" if begun else "nothing was kept"
    assert (
        f"{stopped.value}"
        == f"interrupted; {named}; for the rest, the same command with --seeds {'1,2' if begun else '0..2'}"
    )


def test_a_series_that_a_full_disk_ends_says_what_is_finished_and_how_to_go_on(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, files: dict[str, bytes]) -> None:
        raise OutputError(f"{folder}: the run could not be written (No space left on device)")

    two = tiny.replaced(epochs=2)
    monkeypatch.setattr(checkpoint, "PRICE", 0)  # every state is written
    with monkeypatch.context() as patch, pytest.raises(OutputError) as stopped:
        train_seeds(two, [0, 1, 2], input=few, folds=2, on_run=lambda run: patch.setattr(score, "finish_run", full))
    assert re.fullmatch(
        r"\S+: the run could not be written \(No space left on device\); `kaggle-mnist resume \S+` goes on with seed 1;"
        r" finished: seed 0; for the rest, the same command with --seeds 2",
        f"{stopped.value}",
    )
    assert pipeline.resume(input=few).record.seed == 1


def test_a_seed_that_diverged_is_among_the_rest(few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PRICE", 0)
    finished: list[Run] = []

    def diverge(event: EpochEnd) -> None:
        if finished:
            raise Diverged("recipe tiny: the loss of epoch 2 is not finite; try a learning_rate below 0.005")

    two = tiny.replaced(epochs=2)
    with pytest.raises(
        Diverged, match=r"below 0\.005; finished: seed 0; for the rest, the same command with --seeds 1,2$"
    ):
        train_seeds(two, [0, 1, 2], input=few, folds=2, on_run=finished.append, on_epoch=diverge)


def test_a_seed_whose_run_is_complete_is_among_the_finished(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score_run(*arguments: Any) -> Run:
        run = score.score_run(*arguments)
        raise OutputError(f"copy.csv: cannot be written (Permission denied); {run.path} is complete")

    monkeypatch.setattr(pipeline, "score_run", score_run)
    with pytest.raises(
        OutputError, match=r"is complete; finished: seed 4; for the rest, the same command with --seeds 5$"
    ):
        train_seeds(tiny.replaced(epochs=1), [4, 5], input=few, folds=2)


def test_an_error_before_the_first_run_is_that_of_one_run(few: Digits, tiny: Recipe) -> None:
    with pytest.raises(BadFolds, match=r"2 folds and 1 repeat$"):
        train_seeds(tiny, [0, 1], input=few, folds=1)


def test_a_name_that_is_too_long_for_one_of_the_seeds_is_refused_before_the_first(few: Digits, tiny: Recipe) -> None:
    name = "n" * 58
    with pytest.raises(BadOption, match=r"n-10': must be at most 60 letters"):
        train_seeds(tiny, [9, 10], input=few, folds=2, labels=Labels(name=name))
    assert not Path("submissions").exists()
    refused = invoke("train", "--dry-run", "--seeds", "9,10", "--name", name, *QUICK)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


def test_suspects_are_read_once(few: Digits, tiny: Recipe) -> None:
    suspects = Path("audit.csv")
    suspects.write_bytes(HEADER + f"3,{few.train_labels[3]},0,0.1,row 4\n".encode())
    one = tiny.replaced(epochs=1)
    runs = train_seeds(
        one, [0, 1], input=few, folds=2, drop_suspects=suspects, on_run=lambda run: suspects.unlink(missing_ok=True)
    )
    assert [run.record.dropped for run in runs] == [(3,), (3,)]


def test_the_command_notes_that_near_seeds_share_folds(few: Digits) -> None:
    first, second = (fold_digits(few, n_splits=2, repeats=2, seed=seed) for seed in (0, 1))
    assert (first[1] == second[0]).all()
    export_csv(few.head(300, 50), Path("input"))
    for seeds_given, repeats, apart in (("0..2", 2, "0,2,4"), ("9,4", 6, "0,6"), ("0,2,4", 2, None), ("0..2", 1, None)):
        shown = invoke("train", "--dry-run", "--seeds", seeds_given, "--repeats", f"{repeats}", *QUICK)
        assert shown.exit_code == 0, shown.output
        assert ("share folds" in shown.output) == (apart is not None)
        told = f"seeds less than {repeats} apart share folds; such as --seeds {apart} share none\n"
        assert apart is None or told in shown.output


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


def test_the_command_trains_a_run_for_each_seed_and_shows_the_line_of_the_recipe(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_csv(few.head(300, 50), Path("input"))
    timed: list[int] = []

    def estimate(plan: Plan, *given: Any) -> RunEstimate:
        timed.append(plan.seed)
        return estimate_plan(plan, *given)

    monkeypatch.setattr(pipeline, "estimate_plan", estimate)
    done = invoke("train", "--seeds", "0..1", "--name", "quick", *QUICK)
    assert done.exit_code == 0, done.output
    assert "2 folds, seeds 0, 1\n" in done.output
    assert re.search(r"\nExpected .* with outputs\n +for each seed; \d+:\d\d for the 2 of them\n", done.output)
    assert timed == [0]  # only for the seed that it is shown for
    runs = list_runs(Path("submissions"))
    assert len(runs) == 2
    assert [run.name.rpartition("-quick-")[2] for run in runs] == ["0", "1"]
    assert all((run / "report.html").exists() for run in runs)
    assert re.search(r"\nSeed 0 +CV accuracy 0\.\d{4}, submissions/\S+/submission\.csv\n(.+\n)?Seed 1 ", done.output)
    assert re.search(r"\nA +mlp\n", done.output)
    assert re.search(r"seeds +mean +SD +seconds +seed 0 +seed 1 *\n.*\n A +2 +0\.\d{4} +0\.\d{4} ", done.output)
    assert re.search(r"\nTime +\d+ s training, \d+ s in all\n$", done.output)
    again = invoke("train", "--dry-run", "--seeds", "0..1", "--name", "quick", *QUICK)
    assert again.output.startswith("Note         other runs are called quick-0 and quick-1, too; ")
    both = invoke("train", "--seeds", "0..1", "--seed", "3")
    assert (both.exit_code, both.stderr) == (2, "kaggle-mnist: --seed and --seeds: give one of them\n")
