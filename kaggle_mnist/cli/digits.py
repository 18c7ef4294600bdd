"""On digits, with a finished run: audit, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaggle_mnist.cli.app import Input, Output, RunArgument, app


@app.command()
def audit(
    run: RunArgument = None,
    input: Input = None,
    output: Output = Path("submissions"),
    to: Annotated[
        Path | None, typer.Option(help="Write the files into this folder.", metavar="DIR", show_default="the run's")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All labels that the outputs contradict, not only with confidence.")
    ] = False,
) -> None:
    """Find the training labels that look wrong."""
    from kaggle_mnist.audit import audit_run
    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import digits as screens
    from kaggle_mnist.runs.finding import find_run

    found = find_run(run, output)
    with console.Watcher() as progress:
        audited = audit_run(found, input=input, to=to, confident=not every, progress=progress)
    screens.show_audit(found, audited)


@app.command()
def predict(
    run: Annotated[str, typer.Argument(help="A run: its path, its folder's name, or latest.", metavar="RUN")],
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Photos or scans of one digit each, with some paper around it, or folders of them.", metavar="IMAGE…"
        ),
    ],
    output: Output = Path("submissions"),
    csv: Annotated[Path | None, typer.Option(help="Write the outputs into this file.", metavar="FILE")] = None,
    show: Annotated[
        Path | None, typer.Option(help="Draw what the network saw into this file.", metavar="FILE.png")
    ] = None,
) -> None:
    """Say which digit a picture shows; for a folder, as CSV.

    A picture that cannot be used is named, the others are predicted all the same, and the exit status is 2.
    """
    from contextlib import nullcontext

    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import digits as screens
    from kaggle_mnist.predict import predict as predict_images
    from kaggle_mnist.predict import refuse_foreign_outputs, write_prediction
    from kaggle_mnist.runs.finding import find_run
    from kaggle_mnist.utils.progress import quiet

    to_pipe = csv is None and any(image.is_dir() for image in images)  # standard output is the CSV and nothing else
    refuse_foreign_outputs(csv, show)
    found = find_run(run, output)
    with nullcontext(quiet) if to_pipe else console.Watcher() as progress:
        prediction = predict_images(found, images, progress=progress)
    write_prediction(prediction, csv_file=csv, picture=show)
    screens.show_prediction(found, prediction, as_csv=to_pipe, csv_file=csv, picture=show)
    if prediction.faults:
        raise typer.Exit(2)
