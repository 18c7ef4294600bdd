"""A search's page: its verdict, its trials and Optuna's plots, self-contained in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kaggle_mnist.recipes.recipe import Recipe, format_value
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
    templates = PackageLoader("kaggle_mnist.trials", "templates")
    environment = Environment(loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    table = trials.table().sort_values(["accuracy", "trial"], ascending=[False, True])
    fields = [dimension.field for dimension in trials.space.dimensions]
    return environment.get_template("search.html.j2").render(
        name=name,
        plan=plan,
        confirmation=confirmation,
        verdict=verdict_of(plan.start, confirmation),
        counts=count_states(table),
        fields=fields,
        rows=[_row(row, fields) for row in table.to_dict("records")],
        plots=list(_plots(trials)),
    )


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


def _plots(trials: Trials) -> Iterator[tuple[str, str, Markup]]:
    from optuna import visualization
    from optuna.exceptions import OptunaError

    named = {"target_name": "accuracy out of fold"}
    curves = "On held-out images; pruned trials end early."
    shares = "The share of the accuracies' variance that each field explains."
    wanted: list[tuple[str, str, Callable[..., Any], dict[str, str]]] = [
        ("History", "", visualization.plot_optimization_history, named),
        ("Accuracy by epoch", curves, visualization.plot_intermediate_values, {}),
        ("Importance", shares, visualization.plot_param_importances, {}),
        ("Slices", "", visualization.plot_slice, named),
    ]
    library: bool = True  # plotly.js goes into the first plot
    for title, note, plot, options in wanted:
        try:
            with quiet_optuna():
                figure = plot(trials.study, **options)
        except (OptunaError, ValueError, RuntimeError):  # too few trials, or all with the same accuracy
            continue
        figure.update_layout(title=None, paper_bgcolor="rgba(0,0,0,0)", margin={"t": 20, "l": 60, "r": 20, "b": 50})
        if title == "Accuracy by epoch":
            figure.update_layout(xaxis_title="epoch", yaxis_title="accuracy on held-out images")
        elif title == "History":
            figure.update_layout(legend={"orientation": "h", "y": 1.1})
        yield title, note, Markup(figure.to_html(full_html=False, include_plotlyjs=library))
        library = False
