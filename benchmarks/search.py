"""What a search finds in a given time: this program's, random search without pruning, and a plain Optuna loop.

    ./run.sh bench search [--recipe NAME] [--minutes N] [--seeds N] [--only NAME …]

Each gets as many minutes for its trials on the practice set, 5 folds, one after another, and its best recipe is then
trained again with fresh folds and seeds. The plain loop is what a user would write: `study.optimize` with
`cross_val_score` and skorch, over the fields that such a network has. `best so far` is the accuracy among the trials,
`confirmed` the mean over the seeds. The random search is not pruned: the pruners that Optuna offers are replayed on its
learning curves, with the epochs that each would have saved and whether it would have kept the best trial.
The withheld labels are not used.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import optuna
import torch
from peak import machine, peak
from torch import nn

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.search import search
from kaggle_mnist.trials import study
from kaggle_mnist.trials.folder import JOURNAL
from kaggle_mnist.trials.space import default_space

SuccessiveHalving = optuna.pruners.SuccessiveHalvingPruner
GLANCES = (0.25, 0.5, 1.0)  # shares of the time at which the best so far is shown


def ours(digits: Digits, recipe: str, minutes: float, seeds: int) -> dict[str, Any]:
    """`kaggle_mnist.search`, with as many trials as fit into the minutes."""
    start = find_recipe(recipe)
    with tempfile.TemporaryDirectory() as output:
        began, ended = time.monotonic(), [0.0]

        def watch(state: Any) -> None:
            if not state.to_confirm:
                ended[0] = time.monotonic() - began

        with patch(
            "kaggle_mnist.trials.budget.Budget._seconds_for_trials",
            lambda self, seconds, workers: minutes * 60 - seconds,
        ):
            options: dict[str, Any] = {"minutes": minutes, "seeds": seeds, "output": output, "on_change": watch}
            found = search(start, default_space(start), input=digits, **options)
        trials = optuna.load_study(study_name=None, storage=_storage(found.path / JOURNAL)).trials
        finished, values = _finished(trials)
        epochs = found.trials.trained_epochs.fillna(0).sum()
        full = len(found.trials) * start.epochs
        row: dict[str, Any] = {"trials": len(found.trials), "an hour": round(len(found.trials) / ended[0] * 3600)}
        row |= {
            "epochs saved, %": round(100 * (1 - float(epochs) / full), 1),
            **_best_at(finished, values, minutes * 60),
        }
        if found.confirmation is not None:
            confirmation = found.confirmation
            row |= {"start": round(statistics.mean(confirmation.start), 5)}
            row |= {"confirmed": round(statistics.mean(confirmation.best), 5), "luck": round(confirmation.luck, 5)}
            row |= {"gain": round(confirmation.difference.mean, 5), "p": round(confirmation.difference.p, 4)}
        if isinstance(study.make_pruner(), optuna.pruners.NopPruner):
            replay(trials, start.epochs)
    return row


def random_search(digits: Digits, recipe: str, minutes: float, seeds: int) -> dict[str, Any]:
    """The same program with random proposals and without pruning."""
    with (
        patch.object(
            study, "make_sampler", lambda seed, number: optuna.samplers.RandomSampler(seed=seed * 10_000 + number)
        ),
        patch.object(study, "make_pruner", optuna.pruners.NopPruner),
    ):
        return ours(digits, recipe, minutes, seeds)


def replay(trials: list[optuna.trial.FrozenTrial], epochs: int) -> None:
    """Print what each pruner would have done with learning curves that were recorded to the end."""
    curves = [t.intermediate_values for t in trials if t.value is not None and len(t.intermediate_values) == epochs]
    finals = [t.value for t in trials if t.value is not None and len(t.intermediate_values) == epochs]
    best = int(np.argmax(finals))
    pruners: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
        "successive halving, from epoch 2, factor 2": lambda: SuccessiveHalving(2, 2),
        "successive halving, from epoch 1, factor 2": lambda: SuccessiveHalving(1, 2),
        "successive halving, from epoch 1, factor 4": lambda: SuccessiveHalving(1, 4),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs),
        "median": lambda: optuna.pruners.MedianPruner(n_warmup_steps=1),
    }
    for name, make in pruners.items():
        saved, kept = [], []
        for order in range(20):
            rng = np.random.default_rng(order)
            found = optuna.create_study(direction="maximize", pruner=make())
            spent = 0
            for i in rng.permutation(len(curves)):
                trial = found.ask()
                for epoch, accuracy in curves[i].items():
                    trial.report(accuracy, epoch)
                    spent += 1
                    if epoch < epochs and trial.should_prune():
                        found.tell(trial, state=optuna.trial.TrialState.PRUNED)
                        break
                else:
                    found.tell(trial, finals[i])
                    if i == best:
                        kept.append(order)
            saved.append(1 - spent / (len(curves) * epochs))
        share = 100 * statistics.mean(saved)
        print(f"{name:<43} saves {share:.0f} % of the epochs, keeps the best in {len(kept)} of 20 orders")


def plain_loop(digits: Digits, recipe: str, minutes: float, seeds: int) -> dict[str, Any]:
    """Optuna, skorch and scikit-learn, as their documentation shows them together."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from skorch import NeuralNetClassifier

    x = digits.train_images.reshape(-1, 784).astype(np.float32) / 255
    y = digits.train_labels

    def model(values: dict[str, Any]) -> Any:
        layers = [nn.Linear(784, 512), nn.ReLU(), nn.Dropout(values["dropout"]), nn.Linear(512, 256), nn.ReLU()]
        return NeuralNetClassifier(
            nn.Sequential(*layers, nn.Dropout(values["dropout"]), nn.Linear(256, 10)),
            criterion=nn.CrossEntropyLoss,
            criterion__label_smoothing=values["label_smoothing"],
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=values["weight_decay"],
            lr=values["learning_rate"],
            max_epochs=find_recipe(recipe).epochs,
            batch_size=256,
            train_split=None,
            verbose=0,
        )

    def score(values: dict[str, Any], seed: int) -> float:
        torch.manual_seed(seed)
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        return float(cross_val_score(model(values), x, y, cv=folds).mean())

    def objective(trial: optuna.Trial) -> float:
        values = {
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-3, 1e-1, log=True),
            "label_smoothing": trial.suggest_float("label_smoothing", 0, 0.15),
            "dropout": trial.suggest_float("dropout", 0, 0.6),
        }
        return score(values, 0)

    found = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    began = time.monotonic()
    found.optimize(objective, timeout=minutes * 60)
    spent = time.monotonic() - began
    finished, values = _finished(found.trials)
    row: dict[str, Any] = {"trials": len(found.trials), "an hour": round(len(found.trials) / spent * 3600)}
    row |= _best_at(finished, values, minutes * 60)
    return row | {
        "confirmed": round(statistics.mean(score(found.best_params, seed) for seed in range(1, 1 + seeds)), 5)
    }


