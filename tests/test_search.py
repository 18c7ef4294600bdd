"""Searches on real digits with networks that train in a second; `tests/cli/test_search.py` kills one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from kaggle_mnist.data import practice as practice_set
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs import record
from kaggle_mnist.search import SearchResult, resume_search, search
from kaggle_mnist.significance import paired_difference
from kaggle_mnist.training.cross_validation import cross_validate
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.trials.budget import SearchState
from kaggle_mnist.trials.folder import SearchFolder
from kaggle_mnist.utils.errors import BadData, BadOption, BadRun, Diverged
from tests.conftest import TINY

SLOW = TINY.replaced(name="slow", learning_rate=1e-4)  # far from the best: any search improves on it
SPACE = ["learning_rate=1e-4..1e-1:log", "hidden=[[32], [48]]"]
QUICK: dict[str, Any] = {"folds": 3, "seeds": 3, "output": "submissions"}


@pytest.fixture(scope="module")
def small(few: Digits) -> Digits:
    return few.head(400, 40)


@pytest.fixture(scope="module")
def found(small: Digits, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A search of eight trials."""
    output = tmp_path_factory.mktemp("search") / "submissions"
    return search(SLOW, SPACE, input=small, trials=8, folds=3, seeds=3, output=output)


def test_every_trial_is_scored_on_the_same_folds(found: SearchResult, small: Digits) -> None:
    table = found.trials
    assert len(table) == 8 and set(table.state) <= {"finished", "pruned"}
    fold_of = assign_folds(small.train_labels, n_splits=3, seed=0)
    for row in table[table.state == "finished"].head(3).itertuples():
        recipe = SLOW.replaced(learning_rate=row.learning_rate, hidden=tuple(tomllib.loads(f"x = {row.hidden}")["x"]))
        oof = cross_validate(small, recipe, fold_of).oof_outputs[0]
        assert row.accuracy == (oof.argmax(1) == small.train_labels).mean()


def test_the_first_trial_is_the_start(found: SearchResult) -> None:
    assert found.trials.learning_rate[0] == SLOW.learning_rate
    assert found.trials.state[0] == "finished"


def test_the_best_recipe_is_confirmed_with_fresh_seeds_and_becomes_a_run(found: SearchResult, small: Digits) -> None:
    assert found.best is not None and found.confirmation is not None and found.run is not None
    confirmation = found.confirmation
    assert len(confirmation.best) == len(confirmation.start) == 3
    assert confirmation.difference == paired_difference(confirmation.best, confirmation.start, len(small.train_labels))
    assert confirmation.is_better  # from a learning rate of 1e-4
    assert confirmation.luck == pytest.approx(confirmation.apparent - confirmation.difference.mean)
    best = found.trials[found.trials.state == "finished"].accuracy.max()
    assert confirmation.apparent == pytest.approx(best - found.trials.accuracy[0])

    again = find_recipe(f"{found.path / 'recipe.toml'}")
    assert again == found.best
    assert found.run.record.recipe == again
    assert found.run.record.seed == 1  # the search had seed 0
    assert found.run.record.scores.oof_accuracy == confirmation.best[0]
    assert found.run.record.scores.withheld_accuracy is None
    assert found.run.path.parent == found.path.parent
    fold_of = assign_folds(small.train_labels, n_splits=3, seed=3)
    for recipe, accuracies in ((SLOW, confirmation.start), (again, confirmation.best)):
        oof = cross_validate(small, recipe, fold_of, 3).oof_outputs[0]
        assert accuracies[2] == (oof.argmax(1) == small.train_labels).mean()


def test_the_folder_has_optunas_journal_a_table_and_a_page_that_needs_nothing_else(found: SearchResult) -> None:
    storage = JournalStorage(JournalFileBackend(f"{found.path / 'journal.log'}"))
    study = optuna.load_study(study_name=None, storage=storage)
    assert len(study.trials) == 8
    assert study.best_value == found.trials.accuracy.max()
    written = pd.read_csv(found.path / "trials.csv")
    assert written.accuracy.tolist() == pytest.approx(found.trials.accuracy.tolist(), nan_ok=True)
    page = (found.path / "report.html").read_text()
    assert "is better than slow" in page
    assert len(page) < 200_000  # plotly.js alone had 4.8 MB
    assert not re.search(r"""<(script|link|img)[^>]+(src|href)=["']?http""", page)


