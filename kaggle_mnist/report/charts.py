"""The report's charts: matplotlib's SVG as text, in colours that follow the page from light to dark."""

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

# Colours that nothing else has, each replaced in the SVG by what the page's style sheet makes of it.
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
LEGEND: dict[str, Any] = {"handlelength": 0.9, "handletextpad": 0.4, "columnspacing": 0.8}  # in letters' heights
WIDTH, HEIGHT = 5.0, 3.1  # inches; a phone shows 72 units an inch at about their own size
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
    """Each member's accuracy on the held-out images it is watched by, after each epoch."""
    with _chart("accuracy") as (figure, axes):
        _plot_members(axes, history, "watched_accuracy")
        settled = history[history.epoch > history.epoch.max() * 0.2].watched_accuracy  # the first leap says little
        low, high = settled.min(), history.watched_accuracy.max()
        if high > low:
            axes.set_ylim(low - (high - low) * 0.15, high + (high - low) * 0.1)
        axes.set_ylabel("held-out accuracy")
        axes.yaxis.set_major_formatter("{x:.3f}")
        return _svg(figure, "accuracy", "Held-out accuracy after each epoch, a line for each member")


def loss_curves(history: pd.DataFrame) -> str:
    """Each member's loss after each epoch: held out, and in training (dashed)."""
    with _chart("loss") as (figure, axes):
        _plot_members(axes, history, "watched_loss")
        _plot_members(axes, history, "train_loss", dashed=True)
        axes.set_ylabel("loss")
        if (history[["watched_loss", "train_loss"]] > 0).all(axis=None):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
            axes.yaxis.set_minor_formatter("{x:g}")
        return _svg(figure, "loss", "Loss after each epoch: held out, and in training as a dashed line")


def digit_chart(digits: pd.DataFrame) -> str:
    """Precision and recall of each digit, as two dots on a line."""
    with _chart("digits") as (figure, axes):
        axes.hlines(digits.digit, digits.precision, digits.recall, color=LINE, linewidth=3)
        axes.scatter(digits.precision, digits.digit, s=34, color=ACCENT, label="precision", zorder=3)
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": WRONG, "linewidths": 1.6}
        axes.scatter(digits.recall, digits.digit, s=34, label="recall", zorder=4, **ring)
        axes.set_yticks(range(10))
        axes.invert_yaxis()
        axes.set_ylabel("digit")
        _legend(axes, 2)
        return _svg(figure, "digits", "Precision and recall of each digit; the table beside it has the numbers")


def reliability_chart(bins: pd.DataFrame) -> str:
    """Accuracy by confidence, against the diagonal where both are the same; a dot's area grows with its images."""
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
        return _svg(figure, "reliability", "Accuracy in each bin of confidence; the table below has the numbers")


def _plot_members(axes: Axes, history: pd.DataFrame, column: str, *, dashed: bool = False) -> None:
    """A coloured line for each member; where they are too many to tell apart, thin ones, and their mean."""
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
    """The figure as an `<svg>` element: no date, no size of its own, only the ids that something refers to."""
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
