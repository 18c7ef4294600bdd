"""The page of a search: its charts, at every size, and what axe-core says of it."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from kaggle_mnist.confirm import Confirmation
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.significance import paired_difference
from kaggle_mnist.trials.charts import progress_chart
from kaggle_mnist.trials.page import search_page
from kaggle_mnist.trials.space import Space
from kaggle_mnist.trials.study import Trials
from tests.report.browsing import PHONE, SCREENS, serious_findings
from tests.report.test_charts import lines_of
from tests.report.test_page import text_of

START = Recipe(name="slow", learning_rate=1e-3)
FIELDS = ["learning_rate=1e-4..1e-2:log", "hidden=[[1024, 512], [40], [50]]", "rotation=0..15"]
BEST, WORSE = (0.9912, 0.9921, 0.9917), (0.9901, 0.9905, 0.9904)
CONFIRMATION = Confirmation(WORSE, BEST, paired_difference(BEST, WORSE, 42_000), 0.002)


def page_of(folder: Path, *, number: int = 8, confirmation: Confirmation | None = CONFIRMATION) -> Path:
    """The page of a search with so many trials: every third is pruned, the last one failed."""
    trials = Trials(folder / "journal.log", Space.of(START, FIELDS), 0)
    for trial_number in range(number):
        proposal = trials.propose()
        assert proposal is not None
        trial, recipe = proposal
        accuracy = 0.99 - abs(recipe.learning_rate - 1e-3)
        pruned = trial_number % 3 == 2
        for epoch in range(1, 3 if pruned else 5):
            trial.report(accuracy - 0.1 / epoch, epoch)
        if trial_number == number - 1:
            trials.fail(trial, "the loss is not a number")
        else:
            trials.finish(trial, None if pruned else accuracy, 61.0)
    plan: Any = SimpleNamespace(start=START, folds=5, seed=0, data=SimpleNamespace(train_images=42_000))
    page = folder / "report.html"
    page.write_text(search_page("20261126-120000-search-slow", plan, trials, confirmation))
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_of(tmp_path_factory.mktemp("search"))


def test_the_page_says_what_was_found_and_what_was_tried(page: Path) -> None:
    text = text_of(page.read_text())
    assert "The best trial is better than slow" in text
    assert "Best trial 0.9917 mean of 3 seeds Start 0.9903 slow, same seeds Difference +0.0013" in text
    assert "8 trials: 5 finished, 2 pruned, 1 failed" in text
    assert "failed: the loss is not a number" in text
    for field in FIELDS:
        assert f"<h3>{field.split('=')[0]}" in page.read_text()
    assert "://" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", page.read_text())


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_search_of_few_trials_and_without_confirmation_has_a_page(tmp_path: Path, number: int) -> None:
    text = text_of(page_of(tmp_path, number=number, confirmation=None).read_text())
    assert "No trial was better than slow" in text
    assert "Confirmation" not in text


def test_the_best_accuracy_so_far_rises_in_steps() -> None:
    svg = progress_chart(pd.DataFrame({"trial": [0, 2, 5], "accuracy": [0.9, 0.95, 0.93]}), 7)
    assert lines_of(svg) == [("var(--accent)", "solid")]
    path = re.search(r'<path d="([^"]*)"[^>]*style="fill: none; stroke: var\(--accent\)', svg)
    assert path
    points = [tuple(map(float, point)) for point in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path[1])]
    assert all(here[0] == there[0] or here[1] == there[1] for here, there in pairwise(points))


@pytest.mark.parametrize(("screen", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_axe_core_finds_nothing_serious_and_a_phone_scrolls_one_way(
    open_page: Any, page: Path, screen: str, scheme: str
) -> None:
    shown = open_page(page, color_scheme=scheme, **SCREENS[screen])
    assert serious_findings(shown) == []
    for width in (PHONE["viewport"]["width"], 320):
        shown.set_viewport_size({"width": width, "height": 700})
        assert shown.evaluate("document.documentElement.scrollWidth") == width
