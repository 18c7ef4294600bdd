"""A search's page: its verdict, its trials and their charts, self-contained in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from kaggle_mnist.recipes.recipe import Recipe, format_value
from kaggle_mnist.report.rendering import render
from kaggle_mnist.significance import SIGNIFICANT
from kaggle_mnist.trials.folder import SearchPlan
from kaggle_mnist.trials.study import Trials, quiet_optuna
from kaggle_mnist.utils.words import plural

if TYPE_CHECKING:
    from kaggle_mnist.confirm import Confirmation


def search_page(name: str, plan: SearchPlan, trials: Trials, confirmation: Confirmation | None) -> str:
    """The content of a search's `report.html`.

    Parameters
    ----------
    name : of the search's folder
    plan, trials : of the search
    confirmation : None if no trial exceeded the start
    """
    from kaggle_mnist.report.charts import dot_rows
    from kaggle_mnist.trials.charts import curves_chart, progress_chart, slice_chart

    table = trials.table().sort_values(["accuracy", "trial"], ascending=[False, True])
    finished = table[table.state == "finished"].sort_values("trial").astype({"accuracy": float})
    curves = {trial.number: trial.intermediate_values for trial in trials.all if trial.intermediate_values}
    best = trials.best.number if trials.best else None
    confirmed = [("best", confirmation.best), ("start", confirmation.start)] if confirmation else []
    dimensions = trials.space.dimensions
    fields = [dimension.field for dimension in dimensions]
    page = render(
        "search.html.j2",
        columns=1,
        sprite="",
        name=name,
        plan=plan,
        confirmation=confirmation,
        verdict=verdict_of(plan.start, confirmation),
        counts=count_states(table),
        fields=fields,
        rows=[_row(row, fields) for row in table.to_dict("records")],
        best=best,
        confirmed_chart=Markup(dot_rows(confirmed, "Accuracy with each seed")) if confirmed else "",
        progress_chart=Markup(progress_chart(finished, int(table.trial.max()))) if len(finished) else "",
        curves_chart=Markup(curves_chart(curves, best)) if curves else "",
        importance=_importance(trials) if finished.accuracy.nunique() > 1 else {},
        slices=[(each.field, Markup(slice_chart(each, finished))) for each in dimensions] if len(finished) else [],
    )
    return page.decode()


def verdict_of(start: Recipe, confirmation: Confirmation | None) -> str:
    """One sentence: whether the best recipe found is better than the one that the search started from."""
    if confirmation is None:
        return f"No trial was better than {start.name}, from which the search started."
    if confirmation.is_better:
        return f"The best trial is better than {start.name}, from which the search started."
    if confirmation.difference.p < SIGNIFICANT:
        return f"The best trial is worse than {start.name}, from which the search started: its lead was luck."
    return f"The best trial does not differ significantly from {start.name}, from which the search started."


def count_states(trials: pd.DataFrame) -> str:
    """How many trials there are, and in which states, such as ``"40 trials: 17 finished, 23 pruned"``."""
    counts = trials.state.value_counts()
    states = [f"{counts[state]} {state}" for state in ("finished", "pruned", "failed", "running") if state in counts]
    return f"{plural(len(trials), 'trial')}: {', '.join(states) or 'none yet'}"


def _row(row: dict[Any, Any], fields: list[str]) -> dict[str, Any]:
    def shown(value: Any, form: str) -> str:
        return "" if pd.isna(value) else form.format(value)

    return {
        "trial": row["trial"],
        "state": row["state"],
        "reason": "" if pd.isna(row["reason"]) else row["reason"],
        "accuracy": shown(row["accuracy"], "{:.4f}"),
        "epochs": shown(row["trained_epochs"], "{}"),
        "seconds": shown(row["seconds"], "{:.0f}"),
        "fields": [format_number(row[field]) for field in fields],
    }


def format_number(value: Any) -> str:
    """A parameter's value, numbers with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else format_value(value)


def _importance(trials: Trials) -> dict[str, float]:
    """The share of the accuracies' variance that each field explains; empty if too few trials are finished."""
    from optuna.exceptions import OptunaError
    from optuna.importance import get_param_importances

    try:
        with quiet_optuna():
            return dict(get_param_importances(trials.study))
    except (OptunaError, ValueError, RuntimeError):  # too few trials, or all with the same accuracy
        return {}
