"""Look at a run before it is begun: everything is checked, nothing is trained or written."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.pipeline import Start
from kaggle_mnist.prepare import estimate_plan, prepare
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.folder import ensure_writable
from kaggle_mnist.utils.progress import Progress, quiet

TIMED = 8  # steps of each variant


def dry_run(
    recipe: str | Recipe = "mlp",
    *,
    input: str | Path | Digits | None = None,
    output: str | Path = "submissions",
    folds: int = 5,
    repeats: int | None = None,
    seed: int = 0,
    device: str = "auto",
    score: bool = True,
    drop_suspects: str | Path | tuple[int, ...] | None = None,
    progress: Progress = quiet,
) -> Start:
    """What `pipeline.train` would begin with, and its `estimate` of memory and time; its `run` is an empty path.

    The parameters are those of `pipeline.train`, and so are the errors. The estimate leaves out what is not training:
    reading the digits, the run's files and its page. Training is assumed to go on as in the first steps.

    Examples
    --------
    >>> from kaggle_mnist import load_digits
    >>> start = dry_run("fast", input=load_digits("practice").head(500, 100))
    >>> estimate = start.estimate()
    >>> estimate.members, estimate.all_parameters
    (5, 2330930)
    """
    ensure_writable(Path(output), create=False)
    prepared = prepare(
        find_recipe(recipe),
        input=input,
        folds=folds,
        repeats=repeats,
        seed=seed,
        device=device,
        score=score,
        drop_suspects=drop_suspects,
        progress=progress,
    )
    with prepared as (plan, _, digits, fold_of):
        estimate = partial(estimate_plan, plan, digits, fold_of, timed=TIMED)
        return Start(plan, Path(), 0, plan.environment, (), torch.get_num_threads(), estimate=estimate)
