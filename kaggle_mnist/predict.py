"""Find and classify the digits in photos and scans with a finished run."""

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
from kaggle_mnist.data.marked import Mark, marked_picture
from kaggle_mnist.data.pages import FoundDigit, read_digits
from kaggle_mnist.data.pictures import SUFFIXES, UNREAD, read_grey
from kaggle_mnist.recipes.variants import load_networks
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.parents import parents_of
from kaggle_mnist.runs.run import Run
from kaggle_mnist.training.inference import ensemble_outputs
from kaggle_mnist.utils.errors import BadData, OutputError, one_line
from kaggle_mnist.utils.files import refuse_foreign, write_atomic
from kaggle_mnist.utils.progress import Progress, quiet

MAX_PICTURED = 200  # prepared images in one picture
MAX_MARKED = 20  # pictures with boxes in it
REFUSED = 0.02  # the largest share of right out-of-fold answers that would be called "not sure"
HEADER = ["file", "number", "digit", "sure", *(f"output_{digit}" for digit in range(CLASSES))]


@dataclass(frozen=True)
class Prediction:
    """The outputs for every digit found, and what is wrong with the files without one.

    Attributes
    ----------
    run : name of the run
    files : the image file of each digit
    numbers : each digit's number in its picture, from 1, in reading order
    images : uint8, shape ``(n, 28, 28)``, 0 (paper) to 255 (ink): what was made of them
    corners : shape ``(n, 4, 2)``, x and y of the digits' boxes, as fractions of the picture's sides
    outputs : sigmoid outputs, float32, shape ``(n, 10)``, from 0 to 1
    threshold : the least `certainty` of a sure answer
    faults : one line for each unusable file

    Examples
    --------
    >>> outputs = np.zeros((1, 10), np.float32)
    >>> outputs[0, [4, 9]] = 0.5, 0.4
    >>> images, corners = np.zeros((1, 28, 28), np.uint8), np.zeros((1, 4, 2))
    >>> prediction = Prediction("fast", [Path("four.jpg")], [1], images, corners, outputs, 0.9, [])
    >>> prediction.digits, prediction.sure, prediction.answers
    (array([4]), array([False]), ['not sure: 4 or 9'])
    """

    run: str
    files: list[Path]
    numbers: list[int]
    images: NDArray[np.uint8]
    corners: NDArray[np.float64]
    outputs: NDArray[np.float32]
    threshold: float
    faults: list[str]

    @property
    def digits(self) -> NDArray[np.int64]:
        """The digit with the largest output, shape ``(n,)``."""
        digits: NDArray[np.int64] = self.outputs.argmax(1)
        return digits

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Whether the largest output is far enough above the second, shape ``(n,)``."""
        sure: NDArray[np.bool_] = certainty(self.outputs) >= self.threshold
        return sure

    @property
    def answers(self) -> list[str]:
        """The digit, or "not sure" with the two likeliest."""
        second = np.argsort(-self.outputs, 1, kind="stable")[:, 1]
        rows = zip(self.digits, second, self.sure, strict=True)
        return [f"{digit}" if sure else f"not sure: {digit} or {other}" for digit, other, sure in rows]


def certainty(outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """The largest output as a share of the two largest, from 0.5 (a tie) to 1.

    >>> certainty(np.array([[0.6, 0.2, 0.1]], np.float32)).round(2)
    array([0.75])
    """
    second, first = np.sort(outputs.astype(float), 1)[:, -2:].T
    share: NDArray[np.float64] = np.full(len(outputs), 0.5)  # outputs that are all 0 are a tie, too
    np.divide(first, first + second, out=share, where=first > 0)
    return share


def least_certainty(outputs: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The largest threshold that refuses at most the share `REFUSED` of right answers.

    Parameters
    ----------
    outputs : a run's out-of-fold outputs, ``(n, 10)``
    labels : ``(n,)``

    Examples
    --------
    >>> outputs = np.stack([np.linspace(0.6, 1, 100), np.linspace(0.4, 0, 100)], 1).astype(np.float32)
    >>> round(least_certainty(outputs, np.zeros(100, np.int64)), 2)
    0.6
    """
    right = certainty(outputs[outputs.argmax(1) == labels])
    return float(np.quantile(right, REFUSED, method="lower")) if len(right) else 0.0


