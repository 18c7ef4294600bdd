"""Which of some runs is really better: side by side, and image by image."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.errors import BadRun, OutputError
from kaggle_mnist.files import WRITER, Progress, quiet, refuse_foreign, write_whole
from kaggle_mnist.forecast import Forecast, outcome, predict_score
from kaggle_mnist.runs import Run, find_run, list_runs, other_runs

SIGNIFICANT = 0.05


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
        pairs = [{**asdict(pair), "verdict": pair.verdict} for pair in self.pairs]
        return {"runs": [asdict(row) for row in self.rows], "pairs": pairs, "passed_over": self.passed_over}


def compare_runs(names: Sequence[str], output: Path, *, progress: Progress = quiet) -> Comparison:
    """The runs of these names, or all below `output` that can be read.

    Raises BadRun for a name of what is no run, or where there is none.
    """
    chosen: list[Run] = []
    passed_over: list[str] = []
    wanted = list(names) or [str(path) for path in list_runs(output)]
    progress("Reading runs", 0, len(wanted))
    for i, name in enumerate(wanted):
        try:
            run = find_run(name, output)
            run.submitted()
            if all(run.path.resolve() != other.path.resolve() for other in chosen):
                chosen.append(run)
        except BadRun as error:
            if names:
                raise
            passed_over.append(str(error))
        progress("Reading runs", i + 1, len(wanted))
    if not chosen:
        find_run(None, output)  # says how to make one, or what is wrong with the newest
    others = other_runs(output, chosen)
    chosen.sort(key=lambda run: (-run.cv_accuracy, run.created, run.name))
    first = next((run for run in chosen if run.record.recipe), chosen[0])
    rows = [_row(letter, run, first, [*chosen, *others]) for letter, run in zip(letters(), chosen, strict=False)]
    right = [run.outputs() for run in chosen]
    correct = [outputs.oof.argmax(1) == outputs.y_true for outputs in right]
    return Comparison(rows, compare_pairs(rows, correct), passed_over)


def compare_pairs(rows: Sequence[Row], correct: Sequence[NDArray[np.bool_]]) -> list[Pair]:
    """Every pair of rows on the same data; `correct` says for each row which images, ``(n,)``, it got right.

    McNemar's test (Psychometrika 12, 1947) asks whether, of the images that only one of the two got right, half went
    to each. The interval is that of the same binomial share (Clopper & Pearson, Biometrika 26, 1934), so that without
    correction the two agree.
    """
    from scipy.stats import binomtest
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests

    found = []
    for (a, a_right), (b, b_right) in itertools.combinations(zip(rows, correct, strict=True), 2):
        if a.data != b.data:
            continue
        n, only_a, only_b = len(a_right), int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
        apart = only_a + only_b
        low = high = 0.0
        if apart:
            share = binomtest(only_a, apart).proportion_ci(0.95, method="exact")
            low, high = (apart * (2 * bound - 1) / n for bound in (share.low, share.high))
        p = float(mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue) if apart else 1.0
        found.append((a.letter, b.letter, n, only_a, only_b, (only_a - only_b) / n, float(low), float(high), p))
    if not found:
        return []
    corrected = multipletests([pair[-1] for pair in found], method="holm")[1]
    return [Pair(*pair, p_corrected=float(p)) for pair, p in zip(found, corrected, strict=True)]


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


def letters() -> itertools.chain[str]:
    """A to Z, then AA, AB, …"""
    alphabet = [chr(ord("A") + i) for i in range(26)]
    return itertools.chain(alphabet, map("".join, itertools.product(alphabet, repeat=2)))


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


def _row(letter: str, run: Run, first: Run, known: Sequence[Run]) -> Row:
    found = run.record.scores
    submitted, forecast = run.submitted(), predict_score(run, known)
    if submitted is not None and (then := submitted.prediction) is not None:  # what was said before the score was known
        forecast = Forecast(then.expected, then.low, then.high, forecast.earlier)
    return Row(
        letter=letter,
        run=run.name,
        recipe=run.record.name,
        differs=differences(run, first),
        data=run.record.data.fingerprint,
        folds=[float(accuracy) for accuracy in run.table("folds").accuracy],
        cv_accuracy=found.cv_accuracy,
        cv_accuracy_std=found.cv_accuracy_std,
        oof_accuracy=found.oof_accuracy,
        oof_log_loss=found.oof_log_loss,
        score=outcome(run),
        forecast=forecast,
        seconds=run.record.seconds["all"] if run.record.recipe else None,
    )
