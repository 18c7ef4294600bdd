"""What a run says of a person's own pictures."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.contact_sheet import Caption, labelled_sheet
from kaggle_mnist.data.digits import CLASSES, SIDE
from kaggle_mnist.data.photos import prepare_photo
from kaggle_mnist.data.pictures import SUFFIXES, UNREAD
from kaggle_mnist.models.registry import load_network
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.training.inference import ensemble_outputs
from kaggle_mnist.utils.errors import BadData, BadRun, OutputError
from kaggle_mnist.utils.files import SUMS, refuse_foreign, sha256_of, write_whole
from kaggle_mnist.utils.progress import Progress, quiet

PICTURED = 200  # prepared images in one picture
HEADER = ["file", "digit", *(f"output_{digit}" for digit in range(CLASSES))]


@dataclass(frozen=True)
class Prediction:
    """What was made of the pictures that could be used, and what was wrong with the others.

    Attributes
    ----------
    files : those that could be used
    images : uint8, shape ``(n, 28, 28)``: what the members saw of them
    outputs : sigmoid outputs, float32, shape ``(n, 10)``, from 0 to 1
    faults : a line for each of the others
    """

    files: list[Path]
    images: NDArray[np.uint8]
    outputs: NDArray[np.float32]
    faults: list[str]

    @property
    def digits(self) -> NDArray[np.int64]:
        """The digit of the largest output, shape ``(n,)``."""
        digits: NDArray[np.int64] = self.outputs.argmax(1)
        return digits


def predict(run: Run, paths: Sequence[Path], *, progress: Progress = quiet) -> Prediction:
    """Prepare pictures the way MNIST was, and give the ensemble's outputs.

    Parameters
    ----------
    run : trained, or a blend; a blend predicts through its parents
    paths : pictures, and folders of pictures, whose names are taken in order

    Raises
    ------
    BadData
        A path that does not exist, or a folder without pictures. A picture that cannot be used is told in `faults`.
    BadRun
        The members cannot be read, or a blend's parents are missing or were changed.
    """
    files = [file for path in paths for file in _pictures_at(path)]
    used, images, faults = [], [], []
    progress("Preparing", 0, len(files))
    for number, file in enumerate(files, start=1):
        try:
            images.append(prepare_photo(file))
            used.append(file)
        except BadData as error:
            faults.append(str(error))
        progress("Preparing", number, len(files))
    prepared = np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8)
    return Prediction(used, prepared, run_outputs(run, prepared, progress=progress), faults)


def run_outputs(run: Run, images: NDArray[np.uint8], *, progress: Progress = quiet) -> NDArray[np.float32]:
    """A run's outputs, ``(n, 10)``, for images ``(n, 28, 28)``; a blend's are the weighted sum of its parents'.

    A blend's parents are looked for beside it. Raises BadRun where one is missing or not as it was.
    """
    recipe = run.record.recipe
    if recipe is not None:
        network = load_network(recipe.network, recipe.network_settings, run.weights())
        return ensemble_outputs(network, images, recipe, progress=progress)
    if not run.record.parents:
        raise BadRun(f"{run.path / 'run.json'}: has neither a recipe nor parents; there is nothing to predict with")
    total = np.zeros((len(images), CLASSES))
    for parent in run.record.parents:
        path = run.path.parent / parent.run
        try:
            same = sha256_of(path / SUMS) == parent.sha256
        except OSError as error:
            raise BadRun(f"{path}: is missing, and the blend {run.name} was made of it; put it back") from error
        if not same:
            raise BadRun(f"{path}: is not the run that the blend {run.name} was made of; blend again")
        total += parent.weight * run_outputs(read_run(path), images, progress=progress)
    return np.clip(total, 0, 1).astype(np.float32)


def prediction_csv(prediction: Prediction) -> str:
    """A row for each picture: `file`, `digit`, `output_0` to `output_9` with six decimals."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    for file, digit, outputs in zip(prediction.files, prediction.digits, prediction.outputs, strict=True):
        rows.writerow([file, digit, *(f"{output:.6f}" for output in outputs)])
    return text.getvalue()


def write_prediction(prediction: Prediction, *, csv_file: Path | None = None, picture: Path | None = None) -> None:
    """Write the CSV, the first `PICTURED` prepared images with their digits as a PNG, or both.

    Raises OutputError where one cannot be written, or would replace a file that is not ours; then neither is written.
    """
    refuse_foreign_outputs(csv_file, picture)
    contents = {}
    if csv_file is not None:
        contents[csv_file] = prediction_csv(prediction).encode("utf-8", "surrogateescape")
    if picture is not None and prediction.files:
        names = [file.name for file in prediction.files]
        captions = [Caption("", f"{digit}", name) for digit, name in zip(prediction.digits, names, strict=True)]
        contents[picture] = labelled_sheet(prediction.images[:PICTURED], captions[:PICTURED])
    for file, content in contents.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, content)
        except OSError as error:
            raise OutputError(f"{file}: cannot be written ({error.strerror})") from error


def refuse_foreign_outputs(csv_file: Path | None, picture: Path | None) -> None:
    """Raise OutputError where `write_prediction` would replace a file that is not ours, such as a photo."""
    if csv_file is not None:
        refuse_foreign(csv_file, header=",".join(HEADER).encode() + b"\n")
    if picture is not None:
        refuse_foreign(picture)


def _pictures_at(path: Path) -> list[Path]:
    """The file itself, or the pictures in the folder, in the order of their names. Raises BadData."""
    if not path.is_dir():
        if not path.exists():
            raise BadData(f"{path.absolute()}: no such file or folder")
        return [path]
    visible = [file for file in sorted(path.iterdir()) if file.name[0] != "." and file.is_file()]
    found = [file for file in visible if file.suffix.lower() in (*SUFFIXES, *UNREAD)]
    if not found:
        raise BadData(f"{path}: holds no pictures; their names end in {', '.join(SUFFIXES)}")
    return found
