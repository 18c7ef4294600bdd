"""The charts of a search's page, in the style of a run's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from kaggle_mnist.report.charts import dot_rows, epoch_ticks, log_ticks
from kaggle_mnist.report.svg import ACCENT, MUTED, new_chart, to_svg
from kaggle_mnist.trials.space import Choices, Range


def progress_chart(finished: pd.DataFrame, last: int) -> str:
    """Chart the accuracy of finished trials, and the best so far.

    Parameters
    ----------
    finished : with the columns trial and accuracy (0 to 1), in the order of the trials
    last : number of the last trial

    Returns
    -------
    An ``<svg>`` element.

    Examples
    --------
    >>> progress_chart(pd.DataFrame({"trial": [0, 2], "accuracy": [0.9, 0.95]}), 3)[:18]
    '<svg class="chart"'
    """
    with new_chart("progress") as (figure, axes):
        best = finished.accuracy.cummax().tolist()
        axes.step([*finished.trial, last], [*best, *best[-1:]], where="post", color=ACCENT, linewidth=2.2)
        axes.scatter(finished.trial, finished.accuracy, s=20, color=MUTED, zorder=3)
        axes.set_xlabel("trial")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        _name_accuracies(axes)
        return to_svg(figure, "Accuracy of each finished trial, and the best so far; the numbers are in the table")


def curves_chart(curves: Mapping[int, Mapping[int, float]], best: int | None) -> str:
    """Chart the accuracy on held-out images after each epoch, a line for each trial.

    Parameters
    ----------
    curves : by the number of the trial: accuracies (0 to 1) by epoch, from 1; at least one of them
    best : the trial that is drawn in colour, if any

    Returns
    -------
    An ``<svg>`` element.

    Examples
    --------
    >>> curves_chart({0: {1: 0.9, 2: 0.92}, 1: {1: 0.8}}, best=0)[:18]
    '<svg class="chart"'
    """
    with new_chart("curves") as (figure, axes):
        for number, curve in curves.items():
            thin: dict[str, Any] = {"color": MUTED, "linewidth": 0.8, "marker": "." if len(curve) == 1 else ""}
            thick = {"color": ACCENT, "linewidth": 2.2, "zorder": 3} if number == best else {}
            axes.plot(list(curve), list(curve.values()), **{**thin, **thick})
        axes.set_xlabel("epoch")
        axes.set_xticks(epoch_ticks(max(max(curve) for curve in curves.values())))
        _name_accuracies(axes)
        return to_svg(figure, "Accuracy on held-out images after each epoch, a line for each trial")


def slice_chart(dimension: Range | Choices, finished: pd.DataFrame) -> str:
    """Chart the accuracy of finished trials by the value of one field.

    Parameters
    ----------
    dimension : the field
    finished : with the columns accuracy (0 to 1) and one named as the field, which has Optuna's parameters

    Returns
    -------
    An ``<svg>`` element.

    Examples
    --------
    >>> slice_chart(Range("shift", 0, 1, False, None), pd.DataFrame({"accuracy": [0.9], "shift": [0.5]}))[:18]
    '<svg class="chart"'
    """
    description = f"Accuracy of each finished trial by {dimension.field}; the numbers are in the table"
    values = finished[dimension.field]
    if isinstance(dimension, Choices):
        chosen = [f"{value}" for value in map(dimension.parameter, dimension.values) if (values == value).any()]
        return dot_rows([(value, finished.accuracy[values == value].tolist()) for value in chosen], description)
    with new_chart(f"slice of {dimension.field}", 2.2) as (figure, axes):
        values = values.astype(float)
        axes.scatter(values, finished.accuracy, s=24, color=ACCENT, alpha=0.75, linewidths=0)
        if dimension.log:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(FixedLocator(log_ticks(float(values.min()), float(values.max()))))
            axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
        _name_accuracies(axes)
        return to_svg(figure, description)


def _name_accuracies(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.set_ylim(top=min(axes.get_ylim()[1], 1.002))
