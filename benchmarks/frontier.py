"""What the recipes reach: accuracy against time, as a table and a picture.

    ./run.sh bench frontier [RECIPE[:EPOCHS] …] [--seeds N] [--withheld] [--keep DIR]

Every run is a separate process on the practice set, with 5 folds drawn from its seed. The rows are added to
`frontier.csv` in this folder; rows from other versions, another machine or a recipe that has changed since are dropped.
The table and `frontier.png` show every row of that file.
`--keep` leaves the run folders in a folder, for `compare` and `blend`.
`--withheld` scores the runs on the withheld labels, as for any finished run; nothing may be chosen by them.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from peak import machine, peak

from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe

TABLE = Path(__file__).with_name("frontier.csv")
POINTS = ("benchmarks/sprint.toml", "fast", "mlp", "pixels", "article", "best", "cnn")
KEY = ["recipe", "epochs", "seed"]
GIGABYTE = 1 << 30 if sys.platform == "darwin" else 1 << 20  # ru_maxrss is in bytes on macOS, in kB elsewhere


def measure(name: str, epochs: int, seed: int, output: Path, *, withheld: bool) -> dict[str, object]:
    """Train once into a folder that has no such run yet, and return the run's row."""
    rate, before = peak(), set(output.glob("*/run.json"))
    options = ["--recipe", name, "--epochs", f"{epochs}", "--seed", f"{seed}", "--input", "practice"]
    options += ["--output", f"{output}", *([] if withheld else ["--no-score"])]
    process = subprocess.Popen([sys.executable, "-m", "kaggle_mnist", "train", *options])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name}: ended with status {process.returncode}")
    [record] = [json.loads(path.read_text()) for path in set(output.glob("*/run.json")) - before]
    scores = {key: record["scores"][key] for key in ("cv_accuracy", "cv_loss", "oof_accuracy", "withheld_accuracy")}
    return {
        "recipe": name,
        "epochs": epochs,
        "seed": seed,
        **scores,
        "train_seconds": round(record["seconds"]["train"], 2),
        "all_seconds": round(record["seconds"]["all"], 2),
        "memory_gb": round(usage.ru_maxrss / GIGABYTE, 2),
        "peak_gflops": round(rate),
        "products": record["environment"]["products"],
        "recipe_sha": sha_of(find_recipe(name, epochs=epochs)),
        "machine": machine(),
    }


def sha_of(recipe: Recipe) -> str:
    """A checksum of the fields that differ from their defaults: a new field does not change that of older recipes."""
    return hashlib.sha256(recipe.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:12]


def current(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows measured on this machine, with these versions and the recipes of today."""
    shas = [sha_of(find_recipe(recipe, epochs=epochs)) for recipe, epochs in zip(rows.recipe, rows.epochs, strict=True)]
    return rows[(rows.recipe_sha == shas) & (rows.machine == machine())]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """By recipe and number of epochs: mean accuracies, medians of the rest, and the range of both."""
    groups = rows.groupby(["recipe", "epochs"], sort=False)

    def spread(column: str, digits: int) -> pd.Series:
        return groups[column].agg(lambda values: f"{values.min():.{digits}f}–{values.max():.{digits}f}")

    table = pd.DataFrame(
        {
            "n": groups.size(),
            "CV accuracy": groups.cv_accuracy.mean().round(4),
            "CV spread": spread("cv_accuracy", 4),
            "OOF": groups.oof_accuracy.mean().round(4),
            "CV loss": groups.cv_loss.mean().round(4),
            "withheld": groups.withheld_accuracy.agg(lambda values: values.mean(skipna=False)).round(4),
            "withheld spread": spread("withheld_accuracy", 4),
            "training, s": groups.train_seconds.median().round(1),
            "time spread": spread("train_seconds", 1),
            "all, s": groups.all_seconds.median().round(1),
            "memory, GB": groups.memory_gb.max(),
            "peak, GFLOP/s": groups.peak_gflops.median().round(),
            "products": groups.products.first(),
        }
    )
    return table.sort_values("training, s").reset_index()


def draw(table: pd.DataFrame) -> None:
    """Plot the error out of fold against seconds of training, both logarithmic."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    x, y = table["training, s"], 100 * (1 - table["OOF"])
    axes.scatter(x, y)
    for i, (recipe, epochs, *point) in enumerate(zip(table.recipe, table.epochs, x, y, strict=True)):
        place = (6, 4) if (len(table) - i) % 2 else (-4, -12)  # neighbours may stand close together
        axes.annotate(f"{Path(recipe).stem}, {epochs}", (point[0], point[1]), textcoords="offset points", xytext=place)
    axes.set(xscale="log", yscale="log", xlabel="seconds of training, five folds", ylabel="error out of fold, %")
    axes.set_title("Error out of fold against training time (recipe, epochs)")
    axes.set_yticks(ticks := [0.3, 0.5, 1, 2, 3], [f"{tick:g}" for tick in ticks])
    axes.set_xticks(ticks := [1, 3, 10, 30, 100, 300, 1000], [f"{tick}" for tick in ticks])
    axes.set(xlim=(x.min() / 1.5, x.max() * 3), ylim=(y.min() / 1.2, y.max() * 1.3))
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.savefig(TABLE.with_suffix(".png"), dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=POINTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--withheld", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for the run folders; otherwise they are deleted")
    arguments = parser.parse_args()
    points = [point.partition(":") for point in arguments.recipes]
    runs = [(name, int(epochs or find_recipe(name).epochs)) for name, _, epochs in points]
    for (name, epochs), seed in itertools.product(runs, range(arguments.seeds)):
        with tempfile.TemporaryDirectory() if arguments.keep is None else nullcontext(arguments.keep) as output:
            row = measure(name, epochs, seed, Path(output), withheld=arguments.withheld)
        rows = pd.DataFrame([row])
        if TABLE.exists():
            rows = pd.concat([current(pd.read_csv(TABLE)), rows]).drop_duplicates(KEY, keep="last")
        rows.to_csv(TABLE, index=False)
    table = summary(current(pd.read_csv(TABLE)))
    draw(table)
    print(table.to_string(index=False))
    print(machine())


if __name__ == "__main__":
    main()
