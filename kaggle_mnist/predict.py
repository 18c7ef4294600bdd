"""Classify photos and scans with a finished run."""

from __future__ import annotations

import csv as csv_module
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.contact_sheet import Caption, labeled_sheet
from kaggle_mnist.data.digits import CLASSES, SIDE
from kaggle_mnist.data.photos import prepare_photo
from kaggle_mnist.data.pictures import SUFFIXES, UNREAD
from kaggle_mnist.recipes.variants import load_networks
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.training.inference import ensemble_outputs
from kaggle_mnist.utils.errors import BadData, BadRun, OutputError
from kaggle_mnist.utils.files import SUMS, refuse_foreign, sha256_of, write_atomic
from kaggle_mnist.utils.progress import Progress, quiet

MAX_PICTURED = 200  # prepared images in one picture
HEADER = ["file", "digit", *(f"output_{digit}" for digit in range(CLASSES))]


@dataclass(frozen=True)
class Prediction:
    """The outputs for every usable image, and what is wrong with the others.

    Attributes
    ----------
    run : name of the run
    files : the usable image files
    images : uint8, shape ``(n, 28, 28)``, 0 (paper) to 255 (ink): what was made of them
    outputs : sigmoid outputs, float32, shape ``(n, 10)``, from 0 to 1
    faults : one line for each unusable file

    Examples
    --------
    >>> outputs = np.eye(10, dtype=np.float32)[[7]]
    >>> Prediction("fast", [Path("seven.jpg")], np.zeros((1, 28, 28), np.uint8), outputs, []).digits
    array([7])
    """

    run: str
    files: list[Path]
    images: NDArray[np.uint8]
    outputs: NDArray[np.float32]
    faults: list[str]

    @property
    def digits(self) -> NDArray[np.int64]:
        """The digit with the largest output, shape ``(n,)``."""
        digits: NDArray[np.int64] = self.outputs.argmax(1)
        return digits


def predict(
    run: str | Run | None,
    images: Sequence[str | Path],
    *,
    output: str | Path = "submissions",
    csv: Path | None = None,
    show: Path | None = None,
    progress: Progress = quiet,
) -> Prediction:
    """Prepare photos the way MNIST was prepared, and compute the ensemble's outputs.

    Parameters
    ----------
    run : a `Run`, or its path or folder name below `output`; the newest if None or ``"latest"``. A blend predicts
        through its parents.
    images : image files, and folders of them, whose files are taken in alphabetical order
    output : folder of the runs
    csv : file for the outputs, as `prediction_csv` formats them
    show : PNG file for the first `MAX_PICTURED` prepared images with their digits
    progress : called while images are prepared and outputs computed

    Returns
    -------
    The outputs; a file that cannot be used is listed in `faults` instead.

    Raises
    ------
    BadData
        A path does not exist, or a folder contains no images.
    BadRun
        The run or its weights cannot be read, or a parent of a blend is missing or has changed.
    OutputError
        `csv` or `show` cannot be written, or would overwrite a file that kaggle-mnist did not write. This is checked
        before any work.

    Examples
    --------
    >>> prediction = predict("latest", ["photo.jpg"], show=Path("seen.png"))  # doctest: +SKIP
    >>> prediction.digits  # doctest: +SKIP
    array([7])
    """
    _refuse_overwriting(csv, show)
    found = run if isinstance(run, Run) else find_run(run, Path(output))
    files = [file for path in images for file in _images_at(Path(path))]
    usable, prepared, faults = [], [], []
    progress("Preparing", 0, len(files))
    for number, file in enumerate(files, start=1):
        try:
            prepared.append(prepare_photo(file))
            usable.append(file)
        except BadData as error:
            faults.append(str(error))
        progress("Preparing", number, len(files))
    stacked = np.stack(prepared) if prepared else np.empty((0, SIDE, SIDE), np.uint8)  # (n, 28, 28)
    outputs = run_outputs(found, stacked, progress=progress)
    prediction = Prediction(found.name, usable, stacked, outputs, faults)
    write_prediction(prediction, csv=csv, show=show)
    return prediction


