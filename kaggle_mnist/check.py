"""Check what goes in and what comes out: the digits that would be trained on, and a CSV before Kaggle sees it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.contact_sheet import refuse_foreign_sheet, write_contact_sheet
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.inspection import Look, inspect
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.near_copies import near_copies
from kaggle_mnist.data.sources import labeled_places, load_digits
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.run import Run
from kaggle_mnist.runs.submission import COMPETITION_IDS, Verdict, check_submission
from kaggle_mnist.utils.progress import Progress, quiet


@dataclass(frozen=True)
class DataCheck:
    """The digits that were found.

    Attributes
    ----------
    digits : as `train` would use them
    look : what is usual or unusual about their images
    near_copies : labeled images that are nearly the same as an earlier one, as `near_copies` lists them
    example : the places of the first of these and of the earlier one; None without any
    picture : the contact sheet that shows some of them
    """

    digits: Digits
    look: Look
    near_copies: NDArray[np.int64]
    example: tuple[str, str] | None
    picture: Path


@dataclass(frozen=True)
class CsvCheck:
    """What is wrong with a submission for `expected` images."""

    verdict: Verdict
    expected: int


def check_data(
    input: str | Path | None = None,
    *,
    output: str | Path = "submissions",
    export: Path | None = None,
    progress: Progress = quiet,
) -> DataCheck:
    """Load the digits as `train` would, and draw the contact sheet `digits.png`.

    Parameters
    ----------
    input : a folder, a zip, ``"practice"``, or None to look in `input/`
    output : folder for the contact sheet
    export : folder for the digits as Kaggle's CSV files; not written if None
    progress : called while digits are loaded and exported

    Raises
    ------
    DataNotFound, AmbiguousData, BadData
        There are no digits, more than one set, or a file that cannot be used.
    OutputError
        A file cannot be written, or would overwrite one that kaggle-mnist did not write.

    Examples
    --------
    >>> check_data("practice").digits.counts.sum()  # doctest: +SKIP
    42000
    """
    sheet = Path(output) / "digits.png"
    refuse_foreign_sheet(sheet)
    digits = load_digits(input, progress=progress)
    look = inspect(digits)
    near = near_copies(digits.train_images, digits.first_same, progress=progress)
    places = labeled_places(digits, digits.input) if len(near) else []
    example = (places[near[0, 0]], places[near[0, 1]]) if len(near) else None
    write_contact_sheet(digits, sheet)
    if export is not None:
        export_csv(digits, export, progress=progress)
    return DataCheck(digits, look, near, example, sheet)


def check_csv(file: str | Path, *, run: str | Run | None = None, output: str | Path = "submissions") -> CsvCheck:
    """Check whether Kaggle would accept a CSV.

    Parameters
    ----------
    file : the CSV; if it is the run's own `submission.csv`, its checksum is verified too
    run : a run whose header and ids are expected: a `Run`, or as for `finding.find_paths`; those of the Digit
        Recognizer if None
    output : folder of the runs

    Raises
    ------
    BadData
        The file cannot be read.
    BadRun
        The run does not exist, or its `submission.csv` has changed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "submission.csv"
    ...     _ = file.write_text("ImageId,Label\\n1,7\\n2,x\\n")
    ...     check_csv(file).verdict.errors[0]
    "row 3: Label is 'x'; it must be a digit from 0 to 9"
    """
    file = Path(file)
    if run is None:
        return CsvCheck(check_submission(file), COMPETITION_IDS)
    found = run if isinstance(run, Run) else find_run(run, Path(output))
    if os.path.realpath(file) == os.path.realpath(found.submission):
        found.verified("submission.csv")
    verdict = check_submission(file, found.test_ids(), found.record.data.header)
    return CsvCheck(verdict, found.record.data.test_images)
