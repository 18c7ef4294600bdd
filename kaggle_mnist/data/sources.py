"""Load the digits: those that the user names, else the competition's files in `input/`, else the practice set."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kaggle_mnist.data.csv_files import TEST, TRAIN, CsvSet
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.finding import PRACTICE, Found, find
from kaggle_mnist.data.image_folders import load_images
from kaggle_mnist.data.image_listing import ImageFolders, list_images
from kaggle_mnist.data.kaggle_csv import load_csv, row_of_first_image
from kaggle_mnist.data.polarity import with_dark_background
from kaggle_mnist.data.practice import FINGERPRINT, load_practice
from kaggle_mnist.data.sample import read_sample
from kaggle_mnist.utils.errors import AmbiguousData, BadData, DataNotFound
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.reading import read_bounded

COMPETITION_FILE = "competition.txt"  # in the folder of the files: the competition that they were downloaded from
COMPETITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")


def load_digits(where: str | Path | None = None, *, progress: Progress = quiet) -> Digits:
    """Load digits from a folder, a zip or the practice set.

    Parameters
    ----------
    where : a folder, a zip, one of two CSV files or the word ``"practice"``; None means `input/` in the current folder,
        else Kaggle's `/kaggle/input/digit-recognizer/`, else the practice set
    progress : called while files are parsed or decoded for the first time

    Raises
    ------
    DataNotFound
        There is no data set at `where`, or only half of one.
    AmbiguousData
        There are two different data sets at `where`.
    BadData
        A file is invalid; the message names it, and the row of a CSV.

    Examples
    --------
    >>> digits = load_digits("practice")
    >>> digits.source, len(digits.train_labels)
    ('practice set', 42000)
    """
    found, input = find(where)
    if found is None:
        return replace(load_practice(), input=input)
    if isinstance(found.files, ImageFolders):
        digits = load_images(found.files, found.sample, progress=progress)
    else:
        digits = load_csv(found.files.files[TRAIN], found.files.files[TEST], found.sample, progress=progress)
    digits = with_dark_background(digits, lambda: _places(found, digits))
    return replace(digits, input=input, competition=_competition(Path(input)))


def load_same_digits(
    fingerprint: str, where: str | Path | None = None, *, recorded: str | None = None, progress: Progress = quiet
) -> Digits:
    """Load the digits that a run was trained on, identified by their fingerprint.

    Parameters
    ----------
    fingerprint : `Digits.fingerprint` of the run's digits
    where : as for `load_digits`; None to look where the run had them, and then as `load_digits` does
    recorded : where the run had them; None if that is not known. Not needed for the practice set

    Raises
    ------
    DataNotFound
        The digits found are different ones, or there are none.
    AmbiguousData, BadData
        As for `load_digits`, if `where` is given or `recorded` is not.

    Examples
    --------
    >>> load_same_digits(FINGERPRINT).source
    'practice set'
    """
    if where is None and fingerprint == FINGERPRINT:
        return load_practice()
    if where is None and recorded is not None:
        reason = f"{recorded}: the digits of that run are not there any more; specify them with --input"
        for place in (recorded, None):
            try:
                digits = load_digits(place, progress=progress)
            except (BadData, AmbiguousData) as error:
                reason = f"{error}" if place else reason
            except DataNotFound:
                continue
            else:
                if digits.fingerprint == fingerprint:
                    return digits
        raise DataNotFound(reason)
    digits = load_digits(where, progress=progress)
    if digits.fingerprint != fingerprint:
        raise DataNotFound(f"{digits.path}: not the digits of that run; specify them with --input")
    return digits


def labeled_places(digits: Digits, where: str | Path | None = None) -> list[str]:
    """Say where each labeled image can be found: file path, row of `train.csv`, or number in the practice set.

    Parameters
    ----------
    digits : what `load_digits` or `load_same_digits` returned for `where`
    where : as for `load_digits`

    Returns
    -------
    list of str
        One place per labeled image: a file relative to the current folder if it is below it. Rows count from the
        header, row 1; numbers in the practice set from 0.

    Raises
    ------
    DataNotFound, AmbiguousData, BadData
        As for `load_digits`; images are not read again.

    Examples
    --------
    >>> labeled_places(load_digits("practice"))[:2]
    ['practice set, image 0', 'practice set, image 1']
    """
    if digits.source == "practice set":
        return [f"practice set, image {image}" for image in range(len(digits.train_images))]
    return _places(find(where)[0], digits)[: len(digits.train_images)]


def _places(found: Found | None, digits: Digits) -> list[str]:
    """The place of every labeled image, then of every unlabeled one."""
    if found is not None and isinstance(found.files, ImageFolders):
        ids = read_sample(found.sample).ids.tolist() if found.sample else None
        listed, here = list_images(found.files, ids), f"{Path.cwd()}/"
        return [place.removeprefix(here) for place in (*listed.train, *listed.test)]
    places = []
    for half, images in ((TRAIN, digits.train_images), (TEST, digits.test_images)):
        name, first = half, 2
        if found is not None and isinstance(found.files, CsvSet):
            file = found.files.files[half]
            name, first = file.name, row_of_first_image(file, half)
        places += [f"{name}, row {image + first}" for image in range(len(images))]
    return places


def taken_by_default(input: str | None) -> bool:
    """Whether `load_digits` without an argument takes the digits that have this `input`.

    >>> taken_by_default("/nowhere")
    False
    """
    with suppress(DataNotFound, AmbiguousData, BadData):
        return find(None)[1] == (input or PRACTICE)
    return False


def _competition(place: Path) -> str | None:
    """The competition that the files in a folder, or beside a zip, were downloaded from; None if that is not known.

    A file of that name which does not contain a competition's name is somebody else's.
    """
    file = (place if place.is_dir() else place.parent) / COMPETITION_FILE
    try:
        name = read_bounded(file, 1000).decode("utf-8-sig", "replace").strip()
    except OSError:
        return None
    return name if COMPETITION.fullmatch(name) else None
