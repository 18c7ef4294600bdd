"""What compare, blend and runs --remove print."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from kaggle_mnist.cli.screens.runs import print_csv, show_comparison, show_removed
from kaggle_mnist.compare import Comparison, compare_runs
from kaggle_mnist.forecast import Forecast
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