def run_outputs(run: Run, images: NDArray[np.uint8], *, progress: Progress = quiet) -> NDArray[np.float32]:
    """Compute a run's outputs; a blend's are the weighted sum of its parents'.

    Parameters
    ----------
    run : trained, or a blend whose parents are in the same folder
    images : uint8, shape ``(n, 28, 28)``, 0 (paper) to 255 (ink)

    Returns
    -------
    Sigmoid outputs, float32, shape ``(n, 10)``, from 0 to 1.

    Raises
    ------
    BadRun
        The weights cannot be read, or a parent of a blend is missing or has changed.
    """
    recipe = run.record.recipe
    if recipe is not None:
        return ensemble_outputs(load_networks(recipe, run.weights()), images, progress=progress)
    if not run.record.parents:
        raise BadRun(f"{run.path / 'run.json'}: has neither a recipe nor parents; this run cannot predict")
    total = np.zeros((len(images), CLASSES))
    for parent in run.record.parents:
        path = run.path.parent / parent.run
        try:
            same = sha256_of(path / SUMS) == parent.sha256
        except OSError as error:
            raise BadRun(f"{path}: missing, but the blend {run.name} needs it; restore it or blend again") from error
        if not same:
            raise BadRun(f"{path}: has changed since {run.name} was blended from it; blend again")
        total += parent.weight * run_outputs(read_run(path), images, progress=progress)
    return np.clip(total, 0, 1).astype(np.float32)


def prediction_csv(prediction: Prediction) -> str:
    """Format a prediction as CSV: `file`, `digit`, and `output_0` to `output_9` with six decimals.

    >>> outputs = np.eye(10, dtype=np.float32)[[7]]
    >>> prediction = Prediction("fast", [Path("seven.jpg")], np.zeros((1, 28, 28), np.uint8), outputs, [])
    >>> prediction_csv(prediction).splitlines()[1][:20]
    'seven.jpg,7,0.000000'
    """
    text = io.StringIO()
    rows = csv_module.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    for file, digit, outputs in zip(prediction.files, prediction.digits, prediction.outputs, strict=True):
        rows.writerow([file, digit, *(f"{output:.6f}" for output in outputs)])
    return text.getvalue()


def write_prediction(prediction: Prediction, *, csv: Path | None = None, show: Path | None = None) -> None:
    """Write the CSV, the first `MAX_PICTURED` prepared images with their digits as a PNG, or both.

    Raises
    ------
    OutputError
        A file cannot be written, or would overwrite one that kaggle-mnist did not write; then neither is written.
    """
    _refuse_overwriting(csv, show)
    contents = {}
    if csv is not None:
        contents[csv] = prediction_csv(prediction).encode("utf-8", "surrogateescape")
    if show is not None and prediction.files:
        names = [file.name for file in prediction.files]
        captions = [Caption("", f"{digit}", name) for digit, name in zip(prediction.digits, names, strict=True)]
        contents[show] = labeled_sheet(prediction.images[:MAX_PICTURED], captions[:MAX_PICTURED])
    for file, content in contents.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(file, content)
        except OSError as error:
            raise OutputError(f"{file}: cannot be written ({error.strerror})") from error


def _refuse_overwriting(csv: Path | None, show: Path | None) -> None:
    """Raise OutputError if `write_prediction` would overwrite someone else's file, such as a photo."""
    if csv is not None:
        refuse_foreign(csv, header=",".join(HEADER).encode() + b"\n")
    if show is not None:
        refuse_foreign(show)


def _images_at(path: Path) -> list[Path]:
    """The file itself, or the image files in the folder, sorted by name. Raises BadData."""
    if not path.is_dir():
        if not path.exists():
            raise BadData(f"{path.absolute()}: no such file or folder")
        return [path]
    visible = [file for file in sorted(path.iterdir()) if file.name[0] != "." and file.is_file()]
    found = [file for file in visible if file.suffix.lower() in (*SUFFIXES, *UNREAD)]
    if not found:
        raise BadData(f"{path}: contains no images; supported are {', '.join(SUFFIXES)}")
    return found
