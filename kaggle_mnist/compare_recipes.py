"""Compare recipes rather than runs: runs of one recipe with several seeds as one line, tested seed by seed."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kaggle_mnist.compare import letters
from kaggle_mnist.runs.finding import for_each_run
from kaggle_mnist.runs.run import Run
from kaggle_mnist.settings import Settings, common, differing, settings_of
from kaggle_mnist.significance import Difference, holm, paired_difference, verdict_of
from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.progress import Progress, quiet

NO_RECIPE = "is a blend, which has no recipe"


@dataclass(frozen=True)
class RecipeRow:
    """One recipe's line in a comparison.

    Attributes
    ----------
    letter : its short name in this comparison: A for the best
    recipe : its name
    differs : settings but the seed whose value differs from the common base's
    data : fingerprint of the digits
    images : number of labeled images
    accuracies : OOF accuracy by seed, from 0 to 1; of several runs with one seed, the newest one's
    mean, spread : mean and standard deviation of `accuracies`; no spread for one seed
    seconds : median of how long training of its runs took
    settings : what its runs were trained with, as `settings_of` lists it, but the seed
    runs : how many there are; more than `accuracies` if several have one seed
    """

    letter: str
    recipe: str
    differs: dict[str, Any]
    data: str
    images: int
    accuracies: dict[int, float]
    mean: float
    spread: float | None
    seconds: float
    settings: Settings = field(default_factory=dict)
    runs: int = 0


@dataclass(frozen=True)
class RecipePair:
    """Two recipes compared over the seeds that both were trained with.

    Attributes
    ----------
    first, second : letters of the recipes
    difference : of the first from the second; None with fewer than two common seeds
    p_corrected : of the paired t-test, after Holm's correction for the number of pairs
    """

    first: str
    second: str
    difference: Difference | None
    p_corrected: float | None

    @property
    def verdict(self) -> str:
        """Which recipe is better, that the two do not differ significantly, or what is missing."""
        if self.difference is None or self.p_corrected is None:
            return f"{self.first} and {self.second} have fewer than two seeds in common"
        return verdict_of(self.first, self.second, self.difference.mean, self.p_corrected)


@dataclass(frozen=True)
class RecipeComparison:
    """A comparison of recipes.

    Attributes
    ----------
    rows : the recipes, sorted by mean accuracy, best first
    pairs : all pairs of recipes on the same digits
    passed_over : why a run was left out, unless it is a blend
    base : for each setting, the value that most of the recipes have
    blends : how many runs were left out because a blend has no recipe
    """

    rows: list[RecipeRow]
    pairs: list[RecipePair]
    passed_over: list[str]
    base: Settings = field(default_factory=dict)
    blends: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The content of `compare --by recipe --json`."""
        pairs = [{**asdict(pair), "verdict": pair.verdict} for pair in self.pairs]
        return {
            "base": self.base,
            "recipes": [asdict(row) for row in self.rows],
            "pairs": pairs,
            "passed_over": self.passed_over,
            "blends": self.blends,
        }


def compare_recipes(
    names: Sequence[str], output: str | Path = "submissions", *, progress: Progress = quiet
) -> RecipeComparison:
    """Compare the recipes of the named runs, or of all finished ones below a folder.

    Runs are of one recipe if all but the seed is the same: the recipe's fields that are in use, the number of folds and
    of repeats, the dropped images and the digits.

    Parameters
    ----------
    names : as for `finding.find_paths`, each for one run or for several; empty for all runs that can be read
    output : folder of the runs
    progress : called while the runs are read

    Raises
    ------
    BadRun
        A named run does not exist or is damaged, or there is no run with a recipe.

    Examples
    --------
    >>> compare_recipes([]).pairs[0].verdict  # doctest: +SKIP
    'A is better than B'
    """
    output = Path(output)
    found: dict[str, list[Run]] = {}

    def take(run: Run) -> None:
        if run.record.recipe is None:
            raise BadRun(f"{run.path}: {NO_RECIPE}")
        key = {
            **settings_of(run.record),
            "seed": None,
            "dropped": run.record.dropped,
            "data": run.record.data.fingerprint,
        }
        found.setdefault(f"{sorted(key.items())}", []).append(run)

    passed_over = for_each_run(names, output, take, progress)
    if not found:
        raise BadRun(f"{output}: no finished run with a recipe here; `kaggle-mnist train` makes one")
    groups = sorted(found.values(), key=lambda runs: -statistics.mean(_accuracies(runs).values()))
    base = common(_settings(runs) for runs in groups)
    rows = [_row(letter, runs, base) for letter, runs in zip(letters(), groups, strict=False)]
    others = [problem for problem in passed_over if not problem.endswith(NO_RECIPE)]
    return RecipeComparison(rows, _pairs(rows), others, base, len(passed_over) - len(others))


def _settings(runs: Sequence[Run]) -> Settings:
    return {name: value for name, value in settings_of(runs[0].record).items() if name != "seed"}


def _accuracies(runs: Sequence[Run]) -> dict[int, float]:
    by_seed = {}
    for run in sorted(runs, key=lambda run: run.created):
        assert run.record.seed is not None
        by_seed[run.record.seed] = run.record.scores.oof_accuracy
    return dict(sorted(by_seed.items()))


def _row(letter: str, runs: Sequence[Run], base: Settings) -> RecipeRow:
    accuracies, settings = _accuracies(runs), _settings(runs)
    return RecipeRow(
        letter=letter,
        recipe=runs[0].record.name,
        differs=differing(settings, base),
        data=runs[0].record.data.fingerprint,
        images=runs[0].record.data.train_images,
        accuracies=accuracies,
        mean=statistics.mean(accuracies.values()),
        spread=statistics.stdev(accuracies.values()) if len(accuracies) > 1 else None,
        seconds=statistics.median(run.record.seconds["train"] for run in runs),
        settings=settings,
        runs=len(runs),
    )


def _pairs(rows: Sequence[RecipeRow]) -> list[RecipePair]:
    candidates: list[tuple[RecipeRow, RecipeRow, list[int]]] = []
    for a, b in itertools.combinations(rows, 2):
        if a.data == b.data:
            candidates.append((a, b, [seed for seed in a.accuracies if seed in b.accuracies]))

    def compared(a: RecipeRow, b: RecipeRow, seeds: list[int], confidence: float = 0.95) -> Difference:
        first, second = ([row.accuracies[seed] for seed in seeds] for row in (a, b))
        return paired_difference(first, second, a.images, confidence)

    corrected, confidence = holm([compared(a, b, seeds).p for a, b, seeds in candidates if len(seeds) > 1])
    found = zip(corrected.tolist(), confidence.tolist(), strict=True)
    pairs = []
    for a, b, seeds in candidates:
        difference, p = None, None
        if len(seeds) > 1:
            p, level = next(found)
            difference = compared(a, b, seeds, level)
        pairs.append(RecipePair(a.letter, b.letter, difference, p))
    return pairs
