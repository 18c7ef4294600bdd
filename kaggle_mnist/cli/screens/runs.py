"""What `compare`, `blend` and `runs` show."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING

from rich.markup import escape

from kaggle_mnist.cli.console import console, new_table, say
from kaggle_mnist.recipes.recipe import format_value
from kaggle_mnist.runs.run import as_argument
from kaggle_mnist.utils.errors import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from kaggle_mnist.compare import Comparison, Pair, Row
    from kaggle_mnist.runs.listing import RunStatus
    from kaggle_mnist.runs.run import Run

MEMBERS_BESIDE = 10  # columns of fold scores; with more members, least and greatest
SHOWN = 20  # runs; a search leaves hundreds, which --csv and --json print


def show_comparison(comparison: Comparison) -> None:
    """The best runs, their scores and folds, and what can be said of each beside the first."""
    rows = comparison.rows[:SHOWN]
    _show_names(rows)
    if more := len(comparison.rows) - len(rows):
        say("", f"… and {more:,} more, none with a better CV accuracy; --csv lists all runs, --json all pairs too.")
    table = new_table("", "CV accuracy", "OOF", "log loss", "score", "forecast", "s", numbers=True)
    for row in rows:
        cast = row.forecast
        table.add_row(
            row.letter,
            f"{row.cv_accuracy:.4f} ± {row.cv_accuracy_std:.4f}",
            f"{row.oof_accuracy:.4f}",
            f"{row.oof_log_loss:.4f}",
            "·" if row.score is None else f"{row.score:.4f}",
            f"{cast.expected:.4f} ({cast.low:.4f} to {cast.high:.4f})",
            "·" if row.seconds is None else f"{row.seconds:.0f}",
        )
    console.print(table)
    _show_folds(rows)
    _show_pairs(comparison)
    _explain(comparison.rows)
    for said in comparison.passed_over[:SHOWN]:
        say("Passed over", said)
    if more := len(comparison.passed_over[SHOWN:]):
        say("", f"… and {more:,} more; `kaggle-mnist runs` tells the state of each.")


def _show_names(rows: list[Row]) -> None:
    for row in rows:
        differs = ", ".join(f"{name} {format_value(value)}" for name, value in row.differs.items())
        say(row.letter, f"{row.run}{': ' if differs else ''}{differs}")


def _show_folds(rows: list[Row]) -> None:
    most = max(len(row.folds) for row in rows)
    if most > MEMBERS_BESIDE:
        table = new_table("", "members", "least", "greatest", numbers=True)
        for row in rows:
            table.add_row(row.letter, f"{len(row.folds)}", f"{min(row.folds):.4f}", f"{max(row.folds):.4f}")
    else:
        table = new_table("member", *(f"{member}" for member in range(most)), numbers=True)
        for row in rows:
            table.add_row(row.letter, *(f"{accuracy:.4f}" for accuracy in row.folds))
    console.print(table)


def _show_pairs(comparison: Comparison) -> None:
    if not comparison.same_data:
        say("Note", "these runs were made on different digits; only runs on the same ones can be compared by image")
    first, among = comparison.rows[0].letter, {row.letter for row in comparison.rows[:SHOWN]}
    shown = comparison.pairs
    if len(comparison.rows) > 4:
        shown = [pair for pair in comparison.pairs if pair.first == first and pair.second in among]
    for pair in shown:
        p = "p < 0.0001" if pair.p_corrected < 0.0001 else f"p = {pair.p_corrected:.4f}"
        say(f"{pair.first} – {pair.second}", f"{pair.verdict} ({p})")
        say("", _figures(pair))
    if comparison.pairs:
        number = len(comparison.pairs)
        corrected = f", corrected for {number:,} pairs (Holm)" if number > 1 else ""
        say("", f"Out of fold, image by image; p: McNemar's exact test{corrected}.")
        say("", "These are verdicts on runs; of a recipe, several seeds of each can tell.")


def _figures(pair: Pair) -> str:
    spread = f"{pair.difference:+.4f} ({pair.low:+.4f} to {pair.high:+.4f})"
    return f"{spread}: {pair.only_first:,} images only {pair.first} got right, {pair.only_second:,} only {pair.second}"


def _explain(rows: list[Row]) -> None:
    if any("blend of" in row.differs for row in rows) and len({len(row.folds) for row in rows}) > 1:
        say("", "A blend's CV accuracy is of outputs averaged over its parents' repeats, a run's is")
        say("", "not: beside runs with repeats, look at OOF.")
    earlier = max(row.forecast.earlier for row in rows)
    gain = f" and the ensemble's gain in earlier runs ({earlier} at most) promise" if earlier else " promises"
    say("", f"Forecast: the score that OOF accuracy{gain}, and its 95 % interval.")
    judged = [row for row in rows if row.score is not None]
    outside = [row.letter for row in judged if not row.forecast.low <= row.score <= row.forecast.high]  # type: ignore[operator]
    if judged:
        say("", f"Scores in their interval: {len(judged) - len(outside)} of {len(judged)}{_naming(outside)}.")


def _naming(letters: list[str]) -> str:
    more = f" and {len(letters) - SHOWN:,} more" if len(letters) > SHOWN else ""
    return f" (not {', '.join(letters[:SHOWN])}{more})" if letters else ""


def print_csv(comparison: Comparison) -> None:
    """A row a run, for a spreadsheet; the folds as columns."""
    most = max(len(row.folds) for row in comparison.rows)
    names = ["run", "recipe", "cv_accuracy", "cv_accuracy_std", "oof_accuracy", "oof_log_loss", "score", "forecast"]
    names += ["forecast_low", "forecast_high", "seconds", "differs", *(f"member_{member}" for member in range(most))]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for row in comparison.rows:
        cast, scores = row.forecast, (row.cv_accuracy, row.cv_accuracy_std, row.oof_accuracy, row.oof_log_loss)
        folds = [*row.folds, *[""] * (most - len(row.folds))]
        rest = (row.score, cast.expected, cast.low, cast.high, row.seconds, json.dumps(row.differs))
        writer.writerow([row.run, row.recipe, *scores, *rest, *folds])


def print_json(comparison: Comparison) -> None:
    """Everything, the pairs too."""
    print(json.dumps(comparison.as_dict(), indent=2))


def show_blend(run: Run) -> None:
    """The parents with their weights, and what became of them."""
    table = new_table("weight", "run")
    for parent in run.record.parents:
        table.add_row(f"{parent.weight:.3f}", escape(one_line(parent.run)))
    console.print(table)
    found = run.record.scores
    nested = " (weights nested in the folds)" if run.record.weights == "fit" else ""
    say("CV accuracy", f"{found.cv_accuracy:.4f} ± {found.cv_accuracy_std:.4f}{nested}")
    say("Log loss", f"{found.oof_log_loss:.4f}")
    if run.withheld_accuracy is not None:
        say("Withheld", f"{run.withheld_accuracy:.4f} on the {run.record.data.test_images:,} withheld labels")
    say("Submission", f"{run.submission}")


def show_shelf(shelved: list[RunStatus], output: Path) -> None:
    """Every run: state, size and CV accuracy; and how to go on with those that stopped."""
    if not shelved:
        say("Runs", f"{output} holds none; `kaggle-mnist train` makes one")
        return
    table = new_table("run", "CV", "MB", "state")
    for column in table.columns[1:3]:
        column.justify = "right"
    for run in shelved:
        accuracy = "·" if run.cv_accuracy is None else f"{run.cv_accuracy:.4f}"
        table.add_row(escape(one_line(run.path.name)), accuracy, f"{run.size / 1e6:.1f}", escape(one_line(run.state)))
    console.print(table)
    say("In all", f"{len(shelved)} runs, {sum(run.size for run in shelved) / 1e6:.0f} MB")
    for run in shelved:
        if run.state.startswith("stopped"):
            say("To go on", f"kaggle-mnist resume {as_argument(run.path)}")
