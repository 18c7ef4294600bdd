"""What `compare`, `blend` and `runs --remove` print."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.markup import escape

from kaggle_mnist.cli.console import dropped, fits, new_table, say, say_hidden, show_table
from kaggle_mnist.cli.screens.differences import Line, note_dropped, show_differences
from kaggle_mnist.runs.labels import Labels, read_labels
from kaggle_mnist.settings import changed
from kaggle_mnist.significance import SIGNIFICANT, format_p
from kaggle_mnist.utils.errors import BadRun, one_line
from kaggle_mnist.utils.words import enumerated, plural

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

    from kaggle_mnist.blend import Gain
    from kaggle_mnist.compare import Comparison, Row
    from kaggle_mnist.runs.run import Run
    from kaggle_mnist.significance import Pair

MAX_MEMBERS = 10  # columns of fold accuracies; with more members, only the lowest and the highest
MAX_RUNS = 20  # a search leaves hundreds, which --csv and --json print


def show_comparison(
    comparison: Comparison, plot: Path | None = None, page: Path | None = None, *, all_pairs: bool = False
) -> None:
    """Print the best runs, their scores, their fold accuracies and how they compare; then `plot` and `page`, if any.

    Of the pairs, the best run with each other one are shown, unless `all_pairs` is set.
    """
    rows = comparison.rows[:MAX_RUNS]
    show_differences("run", [_line(row) for row in rows])
    _show_blends(rows)
    if more := len(comparison.rows) - len(rows):
        say("", f"… and {more:,} more, none with a higher OOF accuracy; --csv lists all runs, --json also all pairs")
    say_hidden([*_show_scores(rows), *_show_folds(rows)])
    _show_pairs(comparison, all_pairs)
    _explain(comparison.rows)
    for problem in comparison.passed_over[:MAX_RUNS]:
        say("Skipped", problem)
    if more := len(comparison.passed_over[MAX_RUNS:]):
        say("", f"… and {more:,} more; `kaggle-mnist runs` shows the state of each")
    if plot is not None:
        say("Plot", f"{plot}")
    if page is not None:
        say("Page", f"{page}{', without pictures of digits' if comparison.missing else ''}")
        for reason in comparison.missing:
            say("Note", reason)


def _line(row: Row) -> Line:
    return Line(row.letter, _with_name(row.run, row.labels), row.recipe, row.settings)


def _with_name(run: str, labels: Labels) -> str:
    """A run's folder, with the name that it was given unless the folder ends with it."""
    name = labels.name_beside(run)
    return f"{run} ({name})" if name else run


def _labels_of(run: Path) -> Labels:
    """A run's labels; none if they cannot be read."""
    with suppress(BadRun):
        return read_labels(run)
    return Labels()


def _show_blends(rows: list[Row]) -> None:
    letters = {row.run: row.letter for row in rows}
    for row in rows:
        if blended := row.differs.get("blend of"):
            parents = (parent.rpartition(" × ") for parent in blended)
            weighted = (f"{weight} × {letters.get(run, run)}" for run, _, weight in parents)
            say(row.letter, f"blend of {', '.join(weighted)}")


def _show_scores(rows: list[Row]) -> list[str]:
    """The scores; in a narrow terminal, the forecast is a table of its own. Returns what there was no room for."""
    cells = [_scores(row) for row in rows]

    def table_of(names: list[str]) -> Table:
        table = new_table("", *names, numbers=True)
        for row, values in zip(rows, cells, strict=True):
            table.add_row(row.letter, *(values[name] for name in names))
        return table

    shown = [name for name in cells[0] if any(values[name] != "·" for values in cells)]
    apart = dropped(shown, ("forecast", "score"), table_of)[::-1]
    hidden = dropped(shown, ("seconds", "log loss", "OOF"), table_of)
    show_table(table_of(shown))
    if apart:
        show_table(table_of(apart))
    return hidden


