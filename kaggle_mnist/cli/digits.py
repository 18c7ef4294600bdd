"""Commands that apply a finished run to images: audit, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaggle_mnist.cli.app import RUN_HELP, Input, Output, RunArgument, app
from kaggle_mnist.cli.completion import complete_run


@app.command()
def audit(
    run: RunArgument = None,
    input: Input = None,
    output: Output = Path("submissions"),
    to: Annotated[
        Path | None,
        typer.Option(help="Folder for the list and its picture.", metavar="DIR", show_default="the run's"),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="List every label that the outputs contradict, in audit-all.csv.")
    ] = False,
) -> None:
    """Find training labels that look wrong."""
    from kaggle_mnist.audit import audit_run
    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import digits as screens

    with console.Watcher() as progress:
        found = audit_run(run, output=output, input=input, to=to, confident=not every, progress=progress)
    screens.show_audit(found)


@app.command()
def predict(
    run: Annotated[str, typer.Argument(help=RUN_HELP, metavar="RUN", autocompletion=complete_run)],
    images: Annotated[
        list[Path],
        typer.Argument(help="Photos or scans of digits, with a margin of paper; or folders.", metavar="IMAGE"),
    ],
    output: Output = Path("submissions"),
    csv: Annotated[Path | None, typer.Option(help="Write the outputs to this file.", metavar="FILE")] = None,
    show: Annotated[
        Path | None, typer.Option(help="Draw boxes on the pictures, to this file.", metavar="FILE.png")
    ] = None,
) -> None:
    """Find and classify the digits in photos or scans. A folder prints CSV.

    One row per digit, in reading order; where it is not sure, the two likeliest. Unusable images are reported and
    skipped; the exit status is then 2.
    """
    from contextlib import nullcontext

    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import digits as screens
    from kaggle_mnist.predict import predict as predict_images
    from kaggle_mnist.utils.progress import quiet

    to_pipe = csv is None and any(image.is_dir() for image in images)  # then only CSV goes to standard output
    with nullcontext(quiet) if to_pipe else console.Watcher() as progress:
        prediction = predict_images(run, images, output=output, csv=csv, show=show, progress=progress)
    screens.show_prediction(prediction, as_csv=to_pipe, csv=csv, show=show)
    if prediction.faults:
        raise typer.Exit(2)
