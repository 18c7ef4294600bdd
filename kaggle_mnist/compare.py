"""Compare runs: their scores side by side, and their out-of-fold predictions image by image."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.forecast import Forecast, Gains, predict_score
from kaggle_mnist.runs.finding import find_run, list_runs, other_runs
from kaggle_mnist.runs.run import Run, ScoredRun, read_run
from kaggle_mnist.significance import Pair, count_both_right, difference_interval, mcnemar_p
from kaggle_mnist.utils.errors import BadRun, OutputError
from kaggle_mnist.utils.files import WRITER, refuse_foreign, write_atomic
from kaggle_mnist.utils.progress import Progress, quiet

PLOTS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class Row:
    """One run's line in a comparison.

    Attributes
    ----------
    letter : its short name in this comparison: A for the best
    run, recipe : names of the run and of its recipe
    differs : fields whose value differs from the first trained run's; for a blend, its parents
    data : fingerprint of the digits
    folds : accuracy of each member on its held-out images, from 0 to 1
    cv_accuracy, cv_accuracy_std : mean and standard deviation of `folds`
    oof_accuracy, oof_log_loss : of the out-of-fold outputs
    score : accuracy on the test images, by the leaderboard or the withheld labels; None if unknown
    forecast : the score to expect
    seconds : how long the run took; None for a blend
    """

    letter: str
    run: str
    recipe: str
    differs: dict[str, Any]
    data: str
    folds: list[float]
    cv_accuracy: float
    cv_accuracy_std: float
    oof_accuracy: float
    oof_log_loss: float
    score: float | None
    forecast: Forecast
    seconds: float | None


@dataclass(frozen=True)
class Comparison:
    """A comparison of runs.

    Attributes
    ----------
    rows : the runs, sorted by OOF accuracy, best first
    pairs : all pairs of runs on the same digits
    passed_over : why a run could not be read, for each that was not named by the user and was skipped
    """

    rows: list[Row]
    pairs: list[Pair]
    passed_over: list[str]

    @property
    def same_data(self) -> bool:
        """Whether all runs use the same digits."""
        return len({row.data for row in self.rows}) == 1

    def as_dict(self) -> dict[str, Any]:
        """The content of `compare --json`."""
        pairs = [{**vars(pair), "verdict": pair.verdict} for pair in self.pairs]
        return {"runs": [asdict(row) for row in self.rows], "pairs": pairs, "passed_over": self.passed_over}


def compare_runs(
    names: Sequence[str], output: str | Path = "submissions", *, plot: Path | None = None, progress: Progress = quiet
) -> Comparison:
    """Compare the named runs, or all finished ones below a folder.

    Parameters
    ----------
    names : paths, folder names below `output`, or ``"latest"``; empty for all runs that can be read
    output : folder of the runs
    plot : PNG, SVG or PDF file for a plot of the fold accuracies
    progress : called while the runs are read

    Raises
    ------
    BadRun
        A named run does not exist or is damaged, or there are no runs.
    OutputError
        `plot` cannot be written, has another file type, or would overwrite a file that kaggle-mnist did not write.

    Examples
    --------
    >>> compare_runs(["20261124-213815-fast", "latest"]).pairs[0].verdict  # doctest: +SKIP
    'A and B do not differ significantly'
    """
    output = Path(output)
    if plot is not None:
        _check_plot(plot)
    scored: list[_RunResult] = []
    passed_over: list[str] = []
    places: set[Path] = set()
    wanted: Sequence[str | Path] = names or list_runs(output)
    progress("Reading runs", 0, len(wanted))
    for i, name in enumerate(wanted):
        try:
            run = find_run(name, output) if isinstance(name, str) else read_run(name)
            if (place := run.path.resolve()) not in places:
                scored.append(_RunResult.of(run))
                places.add(place)
        except BadRun as error:
            if names:
                raise
            passed_over.append(str(error))
        progress("Reading runs", i + 1, len(wanted))
    if not scored:
        if passed_over:
            raise BadRun(passed_over[-1])  # the newest
        find_run(None, output)  # raises, and says how to make a run
    others = other_runs(output, [one.run for one in scored]) if names else []
    gains = Gains([*(one.standing for one in scored), *others])
    scored.sort(key=lambda one: (-one.run.record.scores.oof_accuracy, one.run.created, one.run.name))
    first = next((one.run for one in scored if one.run.record.recipe), scored[0].run)
    rows = [_row(letter, one, first, gains) for letter, one in zip(letters(), scored, strict=False)]
    comparison = Comparison(rows, compare_pairs(rows, [one.correct for one in scored]), passed_over)
    if plot is not None:
        plot_folds(comparison, plot)
    return comparison


@dataclass(frozen=True)
class _RunResult:
    """What a comparison keeps of a run: the outputs of a thousand runs would take gigabytes."""

    standing: ScoredRun
    folds: list[float]
    correct: NDArray[np.bool_]  # (n,)

    @classmethod
    def of(cls, run: Run) -> _RunResult:
        outputs, folds = run.outputs(), run.table("folds").accuracy.astype(float).tolist()
        return cls(ScoredRun.of(run), folds, outputs.oof.argmax(1) == outputs.y_true)

    @property
    def run(self) -> Run:
        return self.standing.run


def compare_pairs(rows: Sequence[Row], correct: Sequence[NDArray[np.bool_]]) -> list[Pair]:
    """Compare every two rows on the same data.

    McNemar's test (Psychometrika 12, 1947) asks whether the images that only one of the two runs got right are split
    evenly between them. The interval is that of the same binomial share (Clopper & Pearson, Biometrika 26, 1934), so
    before correction it excludes 0 exactly when the test is significant.

    Parameters
    ----------
    rows : the runs
    correct : for each row, which of its images it got right, bool, shape ``(n,)``
    """
    from statsmodels.stats.multitest import multipletests

    images = np.array([len(right) for right in correct])
    shared: dict[tuple[str, int], list[int]] = {}
    for i, row in enumerate(rows):
        shared.setdefault((row.data, len(correct[i])), []).append(i)
    both = np.full((len(rows), len(rows)), -1)  # images that both got right
    for members in shared.values():
        both[np.ix_(members, members)] = count_both_right([correct[i] for i in members])
    first, second = np.triu_indices(len(rows), 1)
    comparable = both[first, second] >= 0
    first, second = first[comparable], second[comparable]
    if not len(first):
        return []
    only_a, only_b = (both[i, i] - both[first, second] for i in (first, second))
    n = images[first]
    low, high = (bound / n for bound in difference_interval(only_a, only_b))
    p = mcnemar_p(only_a, only_b)
    corrected = multipletests(p, method="holm")[1]
    columns = (n, only_a, only_b, (only_a - only_b) / n, low, high, p, corrected)
    letter = [row.letter for row in rows]
    values = zip(first.tolist(), second.tolist(), *(column.tolist() for column in columns), strict=True)
    return [Pair(letter[a], letter[b], *rest) for a, b, *rest in values]


def plot_folds(comparison: Comparison, path: Path) -> None:
    """Plot every fold's accuracy, one line per run.

    Parameters
    ----------
    comparison : the runs
    path : a PNG, SVG or PDF file, by its extension

    Raises
    ------
    OutputError
        The file cannot be written, has another extension, or was not written by kaggle-mnist.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows, kind = comparison.rows, _check_plot(path)
    with mpl.rc_context({"svg.hashsalt": "kaggle-mnist"}):
        figure = Figure(figsize=(8, 1.2 + 0.45 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for y, row in enumerate(rows):
            axes.plot(row.folds, [y] * len(row.folds), "o", color="#2563eb", alpha=0.6)
            axes.plot(row.cv_accuracy, y, "|", color="black", markersize=22)
        axes.set_yticks(range(len(rows)), [f"{row.letter}  {row.run}".replace("$", r"\$") for row in rows])
        axes.set(xlabel="accuracy on the held-out fold (line: mean)", ylim=(len(rows) - 0.5, -0.5))
        axes.grid(axis="x", alpha=0.3)
        buffer = io.BytesIO()
        metadata = {"Software" if kind == "png" else "Creator": WRITER}
        figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
    try:
        write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def _check_plot(path: Path) -> str:
    """The file type, lower case, without the dot. Raises OutputError."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in PLOTS:
        raise OutputError(f"{path}: must end in .png, .svg or .pdf")
    refuse_foreign(path)
    return kind


def letters() -> Iterator[str]:
    """Generate A to Z, then AA, AB, …, ZZ, AAA, … without end.

    >>> list(itertools.islice(letters(), 25, 28))
    ['Z', 'AA', 'AB']
    """
    alphabet = [chr(ord("A") + i) for i in range(26)]
    return ("".join(letters) for length in itertools.count(1) for letters in itertools.product(alphabet, repeat=length))


def differences(run: Run, first: Run) -> dict[str, Any]:
    """List the settings of a run that differ from the first one's, by name.

    Compared are the recipe's fields that are in use, `folds`, `repeats`, `seed` and the number of `dropped` images; for
    a blend, the result is its parents and their weights.
    """
    if run.record.recipe is None:
        return {"blend of": [f"{parent.run} × {parent.weight:.3f}" for parent in run.record.parents]}
    a, b = settings_of(first), settings_of(run)
    return {name: value for name, value in b.items() if a.get(name) != value}


def settings_of(run: Run) -> dict[str, Any]:
    """What a run was trained with, by name: recipe, folds, repeats, seed, and how many images were dropped."""
    record = run.record
    settings = {"folds": record.folds, "repeats": record.repeats, "seed": record.seed, "dropped": len(record.dropped)}
    if record.recipe is None:
        return settings
    used = record.recipe.in_use().keys() - {"name"}
    return {**record.recipe.model_dump(mode="json", include=used), **settings}


def _row(letter: str, result: _RunResult, first: Run, gains: Gains) -> Row:
    run, submitted = result.run, result.standing.submitted
    scores, forecast = run.record.scores, predict_score(run, gains)
    if submitted is not None and (made := submitted.prediction) is not None:  # made before the score was known
        forecast = Forecast(made.expected, made.low, made.high, forecast.earlier)
    return Row(
        letter=letter,
        run=run.name,
        recipe=run.record.name,
        differs=differences(run, first),
        data=run.record.data.fingerprint,
        folds=result.folds,
        cv_accuracy=scores.cv_accuracy,
        cv_accuracy_std=scores.cv_accuracy_std,
        oof_accuracy=scores.oof_accuracy,
        oof_log_loss=scores.oof_log_loss,
        score=result.standing.score,
        forecast=forecast,
        seconds=run.record.seconds["all"] if run.record.recipe else None,
    )
