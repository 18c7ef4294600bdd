"""The report of a run: one HTML page that needs nothing else, made from the run's files and its digits."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kaggle_mnist.data.digits import CLASSES, Digits
from kaggle_mnist.data.sources import load_same_digits
from kaggle_mnist.models.registry import network_class
from kaggle_mnist.recipes.recipe import Recipe, format_value
from kaggle_mnist.report import charts
from kaggle_mnist.report import gallery as galleries
from kaggle_mnist.report.gallery import Gallery
from kaggle_mnist.runs.run import Outputs, Run, as_argument
from kaggle_mnist.runs.submission import COMPETITION_IDS
from kaggle_mnist.training import metrics
from kaggle_mnist.training.inference import SHIFTS
from kaggle_mnist.training.trainer import WATCHED
from kaggle_mnist.utils.errors import AmbiguousData, BadData, BadRun, DataNotFound, OutputError
from kaggle_mnist.utils.files import SUMS, sha256_of, write_whole
from kaggle_mnist.utils.progress import Progress, quiet

PAGE = "report.html"
MAX_BYTES = 5_000_000  # of the page: what a phone opens without a thought
MEMBER = 0  # the member whose weights the drawing box has: the first, so that none was chosen for its score
STEPS = 4


def write_report(
    run: Run,
    digits: Digits | None = None,
    *,
    input: str | Path | None = None,
    progress: Progress = quiet,
) -> Path:
    """Write `report.html` into the run's folder and give its path. The same run and digits give the same bytes.

    Parameters
    ----------
    run : a finished run, trained or blended
    digits : the digits that it was made of; where left out, they are looked for
    input : where to look for them, as in `load_digits`; where left out and none are found, the page has no pictures
    progress : called after each part of the page

    Raises
    ------
    DataNotFound
        The digits given or named are not those of the run.
    BadRun
        A file of the run cannot be read.
    OutputError
        The page cannot be written.
    """
    progress("Report", 0, STEPS)
    if digits is not None and digits.fingerprint != run.record.data.fingerprint:
        raise DataNotFound(f"{digits.path}: are not the digits of run {run.name}")
    missing = ""
    if digits is None:
        try:
            digits = load_same_digits(run.record.data.fingerprint, input, progress=progress)
        except (DataNotFound, AmbiguousData, BadData) as error:
            if input is not None:
                raise
            missing = str(error)
    outputs = run.outputs()
    gallery = galleries.choose(outputs)
    progress("Report", 1, STEPS)
    parts = {
        **_answer(run),
        **_charts(run, outputs),
        "heat": _heat(outputs),
        "gallery": gallery,
        "sprite": galleries.sprite(gallery, digits) if digits else "",
        "missing": missing,
        "sums": sha256_of(run.path / SUMS),
    }
    progress("Report", 2, STEPS)
    network, absence = _network(run)
    page = _render(run, gallery, parts, network, absence)
    if network and len(page) > MAX_BYTES:
        absence = (
            f"The weights of this network ({_form(run)}) would make this page {len(page) / 1e6:.1f} MB large,"
            f" over the {MAX_BYTES / 1e6:.0f} MB that it keeps to; so there is no box to draw in."
        )
        page = _render(run, gallery, parts, None, absence)
    progress("Report", 3, STEPS)
    path = run.path / PAGE
    try:
        write_whole(path, page)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    progress("Report", STEPS, STEPS)
    return path


def _answer(run: Run) -> dict[str, Any]:
    record, argument = run.record, as_argument(run.path)
    return {
        "run": run,
        "record": record,
        "scores": record.scores,
        "folds": run.table("folds").to_dict("records"),
        "wrong": round((1 - record.scores.oof_accuracy) * record.data.train_images),
        "leaderboard": run.submitted(),
        "competition_ids": COMPETITION_IDS,
        "upload": f"kaggle-mnist upload {argument}",
        "again": f"kaggle-mnist report {argument} --input PATH",
        "form": _form(run),
        "fields": record.recipe.in_use() if record.recipe else {},
        "descriptions": {name: field.description or "" for name, field in Recipe.model_fields.items()},
        "watched": WATCHED,
        "format_value": format_value,
    }


def _charts(run: Run, outputs: Outputs) -> dict[str, Any]:
    digits, bins = metrics.digit_scores(outputs.oof, outputs.y_true), metrics.reliability(outputs.oof, outputs.y_true)
    curves = []
    if run.record.recipe:
        history = run.table("history")
        needed = {"epoch", "repeat", "fold", "train_loss", "watched_loss", "watched_accuracy"}
        if not needed <= set(history) or history.empty:
            raise BadRun(f"{run.path / 'history.csv'}: lacks rows, or one of {', '.join(sorted(needed))}")
        curves = [charts.accuracy_curves(history), charts.loss_curves(history)]
    return {
        "curves": [Markup(curve) for curve in curves],
        "digits": digits.to_dict("records"),
        "digit_chart": Markup(charts.digit_chart(digits)),
        "bins": bins.to_dict("records"),
        "bins_count": metrics.BINS,
        "reliability_chart": Markup(charts.reliability_chart(bins)),
        "calibration_error": metrics.expected_calibration_error(outputs.oof, outputs.y_true),
        "confidence": float(np.average(bins.confidence, weights=bins.images)),
    }


def _heat(outputs: Outputs) -> list[list[tuple[int, float]]]:
    """For each true and predicted digit the images, and how strong the cell's colour is, from 0 to 1."""
    counts = metrics.confusion(outputs.oof, outputs.y_true).to_numpy()
    mistakes = np.where(np.eye(CLASSES) > 0, 0, counts)
    heat = np.log1p(mistakes) / max(np.log1p(mistakes).max(), 1)
    return [list(zip(*rows, strict=True)) for rows in zip(counts.tolist(), heat.tolist(), strict=True)]


