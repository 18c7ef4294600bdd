"""Commands on finished and unfinished runs: compare, blend, runs, label."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from kaggle_mnist.cli.app import Input, Name, NamedRun, Note, Output, Tag, app
from kaggle_mnist.cli.completion import complete_in_full, complete_run, complete_tag, complete_used_recipe

CSV_OR_JSON = "--csv and --json: give one of them"


@app.command()
def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders, names or recipes of runs, or how their names begin; or latest.",
            metavar="RUN",
            show_default="all",
            autocompletion=complete_run,
        ),
    ] = None,
    output: Output = Path("submissions"),
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the scores as CSV instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores and all pairs as JSON instead.")] = False,
    all_pairs: Annotated[bool, typer.Option("--all-pairs", help="Show all pairs, not only those of the best.")] = False,
    by: Annotated[str, typer.Option(help="run, or recipe: seeds of a recipe as one line.")] = "run",
    plot: Annotated[
        Path | None, typer.Option(help="Plot the fold accuracies to this file (.png, .svg, .pdf).", metavar="FILE")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the comparison as a page to this file.", metavar="FILE")
    ] = None,
    input: Input = None,
) -> None:
    """Compare runs image by image, or recipes seed by seed. Says which differ significantly."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.cli.screens import recipes as of_recipes
    from kaggle_mnist.cli.screens import runs as screens
    from kaggle_mnist.compare import compare_runs
    from kaggle_mnist.compare_recipes import compare_recipes
    from kaggle_mnist.recipes.recipe import did_you_mean
    from kaggle_mnist.utils.errors import BadOption
    from kaggle_mnist.utils.progress import quiet

    if by not in ("run", "recipe"):
        raise BadOption(f"--by {by}: must be run or recipe{did_you_mean(by, ('run', 'recipe'))}")
    of_runs = {
        "--plot: shows the folds of runs; leave out --by recipe": plot,
        "--html: compares runs; leave out --by recipe": html,
        "--all-pairs: is for runs; --by recipe always shows all pairs of recipes": all_pairs,
    }
    if by == "recipe" and (useless := [reason for reason, given in of_runs.items() if given]):
        raise BadOption(useless[0])
    if as_csv and as_json:
        raise BadOption(CSV_OR_JSON)
    if input is not None and html is None:
        raise BadOption("--input: is for the pictures of --html FILE; add it, or leave out --input")
    with nullcontext(quiet) if as_csv or as_json else console.Watcher() as progress:
        if by == "recipe":
            of_recipes.show(compare_recipes(runs or [], output, progress=progress), as_csv=as_csv, as_json=as_json)
            return
        comparison = compare_runs(runs or [], output, plot=plot, page=html, input=input, progress=progress)
    if as_csv:
        screens.print_csv(comparison)
    elif as_json:
        screens.print_json(comparison)
    else:
        screens.show_comparison(comparison, plot, html, all_pairs=all_pairs)
        return
    for reason in comparison.missing:  # where stdout is for a program
        print(f"kaggle-mnist: {html}: without pictures of digits: {reason}", file=sys.stderr)


@app.command()
def blend(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Two or more runs, one by one or by a name or recipe of several; with --top, all if none are named.",
            metavar="RUN",
            autocompletion=complete_run,
        ),
    ] = None,
    output: Output = Path("submissions"),
    weights: Annotated[str, typer.Option(help="equal, or fit (to minimize the OOF log loss).")] = "equal",
    top: Annotated[
        int | None, typer.Option(help="Select at most so many of the runs by their OOF log loss.", metavar="N")
    ] = None,
    score: Annotated[bool, typer.Option("--score/--no-score", help="Score the blend on the withheld labels.")] = True,
    input: Input = None,
    name: Name = None,
    note: Note = None,
    tag: Tag = None,
) -> None:
    """Average runs into a new one."""
    from kaggle_mnist.runs.labels import labels_from, write_labels

    labels = labels_from(name, note, tag or [])

    from kaggle_mnist.blend import blend_runs, gain_of
    from kaggle_mnist.cli.console import say
    from kaggle_mnist.cli.screens import runs as screens
    from kaggle_mnist.cli.screens.overview import show_namesakes

    def skipped(reason: str) -> None:
        say("Skipped", reason)

    show_namesakes([labels], output)
    run = blend_runs(runs or [], output, weights=weights, top=top, score=score, input=input, on_skipped=skipped)
    write_labels(run.path, labels)
    screens.show_blend(run, gain_of(run))


@app.command()
def runs(
    output: Output = Path("submissions"),
    sort: Annotated[
        str | None,
        typer.Option(
            help="run, cv, forecast, public, recipe, seconds (of training), note, tags, state or size.",
            metavar="COLUMN",
            show_default="oldest first",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", "-r", help="Only runs of this recipe.", autocompletion=complete_used_recipe),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="Only runs with this tag; repeatable.", metavar="TAG", autocompletion=complete_tag),
    ] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Only the newest so many.", metavar="N")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every file with its checksum, not only changed ones.")
    ] = False,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            help="Remove this run, by its path, folder's name or name in full; repeatable.",
            metavar="RUN",
            autocompletion=complete_in_full,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Remove parents of blends and edited lists, too.")] = False,
) -> None:
    """List runs with their scores and state, or remove some."""
    from kaggle_mnist.cli.screens import overview as screens
    from kaggle_mnist.utils.errors import BadOption

    of_lists = {"--sort": sort, "--recipe": recipe, "--tag": tag, "--last": last, "--csv": as_csv, "--json": as_json}
    if remove and (given := [option for option, value in {**of_lists, "--verify": verify}.items() if value]):
        raise BadOption(f"--remove: lists no runs; leave out {' and '.join(given)}")
    if as_csv and as_json:
        raise BadOption(CSV_OR_JSON)
    if remove:
        from kaggle_mnist.cli.screens.runs import show_removed
        from kaggle_mnist.runs.listing import remove_runs

        show_removed(remove_runs(remove, output, force=force))
        return

    from kaggle_mnist.overview import list_entries

    found = list_entries(output, sort=sort, recipe=recipe, tags=tag or [], last=last, verify=verify)
    if as_csv:
        screens.print_csv(found)
    elif as_json:
        screens.print_json(found)
    else:
        asked = {*(("tags",) if tag else ()), *(("recipe",) if recipe else ()), *((sort,) if sort else ())}
        screens.show_overview(found, output, asked={name.lower() for name in asked})


@app.command()
def label(
    run: NamedRun,
    name: Name = None,
    note: Note = None,
    tag: Tag = None,
    untag: Annotated[
        list[str] | None,
        typer.Option(help="Take a tag away; repeatable.", metavar="TAG", autocompletion=complete_tag),
    ] = None,
    output: Output = Path("submissions"),
) -> None:
    """Give a run a name, a note or tags. --name '' takes the name away; without options, show them."""
    from kaggle_mnist.cli.screens import overview as screens
    from kaggle_mnist.runs.finding import find_path
    from kaggle_mnist.runs.labels import labels_from, read_labels, write_labels

    path = find_path(run, output)
    before = read_labels(path)
    labels = labels_from(name, note, tag or [], untag or [], before=before)
    if labels.name != before.name:
        screens.show_namesakes([labels], path.parent)
    if labels != before:
        write_labels(path, labels)
    screens.show_labels(path, labels, changed=labels != before)
