"""From the digits to a submission: train, resume, data, recipes, check."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaggle_mnist.cli.app import Input, Output, app

if TYPE_CHECKING:
    from kaggle_mnist.data.digits import Digits
    from kaggle_mnist.recipes.recipe import Recipe
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
    chosen = _recipe(recipe, epochs, settings or [])

    from kaggle_mnist import pipeline
    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import training as screens
    from kaggle_mnist.data.sources import load_digits
    from kaggle_mnist.data.suspects import read_suspects
    from kaggle_mnist.runs.unfinished import unfinished_like

    where = pipeline.resolve_device(device)
    with console.Watcher() as progress:
        digits = load_digits(input, progress=progress)
    screens.show_digits(digits)
    screens.show_plan(chosen, folds=folds, repeats=repeats, seed=seed, device=where)
    dropped = read_suspects(drop_suspects, digits.train_labels) if drop_suspects else ()
    begun = unfinished_like(
        output,
        chosen,
        folds=folds,
        repeats=repeats,
        seed=seed,
        fingerprint=digits.fingerprint,
        dropped=dropped,
    )
    screens.show_unfinished(begun)
    with console.Watcher() as progress:
        run = pipeline.train(
            chosen,
            input=digits,
            output=output,
            folds=folds,
            repeats=repeats,
            seed=seed,
            device=device,
            score=score,
            drop_suspects=dropped,
            progress=progress,
        )
    screens.show_run(run)
    _report(run, digits)


@app.command()
def resume(
    run: Annotated[
        str | None,
        typer.Argument(help="An unfinished run.", metavar="RUN", show_default="the newest that is not finished"),
    ] = None,
    input: Input = None,
    output: Output = Path("submissions"),
) -> None:
    """Go on with a run that was interrupted."""
    from kaggle_mnist import pipeline
    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import training as screens
    from kaggle_mnist.runs.unfinished import epoch_of, find_unfinished, read_plan

    path = find_unfinished(run, output)
    plan = read_plan(path)
    now = pipeline.environment_of(pipeline.resolve_device(plan.device), plan.recipe)
    screens.show_resumed(path, plan, epoch_of(path), now)
    with console.Watcher() as progress:
        finished = pipeline.resume(str(path), output=output, input=input, progress=progress)
    screens.show_run(finished)
    _report(finished, input=input)


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
    screens.show_digits(digits, counts=True)
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
        from kaggle_mnist.runs.run import find_run

        found = find_run(run, output)
        expected = found.record.data.test_images
        if os.path.realpath(file) == os.path.realpath(found.submission):
            found.verified("submission.csv")

    from kaggle_mnist.cli.screens import training as screens

    verdict = check_submission(file, expected)
    screens.show_verdict(file, verdict, expected)
    if verdict.errors:
        raise typer.Exit(2)


def _report(run: Run, digits: Digits | None = None, input: str | None = None) -> None:
    """Write the run's page; where that fails, the run stands, and a line says what failed."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.report.page import write_report
    from kaggle_mnist.utils.errors import Interrupted, UserError

    try:
        with console.Watcher() as progress:
            path = write_report(run, digits, input=input, progress=progress)
    except (UserError, OSError, MemoryError, ImportError) as error:  # the last where no memory is left to load it
        console.say("Report", f"not written, the run stands: {error}")
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {run.path} is finished but for its page, which report writes") from None
    else:
        console.say("Report", f"{path}")


def _recipe(name: str, epochs: int | None, settings: list[str]) -> Recipe:
    from kaggle_mnist.recipes.recipe import find_recipe, parse_setting

    fields = dict(parse_setting(setting) for setting in settings)
    if epochs is not None:
        fields["epochs"] = epochs
    return find_recipe(name).replaced(**fields)
