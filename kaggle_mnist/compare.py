"""Which of some runs is really better: side by side, and image by image."""

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
from kaggle_mnist.utils.errors import BadRun, OutputError
from kaggle_mnist.utils.files import WRITER, refuse_foreign, write_whole
from kaggle_mnist.utils.progress import Progress, quiet

SIGNIFICANT = 0.05
CHUNK = 4096  # images of every run that are counted at once


@dataclass(frozen=True)
class Row:
    """A run beside the others. `differs`: fields that are not as in the first trained run, or a blend's parents."""

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
class Pair:
    """Two runs on the same images.

    Attributes
    ----------
    only_first, only_second : images that one of them got right out of fold and the other did not
    difference : of the OOF accuracies, first less second; `low` and `high` bound it with 95 % confidence
    p : of McNemar's exact test, two-sided
    p_corrected : the same after Holm's correction for the number of pairs
    """

    first: str
    second: str
    images: int
    only_first: int
    only_second: int
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float

    @property
    def verdict(self) -> str:
        """A plain sentence."""
        if self.p_corrected >= SIGNIFICANT:
            return "no difference that these folds can show"
        better, worse = (self.first, self.second) if self.difference > 0 else (self.second, self.first)
        return f"{better} is better than {worse}"


@dataclass(frozen=True)
class Comparison:
    """Runs sorted by CV accuracy, the best first, and all pairs of them that share their images.

    `passed_over` says what is wrong with runs that nobody named and that cannot be read.
    """

    rows: list[Row]
    pairs: list[Pair]
    passed_over: list[str]

    @property
    def same_data(self) -> bool:
        return len({row.data for row in self.rows}) == 1

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        pairs = [{**vars(pair), "verdict": pair.verdict} for pair in self.pairs]
        return {"runs": [asdict(row) for row in self.rows], "pairs": pairs, "passed_over": self.passed_over}


def compare_runs(names: Sequence[str], output: Path, *, progress: Progress = quiet) -> Comparison:
    """The runs of these names, or all below `output` that can be read.

    Raises BadRun for a name of what is no run, or where there is none.
    """
    chosen: list[_Judged] = []
    passed_over: list[str] = []
    places: set[Path] = set()
    wanted: Sequence[str | Path] = names or list_runs(output)
    progress("Reading runs", 0, len(wanted))
    for i, name in enumerate(wanted):
        try:
            run = find_run(name, output) if isinstance(name, str) else read_run(name)
            if (place := run.path.resolve()) not in places:
                chosen.append(_Judged.of(run))
                places.add(place)
        except BadRun as error:
            if names:
                raise
            passed_over.append(str(error))
        progress("Reading runs", i + 1, len(wanted))
    if not chosen:
        if passed_over:
            raise BadRun(passed_over[-1])  # the newest
        find_run(None, output)  # says how to make one
    others = other_runs(output, [one.run for one in chosen]) if names else []
    gains = Gains([*(one.standing for one in chosen), *others])
    chosen.sort(key=lambda one: (-one.run.cv_accuracy, one.run.created, one.run.name))
    first = next((one.run for one in chosen if one.run.record.recipe), chosen[0].run)
    rows = [_row(letter, one, first, gains) for letter, one in zip(letters(), chosen, strict=False)]
    return Comparison(rows, compare_pairs(rows, [one.correct for one in chosen]), passed_over)


@dataclass(frozen=True)
class _Judged:
    """What is kept of a run: the outputs of a thousand would take gigabytes."""

    standing: ScoredRun
    folds: list[float]
    correct: NDArray[np.bool_]  # (n,)

    @classmethod
    def of(cls, run: Run) -> _Judged:
        """Raises BadRun where a file cannot be read."""
        outputs, folds = run.outputs(), run.table("folds").accuracy.astype(float).tolist()
        return cls(ScoredRun.of(run), folds, outputs.oof.argmax(1) == outputs.y_true)

    @property
    def run(self) -> Run:
        return self.standing.run


def compare_pairs(rows: Sequence[Row], correct: Sequence[NDArray[np.bool_]]) -> list[Pair]:
    """Every pair of rows on the same data; `correct` says for each row which images, ``(n,)``, it got right.

    McNemar's test (Psychometrika 12, 1947) asks whether, of the images that only one of the two got right, half went
    to each. The interval is that of the same binomial share (Clopper & Pearson, Biometrika 26, 1934), so that without
    correction the two agree.
    """
    from statsmodels.stats.multitest import multipletests

    images = np.array([len(right) for right in correct])
    shared: dict[tuple[str, int], list[int]] = {}
    for i, row in enumerate(rows):
        shared.setdefault((row.data, len(correct[i])), []).append(i)
    both = np.full((len(rows), len(rows)), -1)  # images that both got right
    for members in shared.values():
        both[np.ix_(members, members)] = _both_right([correct[i] for i in members])
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


