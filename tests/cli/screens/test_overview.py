"""What runs and label print."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from kaggle_mnist.cli.screens.overview import show_namesakes, show_overview
from kaggle_mnist.forecast import Forecast
from kaggle_mnist.overview import Entry, Overview
from kaggle_mnist.runs.labels import Labels, write_labels
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

ALL = ["run", "CV", "forecast", "public", "recipe", "differs", "seconds", "note", "tags"]


def shown(
    monkeypatch: pytest.MonkeyPatch, *entries: Entry, width: int, terminal: bool = True, asked: Collection[str] = ()
) -> str:
    text = screen(monkeypatch, width=width, terminal=terminal)
    show_overview(Overview(list(entries), len(entries)), Path("submissions"), asked)
    return text.getvalue()


def test_a_run_has_a_line_with_its_scores_what_differs_and_its_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, WIDE, BLEND, width=200)
    first, second, third = text.splitlines()[3:6]
    assert first.split()[:5] == ["20261126-104051-mlp", "0.9958", "0.9962", "0.99667", "mlp"]
    assert "hidden [2048, 1024], epochs 60, seed 1, folds 10 and 1 more" in first
    assert "180  twice as many units in both layers, for once  good, slow" in first
    assert second.strip() == "(wide)"
    assert third.split() == ["20261126-104119-blend", "0.9957", "·", "·", "blend", "3", "runs", "averaged", "·"]
    assert text.splitlines()[1].split() == [
        "run",
        "CV",
        "forecast",
        "public",
        "recipe",
        "differs",
        "seconds",
        "note",
        "tags",
    ]
    assert text.endswith("Total        2 runs, 39 MB\n")


def test_a_name_that_the_folder_has_already_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    named = replace(WIDE, path=Path("submissions/20261126-104051-wide"))
    assert "(wide)" not in shown(monkeypatch, named, width=200)


@pytest.mark.parametrize(
    ("width", "columns", "left_out"),
    [
        (105, "run CV forecast public recipe differs note tags", "seconds"),
        (90, "run CV forecast public differs note", "seconds, recipe, tags"),
        (80, "run CV public differs note", "seconds, recipe, tags, forecast"),
        (60, "run CV public differs", "seconds, recipe, tags, forecast, note"),
        (40, "run CV public", "seconds, recipe, tags, forecast, note, differs"),
    ],
)
def test_columns_give_way_in_a_narrow_terminal_and_are_named(
    width: int, columns: str, left_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(monkeypatch, WIDE, BLEND, width=width).splitlines()
    assert lines[1].split() == columns.split()
    assert max(map(len, lines)) <= width
    last = " ".join("\n".join(lines).partition("Hidden")[2].split())
    assert last == f"{left_out} (use a wider terminal, --csv or --json)"
    assert "…" not in "".join(lines)


@pytest.mark.parametrize(("width", "terminal"), [(80, True), (60, True), (40, True), (80, False), (60, False)])
def test_states_and_tags_are_wrapped_and_never_cropped(
    width: int, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = replace(WIDE, labels=Labels(tags=("good", "eve")), differs={"seed": 1}, public_score=None)
    stopped = replace(done, state="stopped after epoch 11 of 40", cv_accuracy=None, seconds=None, forecast=None)
    text = shown(monkeypatch, done, stopped, width=width, terminal=terminal, asked=["tags"])
    lines = text.splitlines()[: text.splitlines().index("Total        2 runs, 60 MB")]
    for column, expected in (("tags", "good, eve good, eve"), ("state", "finished stopped 11/40")):
        if column in lines[1].split():
            start = lines[1].index(column)
            cells = (re.split("  |$", line[start:])[0] for line in lines[3:])
            assert " ".join(" ".join(cells).split()) == expected
    assert "state" in lines[1].split() and (width == 40 or "tags" in lines[1].split())


def test_what_was_asked_for_is_the_last_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, WIDE, BLEND, width=80, asked=["tags", "seconds"])
    assert text.splitlines()[1].split() == ["run", "CV", "public", "differs", "seconds", "tags"]
    assert "Hidden       recipe, forecast, note (use a wider terminal, --csv or --json)\n" in text


def test_a_blend_of_one_run_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "1 run averaged" in shown(monkeypatch, replace(BLEND, parents=1), width=80)


def test_a_pipe_gets_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, WIDE, BLEND, width=40, terminal=False).splitlines()
    assert lines[1].split() == ALL


def test_an_interrupted_run_is_listed_with_how_to_resume_it_and_a_damaged_one_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = Entry(Path("elsewhere/a"), "stopped after epoch 3 of 30", 2_000_000, Labels())
    damaged = Entry(Path("elsewhere/b"), "damaged: elsewhere/b/run.json: is missing", 0, Labels())
    text = shown(monkeypatch, stopped, damaged, width=80)
    assert [line.split() for line in text.splitlines()[3:5]] == [
        ["a", "stopped", "3/30"],
        ["b", "damaged"],
    ]
    assert "Total        2 runs, 2 MB\n" in text
    assert "To resume    kaggle-mnist resume a --output elsewhere\n" in text
    assert "Damaged      elsewhere/b/run.json: is missing\n" in text


def test_names_that_other_runs_have_are_noted(submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for run, name in (("20261124-200000-a", "wide-0"), ("20261124-200001-b", "wide-1")):
        write_labels(submissions / run, Labels(name=name))
    text = screen(monkeypatch)
    show_namesakes([Labels(), Labels(name="narrow"), Labels(name="wide")], submissions)
    assert text.getvalue() == ""
    show_namesakes([Labels(name="wide-0"), Labels(name="wide-2")], submissions)
    assert "another run is called wide-0, too; `kaggle-mnist label` gives one another name\n" in text.getvalue()
    show_namesakes([Labels(name=f"wide-{seed}") for seed in range(3)], submissions)
    assert "other runs are called wide-0 and wide-1, too; `kaggle-mnist label` gives them" in text.getvalue()
