"""The report of a run: one self-contained HTML page, made from the run's files and its digits."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from kaggle_mnist.data.digits import CLASSES, SUBMISSION, Digits
from kaggle_mnist.data.sources import load_same_digits
from kaggle_mnist.models.registry import network_class
from kaggle_mnist.recipes.recipe import Recipe, format_value
from kaggle_mnist.recipes.variants import smallest_variant, summary_of, weights_of
from kaggle_mnist.report import charts
from kaggle_mnist.report.gallery import COLUMNS, Gallery, choose_digits, make_sprite
from kaggle_mnist.report.headline import headline
from kaggle_mnist.report.rendering import render
from kaggle_mnist.runs.labels import read_labels
from kaggle_mnist.runs.names import PAGE
from kaggle_mnist.runs.record import Data
from kaggle_mnist.runs.run import Outputs, Run, as_argument
from kaggle_mnist.runs.submission import COMPETITION_IDS
from kaggle_mnist.training import metrics
from kaggle_mnist.training.inference import SHIFTS
from kaggle_mnist.training.normalization import MAX_SLANT, WIDTH, WIDTHS
from kaggle_mnist.training.trainer import WATCHED
from kaggle_mnist.utils.errors import AmbiguousData, BadData, DataNotFound, OutputError
from kaggle_mnist.utils.files import SUMS, sha256_of, write_atomic
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.words import plural

MAX_BYTES = 5_000_000  # of the page, so that a phone opens it quickly
FOLD = 0  # whose member reads what the user draws; always the first, so that it was not chosen by its score
MAX_ROWS = 20  # of the chart of folds
SHOWN = 6  # mistakes, and test digits, that are not folded
STEPS = 4


def write_report(
    run: Run,
    digits: Digits | None = None,
    *,
    input: str | Path | None = None,
    on_missing: Callable[[str], None] | None = None,
    progress: Progress = quiet,
) -> Path:
    """Write `report.html` into the run's folder and return its path.

    The same run and digits give the same bytes; a blend's page has links to those of its parents that exist. Where the
    digits are not found, a new page has no images, and a page that exists is kept.

    Parameters
    ----------
    run : a finished run, trained or blended
    digits : the run's digits; by default they are searched for
    input : where to search for them, as in `load_digits`; by default where the run had them
    on_missing : called with the reason if the page has no images
    progress : called after each part of the page

    Raises
    ------
    DataNotFound
        The digits in `digits` or `input` are not those of the run, or are not found while there is a page to keep.
    BadRun
        A file of the run cannot be read.
    OutputError
        The page cannot be written.

    Examples
    --------
    >>> from kaggle_mnist.runs.finding import find_run
    >>> write_report(find_run("latest", Path("submissions")))  # doctest: +SKIP
    """
    progress("Report", 0, STEPS)
    if digits is not None and digits.fingerprint != run.record.data.fingerprint:
        raise DataNotFound(f"{digits.path}: not the digits of run {run.name}")
    missing = ""
    if digits is None:
        try:
            data = run.record.data
            digits = load_same_digits(data.fingerprint, input, recorded=data.input, progress=progress)
        except (DataNotFound, AmbiguousData, BadData) as error:
            if input is not None:
                raise
            if (run.path / PAGE).exists():
                raise DataNotFound(f"{error}; {run.path / PAGE} was kept as it is") from error
            missing = str(error)
            if on_missing is not None:
                on_missing(missing)
    outputs = run.outputs()
    gallery = choose_digits(outputs)
    progress("Report", 1, STEPS)
    parts = {
        **_facts(run),
        **_charts(run, outputs),
        "heat": _heat(outputs),
        "sprite": make_sprite(gallery, digits) if digits else "",
        "missing": missing,
        "sums": sha256_of(run.path / SUMS),
    }
    progress("Report", 2, STEPS)
    network, reason = _network(run)
    page = _render(gallery, parts, network, reason)
    if network and len(page) > MAX_BYTES:
        reason = (
            f"Drawing is not available: with the weights of this network ({network['member']['form']}), this page would"
            f" have {len(page) / 1e6:.1f} MB, more than the limit of {MAX_BYTES / 1e6:.0f} MB."
        )
        page = _render(gallery, parts, None, reason)
    progress("Report", 3, STEPS)
    path = run.path / PAGE
    try:
        write_atomic(path, page)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    progress("Report", STEPS, STEPS)
    return path


def _facts(run: Run) -> dict[str, Any]:
    """What the page says about the run except charts and images."""
    record, argument, submitted = run.record, as_argument(run.path), run.submitted()
    return {
        "run": run,
        "record": record,
        "scores": record.scores,
        "parents": [(parent, _link_to(parent.run, run)) for parent in record.parents],
        "headline": headline(run, submitted),
        "folds": run.table("folds").to_dict("records"),
        "labels": read_labels(run.path),
        "leaderboard": submitted,
        "uploaded": submitted and f"{datetime.fromisoformat(submitted.submitted):%Y-%m-%d %H:%M %Z}",
        "competition_ids": COMPETITION_IDS,
        "can_upload": _can_upload(record.data),
        "upload": f"kaggle-mnist upload {argument}",
        "report_command": f"kaggle-mnist report {argument} --input PATH",
        "summary": _summary(run),
        "fields": record.recipe.in_use() if record.recipe else {},
        "descriptions": {name: field.description or "" for name, field in Recipe.model_fields.items()},
        "watched": WATCHED,
        "format_value": format_value,
    }


def _link_to(parent: str, run: Run) -> str:
    """The relative address of a parent's page; empty if there is none beside the blend."""
    return f"../{quote(parent)}/{PAGE}" if (run.path.parent / parent / PAGE).is_file() else ""


