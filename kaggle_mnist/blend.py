"""Average the outputs of several runs into a new run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data import practice
from kaggle_mnist.data.sources import load_same_digits
from kaggle_mnist.runs.finding import find_paths, list_runs
from kaggle_mnist.runs.folder import ensure_writable, run_files, write_run
from kaggle_mnist.runs.record import Data, Parent, Record, Scores
from kaggle_mnist.runs.run import Outputs, Run, read_run
from kaggle_mnist.training import metrics
from kaggle_mnist.utils.errors import AmbiguousData, BadData, BadOption, BadRun, DataNotFound
from kaggle_mnist.utils.files import SUMS, sha256_of
from kaggle_mnist.utils.versions import versions
from kaggle_mnist.utils.words import plural
from kaggle_mnist.weighting import averaged, nested_fit, select_weights

NAME = "blend"
ALL = 0.9995  # a weight that is shown as 1.000


@dataclass(frozen=True)
class Gain:
    """What a blend gains over its best parents, out of fold; fitted weights are nested, as in the blend's own scores.

    Attributes
    ----------
    accurate, likely : names of the parent with the highest OOF accuracy and of that with the lowest log loss
    accuracy, log_loss : of those two
    more_right : images that the blend gets right, less those of `accurate`
    lower_loss : log loss of `likely` less that of the blend
    alone : the parent that has all the weight, to three decimals; None if several have some

    Examples
    --------
    >>> Gain("a", "b", accuracy=0.9, log_loss=0.3, more_right=3, lower_loss=0.0012, alone=None).verdict
    '3 more images right, log loss 0.0012 lower'
    >>> Gain("a", "a", accuracy=0.9, log_loss=0.3, more_right=-1, lower_loss=0.0, alone="a").verdict
    'none: all weight is on a, and the blend is no better than that run'
    """

    accurate: str
    likely: str
    accuracy: float
    log_loss: float
    more_right: int
    lower_loss: float
    alone: str | None

    @property
    def verdict(self) -> str:
        """What was gained, or that nothing was; log losses that are equal to four decimals are called equal."""
        if self.alone is not None:
            return f"none: all weight is on {self.alone}, and the blend is no better than that run"
        loss = round(self.lower_loss, 4)
        images = "as many images"
        if self.more_right:
            more = "more" if self.more_right > 0 else "fewer"
            images = plural(abs(self.more_right), f"{more} image")
        losses = f"log loss {abs(loss):.4f} {'lower' if loss > 0 else 'higher'}" if loss else "log loss the same"
        figures = f"{images} right, {losses}"
        if max(self.more_right, loss) <= 0:
            return f"none, the blend is no better than its best parent: {figures}"
        return figures if min(self.more_right, loss) >= 0 else f"mixed: {figures}"


def gain_of(blend: Run) -> Gain:
    """Compare a blend's OOF accuracy and log loss with the best among its parents, which are in the same folder.

    Raises BadRun if a parent cannot be read.
    """
    parents = [read_run(blend.path.parent / parent.run) for parent in blend.record.parents]
    accurate = max(parents, key=lambda run: run.record.scores.oof_accuracy)
    likely = min(parents, key=lambda run: run.record.scores.oof_log_loss)
    own, best, surest = (run.record.scores for run in (blend, accurate, likely))
    return Gain(
        accurate.name,
        likely.name,
        best.oof_accuracy,
        surest.oof_log_loss,
        more_right=round((own.oof_accuracy - best.oof_accuracy) * blend.record.data.train_images),
        lower_loss=surest.oof_log_loss - own.oof_log_loss,
        alone=next((parent.run for parent in blend.record.parents if parent.weight > ALL), None),
    )


def blend_runs(
    names: Sequence[str],
    output: str | Path = "submissions",
    *,
    weights: str = "equal",
    top: int | None = None,
    score: bool = True,
    input: str | Path | None = None,
    on_skipped: Callable[[str], None] = lambda reason: None,
) -> Run:
    """Average the outputs of two or more runs, and write the result as a run.

    Its folds are those of the first run. Fitted weights are nested: each fold is averaged with weights fitted on the
    other folds, so that CV accuracy is measured on images that the weights have not seen; the weights for the test
    images are fitted on all folds. So is the selection by `top`. (As in all stacking, the members behind the other
    folds' outputs have seen this fold.)

    Parameters
    ----------
    names : as for `finding.find_paths`, each for one run or for several; with `top`, none stand for all trained runs
    output : folder of the runs, including the new one
    weights : ``"equal"``, or ``"fit"`` to minimize the log loss of the OOF outputs
    top : select at most so many of the runs, at least 2, as `weighting.select_weights` does; runs on other digits than
        the first one named, or than the newest, are skipped
    score : score the blend on the withheld labels: the practice set's, or those that the test images came with; if
        false, they are not used
    input : where the digits are if their labels are withheld; without it, the blend is scored only if they are where
        the first run had them, or in `input/`
    on_skipped : called with the reason for each run that was skipped

    Raises
    ------
    DataNotFound, AmbiguousData, BadData
        The digits at `input` are others, or cannot be read.
    BadOption
        `weights` is neither ``"equal"`` nor ``"fit"``, or is given beside `top`, or `top` is below 2.
    BadRun
        Fewer than two different runs, a damaged run, or runs on different digits; or `top` selects a single run.
    OutputError
        The run folder cannot be written.

    Examples
    --------
    >>> blend_runs(["20261124-213815-fast", "20261124-213933-fast"], weights="fit").cv_accuracy  # doctest: +SKIP
    0.9894
    """
    output = Path(output)
    started, created = time.perf_counter(), datetime.now().astimezone()
    if weights not in ("equal", "fit"):
        raise BadOption(f"weights {weights}: must be equal or fit")
    if top is not None and weights != "equal":
        raise BadOption(f"weights {weights}: top {top} chooses its own; leave one of them out")
    if top is not None and top < 2:
        raise BadOption(f"top {top}: must be at least 2")
    found_paths = (path for name in names for path in find_paths(name, output, "finished"))
    named = list({path.resolve(): path for path in found_paths}.values())  # a recipe's runs may have names, too
    runs = [read_run(path) for path in named] if top is None else _candidates(named, output, on_skipped)
    if top is not None and len(runs) < 2:
        raise BadRun(f"{output}: fewer than two runs on the same digits to choose from; train another, or name them")
    _refuse_incompatible(runs, output)
    ensure_writable(output)
    first, folds_of = runs[0].outputs(), runs[0].record.folds
    oof = np.stack([run.outputs().oof for run in runs])  # (runs, n, 10)
    if top is not None:
        blended, chosen = nested_fit(oof, first.y_true, first.fold_of[0], partial(select_weights, most=top))
        runs, chosen = [run for run, weight in zip(runs, chosen, strict=True) if weight], chosen[chosen > 0]
        if len(runs) == 1:
            raise BadRun(
                f"{runs[0].name}: no blend is better than this run alone, by OOF log loss; nothing was written"
            )
    elif weights == "fit":
        blended, chosen = nested_fit(oof, first.y_true, first.fold_of[0])
    else:
        chosen = np.full(len(runs), 1 / len(runs))
        blended = averaged(oof, chosen)
    found = [run.outputs() for run in runs]
    test = averaged(np.stack([out.test for out in found]), chosen)  # (m, 10)
    fold_test = _of_folds(found, chosen, folds_of)
    outputs = Outputs(blended, test, first.y_true, first.test_ids, first.fold_of[:1], fold_test)

    folds = metrics.fold_scores(outputs.oof[None], outputs.y_true, outputs.fold_of)
    tables = {"folds": folds, **metrics.oof_tables(outputs.oof, outputs.y_true)}
    data = runs[0].record.data
    labels = _open_withheld_labels(data, input) if score else None
    log_loss = metrics.loss(outputs.oof, outputs.y_true)
    gain = None
    if fold_test is not None:
        gain = metrics.estimate_gain(outputs.oof, outputs.y_true, fold_test, outputs.test)
    record = Record(
        created=created.isoformat(timespec="milliseconds"),
        name=NAME,
        recipe=None,
        parents=tuple(_parent(run, float(weight)) for run, weight in zip(runs, chosen, strict=True)),
        weights=weights if top is None else f"top {top}",
        folds=folds_of,
        repeats=1,
        seed=None,
        dropped=tuple(sorted(set.intersection(*(set(run.record.dropped) for run in runs)))),
        data=data,
        scores=Scores(
            cv_accuracy=float(folds.accuracy.mean()),
            cv_accuracy_std=float(folds.accuracy.std()),
            cv_loss=float(folds.loss.mean()),
            oof_accuracy=metrics.accuracy(outputs.oof, outputs.y_true),
            oof_loss=log_loss,
            oof_log_loss=log_loss,
            ensemble_gain=gain,
            withheld_accuracy=None if labels is None else metrics.accuracy(outputs.test, labels),
        ),
        environment=versions(),
        seconds={"all": time.perf_counter() - started},
    )
    return Run(write_run(output, NAME, run_files(record, outputs, tables), now=created), record)


def _candidates(named: Sequence[Path], output: Path, on_skipped: Callable[[str], None]) -> list[Run]:
    """The named runs, or all trained ones from the newest to the oldest, on the digits of the first of them.

    Raises BadRun if a named run cannot be read; others are skipped.
    """
    runs: list[Run] = []
    for path in named or list_runs(output)[::-1]:
        try:
            run = read_run(path)
            run.verified("outputs.npz")
        except BadRun as error:
            if named:
                raise
            on_skipped(str(error))
            continue
        if not named and run.record.recipe is None:
            continue  # a blend: its parents are here themselves
        if runs and (what := _other_images(run, runs[0])):
            on_skipped(f"{run.name}: has different {what} than {runs[0].name}")
        else:
            runs.append(run)
    return runs


def _open_withheld_labels(data: Data, input: str | Path | None) -> NDArray[np.int64] | None:
    if data.practice:
        return practice.open_withheld_labels()
    if not data.test_labels:
        return None
    try:
        digits = load_same_digits(data.fingerprint, input, recorded=data.input)
    except (DataNotFound, AmbiguousData, BadData):
        if input is not None:
            raise
        return None
    return digits.withheld.open() if digits.withheld else None


def _of_folds(found: Sequence[Outputs], weights: NDArray[np.float64], folds: int) -> NDArray[np.float16] | None:
    """Each fold's test outputs, ``(folds, m, 10)``; None if a run lacks its own.

    A run with another number of folds gives those that it has in turn: which one is paired with which is arbitrary.
    """
    parts = [outputs.fold_test for outputs in found if outputs.fold_test is not None]
    if len(parts) < len(found):
        return None
    means = [averaged(np.stack([part[fold % len(part)] for part in parts]), weights) for fold in range(folds)]
    return np.stack(means).astype(np.float16)


def _parent(run: Run, weight: float) -> Parent:
    try:
        name = run.name.encode().decode()
        return Parent(run=name, sha256=sha256_of(run.path / SUMS), weight=weight, dropped=run.record.most_dropped)
    except ValueError as error:  # from pydantic, or a non-UTF-8 folder name
        raise BadRun(f"{run.path}: a blend cannot record a parent of this name; rename it") from error


def _refuse_incompatible(runs: Sequence[Run], output: Path) -> None:
    if len(runs) < 2:
        raise BadRun("a blend needs two or more different runs")
    for run in runs:
        if run.path.resolve().parent != output.resolve():
            raise BadRun(f"{run.path}: not in {output}; move it there: a blend needs its parents in the same folder")
    for run in runs[1:]:
        if what := _other_images(run, runs[0]):
            raise BadRun(f"{run.name}: has different {what} than {runs[0].name}; blend runs on the same digits")


def _other_images(run: Run, first: Run) -> str | None:
    """Which images of two runs differ; None if all are the same."""
    if run.record.data.test_fingerprint != first.record.data.test_fingerprint:
        return "test images"
    return "labeled images" if run.record.data.fingerprint != first.record.data.fingerprint else None
