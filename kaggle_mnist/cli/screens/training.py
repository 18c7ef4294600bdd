"""What `train`, `data`, `recipes` and `check` show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from kaggle_mnist.cli.console import console, new_table, say
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.practice import is_practice
from kaggle_mnist.models.registry import network_class
from kaggle_mnist.recipes.named import named_recipes
from kaggle_mnist.recipes.recipe import Recipe, format_value
from kaggle_mnist.runs.submission import Verdict
from kaggle_mnist.runs.unfinished import resume_command

if TYPE_CHECKING:
    from kaggle_mnist.pipeline import Start
    from kaggle_mnist.runs.run import Run

SHOWN_REASONS = 40
WIDE = 112  # columns of a terminal with room for explanations
COMPETITION = "https://www.kaggle.com/competitions/digit-recognizer/data"


def show_digits(digits: Digits) -> None:
    """What was found, with the number of images of each digit."""
    _show_source(digits.source, digits.path, len(digits.train_images), len(digits.test_images), is_practice(digits))
    table = new_table("digit", *map(str, range(10)))
    table.add_row("images", *(f"{count:,}" for count in digits.counts))
    console.print(table)
    say("Fingerprint", digits.fingerprint)


def show_start(start: Start) -> None:
    """The digits, what is about to be trained, and interrupted runs of the same."""
    plan, data = start.plan, start.plan.data
    _show_source(data.source, data.path, data.train_images, data.test_images, data.practice)
    form = network_class(plan.recipe.network).summary(**plan.recipe.network_settings)
    times = f" × {plan.repeats} repeats" if plan.repeats > 1 else ""
    say(
        "Recipe",
        f"{plan.recipe.name}: {form}, {plan.recipe.epochs} epochs, {plan.folds} folds{times}, seed {plan.seed}",
    )
    threads = f", {plan.threads} thread{'s' if plan.threads > 1 else ''}" if plan.device == "cpu" else ""
    mixed = ", bfloat16" if start.environment["products"] == "bfloat16" else ""
    say("Device", f"{plan.device}{threads}{mixed}")
    for path in start.unfinished:
        say("Unfinished", f"the same run was started before; `{resume_command(path)}` would resume it")


def show_resumed(start: Start) -> None:
    """The run that is resumed, and what has changed since it began."""
    say("Run", f"{start.run}, after epoch {start.epoch} of {start.plan.recipe.epochs}")
    changed = [
        f"{name} {then}, now {start.environment.get(name)}"
        for name, then in start.plan.environment.items()
        if then != start.environment.get(name)
    ]
    if changed:
        say(
            "Note",
            f"changed since the run began: {'; '.join(changed)}. Its bytes may differ from an uninterrupted run's.",
        )


def _show_source(source: str, path: str, labeled: int, unlabeled: int, practice: bool) -> None:
    say("Digits", f"{source}: {labeled:,} labeled, {unlabeled:,} unlabeled ({path})")
    if practice:
        say("", "These are MNIST's own digits, for practice: Kaggle would not know their ImageIds.")
        say("", "For the competition, put its train.csv and test.csv into input/; they are at")
        say("", COMPETITION)


def show_run(run: Run) -> None:
    """Fold scores, the out-of-fold confusion matrix, the withheld score, and the way to the CSV."""
    found, folds = run.record.scores, run.table("folds")
    repeated = run.record.repeats > 1
    table = new_table(*(["repeat"] if repeated else []), "fold", "images", "accuracy", "loss", numbers=True)
    table.show_footer = True
    for row in folds.itertuples():
        first = [f"{row.repeat}"] if repeated else []
        table.add_row(*first, f"{row.fold}", f"{row.images:,}", f"{row.accuracy:.4f}", f"{row.loss:.4f}")
    table.columns[-4].footer = "mean"
    table.columns[-2].footer, table.columns[-1].footer = f"{found.cv_accuracy:.4f}", f"{found.cv_loss:.4f}"
    console.print(table)

    confusion = run.table("confusion").set_index("true")
    table = new_table("true", *confusion.columns, "recall", numbers=True)
    table.title = "Out of fold: true digit × predicted digit"
    recall = run.table("digits").recall
    for digit, counts in enumerate(confusion.to_numpy()):
        cells = [f"[bold]{n}[/bold]" if digit == i else f"{n}" if n else "·" for i, n in enumerate(counts)]
        table.add_row(f"{digit}", *cells, f"{recall[digit]:.4f}")
    console.print(table)

    if run.record.dropped:
        say("Dropped", f"{len(run.record.dropped):,} images that no member learnt from; the scores count them")
    spread = f"± {found.cv_accuracy_std:.4f} (standard deviation over the folds)"
    say("CV accuracy", f"{found.cv_accuracy:.4f} {spread}")
    if repeated:
        say("OOF accuracy", f"{found.oof_accuracy:.4f} (outputs averaged over the repeats)")
    if run.withheld_accuracy is not None:
        images = run.record.data.test_images
        shown = f"{run.withheld_accuracy:.4f}"
        say("Withheld", f"{shown} on the {images:,} withheld labels, as the leaderboard would score it")
    say("Time", f"{run.record.seconds['train']:.0f} s of training, {run.record.seconds['all']:.0f} s in all")
    say("Submission", f"{run.submission}")


def show_recipes() -> None:
    """The named recipes side by side, a field a line, and what it means if there is room."""
    recipes = named_recipes()
    screen = console if console.is_terminal else Console(file=console.file, width=WIDE)
    explained = screen.width >= WIDE
    table = new_table("field", *recipes, *(["meaning"] if explained else []))
    table.columns[0].no_wrap = True
    for column in table.columns[1 : len(recipes) + 1]:
        column.max_width = 15
    for name, field in Recipe.model_fields.items():
        used = [recipe.in_use() for recipe in recipes.values()]
        values = [escape(format_value(fields[name])) if name in fields else "·" for fields in used]
        meaning = [escape(field.description or "")] if explained else []
        table.add_row(name, *values, *meaning)
    screen.print(table)
    if not explained:
        say("", f"A terminal of {WIDE} columns shows what each field means.")


def show_verdict(file: Path, verdict: Verdict, expected: int) -> None:
    """Whether Kaggle would take the file; if not, every reason."""
    for warning in verdict.warnings:
        say("Warning", warning)
    for error in verdict.errors[:SHOWN_REASONS]:
        say("Error", error)
    if len(verdict.errors) > SHOWN_REASONS:
        say("", f"… and {len(verdict.errors) - SHOWN_REASONS:,} more")
    if verdict.errors:
        say("Refused", f"{file}: Kaggle would not take it")
    else:
        say("Valid", f"{file}: {expected:,} ImageIds, each with a digit")
