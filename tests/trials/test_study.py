from __future__ import annotations

from pathlib import Path

import pytest

from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.trials.space import Space
from kaggle_mnist.trials.study import Trials
from kaggle_mnist.utils.errors import BadRun

SPACE = Space.of(Recipe(learning_rate=1e-3), ["learning_rate=1e-4..1e-2:log", "hidden=[[30], [40], [50]]"])


def proposals(trials: Trials, n: int) -> list[tuple[float, tuple[int, ...]]]:
    found = []
    for _ in range(n):
        proposal = trials.propose()
        assert proposal is not None
        trial, recipe = proposal
        trials.finish(trial, recipe.learning_rate, 1.0)
        found.append((recipe.learning_rate, recipe.hidden))
    return found


def test_proposals_depend_on_seed_and_number_alone(tmp_path: Path) -> None:
    first = proposals(Trials(tmp_path / "a", SPACE, 3), 12)
    assert proposals(Trials(tmp_path / "b", SPACE, 3), 12) == first
    assert proposals(Trials(tmp_path / "c", SPACE, 4), 12) != first
    again: list[tuple[float, tuple[int, ...]]] = []
    for n in (5, 4, 3):  # as if the search had been interrupted twice
        again += proposals(Trials(tmp_path / "d", SPACE, 3), n)
    assert again == first


def test_a_trial_that_was_running_is_proposed_again(tmp_path: Path) -> None:
    expected = proposals(Trials(tmp_path / "a", SPACE, 3), 4)
    trials = Trials(tmp_path / "b", SPACE, 3)
    proposals(trials, 2)
    trials.propose()  # and killed
    assert proposals(Trials(tmp_path / "b", SPACE, 3), 2) == expected[2:]
    assert len(Trials(tmp_path / "b", SPACE, 3).all) == 4


def test_nothing_is_proposed_twice(tmp_path: Path) -> None:
    trials = Trials(tmp_path / "a", Space.of(Recipe(hidden=(30,)), ["hidden=[[30], [40], [50]]"]), 0)
    assert {hidden for _, hidden in proposals(trials, 3)} == {(30,), (40,), (50,)}
    assert trials.propose() is None


def test_half_a_line_of_a_process_that_was_killed_is_ignored(tmp_path: Path) -> None:
    expected = proposals(Trials(tmp_path / "a", SPACE, 3), 4)
    proposals(Trials(tmp_path / "b", SPACE, 3), 2)
    with (tmp_path / "b").open("a") as journal:
        journal.write('{"op_code": 6, "worker_id": "')
    assert proposals(Trials(tmp_path / "b", SPACE, 3), 2) == expected[2:]


def test_a_journal_that_is_damaged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("no JSON\n")
    with pytest.raises(BadRun, match="cannot be read as Optuna's journal"):
        Trials(tmp_path / "journal", SPACE, 0)
