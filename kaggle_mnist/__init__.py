"""Train fold ensembles of neural networks for Kaggle's Digit Recognizer, as one tensor program.

>>> import kaggle_mnist
>>> digits = kaggle_mnist.load_digits("practice").head(500, 100)
>>> fold_of = kaggle_mnist.assign_folds(digits.train_labels, n_splits=5)
>>> fold_of.shape  # (repeats, n)
(1, 500)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kaggle_mnist.data.sources import load_digits
    from kaggle_mnist.estimator import FoldEnsembleClassifier
    from kaggle_mnist.export import export_onnx
    from kaggle_mnist.pipeline import resume, train
    from kaggle_mnist.recipes.named import find_recipe
    from kaggle_mnist.recipes.recipe import Recipe
    from kaggle_mnist.runs.finding import load_run
    from kaggle_mnist.runs.labels import Labels
    from kaggle_mnist.runs.run import Run
    from kaggle_mnist.training.cross_validation import cross_validate
    from kaggle_mnist.training.folds import assign_folds

__all__ = [
    "FoldEnsembleClassifier",
    "Labels",
    "Recipe",
    "Run",
    "assign_folds",
    "cross_validate",
    "export_onnx",
    "find_recipe",
    "load_digits",
    "load_run",
    "resume",
    "train",
]
__version__ = "0.2.0.dev0"
STARTED = time.monotonic()  # of a command, when its process began: nothing is imported before this

_MODULES = {
    "FoldEnsembleClassifier": "estimator",
    "Labels": "runs.labels",
    "Recipe": "recipes.recipe",
    "Run": "runs.run",
    "assign_folds": "training.folds",
    "cross_validate": "training.cross_validation",
    "export_onnx": "export",
    "find_recipe": "recipes.named",
    "load_digits": "data.sources",
    "load_run": "runs.finding",
    "resume": "pipeline",
    "train": "pipeline",
}


def __getattr__(name: str) -> object:
    """Import a name on first use, since torch alone takes a second."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
