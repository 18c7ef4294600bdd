"""What compare, blend and runs --remove print."""

from __future__ import annotations

import csv
import io
import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest

from kaggle_mnist.blend import blend_runs, gain_of
from kaggle_mnist.cli.screens import runs as screens
from kaggle_mnist.cli.screens.runs import print_csv, show_blend, show_comparison, show_removed
from kaggle_mnist.compare import Comparison, compare_runs
from kaggle_mnist.forecast import Forecast
from kaggle_mnist.runs.labels import Labels, write_labels
from tests.cli.screens.screen import screen


@pytest.fixture
def comparison(submissions: Path) -> Comparison:
    return compare_runs([], submissions)


def test_verdicts_come_with_their_figures(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_comparison(comparison, Path("folds.png"))
    assert text.getvalue().endswith("Plot         folds.png\n")
    pair = next(pair for pair in comparison.pairs if pair.first + pair.second == "AC")
    assert "A – B        A and B do not differ significantly (p = " in text.getvalue()
    assert "A – C        A is better than C (p = 0.0" in text.getvalue()
    assert f"; only A right: {pair.only_first} images, only C: {pair.only_second}\n" in text.getvalue()
    show_comparison(replace(comparison, pairs=[replace(pair, only_first=1)]))
    assert f"; only A right: 1 image, only C: {pair.only_second}\n" in text.getvalue()
    assert "Forecast: expected score, 95 % interval; from OOF accuracy and the\n" in text.getvalue()


def test_what_differs_is_a_table_below_what_is_common(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = Labels(name="steady")
    text = screen(monkeypatch)
    show_comparison(replace(comparison, rows=[replace(comparison.rows[0], labels=labels), *comparison.rows[1:]]))
    lines = [line.split() for line in text.getvalue().splitlines()]
    assert lines[0] == ["In", "common", "3", "folds"]
    assert lines[2] == ["run", "recipe", "hidden", "epochs", "seed"]
    assert sorted(lines[4:7]) == [
        ["A", "20261124-200000-a", "(steady)", "a", "[48]", "12", "0"],
        ["B", "20261124-200001-b", "b", "[48]", "12", "1"],
        ["C", "20261124-200000-c", "c", "[16]", "4", "0"],
    ]


def test_a_blend_is_made_of_other_lines(submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blended = blend_runs(["a", "b"], submissions)
    text = screen(monkeypatch)
    show_comparison(compare_runs(["b", blended.name], submissions))
    row = next(line for line in text.getvalue().splitlines() if blended.name in line)
    assert f"{row.split()[0]:<12} blend of 0.500 × 20261124-200000-a, 0.500 × " in text.getvalue()
    assert re.search(r"0\.500 × [AB]$", text.getvalue(), flags=re.MULTILINE)


def test_many_fields_are_rows_in_a_narrow_terminal(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, width=40, terminal=True)
    show_comparison(comparison)
    lines = text.getvalue().splitlines()
    assert lines[1:4] == [f"{row.letter:<12} {row.run}" for row in comparison.rows]
    assert [line.split() for line in lines[5:11] if "─" not in line] == [
        ["A", "B", "C"],
        ["recipe", "a", "b", "c"],
        ["hidden", "[48]", "[48]", "[16]"],
        ["epochs", "12", "12", "4"],
        ["seed", "0", "1", "0"],
    ]


def test_runs_that_differ_in_nothing_are_only_named(submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_comparison(compare_runs(["a"], submissions))
    assert text.getvalue().startswith(
        "In common    a, hidden [48], 12 epochs, 3 folds, seed 0\nA            20261124-200000-a\n"
    )


def test_only_the_best_run_is_compared_with_each_other_unless_all_pairs_are_asked_for(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = screen(monkeypatch)
    show_comparison(comparison)
    assert "A – C " in text.getvalue() and "B – C " not in text.getvalue()
    assert "Shown: the best run against each other; --all-pairs shows all 3.\n" in text.getvalue()
    text = screen(monkeypatch)
    show_comparison(comparison, all_pairs=True)
    assert "B – C " in text.getvalue() and "--all-pairs" not in text.getvalue()


def test_all_pairs_are_those_of_the_runs_that_are_shown(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens, "MAX_RUNS", 2)
    text = screen(monkeypatch)
    show_comparison(comparison, all_pairs=True)
    assert "A – B " in text.getvalue() and "A – C " not in text.getvalue()
    assert "1 pair of these runs, --json has all 3.\n" in text.getvalue()
    assert "… and 1 more, none with a higher OOF accuracy; " in text.getvalue()
    monkeypatch.setattr(screens, "MAX_RUNS", 3)
    fourth = replace(comparison.rows[2], letter="D")
    more = replace(
        comparison, rows=[*comparison.rows, fourth], pairs=[*comparison.pairs, replace(comparison.pairs[0], second="D")]
    )
    text = screen(monkeypatch)
    show_comparison(more)
    assert "Shown: the best run against each other; --all-pairs shows 3, --json has all 4.\n" in text.getvalue()


def test_a_very_small_p_is_not_shown_as_0(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_comparison(replace(comparison, pairs=[replace(comparison.pairs[0], p_corrected=1e-9)]))
    assert " (p < 0.0001)\n" in text.getvalue()


def test_equal_runs_are_named_once_significant_pairs_come_first_and_the_others_are_a_line(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, _ = comparison.rows
    rows = [a, *(replace(a, letter=letter, run=letter) for letter in "BC"), *(replace(b, letter=x) for x in "DEFG")]
    shape = next(pair for pair in comparison.pairs if pair.first + pair.second == "AC")
    pairs = []
    for first, second in itertools.combinations("ABCDEFG", 2):
        equal = {first, second} <= set("ABC") or {first, second} <= set("EF")
        counts = {"only_first": 0, "only_second": 0} if equal else {"only_first": 9, "only_second": 4}
        p = 0.01 if second == "G" else 1.0
        pairs.append(replace(shape, first=first, second=second, difference=0.01, p_corrected=p, **counts))
    text = screen(monkeypatch)
    show_comparison(replace(comparison, rows=rows, pairs=pairs))
    verdicts = text.getvalue()[text.getvalue().index("Equal ") :].splitlines()
    assert verdicts[:4] == [
        "Equal        A, B and C have the same outputs",
        "Equal        E and F have the same outputs",
        "A – G        A is better than G (p = 0.0100)",
        f"             +0.0100 ({shape.low:+.4f} to {shape.high:+.4f}); only A right: 9 images, only G: 4",
    ]
    assert verdicts[4] == "A            does not differ significantly from D and E"
    assert "p and intervals allow for all 21 pairs (Holm).\n" in text.getvalue()
    text = screen(monkeypatch)
    show_comparison(replace(comparison, rows=rows, pairs=pairs), all_pairs=True)
    assert "B – D  " in text.getvalue() and "B – C  " not in text.getvalue() and "E – F  " not in text.getvalue()


def test_seeds_of_one_recipe_need_no_advice_to_train_several(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = comparison.rows[0]
    rows = [replace(row, settings={**first.settings, "seed": seed}) for seed, row in enumerate(comparison.rows)]
    for shown, expected in ((comparison.rows, True), (rows, False)):
        text = screen(monkeypatch)
        show_comparison(replace(comparison, rows=shown))
        assert ("Several seeds of each tell more" in text.getvalue()) is expected


def test_a_terminal_of_forty_columns_shows_scores_and_forecasts_of_many_runs_as_tables(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = comparison.rows[0]
    rows = [
        replace(first, letter=letter, run=f"20261124-2000{n:02}-fast", folds=first.folds * 2, score=0.9667)
        for n, letter in enumerate("ABCDEFGHIJ")
    ]
    rows = [
        replace(row, settings={**row.settings, "epochs": 8 + n, "dropout": n / 10, "seed": n})
        for n, row in enumerate(rows)
    ]
    text = screen(monkeypatch, width=40, terminal=True)
    show_comparison(replace(comparison, rows=rows, pairs=[]))
    lines = text.getvalue().splitlines()
    assert len(lines) < 70 and max(map(len, lines)) <= 40
    assert "A            20261124-200000-fast," in lines
    assert "             dropout 0, epochs 8, seed 0" in lines
    start = f" A  {first.cv_accuracy:.4f} ± {first.cv_accuracy_std:.4f}  {first.oof_accuracy:.4f}"
    assert any(line.startswith(start) for line in lines)
    forecast = first.forecast
    assert f" A  0.9667  {forecast.expected:.4f} ({forecast.low:.4f}–{forecast.high:.4f})" in map(str.rstrip, lines)
    hidden = " ".join(text.getvalue().partition("Hidden")[2].split())
    assert hidden.startswith("seconds, accuracies of members (use a wider terminal, --csv or --json)")


def test_a_blends_parents_are_shown_with_the_names_that_they_were_given(
    submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run, name in (("20261124-200000-a", "first"), ("20261124-200001-b", "second")):
        write_labels(submissions / run, Labels(name=name))
    blended = blend_runs(["a", "b"], submissions)
    text = screen(monkeypatch)
    show_blend(blended, gain_of(blended))
    assert "0.500   20261124-200000-a (first)" in text.getvalue()
    assert re.search(r"^Best parent  OOF accuracy .*(-a \(first\)|-b \(second\))$", text.getvalue(), re.MULTILINE)
    (submissions / "20261124-200000-a" / "labels.json").write_text("{")  # the blend is written already
    show_blend(blended, gain_of(blended))
    assert "0.500   20261124-200000-a\n" in re.sub(" +\n", "\n", text.getvalue())


def test_scores_outside_their_forecast_are_named(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c = comparison.rows
    rows = [replace(a, score=0.95, forecast=Forecast(0.9, 0.89, 0.91)), replace(b, score=b.forecast.expected), c]
    text = screen(monkeypatch)
    show_comparison(replace(comparison, rows=rows))
    assert "Scores within their interval: 1 of 2 (not A).\n" in text.getvalue()


def test_many_members_are_shown_by_their_range(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [replace(row, folds=[0.9 + i / 1000 for i in range(25)]) for row in comparison.rows]
    text = screen(monkeypatch)
    show_comparison(replace(comparison, rows=rows))
    assert [line.split() for line in text.getvalue().splitlines() if line.split()[:2] == ["A", "25"]] == [
        ["A", "25", "0.9000", "0.9240"]
    ]


def test_csv_has_a_column_for_each_member(comparison: Comparison, capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(comparison)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["run"] for row in rows] == [row.run for row in comparison.rows]
    assert [float(rows[0][f"member_{i}"]) for i in range(3)] == comparison.rows[0].folds


def test_removed_runs_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_removed([Path("submissions/a"), Path("submissions/b")])
    assert text.getvalue() == "Removed      submissions/a\nRemoved      submissions/b\n"
