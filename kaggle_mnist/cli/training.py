"""Commands from the digits to a submission: train, resume, data, recipes, check."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaggle_mnist.cli.app import Cluster, Input, Name, Note, Output, Tag, app
from kaggle_mnist.cli.completion import complete_recipe, complete_run, complete_unfinished
from kaggle_mnist.cli.signals import stoppable
from kaggle_mnist.utils.progress import in_turn

if TYPE_CHECKING:
    from kaggle_mnist.runs.run import Run

Log = Annotated[
    str | None,
    typer.Option(
        help="Also log every epoch for tensorboard or mlflow, beside the runs; `runs --remove` leaves that.",
        metavar="KIND",
    ),
]


@app.command()
@stoppable()
def train(
    recipe: Annotated[
        str, typer.Option("--recipe", "-r", help="Recipe name or .toml file.", autocompletion=complete_recipe)
    ] = "mlp",
    input: Input = None,
    output: Output = Path("submissions"),
    folds: Annotated[int, typer.Option(help="Number of folds.")] = 5,
    repeats: Annotated[
        int | None,
        typer.Option(help="Repeat cross-validation with new folds.", show_default="1, or one for each entry of vary"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.", show_default="0")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Several seeds, a run each: 0..4, or 0,3,7.", metavar="SEEDS", show_default="one")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images.", show_default="the recipe's")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a recipe field; repeatable.", metavar="FIELD=VALUE"),
    ] = None,
    score: Annotated[bool, typer.Option("--score/--no-score", help="Score the run on the withheld labels.")] = True,
    drop_suspects: Annotated[
        Path | None,
        typer.Option(help="Exclude the images in this CSV from training (see audit).", metavar="FILE"),
    ] = None,
    cluster: Cluster = None,
    log: Log = None,
    name: Name = None,
    note: Note = None,
    tag: Tag = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be trained, its memory and time; write nothing.")
    ] = False,
) -> None:
    """Train a fold ensemble and write submission.csv."""
    from kaggle_mnist.recipes.named import find_recipe
    from kaggle_mnist.runs.labels import labels_from
    from kaggle_mnist.utils.errors import BadOption

    chosen, labels = find_recipe(recipe, settings or [], epochs=epochs), labels_from(name, note, tag or [])
    if seed is not None and seeds is not None:
        raise BadOption("--seed and --seeds: give one of them")
    if dry_run and cluster is not None:
        raise BadOption("--dry-run: times steps in this process; leave out --cluster")

    from kaggle_mnist import dry_run as look
    from kaggle_mnist import pipeline
    from kaggle_mnist import seeds as series
    from kaggle_mnist.cli.console import Watcher, say
    from kaggle_mnist.cli.screens import seeds as of_seeds
    from kaggle_mnist.cli.screens import training as screens
    from kaggle_mnist.cli.screens.overview import show_namesakes
    from kaggle_mnist.logs import open_log

    many = [seed or 0] if seeds is None else series.parse_seeds(seeds)
    show_namesakes([labels] if seeds is None else series.label_seeds(labels, many), output)
    options: dict[str, Any] = {"input": input, "folds": folds, "repeats": repeats, "device": device, "score": score}
    options |= {"drop_suspects": drop_suspects}
    with Watcher() as watcher, open_log(log, partial(say, "Note")) as curves:
        screen = of_seeds.SeedsScreen(watcher, many, lambda run: report_on(run, input, quietly=True))
        if dry_run:
            screen.on_start(look.dry_run(chosen, output=output, seed=many[0], progress=watcher, **options))
            say("Dry run", "nothing was trained or written")
            return
        options |= {"output": output, "cluster": cluster, "labels": labels, "progress": watcher}
        options |= {"on_start": in_turn(screen.on_start, curves.on_start)}
        if seeds is None:
            runs = [
                pipeline.train(chosen, seed=many[0], on_epoch=in_turn(watcher.on_epoch, curves.on_epoch), **options)
            ]
        else:
            on_epoch = in_turn(screen.on_epoch, curves.on_epoch)
            runs = series.train_seeds(chosen, many, on_epoch=on_epoch, on_run=screen.on_run, **options)
    if seeds is None:
        screens.show_run(runs[0])
        report_on(runs[0], input)
    else:
        of_seeds.show_seeds(runs, output)
    screens.show_time(*runs)


@app.command()
@stoppable()
def resume(
    run: Annotated[
        str | None,
        typer.Argument(
            help="Folder, name or recipe of an unfinished run, or how its name begins.",
            metavar="RUN",
            show_default="the newest",
            autocompletion=complete_unfinished,
        ),
    ] = None,
    input: Input = None,
    output: Output = Path("submissions"),
    cluster: Cluster = None,
    log: Log = None,
) -> None:
    """Resume an interrupted run."""
    from kaggle_mnist import pipeline
    from kaggle_mnist.cli.console import Watcher, say
    from kaggle_mnist.cli.screens import training as screens
    from kaggle_mnist.logs import open_log

    with Watcher() as watcher, open_log(log, partial(say, "Note")) as curves:
        finished = pipeline.resume(
            run,
            output=output,
            input=input,
            cluster=cluster,
            on_start=in_turn(screens.show_resumed, watcher.on_start, curves.on_start),
            on_epoch=in_turn(watcher.on_epoch, curves.on_epoch),
            progress=watcher,
        )
    screens.show_run(finished)
    report_on(finished, input)
    screens.show_time(finished)


@app.command()
def data(
    input: Input = None,
    output: Output = Path("submissions"),
    export: Annotated[
        Path | None, typer.Option(help="Also write the digits as Kaggle's CSV files to this folder.", metavar="DIR")
    ] = None,
) -> None:
    """Show which digits would be used, and draw a contact sheet."""
    from kaggle_mnist.check import check_data
    from kaggle_mnist.cli.console import Watcher
    from kaggle_mnist.cli.screens import training as screens

    with Watcher() as watcher:
        found = check_data(input, output=output, export=export, progress=watcher)
    screens.show_data(found, export)


@app.command()
def recipes() -> None:
    """List the named recipes and their fields."""
    from kaggle_mnist.cli.screens import training as screens

    screens.show_recipes()


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="CSV file to check.", metavar="FILE")],
    run: Annotated[
        str | None,
        typer.Option(
            help="Run whose number of test images is expected.",
            metavar="RUN",
            show_default="the competition's",
            autocompletion=complete_run,
        ),
    ] = None,
    output: Output = Path("submissions"),
) -> None:
    """Check whether Kaggle would accept a CSV."""
    from kaggle_mnist.check import check_csv
    from kaggle_mnist.cli.screens import training as screens

    checked = check_csv(file, run=run, output=output)
    screens.show_verdict(file, checked.verdict, checked.expected)
    if checked.verdict.errors:
        raise typer.Exit(2)


def report_on(run: Run, input: str | None, *, quietly: bool = False) -> None:
    """Write the run's page; a failure is printed, since the run itself is complete."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.runs.run import as_argument
    from kaggle_mnist.utils.errors import Interrupted, UserError
    from kaggle_mnist.utils.progress import quiet

    try:
        from kaggle_mnist.report.page import write_report

        with nullcontext(quiet) if quietly else console.Watcher() as progress:
            path = write_report(run, input=input, progress=progress)
    except (UserError, OSError, MemoryError, ImportError) as error:  # ImportError: out of memory while loading
        console.say("Report", f"not written, but the run is complete: {error}")
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {run.path} is complete except for its page;"
            f" `kaggle-mnist report {as_argument(run.path)}` writes that"
        ) from None
    else:
        if not quietly:
            console.say("Report", f"{path}")
