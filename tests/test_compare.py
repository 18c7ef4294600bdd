"""Comparing runs image by image."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from kaggle_mnist import pipeline
from kaggle_mnist.cli import app
from kaggle_mnist.cli.console import console
from kaggle_mnist.cli.screens.runs import show_comparison
from kaggle_mnist.compare import Comparison, Row, compare_pairs, compare_runs, letters
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.significance import Pair
from kaggle_mnist.utils.errors import BadRun, OutputError
from tests.conftest import TINY, reseal
from tests.opened import opened_files


def pair_of(letters: str, submissions: Path) -> Pair:
    [pair] = [pair for pair in compare_runs([], submissions).pairs if pair.first + pair.second == letters]
    return pair


def row_of(letter: str, data: str = "same") -> Row:
    return Row(letter, letter, "r", {}, data, 0, [], 0.5, 0.1, 0.5, 0.1, None, None, 1.0)  # type: ignore[arg-type]


def test_the_best_run_comes_first_with_only_the_fields_that_differ(submissions: Path) -> None:
    rows = compare_runs([], submissions).rows
    assert [row.letter for row in rows] == ["A", "B", "C"]
    assert rows[0].cv_accuracy >= rows[1].cv_accuracy > rows[2].cv_accuracy
    assert rows[0].differs == {}
    assert list(rows[1].differs) == ["seed"]
    assert rows[2].differs.items() >= {"hidden": [16], "epochs": 4}.items()
    assert len(rows[2].folds) == 3


def test_the_base_is_what_most_runs_have_in_common_and_the_best_run_may_differ_from_it(submissions: Path) -> None:
    for number in range(2):
        shutil.copytree(submissions / "20261124-200000-c", submissions / f"again-{number}")
    comparison = compare_runs([], submissions)
    assert (comparison.base["hidden"], comparison.base["epochs"], comparison.base["seed"]) == ([16], 4, 0)
    assert comparison.rows[0].differs == {"hidden": [48], "epochs": 12}
    assert comparison.rows[-1].differs == {}
    assert json.loads(json.dumps(comparison.as_dict()))["runs"][0]["settings"]["hidden"] == [48]


def test_the_pairs_that_matter_are_those_of_the_best_run_on_each_set_of_digits() -> None:
    rows = [row_of(letter, data) for letter, data in zip("ABCDE", "xyxyx", strict=True)]
    pairs = compare_pairs(rows, [np.array([True, False])] * 5, [np.array([[0, 1]])] * 5)
    assert [pair.first + pair.second for pair in pairs] == ["AC", "AE", "BD", "CE"]
    best = Comparison(rows, pairs, []).pairs_of_first(5, only_with_best=True)
    assert [pair.first + pair.second for pair in best] == ["AC", "AE", "BD"]


def test_only_significant_differences_are_verdicts(submissions: Path) -> None:
    assert pair_of("AC", submissions).verdict == "A is better than C"
    assert pair_of("AB", submissions).verdict == "A and B do not differ significantly"


def test_p_and_interval_come_from_the_images_that_only_one_run_got_right(submissions: Path) -> None:
    pair = pair_of("AC", submissions)
    rows = compare_runs([], submissions).rows
    a, c = (find_run(rows[i].run, submissions).outputs() for i in (0, 2))
    a_right, c_right = a.oof.argmax(1) == a.y_true, c.oof.argmax(1) == c.y_true
    assert pair.only_first == (a_right & ~c_right).sum()
    assert pair.difference == pytest.approx(a_right.mean() - c_right.mean())
    assert pair.p < 0.05
    assert 0 < pair.low < pair.difference < pair.high


def test_p_values_are_corrected_for_the_number_of_pairs(submissions: Path) -> None:
    names = [row.run for row in compare_runs([], submissions).rows]
    [alone] = compare_runs([names[0], names[2]], submissions).pairs
    assert alone.p_corrected == alone.p
    among = pair_of("AC", submissions)
    assert among.p == alone.p
    assert among.p_corrected > among.p


def test_runs_on_different_digits_are_not_compared(submissions: Path, few: Digits) -> None:
    other = replace(few, train_images=few.train_images[::-1].copy(), train_labels=few.train_labels[::-1].copy())
    pipeline.train(TINY.replaced(epochs=1), input=other, folds=3)
    comparison = compare_runs([], submissions)
    assert len(comparison.rows) == 4
    assert len(comparison.pairs) == 3
    done = CliRunner().invoke(app, ["compare"])
    assert "these runs use different digits" in done.output


def test_runs_with_equal_predictions_do_not_differ() -> None:
    right = np.array([True, False, True])
    folds = np.array([[0, 1, 0]])
    [pair] = compare_pairs([row_of("A"), row_of("B")], [right, right], [folds, folds])
    assert (pair.p, pair.difference, pair.verdict) == (1.0, 0.0, "A and B do not differ significantly")


def test_letters_never_run_out() -> None:
    found = list(itertools.islice(letters(), 26 + 26**2 + 2))
    assert [found[i] for i in (0, 25, 26, 27, 701, 702, 703)] == ["A", "Z", "AA", "AB", "ZZ", "AAA", "AAB"]
    assert len(set(found)) == len(found)


def test_every_pair_of_many_rows_is_counted_image_by_image() -> None:
    """More images than one chunk, three data sets, and one row whose number of images is wrong."""
    rng = np.random.default_rng(0)
    sizes = {"x": 5000, "y": 300, "z": 20}
    data = ["x", "y", "x", "z", "y", "x", "z"]
    correct = [rng.random(sizes[name]) < 0.9 for name in data]
    correct[6] = correct[6][:10]
    fold_of = [rng.integers(0, 5, (1, len(right))) for right in correct]
    rows = [row_of(letter, name) for letter, name in zip("ABCDEFG", data, strict=True)]
    pairs = compare_pairs(rows, correct, fold_of)
    assert [pair.first + pair.second for pair in pairs] == ["AC", "AF", "BE", "CF"]
    for pair in pairs:
        a, b = (correct["ABCDEFG".index(letter)] for letter in (pair.first, pair.second))
        assert (pair.images, pair.only_first, pair.only_second) == (len(a), (a & ~b).sum(), (b & ~a).sum())
        assert pair.difference == pytest.approx(a.mean() - b.mean())
    corrected = multipletests([pair.p for pair in pairs], method="holm")[1]
    assert [pair.p_corrected for pair in pairs] == pytest.approx(corrected)


def test_the_runs_of_a_long_search_are_compared_on_one_page(handful: Digits) -> None:
    output = Path("search")
    first = pipeline.train(TINY.replaced(epochs=1), input=handful, output=output, folds=2).path
    for number in range(702):
        copy = output / f"{number:03}"
        copy.mkdir()
        for file in first.iterdir():
            (copy / file.name).hardlink_to(file)
    comparison = compare_runs([], output)
    assert len(comparison.rows) == 703
    assert comparison.rows[-1].letter == "AAA"
    assert len(comparison.pairs) == 703 * 702 // 2
    with console.capture() as shown:
        show_comparison(replace(comparison, passed_over=["damaged"] * 30))
    lines = shown.get().splitlines()
    assert len(lines) < 160
    assert "… and 683 more, none with a higher OOF accuracy; --csv lists all runs, --json also all pairs" in shown.get()
    assert "allow for all 246,753 pairs (Holm)" in shown.get()
    assert any(re.match("Equal  .* S and T have the same outputs", line) for line in lines)
    assert not any("A – U" in line for line in lines)
    assert sum("damaged" in line for line in lines) == 20


def test_each_file_of_a_run_is_opened_once(submissions: Path) -> None:
    rest = {"competition": "x", "submitted": "2026-11-24T23:00:00+00:00", "sha256": "0" * 64, "ref": 1}
    answer = json.dumps({**rest, "message": "", "status": "complete", "public_score": 0.5, "prediction": None})
    for run in submissions.iterdir():
        (run / "leaderboard.json").write_text(answer)
    with opened_files() as names:
        compare_runs([], submissions)
    count = Counter(names)
    assert [count[name] for name in ("leaderboard.json", "outputs.npz", "folds.csv")] == [3, 3, 3]
    assert not count.keys() & {"members.safetensors", "submission.csv", "history.csv"}
    with opened_files() as names:
        compare_runs([next(submissions.iterdir()).name], submissions)
    count = Counter(names)
    assert [count[name] for name in ("leaderboard.json", "outputs.npz", "folds.csv")] == [1, 1, 1]


@pytest.mark.parametrize("file", ["outputs.npz", "folds.csv"])
def test_a_damaged_run_is_skipped_unless_it_was_named(file: str, submissions: Path) -> None:
    damaged = next(submissions.iterdir())
    content = bytearray((damaged / file).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / file).write_bytes(content)
    with pytest.raises(BadRun, match=f"{file}: does not match its checksum"):
        compare_runs([damaged.name], submissions)
    comparison = compare_runs([], submissions)
    assert len(comparison.rows) == 2
    assert f"{file}: does not match its checksum" in comparison.passed_over[0]


def test_a_missing_run_is_named(submissions: Path) -> None:
    with pytest.raises(BadRun, match="kaggle-mnist train"):
        compare_runs([], Path("empty"))
    with pytest.raises(BadRun, match="nothing: no such run"):
        compare_runs(["nothing"], submissions)


def test_an_unreadable_run_is_skipped_unless_it_was_named(submissions: Path) -> None:
    damaged = next(submissions.iterdir())
    record = (damaged / "run.json").read_text()
    (damaged / "run.json").write_text(record.replace('"format": 3', '"format": 4').replace('"seed"', '"seeds"'))
    reseal(damaged)
    newer = r"run\.json: was made by a newer kaggle-mnist \(format 4"
    with pytest.raises(BadRun, match=newer):
        compare_runs([damaged.name], submissions)
    comparison = compare_runs([], submissions)
    assert len(comparison.rows) == 2
    assert "was made by a newer kaggle-mnist" in comparison.passed_over[0]
    assert "Skipped" in CliRunner().invoke(app, ["compare"]).output
    for run in submissions.iterdir():
        (run / "folds.csv").write_text("edited")
    with pytest.raises(BadRun):
        compare_runs([], submissions)


def test_an_uploaded_run_keeps_the_forecast_made_before_its_score(submissions: Path) -> None:
    first, *_ = compare_runs([], submissions).rows
    then = {"expected": 0.5, "low": 0.4, "high": 0.6}
    rest = {"competition": "x", "submitted": "2026-11-24T23:00:00+00:00", "sha256": "0" * 64, "ref": 1}
    content = {**rest, "message": "m", "status": "complete", "public_score": 0.55, "prediction": then}
    (submissions / first.run / "leaderboard.json").write_text(json.dumps(content))
    row = next(row for row in compare_runs([], submissions).rows if row.run == first.run)
    assert (row.score, row.forecast.expected, row.forecast.low) == (0.55, 0.5, 0.4)
    (submissions / first.run / "leaderboard.json").write_text("{}")
    others = [row.run for row in compare_runs([], submissions).rows]
    assert first.run not in others
    assert len(others) == 2


def test_a_comparison_draws_its_plot_and_refuses_a_bad_file_before_reading(submissions: Path) -> None:
    with opened_files() as names, pytest.raises(OutputError, match=r"must end in \.png"):
        compare_runs([], submissions, plot=Path("folds.txt"))
    assert "outputs.npz" not in names
    compare_runs([], submissions, plot=Path("folds.pdf"))
    assert Path("folds.pdf").read_bytes().startswith(b"%PDF")
