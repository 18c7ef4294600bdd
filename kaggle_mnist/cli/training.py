"""From the digits to a submission: train, resume, data, recipes, check."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaggle_mnist.cli.app import Input, Output, app

if TYPE_CHECKING:
    from kaggle_mnist.runs.run import Run


@app.command()
def train(
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="Name of a recipe, or a .toml file.")] = "mlp",
    input: Input = None,
    output: Output = Path("submissions"),
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation.")] = 5,
    repeats: Annotated[int, typer.Option(help="How often the folds are drawn anew.")] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.", show_default="the recipe's")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Give one field of the recipe another value; may be repeated.", metavar="FIELD=VALUE"
        ),
    ] = None,
    score: Annotated[
        bool, typer.Option("--score/--no-score", help="Open the practice set's withheld labels at the end.")
    ] = True,
    drop_suspects: Annotated[
        Path | None,
        typer.Option(help="Learn from none of these images (audit writes such a CSV).", metavar="FILE"),
    ] = None,
) -> None:
    """Train a fold ensemble and write submission.csv."""
    from kaggle_mnist.recipes.named import find_recipe

    chosen = find_recipe(recipe, settings or [], epochs=epochs)

    from kaggle_mnist import pipeline
    from kaggle_mnist.cli.console import Watcher
    from kaggle_mnist.cli.screens import training as screens

    with Watcher() as watcher:
        run = pipeline.train(
            chosen,
            input=input,
            output=output,
            folds=folds,
            repeats=repeats,
            seed=seed,
            device=device,
            score=score,
            drop_suspects=drop_suspects,
            on_start=screens.show_start,
            on_epoch=watcher.on_epoch,
            progress=watcher,
        )
    screens.show_run(run)
    _report(run, input)


@app.command()
def resume(
    run: Annotated[
        str | None,
        typer.Argument(help="An unfinished run.", metavar="RUN", show_default="the newest that is not finished"),
    ] = None,
    input: Input = None,
    output: Output = Path("submissions"),
) -> None:
    """Resume an interrupted run."""
    from kaggle_mnist import pipeline
    from kaggle_mnist.cli.console import Watcher
    from kaggle_mnist.cli.screens import training as screens

    with Watcher() as watcher:
        finished = pipeline.resume(
            run,
            output=output,
            input=input,
            on_start=screens.show_resumed,
            on_epoch=watcher.on_epoch,
            progress=watcher,
        )
    screens.show_run(finished)
    _report(finished, input)


@app.command()
def data(
    input: Input = None,
    output: Output = Path("submissions"),
    export: Annotated[
        Path | None, typer.Option(help="Write the set as Kaggle's CSV files into this folder.", metavar="DIR")
    ] = None,
) -> None:
    """Say which digits are found, and picture them."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import training as screens
    from kaggle_mnist.data.contact_sheet import refuse_foreign_sheet, write_contact_sheet
    from kaggle_mnist.data.kaggle_csv import export_csv
    from kaggle_mnist.data.sources import load_digits

    sheet = output / "digits.png"
    refuse_foreign_sheet(sheet)
    with console.Watcher() as progress:
        digits = load_digits(input, progress=progress)
    screens.show_digits(digits)
    console.say("Picture", f"{write_contact_sheet(digits, sheet)}")
    if export is not None:
        with console.Watcher() as progress:
            export_csv(digits, export, progress=progress)
        console.say("Exported", f"{export}/train.csv, test.csv and sample_submission.csv")


@app.command()
def recipes() -> None:
    """List the named recipes with their fields."""
    from kaggle_mnist.cli.screens import training as screens

    screens.show_recipes()


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The CSV to check.", metavar="FILE")],
    run: Annotated[
        str | None,
        typer.Option(help="Expect this run's number of images: its path, its name, or latest.", metavar="RUN"),
    ] = None,
    output: Output = Path("submissions"),
) -> None:
    """Say whether Kaggle would take a CSV, and if not, why."""
    from kaggle_mnist.runs.submission import COMPETITION_IDS, check_submission

    expected = COMPETITION_IDS
    if run is not None:
        from kaggle_mnist.runs.finding import find_run

        found = find_run(run, output)
        expected = found.record.data.test_images
        if os.path.realpath(file) == os.path.realpath(found.submission):
            found.verified("submission.csv")

    from kaggle_mnist.cli.screens import training as screens

    verdict = check_submission(file, expected)
    screens.show_verdict(file, verdict, expected)
    if verdict.errors:
        raise typer.Exit(2)


def _report(run: Run, input: str | None) -> None:
    """Write the run's page. If that fails, the run stands, and a line says what failed."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.utils.errors import Interrupted, UserError

    try:
        from kaggle_mnist.report.page import write_report

        with console.Watcher() as progress:
            path = write_report(run, input=input, progress=progress)
    except (UserError, OSError, MemoryError, ImportError) as error:  # the last if no memory is left to load it
        console.say("Report", f"not written, but the run is complete: {error}")
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {run.path} is complete except for its page: `kaggle-mnist report` writes it"
        ) from None
    else:
        console.say("Report", f"{path}")
