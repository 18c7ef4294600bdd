"""Find the digits: those that the user names, else the competition's files in `input/`, else the practice set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from kaggle_mnist.data.csv_files import SAMPLE, TEST, TRAIN, CsvSet, csv_sets, home, merged, zips
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.image_folders import load_images
from kaggle_mnist.data.image_listing import (
    TEST_NAMES,
    TRAIN_NAMES,
    ImageFolders,
    image_folders,
    list_images,
    same_images,
)
from kaggle_mnist.data.kaggle_csv import load_csv, row_of_first_image
from kaggle_mnist.data.places import Place, StoredFile, is_zip, walk, zip_place
from kaggle_mnist.data.polarity import with_dark_background
from kaggle_mnist.data.practice import FINGERPRINT, load_practice
from kaggle_mnist.data.sample import read_sample
from kaggle_mnist.data.unread import unread
from kaggle_mnist.utils.errors import AmbiguousData, BadData, DataNotFound
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.reading import read_bounded

PRACTICE = "practice"  # the value of --input for the bundled set
COMPETITION_FILE = "competition.txt"  # in the folder of the files: the competition that they were downloaded from
COMPETITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
# Where Kaggle mounts the competition's files in a notebook: the older and the newer place.
KAGGLE_INPUTS = (Path("/kaggle/input/digit-recognizer"), Path("/kaggle/input/competitions/digit-recognizer"))
EXPECTED = "train.csv and test.csv, digit-recognizer.zip, or image folders train/0 … train/9 and test/"


@dataclass(frozen=True)
class Found:
    """A data set, and its `sample_submission.csv` if there is one."""

    files: CsvSet | ImageFolders
    sample: StoredFile | None


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
    found, input = _find(where)
    if found is None:
        digits = load_practice()
    elif isinstance(found.files, ImageFolders):
        digits = load_images(found.files, found.sample, progress=progress)
    else:
        digits = load_csv(found.files.files[TRAIN], found.files.files[TEST], found.sample, progress=progress)
    if found is None:
        return replace(digits, input=input)
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
    return _places(_find(where)[0], digits)[: len(digits.train_images)]


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
        return _find(None)[1] == (input or PRACTICE)
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


def _find(where: str | Path | None) -> tuple[Found | None, str]:
    """The data set at `where`, or None for the practice set; and a value of `where` that works in any folder."""
    if where is None:
        for place in (Path("input"), *KAGGLE_INPUTS):
            if place.is_dir() and (found := _find_in(Place(place))):
                return found, str(place.absolute())
        _refuse_unrecognized(Path("input"))
        return None, PRACTICE
    if str(where) == PRACTICE and not Path(where).exists():
        return None, PRACTICE
    return _find_named(Path(where)), str(Path(where).absolute())


def _find_named(path: Path) -> Found:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise DataNotFound(f"{path.absolute()}: no such file or folder") from error
    except OSError as error:
        raise DataNotFound(f"{path.absolute()}: cannot be read ({error.strerror})") from error
    if path.is_dir():
        if found := _find_in(Place(path)):
            return found
        raise DataNotFound(_unread_in(Place(path)) or f"{path}: contains no digits; expected {EXPECTED}")
    if path.suffix.lower() == ".zip" or (path.is_file() and is_zip(StoredFile(path))):
        if found := _find_in(zip_place(path)):
            return found
        nothing = f"{path}: contains neither train.csv nor test.csv, nor image folders; expected {EXPECTED}"
        raise DataNotFound(_unread_in(zip_place(path)) or nothing)
    for pair in csv_sets(Place(path.parent)):  # one half names both
        if not pair.missing and any(file.path == path for file in pair.files.values()):
            return Found(pair, pair.files.get(SAMPLE))
    raise DataNotFound(f"{path}: not a folder or zip; specify a folder with {EXPECTED}")


def _find_in(searched: Place) -> Found | None:
    """The only data set in a folder, its subfolders and the zips in them."""
    places, broken = _places(searched)
    images, half_images = _image_sets(places)
    for pair in [pair for pair in images if not pair.train.names.folders and csv_sets(pair.train)]:
        images.remove(pair)  # train/train.csv and test/test.csv
        places += (pair.train, pair.test)
    found_csv = [found for place in places for found in csv_sets(place)]
    whole, parts = _whole_sets(found_csv, searched)
    if not whole and not images:
        if broken or half_images:
            raise (broken or half_images)[0]
        apart = [part for part in parts if part.prefix == parts[0].prefix and part.missing != parts[0].missing]
        if apart:
            raise DataNotFound(f"{searched}: found {parts[0]} and {apart[0]}, in unrelated folders; put both in one")
        if parts:
            missing = f"found {parts[0]} but no {parts[0].missing[0]}; provide both or the competition's zip"
            raise DataNotFound(unread(places, parts[0].missing) or f"{searched}: {missing}")
        return None

    chosen: CsvSet | ImageFolders = whole[0] if whole else images[0]
    others = [found for found in (*whole, *parts) if not (whole and found.is_part_of(whole[0]))]
    others_of_images = [found for found in images if found is images[0] or not same_images(found, images[0])]
    for other in (*others_of_images, *others):
        if other is not chosen:
            raise AmbiguousData(f"found two data sets: {chosen}; {other}; remove one or choose one with --input")
    own = chosen.files.get(SAMPLE) if isinstance(chosen, CsvSet) else None
    samples = (CsvSet({SAMPLE: found.files[SAMPLE]}) for found in found_csv if SAMPLE in found.files)
    return Found(chosen, own or merged(samples).files.get(SAMPLE))


def _places(searched: Place) -> tuple[list[Place], list[BadData]]:
    """A folder, its subfolders and what is in their zips; and what is wrong with zips that cannot be read."""
    skipped = frozenset((*TRAIN_NAMES, *TEST_NAMES))  # with tens of thousands of files
    places = list(walk(searched, skip=skipped))
    broken: list[BadData] = []
    for file in [file for place in places for file in zips(place)]:
        try:
            places += walk(zip_place(file.path), skip=skipped)
        except BadData as error:
            broken.append(error)
    return places, broken


def _unread_in(searched: Place) -> str | None:
    return unread(_places(searched)[0])


def _image_sets(places: Sequence[Place]) -> tuple[list[ImageFolders], list[BadData]]:
    """The pairs of image folders, and what is wrong with single ones, which may be something else."""
    pairs: list[ImageFolders] = []
    halves: list[BadData] = []
    for place in places:
        try:
            pairs += [found] if (found := image_folders(place)) else []
        except BadData as error:
            halves.append(error)
    return pairs, halves


def _whole_sets(found: Sequence[CsvSet], searched: Place) -> tuple[list[CsvSet], list[CsvSet]]:
    """The sets with both halves, put together from related folders and zips if there are no others; and half ones."""
    whole = [one for one in found if not one.missing]
    parts = [one for one in found if one.missing and one.files.keys() != {SAMPLE}]
    if whole:
        return whole, parts
    related: dict[tuple[str, tuple[str, ...]], list[CsvSet]] = {}
    for part in parts:
        related.setdefault((part.prefix, home(part, searched)), []).append(part)
    together = [merged(halves) for halves in related.values()]
    return [one for one in together if not one.missing], [one for one in together if one.missing]


def _refuse_unrecognized(folder: Path) -> None:
    """Raise DataNotFound for other files in `input/`: their owner does not expect the practice set."""
    names = sorted(path.name for path in folder.glob("[!.]*") if path.name != "README.md")
    if names:
        problem = _unread_in(Place(folder)) or f"{folder}: contains {names[0]} but no digits; expected {EXPECTED}"
        raise DataNotFound(f"{problem} (or use --input {PRACTICE})")
