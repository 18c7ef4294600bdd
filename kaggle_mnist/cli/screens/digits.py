"""What `audit` and `predict` print."""

from __future__ import annotations

import shlex
import sys
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from kaggle_mnist.cli.console import console, new_table, say, show_table
from kaggle_mnist.predict import Prediction, prediction_csv
from kaggle_mnist.utils.errors import one_line
from kaggle_mnist.utils.words import plural

if TYPE_CHECKING:
    from kaggle_mnist.audit import Audit

MAX_SUSPECTS = 10  # rows
MAX_DIGITS = 40
BAR_WIDTH = 40  # characters for an output of 1


def show_audit(audit: Audit) -> None:
    """Print how many labels look wrong, the first of them, and where the full list is."""
    from kaggle_mnist.audit import FIRST, MAX_PICTURED

    number = len(audit.suspects)
    of = f"{f'{number:,}' if number else 'none'} of {audit.train_images:,} training labels"
    if audit.confident:
        say("Suspects", f"{of} {'looks' if number == 1 else 'look'} wrong, according to {audit.run}")
    else:
        say("Suspects", f"{of} {'is' if number == 1 else 'are'} contradicted by the outputs of {audit.run}")
    if number:
        table = new_table("image", "label", "suggested", "self-confidence", "place", numbers=True)
        table.columns[-1].justify, table.columns[-1].no_wrap = "left", False
        for row in audit.suspects.head(MAX_SUSPECTS).itertuples():
            place = escape(one_line(str(row.place)))
            table.add_row(f"{row.image}", f"{row.label}", f"{row.suggested}", f"{row.self_confidence:.6f}", place)
        show_table(table)
    if known := audit.confirmed:
        found = f"{known.among_all} of {known.labels} label errors that people confirmed (Northcutt et al., 2021)"
        say("Confirmed", f"{found},")
        say("", f"{known.among_first} of them among the first {FIRST} suspects")
    if number:
        say("Table", f"{audit.table}")
        say("Picture", f"{audit.picture}{f' (the first {MAX_PICTURED})' if number > MAX_PICTURED else ''}")
        say("", "Some of these labels are right and the digits just hard to read.")
        say("", "Delete their rows, then exclude the others from training:")
        digits = "" if audit.input is None else f" --input {shlex.quote(audit.input)}"
        say("", f"kaggle-mnist train --drop-suspects {shlex.quote(str(audit.table))}{digits}")
    if audit.confident:
        say("", "`audit --all` also lists labels that are contradicted less clearly.")


def show_prediction(prediction: Prediction, *, as_csv: bool, csv: Path | None, show: Path | None) -> None:
    """Print the digits with their outputs, or only CSV; unusable images are reported on standard error."""
    for fault in prediction.faults:
        print(f"kaggle-mnist: {fault}", file=sys.stderr)
    if as_csv:
        sys.stdout.write(prediction_csv(prediction))
        return
    number = len(prediction.files)
    if csv is not None:
        of = f"{plural(len(set(prediction.files)), 'picture')} with {prediction.run}: {csv}"
        say("Predicted", f"{plural(number, 'digit')} in {of}")
    elif number == 1:
        _show_one(prediction)
    elif number:
        _show_many(prediction)
    if show is not None and number:
        say("Picture", f"{show}")


def _show_one(prediction: Prediction) -> None:
    room = max(1, min(BAR_WIDTH, console.width - 24))
    say("Digit", f"{prediction.answers[0]} ({prediction.files[0]})")
    for digit, output in enumerate(prediction.outputs[0]):
        bar = "█" * round(float(output) * room)
        say("" if digit else "Outputs", f"{digit}  {output:.4f}  {bar}".rstrip())


def _show_many(prediction: Prediction) -> None:
    """A table, or in a narrow terminal the file's name and below it a line for each of its digits."""
    table = new_table("digit", "output", "number", "file", numbers=True)
    table.columns[-1].justify = "left"
    names = [one_line(str(file)) for file in prediction.files[:MAX_DIGITS]]
    outputs = [f"{output:.2f}" for output in prediction.outputs.max(1)]
    rows = list(zip(prediction.answers, outputs, prediction.numbers, names, strict=False))
    for answer, output, number, name in rows:
        table.add_row(f"[bold]{answer}[/bold]", output, f"{number}", escape(name))
    if not console.is_terminal or console.measure(table).minimum < console.width:
        show_table(table)
    else:
        for name, of_file in groupby(rows, key=itemgetter(3)):
            console.print(name, markup=False)
            for answer, output, number, _ in of_file:
                console.print(f"{number:>4}  {answer}  {output}", markup=False)
    if len(prediction.files) > MAX_DIGITS:
        say("", f"… and {len(prediction.files) - MAX_DIGITS:,} more; --csv FILE writes all of them")
