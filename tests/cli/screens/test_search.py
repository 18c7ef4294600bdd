"""A search in a terminal: the trials so far, and a line with the best and the time left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console

from kaggle_mnist.cli.console import Watcher
from kaggle_mnist.cli.screens.search import SearchScreen, _picture
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.search import search
from kaggle_mnist.trials.budget import SearchState
from tests.cli.screens.screen import screen
from tests.conftest import TINY

SLOW = TINY.replaced(epochs=1, learning_rate=1e-5)  # worse than what a search finds


@pytest.mark.parametrize("width", [100, 60])
def test_a_terminal_shows_the_best_trials_and_what_is_left(
    few: Digits, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaggle_mnist.cli.screens.search.REDRAWS", 1e9)
    text = screen(monkeypatch, width=width, terminal=True)
    states: list[SearchState] = []
    options = {"trials": 2, "folds": 3, "seeds": 3, "output": "submissions"}
    with Watcher() as watcher, SearchScreen(watcher) as shown:

        def show(state: SearchState) -> None:
            states.append(state)
            shown(state)

        search(SLOW, ["learning_rate=1e-3..1e-2"], input=few.head(300, 30), on_change=show, **options)  # type: ignore[arg-type]
    printed = text.getvalue()
    assert max(state.done for state in states) == 2
    for expected in ("Searching", "Confirming", "2 done of 2", "best 0.", " left", "accuracy", "running", "finished"):
        assert expected in printed
    assert f"{Path('submissions')}" in printed
    assert max(len(line) for line in printed.splitlines() if line.startswith(("     0  ", "     1  "))) <= width
    for narrower in (width, 40):
        text = screen(monkeypatch, width=narrower, terminal=True)
        colored = Console(file=text, force_terminal=True, width=narrower, color_system="256")
        colored.print(_picture(states[-1]))
        assert set(re.findall(r"\x1b\[([\d;]*)m", text.getvalue())) <= {"0", "1", "2", "38;5;31"}  # one colour
        lines = re.sub(r"\x1b\[[\d;]*m", "", text.getvalue()).splitlines()
        assert max(map(len, lines)) <= narrower
        assert "…" not in "".join(lines)
        assert re.fullmatch(r"Confirming .* 2 done of 2, (.*, )?\d+:\d\d left *", lines[-1])
