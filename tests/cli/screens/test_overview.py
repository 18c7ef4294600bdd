"""What runs and label print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kaggle_mnist.cli.screens.overview import show_overview
from kaggle_mnist.forecast import Forecast
from kaggle_mnist.overview import Entry, Overview
from kaggle_mnist.runs.labels import Labels
from tests.cli.screens.screen import screen

WIDE = Entry(
    Path("submissions/20261126-104051-mlp"),
    "finished",
    30_000_000,
    Labels(name="wide", note="twice as many units in both layers, for once", tags=("good", "slow")),
    recipe="mlp",
    like="mlp",
    differs={"hidden": [2048, 1024], "epochs": 60, "seed": 1, "folds": 10, "repeats": 2},
    cv_accuracy=0.99581,
    forecast=Forecast(0.9962, 0.995, 0.9971),
    public_score=0.99667,
    seconds=180.4,
)
BLEND = Entry(
    Path("submissions/20261126-104119-blend"),
    "finished",
    9_000_000,
    Labels(),
    recipe="blend",
    parents=3,
    cv_accuracy=0.99571,
)


def shown(monkeypatch: pytest.MonkeyPatch, *entries: Entry, width: int, terminal: bool = True) -> str:
    text = screen(monkeypatch, width=width, terminal=terminal)
    show_overview(Overview(list(entries), len(entries)), Path("submissions"))
    return text.getvalue()


def test_a_run_has_a_line_with_its_scores_what_differs_and_its_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, WIDE, BLEND, width=200)
    first, second, third = text.splitlines()[3:6]
    assert first.split()[:5] == ["20261126-104051-mlp", "0.9958", "0.9962", "0.99667", "mlp"]
    assert "hidden [2048, 1024], epochs 60, seed 1, folds 10 and 1 more" in first
    assert "180  twice as many units in both layers, for once  good, slow" in first
    assert second.strip() == "(wide)"
    assert third.split() == ["20261126-104119-blend", "0.9957", "·", "·", "blend", "3", "runs", "averaged", "·"]
    assert text.splitlines()[1].split() == ["run", "CV", "forecast", "public", "recipe", "differs", "s", "note", "tags"]
    assert text.endswith("Total        2 runs, 39 MB\n")


def test_a_name_that_the_folder_has_already_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    named = replace(WIDE, path=Path("submissions/20261126-104051-wide"))
    assert "(wide)" not in shown(monkeypatch, named, width=200)


@pytest.mark.parametrize(
    ("width", "columns", "left_out"),
    [
        (105, "run CV forecast public recipe differs note tags", "s"),
        (90, "run CV forecast public differs note", "s, recipe, tags"),
        (80, "run CV public differs note", "s, recipe, tags, forecast"),
        (60, "run CV public differs", "s, recipe, tags, forecast, note"),
        (40, "run CV public", "s, recipe, tags, forecast, note, differs"),
    ],
)
def test_columns_give_way_in_a_narrow_terminal_and_are_named(
    width: int, columns: str, left_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(monkeypatch, WIDE, BLEND, width=width).splitlines()
    assert lines[1].split() == columns.split()
    assert max(map(len, lines)) <= width
    last = " ".join("\n".join(lines).partition("Left out")[2].split())
    assert last == f"{left_out}: a wider terminal, --csv or --json shows them"
    assert "…" not in "".join(lines)


def test_a_pipe_gets_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, WIDE, BLEND, width=40, terminal=False).splitlines()
    assert lines[1].split() == ["run", "CV", "forecast", "public", "recipe", "differs", "s", "note", "tags"]


def test_an_interrupted_run_is_listed_with_how_to_resume_it_and_a_damaged_one_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = Entry(Path("elsewhere/a"), "stopped after epoch 3 of 30", 2_000_000, Labels())
    damaged = Entry(Path("elsewhere/b"), "damaged: elsewhere/b/run.json: is missing", 0, Labels())
    text = shown(monkeypatch, stopped, damaged, width=80)
    assert [line.split() for line in text.splitlines()[3:5]] == [
        ["a", "stopped", "after", "epoch", "3", "of", "30"],
        ["b", "damaged"],
    ]
    assert "Total        2 runs, 2 MB\n" in text
    assert "To resume    kaggle-mnist resume a --output elsewhere\n" in text
    assert "Damaged      elsewhere/b/run.json: is missing\n" in text