def _both_right(correct: Sequence[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """For each two of the rows ``(n,)``, how many images both got right: ``(rows, rows)``."""
    found = np.zeros((len(correct), len(correct)), np.int64)
    for start in range(0, len(correct[0]), CHUNK):
        chunk = np.stack([right[start : start + CHUNK] for right in correct]).astype(np.float32)  # (rows, CHUNK)
        found += (chunk @ chunk.T).astype(np.int64)  # exact: whole numbers far below 2²⁴
    return found


def mcnemar_p(only_a: NDArray[np.int64], only_b: NDArray[np.int64]) -> NDArray[np.float64]:
    """The two-sided p values of McNemar's exact test, ``(pairs,)``; 1 where the counts do not differ."""
    from scipy.stats import binom

    p: NDArray[np.float64] = np.minimum(1, 2 * binom.cdf(np.minimum(only_a, only_b), only_a + only_b, 0.5))
    return p


def difference_interval(
    only_a: NDArray[np.int64], only_b: NDArray[np.int64], confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds ``(pairs,)`` of `only_a` less `only_b`, by Clopper and Pearson's interval of the share of `only_a`.

    0 and 0 where both counts are 0.
    """
    from scipy.stats import beta

    apart, tail = only_a + only_b, (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(only_a > 0, beta.ppf(tail, only_a, only_b + 1), 0)
        high = np.where(only_b > 0, beta.ppf(1 - tail, only_a + 1, only_b), 1)
    return apart * (2 * low - 1) + 0.0, apart * (2 * high - 1)  # + 0.0: no -0.0


def plot_folds(comparison: Comparison, path: Path) -> None:
    """Every fold's accuracy as a picture, a line a run; PNG, SVG or PDF by the file's ending.

    Raises OutputError, also where `path` is a file that is not ours.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows, kind = comparison.rows, path.suffix.lower().lstrip(".")
    if kind not in ("png", "svg", "pdf"):
        raise OutputError(f"{path}: must end in .png, .svg or .pdf")
    refuse_foreign(path)
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
        write_whole(path, buffer.getvalue())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def letters() -> Iterator[str]:
    """A to Z, then AA, AB, …, ZZ, AAA, … without end."""
    alphabet = [chr(ord("A") + i) for i in range(26)]
    return ("".join(letters) for length in itertools.count(1) for letters in itertools.product(alphabet, repeat=length))


def differences(run: Run, first: Run) -> dict[str, Any]:
    """What of a run is not as in the first one: recipe's fields, folds, repeats, seed, images left out.

    A blend differs by its parents and their weights.
    """
    if run.record.recipe is None:
        return {"blend of": [f"{parent.run} × {parent.weight:.3f}" for parent in run.record.parents]}
    a, b = _facts(first), _facts(run)
    return {name: value for name, value in b.items() if a.get(name) != value}


def _facts(run: Run) -> dict[str, Any]:
    record = run.record
    recipe = record.recipe.model_dump(mode="json", exclude={"name"}) if record.recipe else {}
    folds = {"folds": record.folds, "repeats": record.repeats, "seed": record.seed, "dropped": len(record.dropped)}
    return {**recipe, **folds}


def _row(letter: str, judged: _Judged, first: Run, gains: Gains) -> Row:
    run, submitted = judged.run, judged.standing.submitted
    found, forecast = run.record.scores, predict_score(run, gains)
    if submitted is not None and (then := submitted.prediction) is not None:  # what was said before the score was known
        forecast = Forecast(then.expected, then.low, then.high, forecast.earlier)
    return Row(
        letter=letter,
        run=run.name,
        recipe=run.record.name,
        differs=differences(run, first),
        data=run.record.data.fingerprint,
        folds=judged.folds,
        cv_accuracy=found.cv_accuracy,
        cv_accuracy_std=found.cv_accuracy_std,
        oof_accuracy=found.oof_accuracy,
        oof_log_loss=found.oof_log_loss,
        score=judged.standing.score,
        forecast=forecast,
        seconds=run.record.seconds["all"] if run.record.recipe else None,
    )
