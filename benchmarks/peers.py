"""Other tools for the same job: cross-validated accuracy on the 42,000, and 28,000 predictions, each in its own idiom.

    ./run.sh bench peers [PEER …] [--autogluon PYTHON] [--pytabkit PYTHON]

Every peer gets the practice set's digits as arrays and our five folds, in a separate process. The time runs until it
has its cross-validated accuracy and its predictions, without loading the digits or importing libraries. For the
predictions, the tutorial's loop, AutoGluon, pytabkit and kaggle-mnist average their fold models; scikit-learn and
skorch fit a sixth model on all images, since their cross-validation returns none. skorch sets aside a fifth of its
training images for validation, its default; pytabkit picks the best epoch by the held-out fold, also its default. The
withheld labels are not used.

AutoGluon and pytabkit need other packages: install `autogluon.tabular[lightgbm]` or `pytabkit` into a separate
environment and pass that environment's Python.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

FOLDS = 5
Result = tuple[float, Any]  # CV accuracy, test predictions


def mean_accuracy(predicted: Any, data: Any) -> float:
    """Mean over the folds of the accuracy on held-out images."""
    right = predicted == data["y"]
    return statistics.mean(float(right[data["fold_of"] == fold].mean()) for fold in range(FOLDS))


def splits_of(data: Any) -> Any:
    from sklearn.model_selection import PredefinedSplit

    return PredefinedSplit(data["fold_of"])


def tutorial(data: Any) -> Callable[[], Result]:
    """The tutorial's training loop: one model after another, 500 batches an epoch, 100 epochs."""
    import torch
    from torch import nn

    def scale(images: Any) -> torch.Tensor:
        return torch.from_numpy(images).float() / 255 * 0.99 + 0.01

    def job() -> Result:
        x, y, test = scale(data["x"]), torch.from_numpy(data["y"]), scale(data["x_test"])
        targets = torch.full((len(y), 10), 0.01)
        targets[torch.arange(len(y)), y] = 0.99
        outputs, test_outputs = torch.zeros(len(y), 10), torch.zeros(len(test), 10)
        for fold in range(FOLDS):
            torch.manual_seed(fold)
            held_out = torch.from_numpy(data["fold_of"] == fold)
            x_fold, t_fold = x[~held_out], targets[~held_out]
            model = nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Dropout(0.6), nn.Linear(300, 10), nn.Sigmoid())
            optimizer, loss_of = torch.optim.Adam(model.parameters(), 1e-3), nn.MSELoss()
            for epoch in range(100):
                rate = 1e-3 if epoch < 15 else 1e-4 if epoch < 40 else 1e-5 if epoch < 60 else 5e-6
                optimizer.param_groups[0]["lr"] = rate
                model.train()
                for batch in torch.randperm(len(x_fold)).tensor_split(500):
                    optimizer.zero_grad()
                    loss_of(model(x_fold[batch]), t_fold[batch]).backward()
                    optimizer.step()
            model.eval()
            with torch.no_grad():
                outputs[held_out] = model(x[held_out])
                test_outputs += model(test) / FOLDS
        return mean_accuracy(outputs.argmax(1).numpy(), data), test_outputs.argmax(1).numpy()

    return job


def directions(images: Any) -> Any:
    """What our recipes give a perceptron: gradient directions of the digit made upright."""
    import torch

    from kaggle_mnist.models.features import compute_features
    from kaggle_mnist.recipes.named import find_recipe
    from kaggle_mnist.training.normalization import normalize

    recipe = find_recipe("mlp")
    upright = normalize(torch.from_numpy(images.reshape(-1, 28, 28)).float() / 255, recipe)
    return compute_features(upright, recipe.features, **recipe.feature_settings).numpy()


