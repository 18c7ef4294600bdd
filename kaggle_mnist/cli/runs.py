"""On runs: compare, blend, and what lies in their folder."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from kaggle_mnist.cli.app import Output, app


@app.command()
def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Runs: paths, folders' names, or latest.", metavar="RUN…", show_default="all"),
    ] = None,
    output: Output = Path("submissions"),
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a CSV table instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the fold scores into this file (.png, .svg, .pdf).", metavar="FILE")
    ] = None,
) -> None:
    """Say which runs are better, image by image."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import runs as screens
    from kaggle_mnist.compare import compare_runs, plot_folds
    from kaggle_mnist.utils.files import refuse_foreign
    from kaggle_mnist.utils.progress import quiet

    if plot is not None:
        refuse_foreign(plot)
    with nullcontext(quiet) if as_csv or as_json else console.Watcher() as progress:
        comparison = compare_runs(runs or [], output, progress=progress)
    if as_csv:
        screens.print_csv(comparison)
    elif as_json:
        screens.print_json(comparison)
    else:
        screens.show_comparison(comparison)
    if plot is not None:
        plot_folds(comparison, plot)
        if not (as_csv or as_json):
            console.say("Picture", f"{plot}")


@app.command()
def blend(
    runs: Annotated[list[str], typer.Argument(help="Two runs or more: paths or folders' names.", metavar="RUN…")],
    output: Output = Path("submissions"),
    weights: Annotated[str, typer.Option(help="equal, or fit: by the log loss out of fold.")] = "equal",
    score: Annotated[
        bool, typer.Option("--score/--no-score", help="Open the practice set's withheld labels for the blend.")
    ] = True,
) -> None:
    """Average runs into a new one."""
    from kaggle_mnist.blend import blend_runs
    from kaggle_mnist.cli.screens import runs as screens

    screens.show_blend(blend_runs(runs, output, weights=weights, score=score))


@app.command()
def runs(
    output: Output = Path("submissions"),
    remove: Annotated[list[str] | None, typer.Option(help="Remove this run; may be repeated.", metavar="RUN")] = None,
) -> None:
    """List runs with their state and size, or remove some."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import runs as screens
    from kaggle_mnist.runs.listing import all_runs, remove_runs

    if remove:
        for path in remove_runs(remove, output):
            console.say("Removed", f"{path}")
    else:
        screens.show_shelf(all_runs(output), output)
