"""What `audit` and `predict` show."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from kaggle_mnist.cli.console import console, new_table, say
from kaggle_mnist.predict import Prediction, prediction_csv
from kaggle_mnist.utils.errors import one_line

if TYPE_CHECKING:
    from kaggle_mnist.audit import Audit
    from kaggle_mnist.runs.run import Run

SHOWN_SUSPECTS = 10
SHOWN_FILES = 40
BAR = 40  # characters, of an output of 1


def show_audit(run: Run, audit: Audit) -> None:
    """How many suspects there are, the first of them, and the way to all."""
    from kaggle_mnist.audit import FIRST, PICTURED

    number = len(audit.suspects)
    say("Suspects", f"{number:,} of {run.record.data.train_images:,} training labels look wrong to {run.name}")
    if number:
        table = new_table("image", "label", "suggested", "output of label", "found at", numbers=True)
        table.columns[-1].justify = "left"
        for row in audit.suspects.head(SHOWN_SUSPECTS).itertuples():
            cells = (
                row.image,
                row.label,
                row.suggested,
                f"{row.self_confidence:.6f}",
                escape(one_line(str(row.place))),
            )
            table.add_row(*map(str, cells))
        console.print(table)
    if known := audit.confirmed:
        found = f"{known.among_first} in the first {FIRST} and {known.among_all} in all"
        say(
            "Confirmed", f"{found}, of {known.labels} labels here that people have found wrong (Northcutt et al., 2021)"
        )
    say("Table", f"{audit.table}")
    say("Picture", f"{audit.picture}{f' (the first {PICTURED})' if number > PICTURED else ''}")
    say("", "Look at them: some are right, and only hard to read. Delete their rows from the table;")
    say("", f"then train --drop-suspects {audit.table} keeps the others out of training, not out of the scores.")
    if audit.confident:
        say("", "audit --all lists every label that the outputs contradict, also without confidence.")


def show_prediction(
    run: Run, prediction: Prediction, *, as_csv: bool, csv_file: Path | None, picture: Path | None
) -> None:
    """The digits with their outputs, or the CSV alone; the pictures that could not be used on standard error."""
    for fault in prediction.faults:
        print(f"kaggle-mnist: {fault}", file=sys.stderr)
    number = len(prediction.files)
    if as_csv:
        sys.stdout.write(prediction_csv(prediction))
    elif csv_file is None and number == 1:
        _show_one(prediction)
    elif csv_file is None and number:
        _show_many(prediction)
    if as_csv:
        return
    if csv_file is not None:
        say("Predicted", f"{number:,} {'picture' if number == 1 else 'pictures'} by {run.name}: {csv_file}")
    if picture is not None and number:
        say("Picture", f"{picture}")


def _show_one(prediction: Prediction) -> None:
    outputs = prediction.outputs[0]
    say("Digit", f"{prediction.digits[0]} ({prediction.files[0]})")
    for digit, output in enumerate(outputs):
        say("Outputs" if digit == 0 else "", f"{digit}  {output:.4f}  {'█' * round(float(output) * BAR)}".rstrip())


def _show_many(prediction: Prediction) -> None:
    table = new_table("digit", *map(str, range(10)), "file", numbers=True)
    table.columns[-1].justify, table.columns[-1].overflow = "left", "fold"  # a name is never cut
    rows = zip(prediction.files, prediction.digits, prediction.outputs, strict=True)
    for file, digit, outputs in islice(rows, SHOWN_FILES):
        cells = ["·" if output < 0.005 else f"{output:.2f}" for output in outputs]
        table.add_row(f"[bold]{digit}[/bold]", *cells, escape(one_line(str(file))))
    console.print(table)
    if len(prediction.files) > SHOWN_FILES:
        say("", f"… and {len(prediction.files) - SHOWN_FILES:,} more; --csv FILE writes all of them")