def _storage(journal: Path) -> Any:
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(f"{journal}"))


def _finished(trials: list[optuna.trial.FrozenTrial]) -> tuple[list[float], list[float]]:
    """When each finished trial ended, in seconds since the first began, and its accuracy."""
    begin = min(t.datetime_start for t in trials if t.datetime_start is not None)
    ended = [(t.datetime_complete, t.value) for t in trials if t.datetime_complete is not None and t.value is not None]
    return [(when - begin).total_seconds() for when, _ in ended], [value for _, value in ended]


def _best_at(seconds: list[float], values: list[float], limit: float) -> dict[str, float | None]:
    found = {}
    for share in GLANCES:
        so_far = [value for second, value in zip(seconds, values, strict=True) if share == 1 or second <= share * limit]
        found[f"best so far, {share:.0%}"] = round(max(so_far), 5) if so_far else None
    return found


SEARCHES = {"kaggle-mnist search": ours, "random, not pruned": random_search, "plain Optuna loop": plain_loop}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--minutes", type=float, default=15, help="for the trials of each search")
    parser.add_argument("--seeds", type=int, default=5, help="of each confirmation")
    parser.add_argument("--only", nargs="*", choices=SEARCHES, default=SEARCHES)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    digits = load_digits("practice")
    for name in arguments.only:
        rate = peak()
        row = SEARCHES[name](digits, arguments.recipe, arguments.minutes, arguments.seeds)
        print(name, {**row, "peak, GFLOP/s": round(rate)}, flush=True)
    print(machine())


if __name__ == "__main__":
    main()