def sklearn_mlp(data: Any, features: Callable[[Any], Any] = lambda x: x / np.float32(255)) -> Callable[[], Result]:
    """scikit-learn's classifier with one hidden layer of 300, otherwise its defaults."""
    from sklearn.model_selection import cross_val_predict
    from sklearn.neural_network import MLPClassifier

    def job() -> Result:
        x, test = features(data["x"]), features(data["x_test"])
        model = MLPClassifier((300,), random_state=0)
        predicted = cross_val_predict(model, x, data["y"], cv=splits_of(data), n_jobs=2)
        return mean_accuracy(predicted, data), model.fit(x, data["y"]).predict(test)

    return job


def skorch_classifier(data: Any) -> Callable[[], Result]:
    """The network and settings of skorch's MNIST notebook, under scikit-learn's cross-validation."""
    import torch
    from sklearn.model_selection import cross_val_predict
    from skorch import NeuralNetClassifier
    from torch import nn

    def job() -> Result:
        torch.manual_seed(0)
        x, test = data["x"] / np.float32(255), data["x_test"] / np.float32(255)
        module = nn.Sequential(nn.Linear(784, 98), nn.ReLU(), nn.Dropout(0.5), nn.Linear(98, 10), nn.Softmax(-1))
        net = NeuralNetClassifier(module, max_epochs=20, lr=0.1, verbose=0)
        predicted = cross_val_predict(net, x, data["y"], cv=splits_of(data))
        return mean_accuracy(predicted, data), net.fit(x, data["y"]).predict(test)

    return job


def autogluon(data: Any) -> Callable[[], Result]:
    """AutoGluon-Tabular, default models, bagged over our folds, ten minutes."""
    import pandas as pd
    from autogluon.tabular import TabularPredictor

    def job() -> Result:
        columns = [f"pixel{i}" for i in range(784)]
        labeled = pd.DataFrame(data["x"], columns=columns).assign(label=data["y"], fold=data["fold_of"])
        with tempfile.TemporaryDirectory() as path:
            predictor = TabularPredictor("label", groups="fold", path=path, verbosity=1)
            predictor.fit(labeled, num_bag_folds=FOLDS, num_bag_sets=1, num_stack_levels=0, time_limit=600)
            out_of_fold = predictor.predict_oof().to_numpy()
            predicted = predictor.predict(pd.DataFrame(data["x_test"], columns=columns)).to_numpy()
        return mean_accuracy(out_of_fold, data), predicted

    return job


def realmlp(data: Any) -> Callable[[], Result]:
    """RealMLP with tuned defaults, its five models trained at once on our folds, ten minutes."""
    from pytabkit import RealMLP_TD_Classifier

    def job() -> Result:
        held_out = [np.flatnonzero(data["fold_of"] == fold) for fold in range(FOLDS)]
        least = min(map(len, held_out))
        model = RealMLP_TD_Classifier(device="cpu", random_state=0, n_cv=FOLDS)
        splits = np.stack([rows[:least] for rows in held_out])
        model.fit(data["x"].astype(np.float32), data["y"], val_idxs=splits, time_to_fit_in_seconds=600)
        outputs = [model.predict_proba_ensemble(data["x"][rows].astype(np.float32)) for rows in held_out]
        predicted = np.empty_like(data["y"])
        for fold, rows in enumerate(held_out):
            predicted[rows] = outputs[fold][fold].argmax(1)
        return mean_accuracy(predicted, data), model.predict(data["x_test"].astype(np.float32))

    return job


def ours(name: str, **fields: Any) -> Callable[[Any], Callable[[], Result]]:
    """A recipe of kaggle-mnist, including its run folder."""

    def peer(data: Any) -> Callable[[], Result]:
        from kaggle_mnist.data.sources import load_digits
        from kaggle_mnist.pipeline import train
        from kaggle_mnist.recipes.named import find_recipe

        digits = load_digits("practice")

        def job() -> Result:
            with tempfile.TemporaryDirectory() as output:
                run = train(find_recipe(name).replaced(**fields), input=digits, output=output, score=False)
                return run.cv_accuracy, run.outputs().test.argmax(1)

        return job

    return peer