def predict(
    run: str | Run | None,
    images: Sequence[str | Path],
    *,
    output: str | Path = "submissions",
    csv: Path | None = None,
    show: Path | None = None,
    progress: Progress = quiet,
) -> Prediction:
    """Find the digits in photos, prepare them the way MNIST was prepared, and compute the ensemble's outputs.

    Parameters
    ----------
    run : a `Run`, or as for `finding.find_paths`; the newest if None. A blend predicts through its parents.
    images : image files, and folders of them, whose files are taken in alphabetical order
    output : folder of the runs
    csv : file for the outputs, as `prediction_csv` formats them
    show : PNG file for the first `MAX_MARKED` pictures with a box around each digit, and the first `MAX_PICTURED`
        prepared images
    progress : called while images are prepared and outputs computed

    Returns
    -------
    The outputs; a file that cannot be used is listed in `faults` instead.

    Raises
    ------
    BadData
        A path does not exist, or a folder contains no images.
    BadRun
        The run, its outputs or its weights cannot be read, or a parent of a blend is missing or has changed.
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
    known = found.outputs()
    threshold = least_certainty(known.oof, known.y_true)
    files = [file for path in images for file in _images_at(Path(path))]
    rows: list[tuple[Path, int, FoundDigit]] = []
    faults = []
    progress("Preparing", 0, len(files))
    for number, file in enumerate(files, start=1):
        try:
            rows += [(file, i, digit) for i, digit in enumerate(read_digits(file), start=1)]
        except BadData as error:
            faults.append(str(error))
        progress("Preparing", number, len(files))
    stacked = np.array([digit.image for _, _, digit in rows], np.uint8).reshape(-1, SIDE, SIDE)  # (n, 28, 28)
    corners = np.array([digit.corners for _, _, digit in rows], float).reshape(-1, 4, 2)
    outputs = run_outputs(found, stacked, progress=progress)
    of, numbers = [file for file, _, _ in rows], [number for _, number, _ in rows]
    prediction = Prediction(found.name, of, numbers, stacked, corners, outputs, threshold, faults)
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
    total = np.zeros((len(images), CLASSES))
    for weight, parent in parents_of(run):
        total += weight * run_outputs(parent, images, progress=progress)
    return np.clip(total, 0, 1).astype(np.float32)


def prediction_csv(prediction: Prediction) -> str:
    """Format a prediction as CSV, a row for each digit, outputs with six decimals; `sure` is yes or no.

    >>> outputs = np.eye(10, dtype=np.float32)[[7]]
    >>> images, corners = np.zeros((1, 28, 28), np.uint8), np.zeros((1, 4, 2))
    >>> prediction = Prediction("fast", [Path("seven.jpg")], [1], images, corners, outputs, 0.9, [])
    >>> prediction_csv(prediction).splitlines()[1][:26]
    'seven.jpg,1,7,yes,0.000000'
    """
    text = io.StringIO()
    rows = csv_module.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    columns = (prediction.files, prediction.numbers, prediction.digits, prediction.sure, prediction.outputs)
    for file, number, digit, sure, outputs in zip(*columns, strict=True):
        rows.writerow([file, number, digit, "yes" if sure else "no", *(f"{output:.6f}" for output in outputs)])
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
        contents[show] = _picture(prediction)
    for file, content in contents.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(file, content)
        except OSError as error:
            raise OutputError(f"{file}: cannot be written ({error.strerror})") from error


def _picture(prediction: Prediction) -> bytes:
    """A PNG of the pictures with a box around each digit, above the images that the network saw."""
    names = [one_line(file.name) for file in prediction.files]
    several = {file for file, number in zip(prediction.files, prediction.numbers, strict=True) if number > 1}
    marks: dict[Path, list[Mark]] = {}
    captions = []
    for i, file in enumerate(prediction.files):
        digit, sure = f"{prediction.digits[i]}", prediction.sure[i]
        name = f"{prediction.numbers[i]}: {names[i]}" if file in several else names[i]
        captions.append(Caption("", digit if sure else f"{digit}?", name))
        marks.setdefault(file, []).append(Mark(captions[-1].suggested, bool(sure), prediction.corners[i]))
    parts = [file for file in marks if any(np.ptp(mark.corners, 0).prod() < 1 for mark in marks[file])]
    pictures = [marked_picture(read_grey(file), marks[file]) for file in parts[:MAX_MARKED]]
    return labeled_sheet(prediction.images[:MAX_PICTURED], captions[:MAX_PICTURED], pictures)


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
