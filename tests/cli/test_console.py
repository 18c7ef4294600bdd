import io

import pytest
from rich.console import Console

from kaggle_mnist.cli import console
from kaggle_mnist.cli.screens import training as screens
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.submission import Verdict


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until a test moves it."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def screen(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> io.StringIO:
    text = io.StringIO()
    width_100 = Console(file=text, force_terminal=terminal, width=100, soft_wrap=True, highlight=False)
    monkeypatch.setattr(console, "console", width_100)
    monkeypatch.setattr(screens, "console", width_100)
    return text


def test_without_a_terminal_progress_is_a_line_now_and_then(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = screen(monkeypatch, terminal=False)
    with console.Watcher() as progress:
        for epoch in range(31):
            clock[0] = epoch * 4.0
            progress("Training", epoch, 30, f"CV accuracy 0.{90 + epoch}")
    lines = text.getvalue().splitlines()
    assert lines[0] == "Training     3/30 CV accuracy 0.93, 1:48 left"
    assert lines[-1] == "Training     30/30 CV accuracy 0.120, 0:00 left"
    assert len(lines) == 10


def test_a_quick_job_needs_no_lines(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, terminal=False)
    with console.Watcher() as progress:
        for done in range(4):
            clock[0] = done * 0.5
            progress("Reading", done, 3)
    assert text.getvalue() == ""


def test_a_terminal_shows_a_bar_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, terminal=True)
    with console.Watcher() as progress:
        progress("Training", 0, 2)
        progress("Training", 1, 2, "CV accuracy 0.9876")
    assert all(piece in text.getvalue() for piece in ("Training", "━", "1/2", "CV accuracy 0.9876", "left"))


def test_many_reasons_to_refuse_are_counted(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, terminal=False)
    screens.show_verdict(tmp_path / "s.csv", Verdict(errors=[f"row {i}: odd" for i in range(2, 102)]), 28_000)
    assert "row 41: odd" in text.getvalue()
    assert "… and 60 more" in text.getvalue()
    assert "Kaggle would reject it" in text.getvalue()


def test_names_cannot_drive_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, terminal=True)
    console.say("Submission", "a\x1b[31m\n[red]b")
    assert text.getvalue() == "Submission   a\\x1b[31m\\n[red]b\n"


def test_recipes_fit_a_narrow_terminal_and_are_explained_on_a_wide_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for width in (80, 120):
        text = io.StringIO()
        narrow_or_wide = Console(file=text, force_terminal=True, width=width, color_system=None)
        monkeypatch.setattr(console, "console", narrow_or_wide)
        monkeypatch.setattr(screens, "console", narrow_or_wide)
        screens.show_recipes()
        assert all(field in text.getvalue() for field in Recipe.model_fields)
        assert "…" not in text.getvalue()
        assert max(map(len, text.getvalue().splitlines())) <= width
        assert ("passes over the images" in text.getvalue()) == (width == 120)
