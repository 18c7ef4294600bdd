"""The command line: options in, one call down, a table out. Whatever is slow to import is imported by its command."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from kaggle_mnist.recipes import Recipe

USERS_TO_FIX = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.ENOTDIR, errno.EISDIR}


class Commands(TyperGroup):
    """Turns what a command raises into one line and an exit status: 2 the user's, 130 interrupted, 1 ours."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BaseException as error:
            explained = _explain(error)
            if explained is None or ctx.params.get("debug"):
                raise
            message, status = explained
            print(f"kaggle-mnist: {message}", file=sys.stderr)
            raise typer.Exit(status) from None


def _explain(error: BaseException) -> tuple[str, int] | None:
    """One line and an exit status for an error; None for what Typer reports itself, usage errors among it."""
    from kaggle_mnist.errors import UserError, one_line

    match error:
        case KeyboardInterrupt():
            return "interrupted; nothing was kept", 130
        case UserError():
            return str(error), 2
        case OSError(errno=number, filename=str(name)) if number in USERS_TO_FIX:
            return one_line(f"{name}: {error.strerror}"), 2
        case MemoryError() | RuntimeError() if "memory" in str(error) or isinstance(error, MemoryError):
            return "out of memory; try fewer --repeats, a smaller batch_size or fewer hidden units", 1
        case BrokenPipeError() | SystemExit() | GeneratorExit():
            return None
        case _ if type(error).__module__.startswith(("typer", "click")):
            return None
        case _:
            return f"a fault of ours: {one_line(f'{type(error).__name__}: {error}')} (--debug shows where)", 1


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A fold ensemble of multilayer perceptrons for Kaggle's Digit Recognizer.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from kaggle_mnist import __version__

        print(f"kaggle-mnist {__version__}")
        raise typer.Exit


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a sign gets another, not a traceback
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        "-i",
        help="Folder or zip with the digits, or 'practice'.",
        show_default="what is in input/",
        metavar="PATH",
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of the runs.", metavar="DIR")]


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
) -> None:
    """Train a fold ensemble and write submission.csv."""
    chosen = _recipe(recipe, epochs, settings or [])

    from kaggle_mnist import console, pipeline
    from kaggle_mnist.data.sources import load_digits

    where = pipeline.resolve_device(device)
    with console.Watcher() as progress:
        digits = load_digits(input, progress=progress)
    console.show_digits(digits)
    console.show_plan(chosen, folds=folds, repeats=repeats, seed=seed, device=where)
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
            progress=progress,
        )
    console.show_run(run)


@app.command()
def data(
    input: Input = None,
    output: Output = Path("submissions"),
    export: Annotated[
        Path | None, typer.Option(help="Write the set as Kaggle's CSV files into this folder.", metavar="DIR")
    ] = None,
) -> None:
    """Say which digits are found, and picture them."""
    from kaggle_mnist import console
    from kaggle_mnist.data.kaggle_csv import export_csv
    from kaggle_mnist.data.sources import load_digits
    from kaggle_mnist.pictures import write_contact_sheet

    with console.Watcher() as progress:
        digits = load_digits(input, progress=progress)
    console.show_digits(digits, counts=True)
    console.say("Picture", f"{write_contact_sheet(digits, output / 'digits.png')}")
    if export is not None:
        with console.Watcher() as progress:
            export_csv(digits, export, progress=progress)
        console.say("Exported", f"{export}/train.csv, test.csv and sample_submission.csv")


@app.command()
def recipes() -> None:
    """List the named recipes with their fields."""
    from kaggle_mnist import console

    console.show_recipes()


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
    from kaggle_mnist.submission import COMPETITION_IDS, check_submission

    expected = COMPETITION_IDS
    if run is not None:
        from kaggle_mnist.runs import find_run

        expected = find_run(run, output).record["data"]["test_images"]

    from kaggle_mnist import console

    verdict = check_submission(file, expected)
    console.show_verdict(file, verdict, expected)
    if verdict.errors:
        raise typer.Exit(2)


def _recipe(name: str, epochs: int | None, settings: list[str]) -> Recipe:
    from kaggle_mnist.recipes import find_recipe, parse_setting

    fields = dict(parse_setting(setting) for setting in settings)
    if epochs is not None:
        fields["epochs"] = epochs
    return find_recipe(name).replaced(**fields)