def test_the_same_search_gives_the_same_trials(found: SearchResult, small: Digits) -> None:
    again = search(SLOW, SPACE, input=small, trials=4, **QUICK)
    columns = ["learning_rate", "hidden", "state"]
    pd.testing.assert_frame_equal(again.trials[columns], found.trials[columns].head(4))


def interrupt_after(trials: int, in_the_middle: bool) -> Callable[[SearchState], None]:
    """Ctrl-C once so many trials are over, or an epoch after the next one has begun."""

    def watch(state: SearchState) -> None:
        running = bool((state.trials.state == "running").any())
        if state.done >= trials and not state.to_confirm and running == in_the_middle:
            raise KeyboardInterrupt

    return watch


@pytest.mark.parametrize("in_the_middle", [True, False])
def test_an_interrupted_search_goes_on_as_it_would_have_done(
    found: SearchResult, small: Digits, in_the_middle: bool
) -> None:
    with pytest.raises(KeyboardInterrupt, match=r"kaggle-mnist search .* --resume"):
        search(SLOW, SPACE, input=small, trials=8, on_change=interrupt_after(3, in_the_middle), **QUICK)
    [folder] = Path("submissions").glob("*-search-slow")
    before = pd.read_csv(folder / "trials.csv")
    assert len(before[before.state != "running"]) == 3
    resumed = resume_search(input=small)
    over = resumed.trials[resumed.trials.state != "failed"]
    columns = ["learning_rate", "hidden", "accuracy", "state"]
    pd.testing.assert_frame_equal(over[columns].reset_index(drop=True), found.trials[columns], check_dtype=False)
    assert resumed.confirmation == found.confirmation


def test_a_confirmation_that_was_interrupted_goes_on(found: SearchResult, small: Digits) -> None:
    def watch(state: SearchState) -> None:
        if state.confirmed == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="--resume"):
        search(SLOW, SPACE, input=small, trials=8, on_change=watch, **QUICK)
    [folder] = Path("submissions").glob("*-search-slow")
    assert len(pd.read_csv(folder / "confirmation.csv")) == 3
    trained: list[int] = []
    resumed = resume_search(input=small, on_change=lambda state: trained.append(state.confirmed))
    assert min(trained) == 3
    assert resumed.confirmation == found.confirmation
    assert resumed.run is not None and resumed.run.path.exists()
    assert [path.name for path in Path("submissions").glob("*-slow-found")] == [resumed.run.name]


def test_a_search_killed_after_the_run_of_the_best_recipe_trains_no_second_one(
    found: SearchResult, small: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(self: SearchFolder, name: str, content: str) -> None:
        if name == "confirmation.csv":
            raise KeyboardInterrupt
        write(self, name, content)

    write = SearchFolder.write
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SearchFolder, "write", kill)
        search(SLOW, SPACE, input=small, trials=8, **QUICK)
    [before] = Path("submissions").glob("*-slow-found")
    resumed = resume_search(input=small)
    assert resumed.confirmation == found.confirmation
    assert [*Path("submissions").glob("*-slow-found")] == [before]
    assert resumed.run is not None and resumed.run.path == before


def test_a_finished_search_goes_on_with_a_larger_budget(small: Digits) -> None:
    first = search(SLOW, SPACE, input=small, trials=2, **QUICK)
    more = resume_search(input=small, trials=3)
    assert more.path == first.path
    assert len(more.trials) == 3


def test_a_start_outside_the_space_is_scored_too(small: Digits) -> None:
    found = search(SLOW, ["learning_rate=5e-3..1e-1:log"], input=small, trials=1, **QUICK)
    assert len(found.trials) == 1
    assert found.trials.learning_rate[0] >= 5e-3
    assert found.confirmation is not None and found.confirmation.apparent > 0


def test_a_space_that_is_used_up_ends_the_search(small: Digits) -> None:
    found = search(TINY, ["hidden=[[48], [32], [24]]"], input=small, trials=30, **QUICK)
    tried = found.trials[found.trials.state != "failed"]
    assert sorted(tried.hidden) == ["[24]", "[32]", "[48]"]


def test_a_trial_that_cannot_be_trained_is_noted_and_the_search_goes_on(small: Digits) -> None:
    found = search(TINY, ["learning_rate=[5e-3, 1e30, 1e-2]"], input=small, trials=3, **QUICK)
    failed = found.trials[found.trials.state == "failed"]
    assert len(failed) == 1
    assert "the loss of epoch" in failed.reason.iloc[0]


