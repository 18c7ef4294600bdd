"""Compare runs: their scores side by side, and their out-of-fold predictions image by image."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.forecast import Forecast, forecast_of
from kaggle_mnist.report.fold_plot import check_plot, plot_folds
from kaggle_mnist.runs.finding import find_run, for_each_run
from kaggle_mnist.runs.labels import Labels, read_labels
from kaggle_mnist.runs.run import Run, ScoredRun
from kaggle_mnist.settings import Settings, common, differing, settings_of
from kaggle_mnist.significance import Pair, holm, only_one_right, standard_errors, two_sided_p
from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.progress import Progress, quiet


@dataclass(frozen=True)
class Row:
    """One run's line in a comparison.

    Attributes
    ----------
    letter : its short name in this comparison: A for the best
    run, recipe : names of the run and of its recipe
    differs : settings whose value differs from the common base's; for a blend, its parents
    data : fingerprint of the digits
    dropped : number of images that it, or one of its parents, was not trained on
    folds : accuracy of each member on its held-out images, from 0 to 1
    cv_accuracy, cv_accuracy_std : mean and standard deviation of `folds`
    oof_accuracy, oof_log_loss : of the out-of-fold outputs
    score : accuracy on the test images, by the leaderboard or the withheld labels; None if unknown
    forecast : the score to expect
    seconds : how long training took; None for a blend
    settings : what it was trained with, as `settings_of` lists it; empty for a blend
    labels : its name, note and tags
    """

    letter: str
    run: str
    recipe: str
    differs: dict[str, Any]
    data: str
    dropped: int
    folds: list[float]
    cv_accuracy: float
    cv_accuracy_std: float
    oof_accuracy: float
    oof_log_loss: float
    score: float | None
    forecast: Forecast
    seconds: float | None
    settings: Settings = field(default_factory=dict)
    labels: Labels = field(default_factory=Labels)


@dataclass(frozen=True)
class Comparison:
    """A comparison of runs.

    Attributes
    ----------
    rows : the runs, sorted by OOF accuracy, best first
    pairs : all pairs of runs on the same digits
    passed_over : why a run could not be read, for each that was not named by the user and was skipped
    missing : why the page has no pictures of some digits
    base : for each setting, the value that most of the trained runs have
    """

    rows: list[Row]
    pairs: list[Pair]
    passed_over: list[str]
    missing: list[str] = field(default_factory=list)
    base: Settings = field(default_factory=dict)

    def pairs_of_first(self, most: int, *, only_with_best: bool = False) -> list[Pair]:
        """The pairs among so many of the best runs; or only those of the best run of each data set."""
        letters = {row.letter for row in self.rows[:most]}
        best = {row.data: row.letter for row in reversed(self.rows)}.values()
        firsts = letters.intersection(best) if only_with_best else letters
        return [pair for pair in self.pairs if pair.first in firsts and pair.second in letters]

    @property
    def same_data(self) -> bool:
        """Whether all runs use the same digits."""
        return len({row.data for row in self.rows}) == 1

    def as_dict(self) -> dict[str, Any]:
        """The content of `compare --json`."""
        pairs = [{**vars(pair), "verdict": pair.verdict} for pair in self.pairs]
        runs = [{**asdict(row), "labels": row.labels.model_dump(mode="json")} for row in self.rows]
        return {"base": self.base, "runs": runs, "pairs": pairs, "passed_over": self.passed_over}


def compare_runs(
    names: Sequence[str],
    output: str | Path = "submissions",
    *,
    plot: Path | None = None,
    page: Path | None = None,
    input: str | Path | None = None,
    progress: Progress = quiet,
) -> Comparison:
    """Compare the named runs, or all finished ones below a folder.

    Parameters
    ----------
    names : as for `finding.find_paths`, each for one run or for several; empty for all runs that can be read
    output : folder of the runs
    plot : PNG, SVG or PDF file for a plot of the fold accuracies
    page : HTML file for the comparison as a page
    input : where the digits for its pictures are, as in `load_digits`
    progress : called while the runs are read

    Raises
    ------
    BadRun
        A named run does not exist or is damaged, or there are no runs.
    OutputError
        `plot` or `page` cannot be written, has another file type, or would overwrite a file that kaggle-mnist did not
        write.
    DataNotFound
        The digits in `input` are not those of the runs.

    Examples
    --------
    >>> compare_runs(["20261124-213815-fast", "latest"]).pairs[0].verdict  # doctest: +SKIP
    'A and B do not differ significantly'
    """
    output = Path(output)
    if plot is not None:
        check_plot(plot)
    if page is not None:
        from kaggle_mnist.report.comparison import check_page, write_comparison

        check_page(page)
    scored: list[_RunResult] = []
    places: set[Path] = set()

    def take(run: Run) -> None:
        if (place := run.path.resolve()) not in places:
            scored.append(_RunResult.of(run))
            places.add(place)

    passed_over = for_each_run(names, output, take, progress)
    if not scored:
        if passed_over:
            raise BadRun(passed_over[-1])  # the newest
        find_run(None, output)  # raises, and says how to make a run
    scored.sort(key=lambda one: (-one.run.record.scores.oof_accuracy, one.run.created, one.run.name))
    base = common(settings_of(one.run.record) for one in scored if one.run.record.recipe)
    rows = [_row(letter, one, base) for letter, one in zip(letters(), scored, strict=False)]
    pairs = compare_pairs(rows, [one.correct for one in scored], [one.fold_of for one in scored])
    comparison = Comparison(rows, pairs, passed_over, base=base)
    if plot is not None:
        plot_folds([(f"{row.letter}  {row.run}", row.folds) for row in rows], plot)
    if page is not None:
        runs = [one.run for one in scored]
        missing = write_comparison(page, comparison, runs, input=input, progress=progress)
        comparison = replace(comparison, missing=missing)
    return comparison


@dataclass(frozen=True)
class _RunResult:
    """What a comparison keeps of a run: the outputs of a thousand runs would take gigabytes."""

    standing: ScoredRun
    labels: Labels
    folds: list[float]
    correct: NDArray[np.bool_]  # (n,)
    fold_of: NDArray[np.int64]  # (repeats, n)

    @classmethod
    def of(cls, run: Run) -> _RunResult:
        outputs, folds = run.outputs(), run.table("folds").accuracy.astype(float).tolist()
        correct = outputs.oof.argmax(1) == outputs.y_true
        return cls(ScoredRun.of(run), read_labels(run.path), folds, correct, outputs.fold_of)

    @property
    def run(self) -> Run:
        return self.standing.run


def compare_pairs(
    rows: Sequence[Row], correct: Sequence[NDArray[np.bool_]], fold_of: Sequence[NDArray[np.int64]]
) -> list[Pair]:
    """Compare every two rows on the same data.

    Student's t-test asks whether the images that only one of the two runs got right could be split like this by the
    chance of images and of members; see `standard_errors`. Holm's method corrects p and the interval for the number of
    pairs, so that the interval excludes 0 exactly when the test is significant. Of two seeds of one recipe, with one
    repeat or two, at most 5 of 100 pairs are called different, and of two blends of two such runs, too; in simulations
    of members that differ by any amount, at most 6 with up to four repeats, and 7 with ten (`benchmarks/RESULTS.md`).
    A blend and its own parent share members that here count as different ones: their verdict is less certain.

    Parameters
    ----------
    rows : the runs
    correct : for each row, which of its images it got right, bool, shape ``(n,)``
    fold_of : for each row, the fold in which each image was held out, int64, shape ``(repeats, n)``
    """
    from scipy.stats import t

    shared: dict[tuple[str, int], list[int]] = {}
    for i, row in enumerate(rows):
        shared.setdefault((row.data, len(correct[i])), []).append(i)
    found = []  # for all pairs: first, second, images, only_first, only_second, standard error, degrees of freedom
    for (_, n), members in shared.items():
        only = only_one_right([correct[i] for i in members])
        errors, freedom = standard_errors([correct[i] for i in members], [fold_of[i] for i in members], only)
        a, b = np.triu_indices(len(members), 1)
        numbers = np.array(members)
        columns = (numbers[a], numbers[b], np.full(len(a), n), only[a, b], only[b, a], errors[a, b], freedom[a, b])
        found.append(np.stack(columns).astype(float))
    first, second, n, only_first, only_second, error, freedom = np.concatenate(found, axis=1)
    if not len(first):
        return []
    order = np.lexsort((second, first))
    difference = only_first - only_second
    p = two_sided_p(difference, error, freedom)
    corrected, confidence = holm(p)
    reach = t.ppf((1 + confidence) / 2, freedom) * error + (difference != 0)
    low, high = (np.clip((difference + side * reach) / n, -1, 1) for side in (-1, 1))
    letter = [row.letter for row in rows]
    counts = (first, second, n, only_first, only_second)
    integers = zip(*(column[order].astype(int).tolist() for column in counts), strict=True)
    reals = zip(*(column[order].tolist() for column in (difference / n, low, high, p, corrected)), strict=True)
    return [Pair(letter[a], letter[b], *rest, *figures) for (a, b, *rest), figures in zip(integers, reals, strict=True)]


def letters() -> Iterator[str]:
    """Generate A to Z, then AA, AB, …, ZZ, AAA, … without end.

    >>> list(itertools.islice(letters(), 25, 28))
    ['Z', 'AA', 'AB']
    """
    alphabet = [chr(ord("A") + i) for i in range(26)]
    return ("".join(letters) for length in itertools.count(1) for letters in itertools.product(alphabet, repeat=length))


def _row(letter: str, result: _RunResult, base: Settings) -> Row:
    run, scores = result.run, result.run.record.scores
    settings = settings_of(run.record) if run.record.recipe else {}
    blended = {"blend of": [f"{parent.run} × {parent.weight:.3f}" for parent in run.record.parents]}
    return Row(
        letter=letter,
        run=run.name,
        recipe=run.record.name,
        differs=differing(settings, base) if settings else blended,
        data=run.record.data.fingerprint,
        dropped=run.record.most_dropped,
        folds=result.folds,
        cv_accuracy=scores.cv_accuracy,
        cv_accuracy_std=scores.cv_accuracy_std,
        oof_accuracy=scores.oof_accuracy,
        oof_log_loss=scores.oof_log_loss,
        score=result.standing.score,
        forecast=forecast_of(result.standing),
        seconds=run.record.seconds.get("train"),
        settings=settings,
        labels=result.labels,
    )
