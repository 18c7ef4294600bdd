"""Lines, tables and progress."""

from __future__ import annotations

import time

import pytest

from kaggle_mnist.cli import console
from kaggle_mnist.training.cross_validation import EpochEnd, MemberEpoch
from tests.cli.screens.screen import screen


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until a test moves it."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_progress_is_a_line_every_ten_seconds(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = screen(monkeypatch)
    with console.Watcher() as progress:
        for epoch in range(31):
            clock[0] = epoch * 4.0
            progress("Training", epoch, 30, f"CV accuracy 0.{90 + epoch}")
    lines = text.getvalue().splitlines()
    assert lines[0] == "Training     3/30 CV accuracy 0.93, 1:48 left"
    assert lines[-1] == "Training     30/30 CV accuracy 0.120, 0:00 left"
    assert len(lines) == 10


def test_a_quick_job_prints_no_progress(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    with console.Watcher() as progress:
        for done in range(4):
            clock[0] = done * 0.5
            progress("Reading", done, 3)
    assert text.getvalue() == ""


def test_a_terminal_shows_a_bar_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, width=100, terminal=True)
    with console.Watcher() as progress:
        progress("Training", 0, 2)
        progress("Training", 1, 2, "CV accuracy 0.9876")
    assert all(piece in text.getvalue() for piece in ("Training", "━", "1/2", "CV accuracy 0.9876", "left"))


@pytest.mark.usefixtures("clock")
def test_the_first_epoch_says_how_long_training_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    member = MemberEpoch(0, 0, 0.001, 0.1, 0.1, 0.9)
    with console.Watcher() as watcher:
        for epoch in (1, 2):
            watcher.on_epoch(EpochEnd(epoch, 31, (member,), 4.1))
    assert text.getvalue() == "Expected     2:03 of training left, 4.1 s per epoch\n"


def test_epochs_of_one_repeat_are_not_compared_with_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    screen(monkeypatch, width=100, terminal=True)
    with console.Watcher() as watcher:
        watcher.curve.earlier = ("20261126-200000-mlp", {1: 0.9, 2: 0.95})
        for epoch, repeat in ((1, 0), (2, 1)):
            member = MemberEpoch(repeat, 0, 0.001, 0.1, 0.1, 0.9)
            watcher.on_epoch(EpochEnd(epoch, 4, (member,), 0.1, repeat_epoch=1))
        [line] = watcher._picture().plain.splitlines()
    assert "2/4  held-out accuracy 0.9000" in line


def test_names_cannot_control_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, terminal=True)
    console.say("Submission", "a\x1b[31m\n[red]b")
    assert text.getvalue() == "Submission   a\\x1b[31m\\n[red]b\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_narrow_terminal_cuts_no_number_and_no_name(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, width=20, terminal=terminal)
    table = console.new_table("CV accuracy", "run", numbers=True)
    table.columns[-1].no_wrap = False
    table.add_row("0.9510 ± 0.0050", "20261125-173638-fast of this evening")
    console.show_table(table)
    words = text.getvalue().split()
    assert {"0.9510", "±", "0.0050", "20261125-173638-fast", "evening"} <= set(words)
    assert "…" not in text.getvalue()
    assert "0.9510 ± 0.0050" in text.getvalue()


def test_a_table_that_does_not_fit_a_terminal_is_stacked(monkeypatch: pytest.MonkeyPatch) -> None:
    table = console.new_table("", "CV accuracy", "forecast", "score", numbers=True)
    table.add_row("A", "0.9947 ± 0.0003", "0.9953 (0.9941 to 0.9964)", "·")
    table.add_row("B", "0.9941 ± 0.0005", "0.9948 (0.9935 to 0.9960)", "0.9950")
    text = screen(monkeypatch, width=40, terminal=True)
    console.show_table(table)
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[:5] == [
        "",
        "             A",
        "CV accuracy  0.9947 ± 0.0003",
        "forecast     0.9953 (0.9941 to 0.9964)",
        "",
    ]
    assert "score        0.9950" in lines
    files = console.new_table("digit", "file", "output", numbers=True)
    files.columns[1].no_wrap = False
    files.add_row("7", "a scan of my notes, page 12.png", "0.98\n(sure)")
    text = screen(monkeypatch, width=21, terminal=True)
    console.show_table(files)
    assert text.getvalue().splitlines()[1:4] == ["digit   7", "file    a scan of my", "        notes, page"]
    assert text.getvalue().splitlines()[5:7] == ["output  0.98", "        (sure)"]
    text = screen(monkeypatch, width=40)
    console.show_table(table)
    assert any("0.9953 (0.9941 to 0.9964)" in line and "0.9947" in line for line in text.getvalue().splitlines())