PEERS: dict[str, Callable[[Any], Callable[[], Result]]] = {
    "tutorial's loop": tutorial,
    "scikit-learn MLPClassifier((300,))": sklearn_mlp,
    "scikit-learn MLPClassifier((300,)) on gradient directions": lambda data: sklearn_mlp(data, directions),
    "skorch NeuralNetClassifier": skorch_classifier,
    "AutoGluon-Tabular": autogluon,
    "pytabkit RealMLP": realmlp,
    "kaggle-mnist article": ours("article"),
    "kaggle-mnist sprint.toml": ours(str(Path(__file__).with_name("sprint.toml"))),
    "kaggle-mnist fast": ours("fast"),
    "kaggle-mnist mlp": ours("mlp"),
}


def work(peer: str, file: str) -> None:
    """Run a peer, in its own process, and print its time and accuracy."""
    with suppress(ModuleNotFoundError):  # AutoGluon may have no PyTorch
        importlib.import_module("torch._dynamo")  # the first step of any of PyTorch's optimizers would: a second
    with np.load(file) as stored:
        data = {"x": stored["x"].reshape(-1, 784), "x_test": stored["x_test"].reshape(-1, 784)}
        data |= {"y": stored["y"], "fold_of": stored["fold_of"]}
    job = PEERS[peer](data)
    start = time.perf_counter()
    accuracy, predicted = job()
    assert predicted.shape == (len(data["x_test"]),)
    print(json.dumps({"seconds": time.perf_counter() - start, "CV accuracy": accuracy}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", help=f"any of: {', '.join(PEERS)}; all by default")
    parser.add_argument("--autogluon", metavar="PYTHON", help="Python of an environment with AutoGluon")
    parser.add_argument("--pytabkit", metavar="PYTHON", help="Python of an environment with pytabkit")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(*arguments.work)
        return
    pythons = dict.fromkeys(PEERS, sys.executable)
    pythons |= {"AutoGluon-Tabular": arguments.autogluon, "pytabkit RealMLP": arguments.pytabkit}
    chosen = arguments.peers or [peer for peer in PEERS if pythons[peer]]
    if unknown := set(chosen) - set(PEERS):
        parser.error(f"no such peer: {', '.join(unknown)}")
    if lacking := [peer for peer in chosen if not pythons[peer]]:
        parser.error(f"{', '.join(lacking)}: name the Python of its environment")

    from peak import peak, show

    from kaggle_mnist.data.sources import load_digits
    from kaggle_mnist.training.folds import assign_folds

    digits = load_digits("practice")
    fold_of = assign_folds(digits.train_labels, n_splits=FOLDS)[0]
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "digits.npz"
        np.savez(file, x=digits.train_images, y=digits.train_labels, x_test=digits.test_images, fold_of=fold_of)
        for peer in chosen:
            rate = peak()
            process = subprocess.Popen(
                [pythons[peer], __file__, "--work", peer, str(file)], stdout=subprocess.PIPE, text=True
            )
            assert process.stdout
            printed = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"{peer}: ended with status {process.returncode}")
            found = json.loads(printed.splitlines()[-1])
            unit = 1 << 30 if sys.platform == "darwin" else 1 << 20  # ru_maxrss is in bytes on macOS, in kB elsewhere
            rows.append(
                {
                    "peer": peer,
                    "seconds": round(found["seconds"], 1),
                    "CV accuracy": round(found["CV accuracy"], 4),
                    "largest process, GB": round(usage.ru_maxrss / unit, 2),
                    "peak, GFLOP/s": round(rate),
                }
            )
            print(rows[-1], flush=True)
    if rows and (slowest := next((row for row in rows if row["peer"] == "tutorial's loop"), None)):
        for row in rows:
            row["of tutorial's time"] = f"1/{float(str(slowest['seconds'])) / float(str(row['seconds'])):.1f}"
    show(rows)


if __name__ == "__main__":
    main()
