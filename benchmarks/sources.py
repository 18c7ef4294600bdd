"""Scores of the same digits as practice set, CSV files, zip, PNG folders and JPG folders.

    ./run.sh bench sources [--epochs N]

One row per source: whether its pixels equal the practice set's, and the scores of a short run of the default recipe.
`./run.sh bench loading` measures how long each takes to load.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.practice import open_withheld_labels
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.pipeline import train
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.training import metrics
from kaggle_mnist.utils.files import sha256_of


def write_images(digits: Digits, folder: Path, suffix: str) -> None:
    """Write the digits as image files in the layout of Kaggle's JPEG version."""
    for number, (image, label) in enumerate(zip(digits.train_images, digits.train_labels, strict=True), start=1):
        (folder / "train" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "train" / str(label) / f"img_{number}{suffix}")
    (folder / "test").mkdir()
    for number, image in enumerate(digits.test_images, start=1):
        Image.fromarray(image).save(folder / "test" / f"img_{number}{suffix}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    recipe = find_recipe("mlp").replaced(epochs=parser.parse_args().epochs)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["KAGGLE_MNIST_CACHE"] = f"{folder / 'cache'}"
        practice = load_digits("practice")
        export_csv(practice, folder / "csv")
        with zipfile.ZipFile(folder / "digits.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file in (folder / "csv").iterdir():
                archive.write(file, file.name)
        write_images(practice, folder / "png", ".png")
        write_images(practice, folder / "jpg", ".jpg")
        for source in ("practice", "csv", "digits.zip", "png", "jpg"):
            where = source if source == "practice" else folder / source
            digits = load_digits(where)
            run = train(recipe, input=digits, output=folder / "runs")
            rows.append(
                {
                    "source": source,
                    "practice pixels": digits.fingerprint == practice.fingerprint,
                    "CV accuracy": run.cv_accuracy,
                    "withheld": metrics.accuracy(run.outputs().test, open_withheld_labels()),
                    "outputs.npz": sha256_of(run.path / "outputs.npz")[:12],
                    "submission.csv": sha256_of(run.submission)[:12],
                }
            )
    print(pd.DataFrame(rows).round(5).to_string(index=False))


if __name__ == "__main__":
    main()