def _scores(row: Row) -> dict[str, str]:
    forecast = row.forecast
    return {
        "CV accuracy": f"{row.cv_accuracy:.4f} ± {row.cv_accuracy_std:.4f}",
        "OOF": f"{row.oof_accuracy:.4f}",
        "log loss": f"{row.oof_log_loss:.4f}",
        "score": "·" if row.score is None else f"{row.score:.4f}",
        "forecast": f"{forecast.expected:.4f} ({forecast.low:.4f}–{forecast.high:.4f})",
        "seconds": "·" if row.seconds is None else f"{row.seconds:.0f}",
    }


def _show_folds(rows: list[Row]) -> list[str]:
    """The accuracy of each member, if there is room. Returns what there was no room for."""
    most = max(len(row.folds) for row in rows)
    if most > MAX_MEMBERS:
        table = new_table("", "members", "lowest", "highest", numbers=True)
        for row in rows:
            table.add_row(row.letter, f"{len(row.folds)}", f"{min(row.folds):.4f}", f"{max(row.folds):.4f}")
    else:
        table = new_table("member", *(f"{member}" for member in range(most)), numbers=True)
        for row in rows:
            table.add_row(row.letter, *(f"{accuracy:.4f}" for accuracy in row.folds))
    if not fits(table):
        return ["accuracies of members"]
    show_table(table)
    return []


def _show_pairs(comparison: Comparison, all_pairs: bool) -> None:
    if not comparison.same_data:
        say("Note", "these runs use different digits; only runs on the same digits are compared image by image")
    possible, number = comparison.pairs_of_first(MAX_RUNS), len(comparison.pairs)
    pairs = possible if all_pairs else comparison.pairs_of_first(MAX_RUNS, only_with_best=True)
    _show_verdicts(comparison, pairs, all_pairs)
    if comparison.pairs:
        in_json = "" if len(possible) == number else f", --json has all {number:,}"
        if len(pairs) < len(possible):
            shown = f"{len(possible):,}" if in_json else f"all {number:,}"
            say("", f"Shown: the best run against each other; --all-pairs shows {shown}{in_json}.")
        elif in_json:
            say("", f"{plural(len(pairs), 'pair')} of these runs{in_json}.")
        say("", "Paired t-test, out of fold; members are a random effect.")
        if number > 1:
            say("", f"p and intervals allow for all {number:,} pairs (Holm).")
        if any("blend of" in row.differs for row in comparison.rows):
            say("", "Verdicts on a blend and its own parent are less certain:")
            say("", "they share members, which the test takes for different ones.")
        if set(changed([row.settings for row in comparison.rows if row.settings])) - {"seed"}:
            say("", "Several seeds of each tell more: `compare --by recipe`.")
    if any(row.dropped for row in comparison.rows):
        note_dropped()


def _show_verdicts(comparison: Comparison, pairs: list[Pair], all_pairs: bool) -> None:
    """Runs with the same outputs, then the significant pairs, then those with the best run that are not; or all."""
    same = _same_outputs(comparison.rows[:MAX_RUNS], comparison.pairs)
    for group in same:
        say("Equal", f"{enumerated(group)} have the same outputs")
    copies = {letter for group in same for letter in group[1:]}
    alike: dict[str, list[Pair]] = {}
    for pair in pairs:
        letters = {pair.first, pair.second}
        if (letters & copies and not all_pairs) or any(letters <= {*group} for group in same):
            continue
        if all_pairs or pair.p_corrected < SIGNIFICANT:
            _show_pair(pair)
        else:
            alike.setdefault(pair.first, []).append(pair)
    for first, others in alike.items():
        if len(others) == 1:
            _show_pair(others[0])
        else:
            say(first, f"does not differ significantly from {enumerated([pair.second for pair in others])}")


def _same_outputs(rows: list[Row], pairs: list[Pair]) -> list[list[str]]:
    """Letters of runs that got the same images right, with the same log loss."""
    same_right = {(pair.first, pair.second) for pair in pairs if pair.only_first == pair.only_second == 0}
    groups: list[list[Row]] = []
    for row in rows:
        for group in groups:
            first = group[0]
            if (first.letter, row.letter) in same_right and first.oof_log_loss == row.oof_log_loss:
                group.append(row)
                break
        else:
            groups.append([row])
    return [[row.letter for row in group] for group in groups if len(group) > 1]


