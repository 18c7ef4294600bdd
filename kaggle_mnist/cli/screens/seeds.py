"""What `train --seeds` prints: one bar over all seeds, a line for each run, and the recipe's line over its seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from kaggle_mnist.cli.console import Watcher, say
from kaggle_mnist.cli.screens import recipes
from kaggle_mnist.cli.screens.training import show_start
from kaggle_mnist.seeds import list_seeds

if TYPE_CHECKING:
    from kaggle_mnist.pipeline import Start
    from kaggle_mnist.runs.run import Run
    from kaggle_mnist.training.cross_validation import EpochEnd


class SeedsScreen:
    """Shows one run or a series; `on_start`, `on_epoch` and `on_run` are the callbacks of `seeds.train_seeds`."""

    def __init__(self, watcher: Watcher, seeds: Sequence[int], report: Callable[[Run], None]):
        self.watcher, self.seeds, self.report = watcher, seeds, report
        self.finished = 0

    def on_start(self, start: Start) -> None:
        """Show what is about to be trained, once: it is the same for all seeds."""
        self.watcher.on_start(start)
        if self.finished:
            return
        count = len(self.seeds)
        show_start(start, f"seeds {list_seeds(self.seeds)}" if count > 1 else "", count)
        repeats = start.plan.repeats
        if any(later - seed < repeats for seed, later in pairwise(sorted(self.seeds))):
            apart = list_seeds(range(0, min(count, 3) * repeats, repeats), ",")
            say("Note", "a seed's repeats have the folds of the seeds after it:")
            say("", f"seeds less than {repeats} apart share folds; such as --seeds {apart} share none")

    def on_epoch(self, event: EpochEnd) -> None:
        """Move the one bar."""
        count, seed = len(self.seeds), self.seeds[self.finished]
        note = f"seed {seed} ({self.finished + 1} of {count}), held-out accuracy {event.accuracy:.4f}"
        self.watcher.curve.add(event)
        self.watcher.curve.of = f"seed {seed}"
        self.watcher("Training", self.finished * event.epochs + event.epoch, count * event.epochs, note)

    def on_run(self, run: Run) -> None:
        """Show a finished run, and write its page."""
        self.finished += 1
        say(f"Seed {run.record.seed}", f"CV accuracy {run.cv_accuracy:.4f}, {run.submission}")
        self.report(run)


def show_seeds(runs: Sequence[Run], output: Path) -> None:
    """Print the line of the runs' recipe, as `compare --by recipe` does."""
    from kaggle_mnist.compare_recipes import compare_recipes

    recipes.show(compare_recipes([f"{run.path}" for run in runs], output), as_csv=False, as_json=False)
