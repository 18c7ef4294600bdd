"""The report's charts: SVG by matplotlib, in colours that follow the page's light or dark scheme."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

# Placeholder colours, each replaced in the SVG by a variable of the page's style sheet.
INK, MUTED, LINE, ACCENT, WRONG = "#010203", "#010204", "#010205", "#010206", "#010207"
SERIES = ("#020301", "#020302", "#020303", "#020304", "#020305", "#020306")
STYLE_OF = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    ACCENT: "var(--accent)",
    WRONG: "var(--wrong)",
    **{colour: f"var(--series-{i})" for i, colour in enumerate(SERIES)},
}
LEGEND: dict[str, Any] = {"handlelength": 0.9, "handletextpad": 0.4, "columnspacing": 0.8}  # in units of the font size
WIDTH, HEIGHT = 5.0, 3.1  # inches of 72 units; a phone shows a unit as about one CSS pixel
RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.solid_capstyle": "round",
}


def accuracy_curves(history: pd.DataFrame) -> str:
    """Chart each member's held-out accuracy after each epoch.

    Parameters
    ----------
    history : a run's `history.csv`, with the columns epoch, repeat, fold and watched_accuracy (0 to 1)

    Returns
    -------
    An ``<svg>`` element.

    Examples
    --------
    >>> history = pd.DataFrame({"epoch": [1, 2], "repeat": 0, "fold": 0, "watched_accuracy": [0.9, 0.95]})
    >>> accuracy_curves(history)[:18]
    '<svg class="chart"'
    """
    with _chart("accuracy") as (figure, axes):
        _plot_members(axes, history, "watched_accuracy")
        settled = history[history.epoch > history.epoch.max() * 0.2].watched_accuracy  # without the steep start
        low, high = settled.min(), history.watched_accuracy.max()
        if high > low:
            axes.set_ylim(low - (high - low) * 0.15, high + (high - low) * 0.1)
        axes.set_ylabel("held-out accuracy")
        axes.yaxis.set_major_formatter("{x:.3f}")
        return _svg(figure, "accuracy", "Held-out accuracy after each epoch, one line per member")


def loss_curves(history: pd.DataFrame) -> str:
    """Chart each member's loss after each epoch: held out, and in training (dashed).

    Parameters
    ----------
    history : a run's `history.csv`, with the columns epoch, repeat, fold, train_loss and watched_loss

    Returns
    -------
    An ``<svg>`` element.

    Examples
    --------
    >>> losses = {"train_loss": [0.5, 0.2], "watched_loss": [0.4, 0.3]}
    >>> loss_curves(pd.DataFrame({"epoch": [1, 2], "repeat": 0, "fold": 0, **losses}))[:18]
    '<svg class="chart"'
    """
    with _chart("loss") as (figure, axes):
        _plot_members(axes, history, "watched_loss")
        _plot_members(axes, history, "train_loss", dashed=True)
        axes.set_ylabel("loss")
        if (history[["watched_loss", "train_loss"]] > 0).all(axis=None):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
            axes.yaxis.set_minor_formatter("{x:g}")
        return _svg(figure, "loss", "Loss after each epoch: held out, and in training (dashed)")


def digit_chart(digits: pd.DataFrame) -> str:
    """Chart the precision and recall of each digit.

    Parameters
    ----------
    digits : ten rows, with the columns digit, precision and recall (0 to 1), as `metrics.digit_scores` returns them

    Returns
    -------
    An ``<svg>`` element.

    Examples
    --------
    >>> digit_chart(pd.DataFrame({"digit": range(10), "precision": 0.9, "recall": 0.8}))[:18]
    '<svg class="chart"'
    """
    with _chart("digits") as (figure, axes):
        axes.hlines(digits.digit, digits.precision, digits.recall, color=LINE, linewidth=3)
        axes.scatter(digits.precision, digits.digit, s=34, color=ACCENT, label="precision", zorder=3)
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": WRONG, "linewidths": 1.6}
        axes.scatter(digits.recall, digits.digit, s=34, label="recall", zorder=4, **ring)
        axes.set_yticks(range(10))
        axes.invert_yaxis()
        axes.set_ylabel("digit")
        _legend(axes, 2)
        return _svg(figure, "digits", "Precision and recall of each digit; the numbers are in the table")


def reliability_chart(bins: pd.DataFrame) -> str:
    """Chart accuracy against confidence (a reliability diagram); a dot's area grows with its number of images.

    Parameters
    ----------
    bins : with the columns confidence and accuracy (0 to 1) and images, as `metrics.reliability` returns them

    Returns
    -------
    An ``<svg>`` element.

    Examples
    --------
    >>> reliability_chart(pd.DataFrame({"confidence": [0.55, 0.95], "accuracy": [0.6, 0.9], "images": [10, 90]}))[:18]
    '<svg class="chart"'
    """
    with _chart("reliability") as (figure, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
        axes.vlines(bins.confidence, bins.confidence, bins.accuracy, color=WRONG, linewidth=1.5, alpha=0.7)
        axes.plot(bins.confidence, bins.accuracy, color=ACCENT, linewidth=1.5)
        areas = 10 + 110 * np.sqrt(bins.images / bins.images.max())
        axes.scatter(bins.confidence, bins.accuracy, s=areas, color=ACCENT)
        axes.set_xlim(0, 1.04)
        axes.set_ylim(0, 1.06)
        axes.set_xlabel("confidence: the largest output")
        axes.set_ylabel("accuracy")
        return _svg(figure, "reliability", "Accuracy in each bin of confidence; the numbers are in the table")


def _plot_members(axes: Axes, history: pd.DataFrame, column: str, *, dashed: bool = False) -> None:
    """One coloured line per member, or thin grey lines and their mean if there are more members than colours."""
    members = list(history.groupby(["repeat", "fold"]))
    few, repeated = len(members) <= len(SERIES), history["repeat"].nunique() > 1
    style: dict[str, Any] = {"linestyle": (0, (3, 2)) if dashed else "-"}
    style["marker"] = "." if history.epoch.nunique() == 1 else ""
    for i, ((repeat, fold), rows) in enumerate(members):
        name = f"repeat {repeat}, fold {fold}" if repeated else f"fold {fold}"
        colour = SERIES[i] if few else MUTED
        label = None if dashed or not few else name
        axes.plot(rows.epoch, rows[column], color=colour, linewidth=1.4 if few else 0.6, label=label, **style)
    if not few:
        mean = history.groupby("epoch")[column].mean()
        label = None if dashed else f"mean of {len(members)} members"
        axes.plot(mean.index, mean, color=ACCENT, linewidth=2, label=label, **style)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    if not dashed:
        _legend(axes, 3 if repeated else 5)


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0, **LEGEND)


@contextmanager
def _chart(salt: str) -> Iterator[tuple[Figure, Axes]]:
    with rc_context({**RC, "svg.hashsalt": salt}):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        yield figure, axes


def _svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element without date and size, and with only those ids that are referred to."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->| font-family:[^;]*;", "", svg, flags=re.DOTALL)
    referred = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in referred else "", svg)
    view = re.search(r'viewBox="[^"]+"', svg)
    opening = f'<svg class="chart" role="img" aria-label="{description}" {view[0] if view else ""}'
    svg = re.sub(r"^<svg[^>]*>", f"{opening}>", svg)
    return re.sub("|".join(STYLE_OF), lambda found: STYLE_OF[found[0]], re.sub(r"\s*\n\s*", "\n", svg))
