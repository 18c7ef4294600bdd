"""What `compare --by recipe` prints."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING

from kaggle_mnist.cli.console import new_table, say, show_table
from kaggle_mnist.cli.screens.differences import Line, show_differences
from kaggle_mnist.significance import format_p
from kaggle_mnist.utils.words import plural

if TYPE_CHECKING:
    from kaggle_mnist.compare_recipes import RecipeComparison, RecipePair

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
    shown = seeds if len(seeds) <= MAX_SEEDS else []
    table = new_table("", "seeds", "mean", "SD", "s", *(f"seed {seed}" for seed in shown), numbers=True)
    for row in rows:
        spread = "·" if row.spread is None else f"{row.spread:.4f}"
        by_seed = (f"{row.accuracies[seed]:.4f}" if seed in row.accuracies else "·" for seed in shown)
        table.add_row(row.letter, f"{len(row.accuracies)}", f"{row.mean:.4f}", spread, f"{row.seconds:.0f}", *by_seed)
    show_table(table)
    letters = {row.letter for row in rows}
    pairs = [pair for pair in comparison.pairs if {pair.first, pair.second} <= letters]
    for pair in pairs:
        _show_pair(pair)
    if any(pair.difference for pair in pairs):
        say("", "Accuracies are out of fold; p and intervals: paired t-test over the common seeds,")
        say("", f"Holm-corrected for {plural(len(comparison.pairs), 'pair')}.")
    if len({row.data for row in comparison.rows}) > 1:
        say("Note", "not all recipes were trained on the same digits; only those that were are compared")
    for problem in comparison.passed_over[:MAX_RECIPES]:
        say("Skipped", problem)


def _show_pair(pair: RecipePair) -> None:
    difference, label = pair.difference, f"{pair.first} – {pair.second}"
    if difference is None or pair.p_corrected is None:
        say(label, f"{pair.verdict}; train both with the same ones")
        return
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
