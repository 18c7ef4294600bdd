"""What `train`, `resume`, `data`, `recipes` and `check` print."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.markup import escape

import kaggle_mnist
from kaggle_mnist.cli.console import ACCENT, console, duration, new_table, say, show_table
from kaggle_mnist.data.inspection import MNIST_INK, MNIST_OFFSET, Look
from kaggle_mnist.data.practice import is_practice
from kaggle_mnist.recipes.named import named_recipes
from kaggle_mnist.recipes.recipe import Recipe, format_value
from kaggle_mnist.recipes.variants import summary_of
from kaggle_mnist.runs.submission import Verdict
from kaggle_mnist.runs.unfinished import resume_command
from kaggle_mnist.training.device import changes_of
from kaggle_mnist.training.memory import gigabytes
from kaggle_mnist.utils.words import plural

if TYPE_CHECKING:
    from kaggle_mnist.check import DataCheck
    from kaggle_mnist.pipeline import Start
    from kaggle_mnist.runs.run import Run
    from kaggle_mnist.training.estimate import RunEstimate

MAX_ERRORS = 40
MAX_CONFUSIONS = 10  # lines instead of a matrix
FIELD, VALUE = 18, 15  # columns of the terminal that a field's name and its value take
WIDE = 140  # columns that the table of recipes needs to explain the fields
COMPETITION = "https://www.kaggle.com/competitions/digit-recognizer/data"


def show_data(found: DataCheck, export: Path | None) -> None:
    """Print where the digits are from, the number of images of each digit, and the files that were written."""
    digits = found.digits
    counts, labels = (len(digits.train_images), len(digits.test_images)), digits.withheld is not None
    _show_source(digits.source, digits.path, *counts, is_practice(digits), labels)
    table = new_table("digit", "images", numbers=True)
    for digit, count in enumerate(digits.counts):
        table.add_row(f"{digit}", f"{count:,}")
    show_table(table)
    look, near = found.look, found.near_copies
    say("Images", f"{look.distinct:,} distinct, {look.repeated:,} repeated, {len(near):,} nearly the same as another")
    say("", f"{look.ink:.1%} ink (MNIST: {MNIST_INK:.1%}),")
    say("", f"{look.offset:.1f} pixels from the middle on average (MNIST: {MNIST_OFFSET:.1f})")
    _show_warnings(look)
    if found.example is not None:
        copy, earlier = found.example
        are = "is nearly the same as another" if len(near) == 1 else "are nearly the same as others"
        say("Warning", f"{plural(len(near), 'labeled image')} {are},")
        say("", f"such as {copy} as {earlier}:")
        say("", "CV accuracy counts them as new; remove copies that were shifted or saved again")
    say("Fingerprint", digits.fingerprint)
    say("Picture", f"{found.picture}")
    if export is not None:
        say("Exported", f"{export}/train.csv, test.csv and sample_submission.csv")


def show_start(start: Start, seeds: str = "", count: int = 1) -> None:
    """Print the digits, what is about to be trained, and interrupted runs with the same settings.

    `seeds` are those of a series, in words, and `count` is their number.
    """
    plan, data = start.plan, start.plan.data
    _show_source(data.source, data.path, data.train_images, data.test_images, data.practice, data.test_labels)
    if data.look is not None:
        _show_warnings(data.look)
    epochs = plural(plan.recipe.epochs, "epoch")
    repeats = f" × {plan.repeats} repeats" if plan.repeats > 1 else ""
    networks = summary_of(plan.recipe, plan.repeats)
    if plan.dropped:
        say("Dropped", f"{plural(len(plan.dropped), 'image')} excluded from training")
    shown_seeds = seeds or f"seed {plan.seed}"
    say("Recipe", f"{plan.recipe.name}: {networks}, {epochs}, {plan.folds} folds{repeats}, {shown_seeds}")
    threads = f", {plural(plan.threads, 'thread')}" if plan.device == "cpu" else ""
    if start.workers is not None:
        threads += f" on each of {plural(start.workers, 'worker')}"
    mixed = ", bfloat16" if start.environment["products"] == "bfloat16" else ""
    busy = start.threads_if_idle - plan.threads if plan.device == "cpu" and start.workers is None else 0
    others = f" ({busy} fewer, for other programs that keep the machine busy)" if busy > 0 else ""
    say("Device", f"{plan.device}{threads}{others}{mixed}")
    if start.estimate is not None:
        _show_estimate(start.estimate(), count)
    for path in start.unfinished:
        say("Unfinished", f"the same run was interrupted earlier; to resume it: {resume_command(path)}")


def _show_estimate(estimate: RunEstimate, count: int) -> None:
    of_one = " to ".join(f"{size:,}" for size in dict.fromkeys((min(estimate.parameters), max(estimate.parameters))))
    say("Parameters", f"{of_one} per member, {estimate.all_parameters:,} of all {estimate.members} members")
    memory, available = gigabytes(estimate.memory.total), gigabytes(estimate.available)
    say("Memory", f"about {memory} needed, {available} available")
    training, whole = estimate.training, estimate.training + estimate.evaluation
    per_epoch = f"{estimate.seconds_per_epoch:.1f} s per epoch"
    say("Expected", f"{duration(training)} of training, {per_epoch}; {duration(whole)} with outputs")
    if count > 1:
        say("", f"for each seed; {duration(count * whole)} for the {count} of them")


def _show_warnings(look: Look) -> None:
    for warning in look.warnings:
        say("Warning", warning)


def show_resumed(start: Start) -> None:
    """Print which run is resumed, and what has changed since it was started."""
    after = f"epoch {start.epoch} of {start.plan.recipe.epochs}"
    say("Run", f"{start.run}, after {f'{start.repeats} of {start.plan.repeats} repeats' if start.repeats else after}")
    if changed := changes_of(start.plan.environment, start.environment):
        say("Note", f"changed since the run was started: {'; '.join(changed)};")
        say("", "the result may differ from an uninterrupted run's")


def _show_source(source: str, path: str, labeled: int, tests: int, practice: bool, test_labels: bool) -> None:
    kind = "test images with labels" if test_labels else "unlabeled"
    say("Digits", f"{source}: {labeled:,} labeled, {tests:,} {kind} ({path})")
    if test_labels:
        say("", "The labels of the test images are used only to score a finished run.")
    if practice:
        say("", "These are MNIST's digits: Kaggle does not know their ImageIds.")
        say("", "For the competition, put its train.csv and test.csv into input/, from")
        say("", COMPETITION)


def show_run(run: Run) -> None:
    """Print the fold scores, the out-of-fold confusion matrix, the scores and the path of the CSV."""
    scores, folds = run.record.scores, run.table("folds")
    repeated = run.record.repeats > 1
    table = new_table(*(["repeat"] if repeated else []), "fold", "images", "accuracy", "loss", numbers=True)
    table.show_footer = True
    for row in folds.itertuples():
        first = [f"{row.repeat}"] if repeated else []
        table.add_row(*first, f"{row.fold}", f"{row.images:,}", f"{row.accuracy:.4f}", f"{row.loss:.4f}")
    table.columns[-4].footer = "mean"
    table.columns[-2].footer, table.columns[-1].footer = f"{scores.cv_accuracy:.4f}", f"{scores.cv_loss:.4f}"
    show_table(table)

    _show_confusions(run)
    if run.record.dropped:
        them = "it" if len(run.record.dropped) == 1 else "them"
        dropped = plural(len(run.record.dropped), "image")
        say("Dropped", f"{dropped} excluded from training; the scores include {them},")
        say("", "and are slightly optimistic: models that had seen a held-out image helped to choose what to drop")
    over = "members" if repeated else "folds"
    spread = f"± {scores.cv_accuracy_std:.4f} (standard deviation over the {over})"
    say("CV accuracy", f"{scores.cv_accuracy:.4f} {spread}")
    if repeated:
        say("OOF accuracy", f"{scores.oof_accuracy:.4f} (outputs averaged over the repeats)")
    if run.withheld_accuracy is not None:
        data, shown = run.record.data, f"{run.withheld_accuracy:.4f}"
        if data.test_labels:
            say("Test set", f"{shown} on the {data.test_images:,} labels that it came with, which were not used before")
        else:
            say("Withheld", f"{shown} on the {data.test_images:,} withheld labels, as the leaderboard would score it")
    say("Submission", f"{run.submission}")


def _show_confusions(run: Run) -> None:
    """The confusion matrix; in a narrow terminal without recall, in a very narrow one just the largest confusions."""
    confusion = run.table("confusion").set_index("true")
    counts, recall = confusion.to_numpy(), run.table("digits").recall
    wrong = counts - np.diag(np.diag(counts))
    room, widest = console.width if console.is_terminal else WIDE, len(f"{counts.max()}")
    tight, loose = (len("true") + len(counts) * (widest + gap) for gap in (1, 2))
    if room < tight:
        largest = sorted(np.argwhere(wrong), key=lambda cell: -wrong[tuple(cell)])[:MAX_CONFUSIONS]
        for number, (true, read) in enumerate(largest):
            images = wrong[true, read]
            say("" if number else "Confused", f"{true} read as {read}: {plural(int(images), 'image')}")
        return
    with_recall = room >= loose + len("recall") + 2
    table = new_table("true", *confusion.columns, *(["recall"] if with_recall else []), numbers=True)
    table.title, table.title_justify, table.title_style = "Out of fold: true digit × predicted digit", "left", "bold"
    if room < loose:
        table.padding = 0
    for digit, row in enumerate(counts):
        cells = [f"{n}" if digit == i else _shaded(n, wrong.max()) for i, n in enumerate(row)]
        table.add_row(f"{digit}", *cells, *([f"{recall[digit]:.4f}"] if with_recall else []))
    show_table(table)


def _shaded(images: int, most: int) -> str:
    """A cell off the diagonal: the more images, the more it stands out."""
    if not images:
        return "·"
    style = f"bold white on {ACCENT}" if images > most / 2 else f"bold {ACCENT}" if images > most / 4 else ACCENT
    return f"[{style}]{images}[/]"


def show_time(*runs: Run) -> None:
    """Print how long training took, and the command from the start of its process until now."""
    training, whole = sum(run.record.seconds["train"] for run in runs), time.monotonic() - kaggle_mnist.STARTED
    if any(run.record.resumed for run in runs):
        say("Time", f"{training:.0f} s training in all sessions; this one took {whole:.0f} s in all")
    else:
        say("Time", f"{training:.0f} s training, {whole:.0f} s in all")


def show_recipes() -> None:
    """Print the named recipes side by side, one field per line, with its meaning if there is room; in a narrow terminal
    in several tables."""
    recipes = named_recipes()
    screen = console if console.is_terminal else Console(file=console.file, width=WIDE)
    explained = screen.width >= WIDE
    tables = 1 if explained else -(-len(recipes) // max(1, (screen.width - FIELD) // VALUE))
    size = -(-len(recipes) // tables)
    for first in range(0, len(recipes), size):
        names = list(recipes)[first : first + size]
        used = [recipes[name].in_use() for name in names]
        table = new_table("field", *names, *(["meaning"] if explained else []))
        table.columns[0].no_wrap = True
        for column in table.columns[1 : len(names) + 1]:
            column.max_width = VALUE - 2
        for name, field in Recipe.model_fields.items():
            values = [escape(_in_a_cell(name, fields[name])) if name in fields else "·" for fields in used]
            table.add_row(name, *values, *([escape(field.description or "")] if explained else []))
        show_table(table, screen)
    for recipe in recipes.values():
        for number, fields in enumerate(recipe.vary):
            settings = ", ".join(f"{name} = {format_value(value)}" for name, value in fields.items())
            say(f"{recipe.name}, {number}", settings or "as in the table")
    if not explained:
        say("", f"Widen the terminal to {WIDE} columns to see what each field means.")


def _in_a_cell(name: str, value: object) -> str:
    """A field's value as TOML; that of `vary` is listed below the table."""
    return "see below" if name == "vary" and value else format_value(value)


def show_verdict(file: Path, verdict: Verdict, expected: int) -> None:
    """Print whether Kaggle would accept the file, and if not, every reason."""
    for warning in verdict.warnings:
        say("Warning", warning)
    for error in verdict.errors[:MAX_ERRORS]:
        say("Error", error)
    if len(verdict.errors) > MAX_ERRORS:
        say("", f"… and {len(verdict.errors) - MAX_ERRORS:,} more")
    if verdict.errors:
        say("Invalid", f"{file}: Kaggle would reject it")
    else:
        say("Valid", f"{file}: {expected:,} ImageIds, each with a digit")