def _network(run: Run) -> tuple[dict[str, Any] | None, str]:
    """One member for the page to compute: its form, and its weights in float16; or why there is none."""
    recipe = run.record.recipe
    if recipe is None:
        return None, "A blend has no weights of its own, so there is no box to draw in; its parents' reports have one."
    layers = network_class(recipe.network).page_layers(**recipe.network_settings)
    if layers is None:
        return None, "This page cannot compute this kind of network, so there is no box to draw in."
    weights = run.weights()
    arrays = [weights[name][MEMBER] for layer in layers for name in (layer.weight, layer.bias)]
    shapes = [weights[layer.weight][MEMBER].shape for layer in layers]
    with np.errstate(over="ignore"):
        halves = np.concatenate([array.ravel() for array in arrays]).astype("<f2")
    if not np.isfinite(halves).all():
        return None, "This network has weights beyond float16's range, so there is no box to draw in."
    row = run.table("folds").iloc[MEMBER]
    network = {
        "layers": [
            {"inputs": inputs, "outputs": outputs, "relu": layer.relu}
            for layer, (inputs, outputs) in zip(layers, shapes, strict=True)
        ],
        "pixels": recipe.pixels,
        "loss": recipe.loss,
        "shifts": SHIFTS[: recipe.views],
        "member": {"repeat": MEMBER // run.record.folds, "fold": MEMBER % run.record.folds, "accuracy": row.accuracy},
        "weights": base64.b64encode(halves.tobytes()).decode(),
    }
    return network, ""


def _form(run: Run) -> str:
    """The network's form in a few characters, or what a blend is made of."""
    if (recipe := run.record.recipe) is None:
        return f"blend of {len(run.record.parents)} runs"
    return network_class(recipe.network).summary(**recipe.network_settings)


def _render(run: Run, gallery: Gallery, parts: dict[str, Any], network: dict[str, Any] | None, absence: str) -> bytes:
    loader = PackageLoader("kaggle_mnist.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    files = {file: Markup(loader.get_source(environment, f"report.{file}")[0]) for file in ("css", "js")}
    data = {
        "pictures": [
            [int(image), int(label), np.round(outputs * 10_000).astype(int).tolist()]
            for image, label, outputs in zip(gallery.images, gallery.labels, gallery.outputs, strict=True)
        ],
        "cells": gallery.cells,
        "columns": galleries.COLUMNS,
        "network": {name: value for name, value in network.items() if name != "weights"} if network else None,
    }
    page = environment.get_template("report.html.j2").render(
        **parts, **files, data=data, network=network, absence=absence, columns=galleries.COLUMNS
    )
    return page.encode("utf-8", "replace")  # a folder's name, or Kaggle's message, may hold what is no text
