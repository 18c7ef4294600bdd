from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from scipy.stats import ttest_rel

from kaggle_mnist.blend import blend_runs
from kaggle_mnist.cli.screens.recipes import show
from kaggle_mnist.compare_recipes import compare_recipes
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.record import Record, parse_record
from kaggle_mnist.utils.errors import BadRun
from tests.cli.screens.screen import screen
from tests.conftest import reseal

GOOD, BAD = (0.950, 0.956, 0.953), (0.930, 0.944, 0.931)


def change(run: Path, **fields: object) -> Record:
    """Rewrite a run's record."""
    record = json.loads((run / "run.json").read_text())
    record |= {name: value for name, value in fields.items() if name != "oof_accuracy"}
    record["scores"]["oof_accuracy"] = fields["oof_accuracy"]
    (run / "run.json").write_text(json.dumps(record))
    reseal(run)
    return parse_record((run / "run.json").read_text())


@pytest.fixture
def seeds(submissions: Path) -> Path:
    """Three seeds of two recipes that differ in their hidden layer."""
    a, _, c = list_runs(submissions)
    for name, source, accuracies in (("a", a, GOOD), ("c", c, BAD)):
        for seed, accuracy in enumerate(accuracies):
            copy = shutil.copytree(source, Path("seeds") / f"{name}{seed}")
            change(copy, seed=seed, oof_accuracy=accuracy)
    return Path("seeds")


def test_seeds_of_a_recipe_are_one_line_and_recipes_are_compared_seed_by_seed(seeds: Path) -> None:
    comparison = compare_recipes([], seeds)
    good, bad = comparison.rows
    assert (good.letter, good.accuracies) == ("A", dict(enumerate(GOOD)))
    assert good.mean == pytest.approx(0.953)
    assert good.spread == pytest.approx(0.003)
    assert bad.differs["hidden"] == [16] and "seed" not in bad.differs
    [pair] = comparison.pairs
    expected = ttest_rel(GOOD, BAD)
    low, high = expected.confidence_interval(0.95)
    assert pair.difference is not None
    assert (pair.difference.p, pair.difference.low, pair.difference.high) == pytest.approx((expected.pvalue, low, high))
    assert pair.verdict == "A is better than B"


def test_only_seeds_that_both_have_are_compared(seeds: Path) -> None:
    shutil.rmtree(seeds / "c2")
    shutil.rmtree(seeds / "a0")
    [pair] = compare_recipes([], seeds).pairs
    assert pair.difference is None
    assert pair.verdict == "A and B have fewer than two seeds in common"
    change(seeds / "c0", seed=2, oof_accuracy=0.94)
    [pair] = compare_recipes([], seeds).pairs
    assert pair.difference is not None and pair.difference.seeds == 2


def test_other_digits_are_not_compared(seeds: Path) -> None:
    for run in seeds.glob("c*"):
        record = json.loads((run / "run.json").read_text())
        change(run, data={**record["data"], "fingerprint": "0" * 64}, oof_accuracy=0.99)
    comparison = compare_recipes([], seeds)
    assert len(comparison.rows) == 2 and comparison.pairs == []


def test_the_newest_of_two_runs_with_one_seed_counts(seeds: Path) -> None:
    again = shutil.copytree(seeds / "a0", seeds / "again")
    change(again, created="2027-01-01T00:00:00+00:00", oof_accuracy=0.5)
    assert {row.accuracies[0] for row in compare_recipes([], seeds).rows} == {0.5, BAD[0]}


def test_what_is_left_out_is_a_line_with_a_count(seeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (1, 2):
        again = shutil.copytree(seeds / "a0", seeds / f"again{seed}")
        change(again, created=f"2027-01-0{seed}T00:00:00+00:00", oof_accuracy=0.95)
        blend_runs(["a0", "a1"], seeds)
    for number in range(3):  # recipes with a single seed
        single = shutil.copytree(seeds / "a0", seeds / f"single{number}")
        recipe = json.loads((single / "run.json").read_text())["recipe"] | {"epochs": 20 + number}
        change(single, recipe=recipe, oof_accuracy=0.9)
    text = screen(monkeypatch)
    show(compare_recipes([], seeds), as_csv=False, as_json=False)
    shown = text.getvalue()
    assert "Note         A has 5 runs with 3 seeds; of those with the same one, the newest counts\n" in shown
    assert "Skipped      2 blends: a blend has no recipe\n" in shown and shown.count("Skipped") == 1
    assert "Not tested   9 of 10 pairs: fewer than two seeds in common;\n" in shown
    assert shown.count("in common") == 1 and "Holm-corrected for 1 pair.\n" in shown


def test_seed_columns_are_the_first_to_go_in_a_narrow_terminal(seeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, width=50, terminal=True)
    show(compare_recipes([], seeds), as_csv=False, as_json=False)
    assert ["seeds", "mean", "SD", "seconds", "seed", "0"] in [line.split() for line in text.getvalue().splitlines()]
    assert "Hidden seed 2, seed 1 (use a wider terminal, --csv or --json)" in " ".join(text.getvalue().split())
    assert max(map(len, text.getvalue().splitlines())) <= 50


def test_equal_accuracies_do_not_differ(seeds: Path) -> None:
    for seed in range(3):
        change(seeds / f"c{seed}", oof_accuracy=GOOD[seed])
    [pair] = compare_recipes([], seeds).pairs
    assert pair.verdict == "A and B do not differ significantly"
    assert pair.difference is not None and pair.difference.p == 1.0
    assert pair.difference.low < 0 < pair.difference.high


def test_a_folder_without_runs_says_so() -> None:
    with pytest.raises(BadRun, match="no finished run with a recipe here"):
        compare_recipes([], Path("nowhere"))
