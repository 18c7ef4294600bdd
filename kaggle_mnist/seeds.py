"""Several seeds of one recipe, one run each: how much of a score is the seed's luck."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.data.suspects import read_suspects
from kaggle_mnist.pipeline import Start, train
from kaggle_mnist.prepare import MAX_SEED
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.labels import Labels, labels_from
from kaggle_mnist.runs.names import CHECKPOINT
from kaggle_mnist.runs.run import Run
from kaggle_mnist.runs.unfinished import resume_command
from kaggle_mnist.training.cross_validation import EpochEnd
from kaggle_mnist.utils.errors import BadOption, Diverged, Interrupted, UserError
from kaggle_mnist.utils.files import SUMS
from kaggle_mnist.utils.progress import Progress, quiet

MAX_SEEDS = 1000  # of one call


def parse_seeds(text: str) -> list[int]:
    """Seeds as a range with both its ends, as a list, or as a list of ranges. Raises BadOption.

    Examples
    --------
    >>> parse_seeds("0..4"), parse_seeds("0,3,7"), parse_seeds("9, 0..1")
    ([0, 1, 2, 3, 4], [0, 3, 7], [9, 0, 1])
    """
    seeds: list[int] = []
    for part in text.split(","):
        ends = re.fullmatch(r"\s*([0-9]{1,10})(?:\.\.([0-9]{1,10}))?\s*", part)
        if ends is None:
            raise BadOption(f"seeds {text}: must be a range such as 0..4, or a list such as 0,3,7")
        low, high = int(ends[1]), int(ends[2] or ends[1])
        if not low <= high < MAX_SEED:
            raise BadOption(f"seeds {text}: must rise, and be from 0 to {MAX_SEED - 1}")
        seeds += range(low, min(high, low + MAX_SEEDS) + 1)
        if len(seeds) > MAX_SEEDS:
            raise BadOption(f"seeds {text}: are more than {MAX_SEEDS:,}")
    if len(set(seeds)) < len(seeds):
        raise BadOption(f"seeds {text}: name a seed twice")
    return seeds


def train_seeds(
    recipe: str | Recipe,
    seeds: Sequence[int],
    *,
    input: str | Path | Digits | None = None,
    output: str | Path = "submissions",
    folds: int = 5,
    repeats: int | None = None,
    device: str = "auto",
    score: bool = True,
    drop_suspects: str | Path | tuple[int, ...] | None = None,
    cluster: str | None = None,
    labels: Labels | None = None,
    on_start: Callable[[Start], None] | None = None,
    on_epoch: Callable[[EpochEnd], None] | None = None,
    on_run: Callable[[Run], None] | None = None,
    progress: Progress = quiet,
) -> list[Run]:
    """Train a recipe once with every seed, one after another; digits and suspects are read once.

    A seed's repeats have the folds of the seeds after it: its second repeat has those of the next seed's first. Only
    seeds that are at least as far apart as a run has repeats share no folds.

    Parameters
    ----------
    seeds : different ones, at least one
    recipe, input, output, folds, repeats, device, score, drop_suspects, cluster, progress : as for `pipeline.train`
    labels : the runs' note and tags, and their name, to which each seed is appended, as in `wide-3`
    on_start, on_epoch : as for `pipeline.train`, called for every seed
    on_run : called with every run when it is finished

    Returns
    -------
    The runs, in the order of the seeds. Each has the bytes that `pipeline.train` gives with its seed.

    Raises
    ------
    kaggle_mnist.utils.errors.UserError
        As `pipeline.train`. Runs that are finished by then stay.
    Interrupted
        In place of KeyboardInterrupt. Both say which seeds are finished, and how to train the others.

    Examples
    --------
    >>> from kaggle_mnist import find_recipe, load_digits
    >>> digits, recipe = load_digits("practice").head(500, 100), find_recipe("fast", epochs=1)
    >>> [run.record.seed for run in train_seeds(recipe, [0, 3], input=digits)]
    [0, 3]
    """
    recipe, labeled = find_recipe(recipe), label_seeds(labels or Labels(), seeds)
    digits = input if isinstance(input, Digits) else load_digits(input, progress=progress)
    if isinstance(drop_suspects, (str, Path)):
        drop_suspects = read_suspects(Path(drop_suspects), digits.train_labels)
    runs: list[Run] = []

    def only_training(stage: str, done: int, total: int, unit: str = "") -> None:
        if stage == "Training" and not runs:  # the stages of every seed would break the bar into pieces
            progress(stage, done, len(seeds) * total, unit)

    try:
        for seed, own in zip(seeds, labeled, strict=True):
            run = train(
                recipe,
                input=digits,
                output=output,
                folds=folds,
                repeats=repeats,
                seed=seed,
                device=device,
                score=score,
                drop_suspects=drop_suspects,
                cluster=cluster,
                labels=own,
                on_start=on_start,
                on_epoch=on_epoch,
                progress=only_training,
            )
            runs.append(run)
            if on_run is not None:
                on_run(run)
    except KeyboardInterrupt as error:
        raise Interrupted(f"{error or 'interrupted'}{_what_is_left(seeds, len(runs), error)}") from None
    except UserError as error:
        raise type(error)(f"{error}{_what_is_left(seeds, len(runs), error)}") from error
    return runs


def label_seeds(labels: Labels, seeds: Sequence[int]) -> list[Labels]:
    """The labels of each seed's run. Raises BadOption if a name gets too long.

    >>> [labels.name for labels in label_seeds(Labels(name="wide"), [0, 3])]
    ['wide-0', 'wide-3']
    """
    if labels.name is None:
        return [labels] * len(seeds)
    return [labels_from(f"{labels.name}-{seed}", labels.note, labels.tags) for seed in seeds]


def _what_is_left(seeds: Sequence[int], finished: int, error: BaseException) -> str:
    """Which seeds are finished and how to train the others, for the message of the error that ended the series."""
    run: Path | None = getattr(error, "run", None)
    said, kept = "", 0
    if run is not None and (run / SUMS).exists():  # ended after its last file
        finished += 1
    elif run is not None and (run / CHECKPOINT).exists() and not isinstance(error, Diverged):
        kept, command = 1, f"`{resume_command(run)}`"
        said = "" if command in f"{error}" else f"; {command} goes on with seed {seeds[finished]}"
    done, left = seeds[:finished], seeds[finished + kept :]
    if isinstance(error, UserError) and not done and not kept:
        return ""  # the same command trains them all
    said += f"; finished: seed{'s' if len(done) > 1 else ''} {list_seeds(done)}" if done else ""
    return said + (f"; for the rest, the same command with --seeds {list_seeds(left, ',')}" if left else "")


def list_seeds(seeds: Sequence[int], separator: str = ", ") -> str:
    """Seeds as `parse_seeds` reads them.

    >>> list_seeds([0, 1, 2, 3]), list_seeds([0, 2])
    ('0..3', '0, 2')
    """
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}..{seeds[-1]}"
    return separator.join(f"{seed}" for seed in seeds)
