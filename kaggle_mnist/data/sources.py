"""Find the digits: those that the user names, else the competition's files in `input/`, else the practice set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from kaggle_mnist.data import image_folders, kaggle_csv
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.image_folders import ImageFolders
from kaggle_mnist.data.kaggle_csv import CsvFile
from kaggle_mnist.data.practice import FINGERPRINT, load_practice
from kaggle_mnist.utils.errors import AmbiguousData, DataNotFound
from kaggle_mnist.utils.progress import Progress, quiet

PRACTICE = "practice"  # the value of --input for the bundled set
# Where Kaggle mounts the competition's files in a notebook: the older and the newer place.
KAGGLE_INPUTS = (Path("/kaggle/input/digit-recognizer"), Path("/kaggle/input/competitions/digit-recognizer"))
EXPECTED = "train.csv and test.csv, digit-recognizer.zip, or image folders train/0 … train/9 and test/"


@dataclass(frozen=True)
class CsvPair:
    """`train.csv` and `test.csv` from one place, or only one of them if the other is missing."""

    files: dict[str, CsvFile]

    @property
    def missing(self) -> list[str]:
        """Names of the files that are missing."""
        return [name for name in kaggle_csv.COLUMNS if name not in self.files]

    def __str__(self) -> str:
        return " and ".join(str(file) for file in self.files.values())

    def is_part_of(self, other: CsvPair) -> bool:
        """Whether `other` contains every file of this pair, compared by size and CRC-32.

        Raises BadData if a file cannot be read.
        """
        return all(
            name in other.files and file.size_and_crc() == other.files[name].size_and_crc()
            for name, file in self.files.items()
        )


def load_digits(where: str | Path | None = None, *, progress: Progress = quiet) -> Digits:
    """Load digits from a folder, a zip or the practice set.

    Parameters
    ----------
    where : a folder, a zip or the word ``"practice"``; None means `input/` in the current folder, else Kaggle's
        `/kaggle/input/digit-recognizer/`, else the practice set
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
    if isinstance(found, ImageFolders):
        digits = image_folders.load_images(found, progress=progress)
    elif isinstance(found, CsvPair):
        digits = kaggle_csv.load_csv(found.files["train.csv"], found.files["test.csv"], progress=progress)
    else:
        digits = load_practice()
    return replace(digits, input=input)


def load_same_digits(fingerprint: str, where: str | Path | None = None, *, progress: Progress = quiet) -> Digits:
    """Load the digits that a run was trained on, identified by their fingerprint.

    Parameters
    ----------
    fingerprint : `Digits.fingerprint` of the run's digits
    where : as for `load_digits`; not needed for the practice set

    Raises
    ------
    DataNotFound
        The digits at `where` are different ones, or there are none.
    AmbiguousData, BadData
        As for `load_digits`.

    Examples
    --------
    >>> load_same_digits(FINGERPRINT).source
    'practice set'
    """
    if where is None and fingerprint == FINGERPRINT:
        return load_practice()
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
        One place per labeled image. Rows count from the header, row 1; numbers in the practice set from 0.

    Raises
    ------
    DataNotFound, AmbiguousData, BadData
        As for `load_digits`; only image folders are read again.

    Examples
    --------
    >>> labeled_places(load_digits("practice"))[:2]
    ['practice set, image 0', 'practice set, image 1']
    """
    if digits.source == "image folders" and isinstance(found := _find(where)[0], ImageFolders):
        return image_folders.list_images(found)[0]
    if digits.source == "practice set":
        return [f"practice set, image {image}" for image in range(len(digits.train_images))]
    return [f"train.csv, row {image + 2}" for image in range(len(digits.train_images))]


def _find(where: str | Path | None) -> tuple[CsvPair | ImageFolders | None, str]:
    """The data set at `where`, or None for the practice set; and a value of `where` that works in any folder."""
    if where is None:
        for place in (Path("input"), *KAGGLE_INPUTS):
            if place.is_dir() and (found := _find_in(place)):
                return found, str(place.absolute())
        _refuse_unrecognized(Path("input"))
        return None, PRACTICE
    if str(where) == PRACTICE and not Path(where).exists():
        return None, PRACTICE
    return _find_named(Path(where)), str(Path(where).absolute())


def _find_named(path: Path) -> CsvPair | ImageFolders:
    if path.is_dir():
        if found := _find_in(path):
            return found
        raise DataNotFound(f"{path}: contains no digits; expected {EXPECTED}")
    if not path.exists():
        raise DataNotFound(f"{path.absolute()}: no such file or folder")
    if path.suffix.lower() != ".zip":
        raise DataNotFound(f"{path}: not a folder or zip; specify a folder with {EXPECTED}")
    return _complete(CsvPair(kaggle_csv.in_zip(path)), path)


def _find_in(folder: Path) -> CsvPair | ImageFolders | None:
    """The only data set in `folder` and its subfolders."""
    reserved = {name for names in image_folders.NAMES for name in names}
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in reserved and p.name[0] != ".")
    places = [folder, *subfolders]
    images = [found for place in places if (found := image_folders.in_folder(place))]
    pairs = [CsvPair(files) for place in places if (files := kaggle_csv.in_folder(place))]
    zips = [path for place in places for path in sorted(place.glob("*.zip"))]
    pairs += [CsvPair(files) for path in zips if (files := kaggle_csv.in_zip(path))]

    whole = [pair for pair in pairs if not pair.missing]
    if not whole and not images:
        return _complete(pairs[0], folder) if pairs else None
    chosen = whole[0] if whole else images[0]
    others = [pair for pair in pairs if pair is not chosen and not (whole and pair.is_part_of(whole[0]))]
    for other in (*images, *others):
        if other is not chosen:
            raise AmbiguousData(f"found two data sets: {chosen}; {other}; remove one or choose one with --input")
    return chosen


def _refuse_unrecognized(folder: Path) -> None:
    """Raise DataNotFound for other files in `input/`: their owner does not expect the practice set."""
    names = sorted(path.name for path in folder.glob("[!.]*") if path.name != "README.md")
    if names:
        raise DataNotFound(
            f"{folder}: contains {names[0]} but no digits; expected {EXPECTED} (or use --input {PRACTICE})"
        )


def _complete(pair: CsvPair, place: Path) -> CsvPair:
    if pair.missing:
        found = f"found {pair} but no {pair.missing[0]}" if pair.files else "contains neither train.csv nor test.csv"
        raise DataNotFound(f"{place}: {found}; provide both or the competition's zip")
    return pair
