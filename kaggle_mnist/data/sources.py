"""Finds the digits: the competition's files in `input/`, what the user named, or else the practice set."""

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

PRACTICE = "practice"  # what --input takes for the bundled set
# Where Kaggle mounts the competition's files in a notebook; the second since it sorts its inputs by kind.
KAGGLE_INPUTS = (Path("/kaggle/input/digit-recognizer"), Path("/kaggle/input/competitions/digit-recognizer"))
EXPECTED = "train.csv and test.csv, digit-recognizer.zip, or image folders train/0 … train/9 and test/"


@dataclass(frozen=True)
class CsvPair:
    """`train.csv` and `test.csv` of one place, or the only one of them that is there."""

    files: dict[str, CsvFile]

    @property
    def missing(self) -> list[str]:
        return [name for name in kaggle_csv.COLUMNS if name not in self.files]

    def __str__(self) -> str:
        return " and ".join(str(file) for file in self.files.values())

    def is_part_of(self, other: CsvPair) -> bool:
        """Whether every file of this pair is in `other` too, byte for byte."""
        return all(
            name in other.files and file.size_and_crc() == other.files[name].size_and_crc()
            for name, file in self.files.items()
        )


def load_digits(where: str | Path | None = None, *, progress: Progress = quiet) -> Digits:
    """The digits of a folder, of a zip or of the practice set.

    Parameters
    ----------
    where : a folder, a zip, the word ``"practice"``, or None: `input/` of the current folder, else Kaggle's own
        `/kaggle/input/digit-recognizer/`, else the practice set
    progress : called while files are parsed or decoded for the first time

    Raises
    ------
    DataNotFound
        Nothing usable at the place that was named, or only half of a set.
    AmbiguousData
        Two different sets in one place.
    BadData
        A file that cannot be used, with the row where it has rows.
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
    """The digits that a run was made of, known again by their fingerprint.

    They are looked for as `load_digits` does; the practice set is always at hand. Raises DataNotFound where others are
    found, and what `load_digits` raises.
    """
    if where is None and fingerprint == FINGERPRINT:
        return load_practice()
    digits = load_digits(where, progress=progress)
    if digits.fingerprint != fingerprint:
        raise DataNotFound(f"{digits.path}: are not the digits of that run; name those with --input")
    return digits


def labeled_places(digits: Digits, where: str | Path | None = None) -> list[str]:
    """Where a person finds each labeled image: its file's path, its row in `train.csv`, whose header is row 1,
    or its number in the practice set.

    `digits` are what `load_digits` or `load_same_digits` found at `where`. Raises what `load_digits` raises.
    """
    if digits.source == "image folders" and isinstance(found := _find(where)[0], ImageFolders):
        return image_folders.list_images(found)[0]
    if digits.source == "practice set":
        return [f"practice set, image {image}" for image in range(len(digits.train_images))]
    return [f"train.csv, row {image + 2}" for image in range(len(digits.train_images))]


def _find(where: str | Path | None) -> tuple[CsvPair | ImageFolders | None, str]:
    """What `where` names, None for the practice set; and what names the same from another folder too."""
    if where is None:
        for place in (Path("input"), *KAGGLE_INPUTS):
            if place.is_dir() and (found := _find_in(place)):
                return found, str(place.absolute())
        _refuse_strangers(Path("input"))
        return None, PRACTICE
    if str(where) == PRACTICE and not Path(where).exists():
        return None, PRACTICE
    return _find_named(Path(where)), str(Path(where).absolute())


def _find_named(path: Path) -> CsvPair | ImageFolders:
    if path.is_dir():
        if found := _find_in(path):
            return found
        raise DataNotFound(f"{path}: holds no digits; expected {EXPECTED}")
    if not path.exists():
        raise DataNotFound(f"{path.absolute()}: no such file or folder")
    if path.suffix.lower() != ".zip":
        raise DataNotFound(f"{path}: is neither a folder nor a zip; name the folder that holds {EXPECTED}")
    return _whole(CsvPair(kaggle_csv.in_zip(path)), path)


def _find_in(folder: Path) -> CsvPair | ImageFolders | None:
    """The one set in `folder` or directly below it."""
    reserved = {name for names in image_folders.NAMES for name in names}
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in reserved and p.name[0] != ".")
    places = [folder, *subfolders]
    images = [found for place in places if (found := image_folders.in_folder(place))]
    pairs = [CsvPair(files) for place in places if (files := kaggle_csv.in_folder(place))]
    zips = [path for place in places for path in sorted(place.glob("*.zip"))]
    pairs += [CsvPair(files) for path in zips if (files := kaggle_csv.in_zip(path))]

    whole = [pair for pair in pairs if not pair.missing]
    if not whole and not images:
        return _whole(pairs[0], folder) if pairs else None
    chosen = whole[0] if whole else images[0]
    others = [pair for pair in pairs if pair is not chosen and not (whole and pair.is_part_of(whole[0]))]
    for other in (*images, *others):
        if other is not chosen:
            raise AmbiguousData(f"two sets of digits: {chosen}, and {other}; keep one, or name one with --input")
    return chosen


def _refuse_strangers(folder: Path) -> None:
    """Whoever put something into `input/` did not mean the practice set."""
    names = sorted(path.name for path in folder.glob("[!.]*") if path.name != "README.md")
    if names:
        raise DataNotFound(
            f"{folder}: holds {names[0]}, but no digits; expected {EXPECTED} (or take --input {PRACTICE})"
        )


def _whole(pair: CsvPair, place: Path) -> CsvPair:
    if pair.missing:
        there = f"{pair} is there, but not {pair.missing[0]}" if pair.files else "holds no train.csv and test.csv"
        raise DataNotFound(f"{place}: {there}; put both in place, or the competition's zip")
    return pair
