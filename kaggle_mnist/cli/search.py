"""The command that searches for a better recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaggle_mnist.cli.app import Cluster, Input, Output, app
from kaggle_mnist.cli.completion import complete_recipe
from kaggle_mnist.cli.signals import stoppable


@app.command()
@stoppable()
def search(
    space: Annotated[
        str | None,
        typer.Argument(help="TOML file with the space; with --resume, the search.", metavar="SPACE.toml|SEARCH"),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            "-r",
            help="Recipe name or .toml file to start from.",
            show_default="mlp",
            autocompletion=complete_recipe,
        ),
    ] = "",
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="Search this field: FIELD=LOW..HIGH, FIELD=LOW..HIGH:log or FIELD=[A, B]; repeatable.",
            metavar="FIELD=VALUES",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a field of the start; repeatable.", metavar="FIELD=VALUE"),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials.", show_default="30 without --minutes")] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes, with the confirmation.")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Fresh seeds that confirm the best recipe.", show_default="5")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Number of folds.", show_default="5")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.", show_default="0")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.", show_default="auto")] = None,
    input: Input = None,
    output: Output = Path("submissions"),
    cluster: Cluster = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a search: the newest, or the one named.")
    ] = False,
) -> None:
    """Search for a better recipe. It is confirmed with fresh folds and seeds."""
    from kaggle_mnist.recipes.named import find_recipe
    from kaggle_mnist.recipes.recipe import parse_setting
    from kaggle_mnist.trials.space import Space, default_space, read_space
    from kaggle_mnist.utils.errors import BadOption

    fixed = {"recipe": recipe, "vary": vary, "set": settings, "seeds": seeds, "folds": folds, "seed": seed}
    given = [f"--{name}" for name, value in {**fixed, "device": device}.items() if value not in (None, "")]
    if resume and given:
        raise BadOption(f"{given[0]}: stays as it was when the search began; leave it out with --resume")
    if not resume:
        if space is not None and not space.endswith(".toml"):
            raise BadOption(f"{space}: is no .toml file; to go on with a search, add --resume")
        if space is not None and recipe:
            raise BadOption(f"--recipe: {space} names the recipe to start from, as base")
        start, dimensions = read_space(Path(space)) if space is not None else (find_recipe(recipe or "mlp"), [])
        start = start.replaced(**dict(map(parse_setting, settings or [])))
        dimensions = [*dimensions, *(vary or [])] or default_space(start)
        Space.of(start, dimensions)  # refuses what is wrong before PyTorch is loaded

    from kaggle_mnist import search as searching
    from kaggle_mnist.cli.console import Watcher
    from kaggle_mnist.cli.screens.search import SearchScreen, show_search
    from kaggle_mnist.cli.training import report_on

    with Watcher() as watcher, SearchScreen(watcher) as screen:
        if resume:
            found = searching.resume_search(
                space,
                output=output,
                input=input,
                trials=trials,
                minutes=minutes,
                cluster=cluster,
                on_change=screen,
                progress=watcher,
            )
        else:
            found = searching.search(
                start,
                dimensions,
                input=input,
                output=output,
                folds=5 if folds is None else folds,
                seed=seed or 0,
                trials=trials,
                minutes=minutes,
                seeds=5 if seeds is None else seeds,
                device=device or "auto",
                cluster=cluster,
                on_change=screen,
                progress=watcher,
            )
    show_search(found)
    if found.run is not None:
        report_on(found.run, input)
