"""The charts of the pages; their titles and legends are HTML beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from kaggle_mnist.report.svg import ACCENT, INK, LINE, MUTED, new_chart, to_svg

LEGEND: dict[str, Any] = {"handlelength": 0.9, "handletextpad": 0.4, "columnspacing": 1.2, "borderaxespad": 0}
DASHED = (0, (3, 2))
SUBDIVISIONS = ((1,), (1, 3), (1, 2, 5))  # of each power of ten
ENDS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # multiples of a power of ten at which a logarithmic axis may end
TICKS_APART = 0.08  # of a logarithmic axis' length, from its ends to the next tick
EPOCH_STEPS = [1, *(base * 10**power for power in range(6) for base in (5, 10, 25))]
LABELS_APART = 0.1  # of the axis' height, between the labels at the ends of two lines


def error_curves(history: pd.DataFrame) -> str:
    """Chart the share of held-out images that are read wrongly after each epoch: each member's, and the mean.

    Parameters
    ----------
    history : a run's `history.csv`, with the columns epoch, repeat, fold and watched_accuracy (0 to 1)

    Returns
    -------
    An ``<svg>`` element. The axis is logarithmic, unless a member once made no mistake.

    Examples
    --------
    >>> history = pd.DataFrame({"epoch": [1, 2], "repeat": 0, "fold": 0, "watched_accuracy": [0.9, 0.95]})
    >>> error_curves(history)[:18]
    '<svg class="chart"'
    """
    percent = history.assign(error=(1 - history.watched_accuracy) * 100)
    with new_chart("error") as (figure, axes):
        _plot_members(axes, _as_strokes(percent), "error")
        _finish(axes, percent, ["error"], "{:.3g} %")
        return to_svg(figure, "Held-out error after each epoch, in percent: each member, and their mean")


def loss_curves(history: pd.DataFrame) -> str:
    """Chart the loss after each epoch: each member's on held-out images, their mean, and the mean in training (dashed).

    Parameters
    ----------
    history : a run's `history.csv`, with the columns epoch, repeat, fold, train_loss and watched_loss

    Returns
    -------
    An ``<svg>`` element. The axis is logarithmic, unless a loss is 0.

    Examples
    --------
    >>> losses = {"train_loss": [0.5, 0.2], "watched_loss": [0.4, 0.3]}
    >>> loss_curves(pd.DataFrame({"epoch": [1, 2], "repeat": 0, "fold": 0, **losses}))[:18]
    '<svg class="chart"'
    """
    with new_chart("loss") as (figure, axes):
        _plot_members(axes, _as_strokes(history), "watched_loss")
        training = _as_strokes(history).groupby("epoch").train_loss.mean()
        axes.plot(training.index, training, color=ACCENT, linewidth=1.6, linestyle=DASHED)
        _finish(axes, history, ["watched_loss", "train_loss"], "{:.3g}")
        return to_svg(figure, "Loss after each epoch: held out (solid), and in training (dashed)")


def dot_rows(rows: Sequence[tuple[str, Sequence[float]]], description: str, *, overall: float | None = None) -> str:
    """Chart accuracies as dots, a row for each label, with the row's mean at the right.

    Parameters
    ----------
    rows : label and accuracies (0 to 1) of each
    description : for those who cannot see the chart
    overall : a mean of all, drawn as a line through all rows

    Returns
    -------
    An ``<svg>`` element.

    Examples
    --------
    >>> dot_rows([("fold 0", [0.994]), ("fold 1", [0.996])], "Accuracy of each fold", overall=0.995)[:18]
    '<svg class="chart"'
    """
    with new_chart("dots", 0.75 + 0.3 * len(rows)) as (figure, axes):
        for y, (_, accuracies) in enumerate(rows):
            axes.scatter(accuracies, [y] * len(accuracies), s=30, color=ACCENT, alpha=0.75, linewidths=0, zorder=3)
            if len(accuracies) > 1:
                axes.plot([mean(accuracies)] * 2, [y - 0.3, y + 0.3], color=INK, linewidth=1.6, zorder=4)
            _at_the_right(axes, y, f"{mean(accuracies):.4f}")
        if overall is not None:
            axes.axvline(overall, color=INK, linewidth=1, zorder=2)
            axes.text(
                overall, 1.01, f"mean {overall:.4f}", transform=axes.get_xaxis_transform(), ha="center", va="bottom"
            )
        _as_rows(axes, [label for label, _ in rows], "{:.{}f}", decimals=4)
        return to_svg(figure, description)


def forest(rows: Sequence[tuple[str, float, float, float, bool]]) -> str:
    """Chart differences with their intervals, a row for each (a forest plot).

    Parameters
    ----------
    rows : label, difference, low, high (from -1 to 1), and whether it is significant

    Returns
    -------
    An ``<svg>`` element.

    Examples
    --------
    >>> forest([("A − B", 0.002, 0.001, 0.003, True), ("B − C", 0.0, -0.001, 0.001, False)])[:18]
    '<svg class="chart"'
    """
    with new_chart("forest", 0.75 + 0.3 * len(rows)) as (figure, axes):
        axes.axvline(0, color=INK, linewidth=1, zorder=2)
        for y, (_, difference, low, high, significant) in enumerate(rows):
            colour = ACCENT if significant else MUTED
            axes.plot([low, high], [y, y], color=colour, linewidth=2.2, zorder=3)
            axes.scatter([difference], [y], s=36, color=colour, zorder=4)
            _at_the_right(axes, y, f"{difference:+.4f}")
        _as_rows(axes, [row[0] for row in rows], "{:+.{}f}", decimals=4)
        return to_svg(figure, "Differences in OOF accuracy with their intervals; the numbers are in the table")


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
    with new_chart("digits", 3.4) as (figure, axes):
        axes.hlines(digits.digit, digits.precision, digits.recall, color=LINE, linewidth=3)
        axes.scatter(digits.precision, digits.digit, s=32, color=ACCENT, label="precision", zorder=3)
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.4}
        axes.scatter(digits.recall, digits.digit, s=32, label="recall", zorder=4, **ring)
        _as_rows(axes, [f"{digit}" for digit in digits.digit], "{:.{}f}", decimals=3)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, **LEGEND)
        return to_svg(figure, "Precision and recall of each digit; the numbers are in the table")


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
    with new_chart("reliability", 3.4) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHED)
        axes.vlines(bins.confidence, bins.confidence, bins.accuracy, color=MUTED, linewidth=1, alpha=0.7)
        axes.plot(bins.confidence, bins.accuracy, color=ACCENT, linewidth=1.5)
        areas = 10 + 110 * np.sqrt(bins.images / bins.images.max())
        axes.scatter(bins.confidence, bins.accuracy, s=areas, color=ACCENT)
        axes.text(1.02, 0.04, "dashed: as confident as accurate", ha="right", color=MUTED)
        axes.set_xlim(0, 1.04)
        axes.set_ylim(-0.06, 1.06)  # room for the dot of a bin without a correct image
        axes.set_xlabel("confidence: the largest output")
        axes.set_ylabel("accuracy")
        return to_svg(figure, "Accuracy in each bin of confidence; the numbers are in the table")


def epoch_ticks(last: int) -> list[int]:
    """The epochs that an axis names: the first, the last, and round numbers between.

    >>> epoch_ticks(4), epoch_ticks(22), epoch_ticks(60)
    ([1, 2, 3, 4], [1, 5, 10, 15, 20, 22], [1, 10, 20, 30, 40, 50, 60])
    """
    step = next(step for step in EPOCH_STEPS if last / step <= 9)
    between = [epoch for epoch in range(step, last, step) if epoch > 1 and last - epoch >= step * 0.4]
    return sorted({1, *between, last})


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers for a logarithmic axis, the first at most `low` and the last at least `high`, both positive.

    >>> log_ticks(0.4, 12), log_ticks(0.63, 1.3)
    ([0.4, 1.0, 2.0, 5.0, 12.0], [0.6, 0.8, 1.0, 1.2, 1.5])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    first = max(end for end in _multiples(powers, ENDS) if end <= low)
    last = min(end for end in _multiples(powers, ENDS) if end >= high)
    even = [float(f"{tick:.6g}") for tick in MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(first, last)]
    apart = (last / first) ** TICKS_APART if last > first else 1.0
    for ticks in (*(_multiples(powers, parts) for parts in SUBDIVISIONS), even):
        between = [tick for tick in ticks if first * apart <= tick <= last / apart]
        if len(between) >= 3:
            break
    return sorted({first, *between, last})


def _multiples(powers: range, parts: Sequence[float]) -> list[float]:
    return [float(f"{part * 10.0**power:.4g}") for power in powers for part in parts]


def _plot_members(axes: Axes, history: pd.DataFrame, column: str) -> None:
    """A thin grey line for each member, and their mean."""
    members = list(history.groupby(["repeat", "fold"]))
    thin: dict[str, Any] = {"color": MUTED, "linewidth": 0.8, "alpha": 0.7 if len(members) <= 10 else 0.35}
    for _, rows in members:
        axes.plot(rows.epoch, rows[column], **thin)
    average = history.groupby("epoch")[column].mean()
    axes.plot(average.index, average, color=ACCENT, linewidth=2.2)


def _as_strokes(history: pd.DataFrame) -> pd.DataFrame:
    """The only epoch of a run twice, so that a short stroke, which the legend explains, stands for each value."""
    if history.epoch.nunique() > 1:
        return history
    return pd.concat([history.assign(epoch=history.epoch + aside) for aside in (-0.005, 0.005)])


def _finish(axes: Axes, history: pd.DataFrame, columns: list[str], form: str) -> None:
    """Scale and ticks of learning curves, and the mean of each column at the end of its line.

    The members' lines are those of the first column; of the others, only the means are drawn.
    """
    last = int(history.epoch.max())
    axes.set_xlabel("epoch")
    axes.set_xticks(epoch_ticks(last))
    axes.set_xlim(1 - 0.02 * last, last + 0.02 * last)
    axes.grid(visible=False, axis="x")
    means = history.groupby("epoch")[columns].mean()
    drawn = np.concatenate([history[columns[0]], means.to_numpy().ravel()])
    if drawn.min() > 0:
        ticks = log_ticks(float(drawn.min()), float(drawn.max()))
        axes.set_yscale("log")
        axes.set_ylim(ticks[0] / 1.03, ticks[-1] * 1.03)  # room for the width of a line
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        ticks = list(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(0, float(drawn.max()) or 1))
        axes.set_ylim(-0.02 * ticks[-1], 1.02 * ticks[-1])
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(lambda y, _: form.format(y))
    _name_ends(axes, last, means.iloc[-1].tolist(), form)


def _name_ends(axes: Axes, last: int, ends: list[float], form: str) -> None:
    """Write one or two values beside the ends of their lines, moved apart if they would overlap."""
    to_axes = axes.transData + axes.transAxes.inverted()
    named = sorted((float(to_axes.transform((last, end))[1]), form.format(end)) for end in ends)  # height, text
    shift = max(0.0, LABELS_APART - (named[-1][0] - named[0][0])) / 2 if len(named) == 2 else 0.0
    for (height, text), move in zip(named, (-shift, shift), strict=False):
        axes.text(1.015, height + move, text, transform=axes.transAxes, va="center_baseline", color=ACCENT)


def _as_rows(axes: Axes, labels: Sequence[str], form: str, *, decimals: int) -> None:
    """A row for each label; ticks up to 1, with more `decimals` where they would look the same or be rounded."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.margins(x=0.07)
    low, high = axes.get_xlim()
    high = min(high, 1 + 0.02 * (1 - low))  # room for a dot at 1
    axes.set_xlim(low, high)
    values = MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(low, high)
    ticks = [round(value, 9) for value in values if low <= value <= min(high, 1)]
    while any(round(tick, decimals) != tick for tick in ticks):
        decimals += 1
    axes.set_xticks(ticks, [form.format(tick, decimals) if tick else "0" for tick in ticks])


def _at_the_right(axes: Axes, y: float, text: str) -> None:
    axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center_baseline")
