"""Commands that talk to Kaggle: download, upload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaggle_mnist.cli.app import Output, RunArgument, app

Competition = Annotated[str, typer.Option(help="Name or address of the competition.", metavar="NAME")]


@app.command()
def download(
    folder: Annotated[Path, typer.Option("--input", "-i", help="Folder for the zip.", metavar="DIR")] = Path("input"),
    competition: Competition = "digit-recognizer",
) -> None:
    """Download the competition's files from Kaggle."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import kaggle as screens
    from kaggle_mnist.kaggle import leaderboard

    with console.Watcher() as progress:
        file = leaderboard.download(folder, competition=competition, progress=progress)
    screens.show_download(file)


@app.command()
def upload(
    run: RunArgument = None,
    output: Output = Path("submissions"),
    message: Annotated[
        str | None,
        typer.Option(
            "--message", "-m", help="Description for Kaggle.", metavar="TEXT", show_default="recipe and CV score"
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the public score.")] = False,
    timeout: Annotated[int, typer.Option(min=0, max=1440, help="Minutes to wait with --wait.", metavar="MINUTES")] = 10,
    again: Annotated[bool, typer.Option("--again", help="Submit the same CSV again.")] = False,
    competition: Annotated[
        str | None,
        typer.Option(
            help="Name or address of the competition.", metavar="NAME", show_default="that of the run's digits"
        ),
    ] = None,
) -> None:
    """Submit a run's CSV to Kaggle, and fetch its public score."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import kaggle as screens
    from kaggle_mnist.kaggle import leaderboard

    with console.Watcher() as progress:
        uploaded = leaderboard.upload(
            run,
            output,
            competition=competition,
            message=message,
            wait=timeout * 60 if wait else None,
            again=again,
            progress=progress,
        )
    screens.show_upload(uploaded)