def _show_pair(pair: Pair) -> None:
    say(f"{pair.first} – {pair.second}", f"{pair.verdict} (p {format_p(pair.p_corrected)})")
    say("", _figures(pair))


def _figures(pair: Pair) -> str:
    spread = f"{pair.difference:+.4f} ({pair.low:+.4f} to {pair.high:+.4f})"
    only = plural(pair.only_first, "image")
    return f"{spread}; only {pair.first} right: {only}, only {pair.second}: {pair.only_second:,}"


def _explain(rows: list[Row]) -> None:
    if any("blend of" in row.differs for row in rows) and len({len(row.folds) for row in rows}) > 1:
        say("", "A blend's CV accuracy is not comparable to that of a run with repeats:")
        say("", "the blend's outputs are averaged over the repeats. Compare OOF instead.")
    say("", "Forecast: expected score, 95 % interval; from OOF accuracy and the")
    say("", "estimated gain of averaging all members.")
    scored = [(row.letter, row.score, row.forecast) for row in rows if row.score is not None]
    outside = [letter for letter, score, forecast in scored if not forecast.low <= score <= forecast.high]
    if scored:
        say("", f"Scores within their interval: {len(scored) - len(outside)} of {len(scored)}{_listed(outside)}.")


def _listed(letters: list[str]) -> str:
    more = f" and {len(letters) - MAX_RUNS:,} more" if len(letters) > MAX_RUNS else ""
    return f" (not {', '.join(letters[:MAX_RUNS])}{more})" if letters else ""


def print_csv(comparison: Comparison) -> None:
    """Print one row per run, with the fold accuracies as columns."""
    most = max(len(row.folds) for row in comparison.rows)
    names = ["run", "recipe", "cv_accuracy", "cv_accuracy_std", "oof_accuracy", "oof_log_loss", "score", "forecast"]
    names += ["forecast_low", "forecast_high", "seconds", "differs", *(f"member_{member}" for member in range(most))]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for row in comparison.rows:
        forecast, scores = row.forecast, (row.cv_accuracy, row.cv_accuracy_std, row.oof_accuracy, row.oof_log_loss)
        folds = [*row.folds, *[""] * (most - len(row.folds))]
        rest = (row.score, forecast.expected, forecast.low, forecast.high, row.seconds, json.dumps(row.differs))
        writer.writerow([row.run, row.recipe, *scores, *rest, *folds])


def print_json(comparison: Comparison) -> None:
    """Print everything as JSON, including the pairs."""
    print(json.dumps(comparison.as_dict(), indent=2))


def show_blend(run: Run, gain: Gain) -> None:
    """Print the parents with their weights, the blend's scores, and what it gains over its best parents."""
    parents, table = run.record.parents, new_table("weight", "run")
    names = {parent.run: _with_name(parent.run, _labels_of(run.path.parent / parent.run)) for parent in parents}
    for parent in parents:
        table.add_row(f"{parent.weight:.3f}", escape(one_line(names[parent.run])))
    show_table(table)
    scores = run.record.scores
    chosen = {"fit": "weights fitted", "equal": ""}.get(run.record.weights or "", "runs selected")
    nested = f" (each fold with {chosen} on the others)" if chosen else ""
    say("CV accuracy", f"{scores.cv_accuracy:.4f} ± {scores.cv_accuracy_std:.4f}{nested}")
    say("OOF", f"{scores.oof_accuracy:.4f}")
    say("Log loss", f"{scores.oof_log_loss:.4f}")
    say("Best parent", f"OOF accuracy {gain.accuracy:.4f}, {names[gain.accurate]}")
    say("", f"log loss {gain.log_loss:.4f}, {names[gain.likely]}")
    say("Gain", f"{gain.verdict}")
    if run.record.most_dropped:
        note_dropped()
    if run.withheld_accuracy is not None:
        kind = "labels that the test images came with" if run.record.data.test_labels else "withheld labels"
        say("Withheld", f"{run.withheld_accuracy:.4f} on the {run.record.data.test_images:,} {kind}")
    say("Submission", f"{run.submission}")


def show_removed(paths: Iterable[Path]) -> None:
    """Print the runs that were removed."""
    for path in paths:
        say("Removed", f"{path}")