def test_a_field_named_as_a_column_of_the_table_stays_apart(small: Digits) -> None:
    found = search(TINY, ["epochs=[2, 3]"], input=small, trials=2, **QUICK)
    assert found.trials.columns.is_unique
    assert found.trials.epochs.tolist() == ["2", "3"] or found.trials.epochs.tolist() == ["3", "2"]


def test_a_start_that_cannot_be_trained_ends_the_search_with_its_reason(small: Digits) -> None:
    start = TINY.replaced(learning_rate=1e30)
    with pytest.raises(Diverged, match="the loss of epoch"):
        search(start, ["hidden=[[32], [48]]"], input=small, trials=2, **QUICK)
    assert not list(Path("submissions").iterdir())


def test_a_trial_that_kills_the_search_again_and_again_is_given_up(small: Digits) -> None:
    def kill(state: SearchState) -> None:
        if (state.trials.state == "running").any():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(SLOW, SPACE, input=small, trials=3, on_change=kill, **QUICK)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            resume_search(input=small, on_change=kill)
    found = resume_search(input=small)
    assert found.trials.state.tolist()[:2] == ["finished", "failed"]
    assert found.trials.reason[1] == "the search was killed 3 times while it ran"


def test_a_name_as_long_as_a_folder_allows_leaves_room_for_the_best(small: Digits) -> None:
    found = search(SLOW.replaced(name="\N{CJK UNIFIED IDEOGRAPH-20000}" * 45), SPACE, input=small, trials=8, **QUICK)
    assert found.run is not None


def test_nothing_better_is_said_to_be_nothing(small: Digits) -> None:
    found = search(TINY, ["learning_rate=[5e-3, 1e-9]"], input=small, trials=2, **QUICK)
    assert (found.best, found.confirmation, found.run) == (None, None, None)
    assert "No trial was better than tiny" in (found.path / "report.html").read_text()


def test_minutes_end_the_trials_in_time_for_the_confirmation(small: Digits) -> None:
    found = search(SLOW, SPACE, input=small, minutes=1e-6, **QUICK)
    assert len(found.trials) == 1


def test_a_clearly_worse_trial_is_pruned(small: Digits) -> None:
    recipe = TINY.replaced(epochs=8)
    found = search(recipe, ["learning_rate=[5e-3, 6e-3, 7e-3, 8e-3, 1e-7, 1e-8, 1e-9]"], input=small, trials=7, **QUICK)
    pruned = found.trials[found.trials.state == "pruned"]
    assert len(pruned) and (pruned.trained_epochs < 8).all()


def test_the_withheld_labels_stay_closed(small: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the digits are the practice set."""
    monkeypatch.setattr(record, "is_practice", lambda digits: True)
    monkeypatch.setattr(practice_set, "open_withheld_labels", lambda: pytest.fail("opened"))
    found = search(SLOW, SPACE, input=small, trials=6, **QUICK)
    assert found.run is not None and found.run.record.data.practice


def test_other_digits_are_refused(small: Digits, few: Digits) -> None:
    search(TINY, ["learning_rate=[5e-3, 1e-9]"], input=small, trials=1, **QUICK)
    with pytest.raises(BadData, match="400 labeled and 40 unlabeled images then"):
        resume_search(input=few)


def test_what_cannot_be_searched_is_refused_before_anything_runs(small: Digits) -> None:
    with pytest.raises(BadOption, match="0 trials: must be at least 1"):
        search(TINY, SPACE, input=small, trials=0)
    with pytest.raises(BadOption, match="-1 minutes: must be a number above 0"):
        search(TINY, SPACE, input=small, minutes=-1)
    with pytest.raises(BadOption, match="2 seeds: a confirmation needs from 3 to 1000"):
        search(TINY, SPACE, input=small, seeds=2)
    with pytest.raises(BadRun, match="no search here"):
        resume_search()
    assert not list(Path.cwd().glob("submissions/*"))


def test_seeds_of_the_confirmation_share_no_folds_with_the_search() -> None:
    labels = np.tile(np.arange(10), 30)
    recipe = Recipe(vary=({}, {"hidden": (30,)}, {"hidden": (20,)}))
    step = len(recipe.variants)
    drawn = [assign_folds(labels, n_splits=3, repeats=step, seed=step * i) for i in range(4)]
    rows = [row.tobytes() for folds in drawn for row in folds]
    assert len(set(rows)) == len(rows)
