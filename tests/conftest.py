"""Real digits for every test: a small part of the practice set, and recipes that train in a second."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.practice import load_practice
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.utils.files import sha256_of

TINY = Recipe(name="tiny", hidden=(48,), epochs=4, batch_size=100, learning_rate=5e-3, shift=1.0, elastic=0.5)


@pytest.fixture(scope="session")
def practice() -> Digits:
    return load_practice()


@pytest.fixture(scope="session")
def few(practice: Digits) -> Digits:
    """1,500 labeled and 300 unlabeled digits."""
    return Digits(
        "practice set", "tests", practice.train_images[:1500], practice.train_labels[:1500], practice.test_images[:300]
    )


@pytest.fixture(scope="session")
def handful(practice: Digits) -> Digits:
    """120 labeled and 12 unlabeled digits: enough for files, too few for training."""
    return Digits(
        "practice set", "tests", practice.train_images[:120], practice.train_labels[:120], practice.test_images[:12]
    )


@pytest.fixture
def tiny() -> Recipe:
    return TINY


def write_folders(
    digits: Digits, folder: Path, *, train: str = "train", test: str = "test", suffix: str = ".png"
) -> None:
    """The digits as image files, named as in Kaggle's JPEG version; PNG keeps every pixel."""
    for number, (image, label) in enumerate(zip(digits.train_images, digits.train_labels, strict=True), start=1):
        place = folder / train / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"img_{number}{suffix}")
    (folder / test).mkdir(parents=True)
    for number, image in enumerate(digits.test_images, start=1):
        Image.fromarray(image).save(folder / test / f"img_{number}{suffix}")


def same_digits(a: Digits, b: Digits) -> bool:
    return (
        np.array_equal(a.train_images, b.train_images)
        and np.array_equal(a.train_labels, b.train_labels)
        and np.array_equal(a.test_images, b.test_images)
    )


@pytest.fixture(scope="session")
def evening(few: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three runs on the same digits: two seeds of a recipe, and a much worse one. Tests copy it."""
    from kaggle_mnist.pipeline import train

    output = tmp_path_factory.mktemp("evening")
    steady = TINY.replaced(epochs=12)
    for name, recipe, seed in (("a", steady, 0), ("b", steady, 1), ("c", TINY.replaced(hidden=(16,)), 0)):
        run = train(recipe.replaced(name=name), input=few, output=output, folds=3, seed=seed)
        run.path.rename(output / f"20261124-20000{seed}-{name}")
    return output


@pytest.fixture
def submissions(evening: Path) -> Path:
    """A copy of those runs in `submissions/` of the test's own folder."""
    return Path(shutil.copytree(evening, "submissions"))


def reseal(run: Path) -> None:
    """Recompute the checksums of a changed run."""
    files = [line.split("  ", 1)[1] for line in (run / "SHA256SUMS").read_text().splitlines()]
    (run / "SHA256SUMS").write_text("".join(f"{sha256_of(run / file)}  {file}\n" for file in files))


@pytest.fixture(scope="session")
def run_content(evening: Path) -> dict[str, bytes]:
    """The files that every run folder has, by name, of a trained run."""
    from kaggle_mnist.runs.finding import list_runs

    first = list_runs(evening)[0]
    return {name: (first / name).read_bytes() for name in ("run.json", "submission.csv", "outputs.npz")}
