"""What `compare --by recipe` prints."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kaggle_mnist.cli.console import dropped, new_table, say, say_hidden, show_table
from kaggle_mnist.cli.screens.differences import Line, note_dropped, show_differences
from kaggle_mnist.significance import format_p
from kaggle_mnist.utils.words import plural

if TYPE_CHECKING:
    from rich.table import Table

    from kaggle_mnist.compare_recipes import RecipeComparison, RecipePair, RecipeRow

MAX_RECIPES = 20  # lines; --csv lists all
MAX_SEEDS = 10  # columns; with more seeds, only their number is shown


def show(comparison: RecipeComparison, *, as_csv: bool, as_json: bool) -> None:
    """Print the recipes and how they compare, for a person or as CSV or JSON."""
    if as_csv:
        _print_csv(comparison)
    elif as_json:
        print(json.dumps(comparison.as_dict(), indent=2))
    else:
        _show(comparison)


def _show(comparison: RecipeComparison) -> None:
    rows = comparison.rows[:MAX_RECIPES]
    show_differences("recipe", [Line(row.letter, row.recipe, row.recipe, row.settings) for row in rows])
    if more := len(comparison.rows) - len(rows):
        say("", f"… and {more:,} more, none with a higher mean; --csv lists all recipes, --json also all pairs")
    seeds = sorted({seed for row in rows for seed in row.accuracies})
    cells = [_cells(row, seeds if len(seeds) <= MAX_SEEDS else []) for row in rows]

    def table_of(names: list[str]) -> Table:
        table = new_table("", *names, numbers=True)
        for row, values in zip(rows, cells, strict=True):
            table.add_row(row.letter, *(values[name] for name in names))
        return table

    shown = [*cells[0]]
    hidden = dropped(shown, [*[name for name in shown if name.startswith("seed ")][::-1], "seconds"], table_of)
    show_table(table_of(shown))
    say_hidden(hidden)
    letters = {row.letter for row in rows}
    pairs = [pair for pair in comparison.pairs if {pair.first, pair.second} <= letters]
    tested = [pair for pair in pairs if pair.difference]
    for pair in tested:
        _show_pair(pair)
    if few := len(pairs) - len(tested):
        if len(pairs) == 1:
            say(f"{pairs[0].first} – {pairs[0].second}", f"{pairs[0].verdict}; train both with the same ones")
        else:
            say("Not tested", f"{few:,} of {plural(len(pairs), 'pair')}: fewer than two seeds in common;")
            say("", "train these recipes with the same seeds, `train --seeds 0..4`")
    if tested:
        say("", "Accuracies are out of fold; p and intervals: paired t-test over the common seeds,")
        say("", f"Holm-corrected for {plural(sum(pair.difference is not None for pair in comparison.pairs), 'pair')}.")
    if len({row.data for row in comparison.rows}) > 1:
        say("Note", "not all recipes were trained on the same digits; only those that were are compared")
    for row in rows:
        if row.runs > len(row.accuracies):
            seeds_of = plural(len(row.accuracies), "seed")
            say(
                "Note",
                f"{row.letter} has {row.runs:,} runs with {seeds_of}; of those with the same one, the newest counts",
            )
    if any(row.settings["dropped"] for row in comparison.rows):
        note_dropped()
    if comparison.blends:
        say("Skipped", f"{plural(comparison.blends, 'blend')}: a blend has no recipe")
    for problem in comparison.passed_over[:MAX_RECIPES]:
        say("Skipped", problem)


def _cells(row: RecipeRow, seeds: Sequence[int]) -> dict[str, str]:
    spread = "·" if row.spread is None else f"{row.spread:.4f}"
    cells = {
        "seeds": f"{len(row.accuracies)}",
        "mean": f"{row.mean:.4f}",
        "SD": spread,
        "seconds": f"{row.seconds:.0f}",
    }
    by_seed = {seed: f"{accuracy:.4f}" for seed, accuracy in row.accuracies.items()}
    return {**cells, **{f"seed {seed}": by_seed.get(seed, "·") for seed in seeds}}


def _show_pair(pair: RecipePair) -> None:
    difference, label = pair.difference, f"{pair.first} – {pair.second}"
    assert difference is not None and pair.p_corrected is not None
    say(label, f"{pair.verdict} (p {format_p(pair.p_corrected)})")
    say("", f"{difference.mean:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}) over {difference.seeds} seeds")


def _print_csv(comparison: RecipeComparison) -> None:
    """Print one row per recipe, with a column for each seed."""
    seeds = sorted({seed for row in comparison.rows for seed in row.accuracies})
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["recipe", "seeds", "mean", "spread", "seconds", "differs", *(f"seed_{seed}" for seed in seeds)])
    for row in comparison.rows:
        values = (row.recipe, len(row.accuracies), row.mean, row.spread, row.seconds, json.dumps(row.differs))
        writer.writerow([*values, *(row.accuracies.get(seed) for seed in seeds)])