def _can_upload(data: Data) -> bool:
    """Whether the digits are from a competition that is known, or as many as the Digit Recognizer's."""
    usual = data.header == SUBMISSION and not data.own_ids
    return data.competition is not None or (usual and data.test_images == COMPETITION_IDS)


def _charts(run: Run, outputs: Outputs) -> dict[str, Any]:
    digits, bins = metrics.digit_scores(outputs.oof, outputs.y_true), metrics.reliability(outputs.oof, outputs.y_true)
    curves = []
    if run.record.recipe:
        history = run.table("history")
        curves = [charts.error_curves(history), charts.loss_curves(history)]
    return {
        "curves": [Markup(curve) for curve in curves],
        "fold_chart": Markup(_fold_chart(run)),
        "several_a_row": run.record.repeats > 1 or run.record.folds > MAX_ROWS,
        "digits": digits.to_dict("records"),
        "digit_chart": Markup(charts.digit_chart(digits)),
        "bins": bins.to_dict("records"),
        "bins_count": metrics.BINS,
        "reliability_chart": Markup(charts.reliability_chart(bins)),
        "calibration_error": metrics.expected_calibration_error(outputs.oof, outputs.y_true),
        "confidence": float(np.average(bins.confidence, weights=bins.images)),
    }


def _fold_chart(run: Run) -> str:
    """A row for each fold; for each repeat, if there are several; one for all, if there are more than fit."""
    members = run.table("folds")
    accuracies = members.accuracy.astype(float)
    if run.record.repeats == 1 and run.record.folds <= MAX_ROWS:
        rows = [(f"fold {fold}", [accuracy]) for fold, accuracy in enumerate(accuracies.tolist())]
    elif 1 < run.record.repeats <= MAX_ROWS:
        rows = [(f"repeat {repeat}", of_one.tolist()) for repeat, of_one in accuracies.groupby(members["repeat"])]
    else:
        rows = [("all", accuracies.tolist())]
    return charts.dot_rows(rows, "Accuracy of each member; the numbers are in the table", overall=run.cv_accuracy)


def _heat(outputs: Outputs) -> list[list[tuple[int, float]]]:
    """For each true and predicted digit the number of images, and the strength of the cell's colour, 0 to 1."""
    counts = metrics.confusion(outputs.oof, outputs.y_true).to_numpy()
    mistakes = np.where(np.eye(CLASSES) > 0, 0, counts)
    heat = np.log1p(mistakes) / max(np.log1p(mistakes).max(), 1)
    return [list(zip(*rows, strict=True)) for rows in zip(counts.tolist(), heat.tolist(), strict=True)]


def _network(run: Run) -> tuple[dict[str, Any] | None, str]:
    """The member that reads drawings: its layers, with weights in float16; or None and the reason."""
    recipe = run.record.recipe
    if recipe is None:
        return None, ""  # a blend's page has no place for drawing
    repeat = smallest_variant(recipe, run.record.repeats)
    member = {name: array[FOLD] for name, array in weights_of(recipe, repeat, run.weights()).items()}
    recipe = recipe.variants[repeat]
    layers = network_class(recipe.network).page_layers(member, **recipe.network_settings)
    if layers is None:
        return None, "Drawing is not available: this page cannot compute this kind of network."
    arrays = [array for layer in layers for array in (layer.weight, layer.bias)]
    with np.errstate(over="ignore"):
        halves = np.concatenate([array.ravel() for array in arrays]).astype("<f2")
    if not np.isfinite(halves).all():
        return None, "Drawing is not available: this network has weights outside the range of float16."
    row = run.table("folds").iloc[repeat * run.record.folds + FOLD]
    network = {
        "layers": [
            {
                "inputs": layer.weight.size // layer.bias.size,  # values that one output is computed from
                "outputs": layer.bias.size,
                "relu": layer.relu,
                "shape": layer.shape,
                "stride": layer.stride,
            }
            for layer in layers
        ],
        "normalization": {
            **{field: getattr(recipe, field) for field in ("deslant", "equalize_width")},
            **{"max_slant": MAX_SLANT, "width": WIDTH, "widths": WIDTHS},
        },
        "features": {"kind": recipe.features, **recipe.feature_settings},
        "loss": recipe.loss,
        "shifts": SHIFTS[: recipe.views],
        "member": {"repeat": repeat, "fold": FOLD, "accuracy": row.accuracy, "form": summary_of(recipe)},
        "weights": base64.b64encode(halves.tobytes()).decode(),
    }
    return network, ""


def _summary(run: Run) -> str:
    """How the run was made, in a line."""
    record = run.record
    if (recipe := record.recipe) is None:
        return f"blend of {len(record.parents)} runs"
    repeats = f" × {record.repeats} repeats" if record.repeats > 1 else ""
    network = summary_of(recipe, record.repeats)
    epochs = plural(recipe.epochs, "epoch")
    return f"{record.name}: {network}, {epochs}, {record.folds} folds{repeats}, seed {record.seed}"


def _render(gallery: Gallery, parts: dict[str, Any], network: dict[str, Any] | None, reason: str) -> bytes:
    data = {
        "pictures": [
            [int(name), int(label), np.round(outputs * 10_000).astype(int).tolist()]
            for name, label, outputs in zip(gallery.ids, gallery.labels, gallery.outputs, strict=True)
        ],
        "id": parts["record"].data.header[0],
        "cells": gallery.cells,
        "columns": COLUMNS,
        "network": {name: value for name, value in network.items() if name != "weights"} if network else None,
    }
    rest: dict[str, Any] = {
        "gallery": gallery,
        "data": data,
        "network": network,
        "reason": reason,
        "columns": COLUMNS,
        "shown": SHOWN,
    }
    return render("report.html.j2", **parts, **rest)
