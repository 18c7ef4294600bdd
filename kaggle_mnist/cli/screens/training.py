"""What `train`, `data`, `recipes` and `check` show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from kaggle_mnist.cli.console import console, new_table, say
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.practice import is_practice
from kaggle_mnist.recipes.recipe import NAMED, Recipe, plain
from kaggle_mnist.runs.submission import Verdict

if TYPE_CHECKING:
    import torch

    from kaggle_mnist.runs.run import Run
    from kaggle_mnist.runs.unfinished import Plan

SHOWN_REASONS = 40
WIDE = 112  # columns of a terminal with room for explanations
COMPETITION = "https://www.kaggle.com/competitions/digit-recognizer/data"


def show_digits(digits: Digits, *, counts: bool = False) -> None:
    """What was found, and where the competition's own files are to be had if it was not them."""
    labeled, unlabeled = len(digits.train_images), len(digits.test_images)
    say("Digits", f"{digits.source}: {labeled:,} labeled, {unlabeled:,} unlabeled ({digits.path})")
    if is_practice(digits):
        say("", "These are MNIST's own digits, for practice: Kaggle would not know their ImageIds.")
        say("", "For the competition, put its train.csv and test.csv into input/; they are at")
        say("", COMPETITION)
    if counts:
        table = new_table("digit", *map(str, range(10)))
        table.add_row("images", *(f"{count:,}" for count in digits.counts))
        console.print(table)
        say("Fingerprint", digits.fingerprint)


def show_plan(recipe: Recipe, *, folds: int, repeats: int, seed: int, device: torch.device) -> None:
    """What is about to be trained."""
    import torch

    from kaggle_mnist.training.trainer import precision_of

    units = "-".join(map(str, (784, *recipe.hidden, 10)))
    times = f" × {repeats} repeats" if repeats > 1 else ""
    count = torch.get_num_threads()
    threads = f", {count} thread{'s' if count > 1 else ''}" if device.type == "cpu" else ""
    mixed = ", bfloat16" if precision_of(recipe, device) == torch.bfloat16 else ""
    say("Recipe", f"{recipe.name}: {units}, {recipe.epochs} epochs, {folds} folds{times}, seed {seed}")
    say("Device", f"{device.type}{threads}{mixed}")


def show_unfinished(paths: list[Path]) -> None:
    """Runs of the same recipe, seed and digits that stopped, and the command that would go on with each."""
    from kaggle_mnist.runs.unfinished import way_on

    for path in paths:
        say("Unfinished", f"the same run was begun before; `{way_on(path)}` would go on with it")


def show_resumed(path: Path, plan: Plan, epoch: int, environment: dict[str, str | int]) -> None:
    """What is gone on with, and what is not as it was when the run was begun."""
    say("Run", f"{path}, after epoch {epoch} of {plan.recipe.epochs}")
    changed = [
        f"{name} {then}, now {environment.get(name)}"
        for name, then in plan.environment.items()
        if name != "threads" and then != environment.get(name)  # the number of threads is set to what it was
    ]
    if changed:
        say("Note", f"not as when it was begun: {'; '.join(changed)}. The bytes may differ from a run without a stop.")


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
    """The named recipes side by side, a field a line, and what it means where there is room."""
    screen = console if console.is_terminal else Console(file=console.file, width=WIDE)
    explained = screen.width >= WIDE
    table = new_table("field", *NAMED, *(["meaning"] if explained else []))
    table.columns[0].no_wrap = True
    for column in table.columns[1 : len(NAMED) + 1]:
        column.max_width = 15
    for name, field in Recipe.model_fields.items():
        values = [getattr(recipe, name) for recipe in NAMED.values()]
        meaning = [escape(field.description or "")] if explained else []
        table.add_row(name, *(escape(plain(value)) for value in values), *meaning)
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
