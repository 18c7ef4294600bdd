"""Folders of image files: `train/<digit>/*` and `test/*`, or `training/` and `testing/`, on disk or in a zip."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from kaggle_mnist.data.csv_format import OTHER_SETS
from kaggle_mnist.data.digits import CLASSES
from kaggle_mnist.data.places import Place, info_of
from kaggle_mnist.utils.errors import AmbiguousData, BadData
from kaggle_mnist.utils.reading import open_zip

TRAIN_NAMES = {"train": "test", "training": "testing", "trainingset": "testSet"}  # in lower case, and the other half
TEST_NAMES = {"test": "train", "testing": "training", "testset": "trainingSet"}
SUFFIXES = (".jpg", ".jpeg", ".png", ".avif")
OTHERS = (".jpe", ".jfif", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".svg", ".heic")  # pictures, not read
LAST_NUMBER = re.compile(r"([0-9]{1,18})[^0-9]*\.[^.]*$")  # the last one before the suffix
DIGITS = [str(digit) for digit in range(CLASSES)]
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ONLY = "only the folders 0 to 9 are expected here"


@dataclass(frozen=True)
class ImageFolders:
    """The two folders of a data set: digit folders inside `train`; numbered files, or digit folders, inside `test`."""

    train: Place
    test: Place

    def __str__(self) -> str:
        return f"{self.train}/ and {self.test}/"

    @property
    def archive(self) -> Path | None:
        """The zip that both are in; None on disk."""
        return None if self.train.tree is None else self.train.path


@dataclass(frozen=True)
class ListedImages:
    """The paths of the images of a data set; inside a zip they begin with that of the zip.

    Attributes
    ----------
    train, labels : the labeled images, sorted by the numbers in their names, so that files numbered like the rows of
        Kaggle's CSV are in the order of the rows
    test : the test images, in the order of their ids
    test_labels : labels of the test images if they are in digit folders, which are withheld
    """

    train: list[str]
    labels: list[int]
    test: list[str]
    test_labels: list[int] | None = None


def image_folders(place: Place) -> ImageFolders | None:
    """Find a pair of image folders in a folder; None if it has neither of the two.

    Raises
    ------
    BadData
        Only one of the two exists.
    AmbiguousData
        There are several for the same half.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("training", "testing"):
    ...         Path(folder, name).mkdir()
    ...     found = image_folders(Place(Path(folder)))
    >>> found.test.path.name
    'testing'
    """
    halves: list[str] = []
    for names in (TRAIN_NAMES, TEST_NAMES):
        found = [name for name in place.names.folders if name.lower() in names]
        if len(found) > 1:
            raise AmbiguousData(f"found two sets of images: {place}/{found[0]}; {place}/{found[1]}; remove one")
        halves += found
    if len(halves) == 1:
        there, lacking = f"{place}/{halves[0]}", f"{place}/{(TRAIN_NAMES | TEST_NAMES)[halves[0].lower()]}"
        raise BadData(f"{there}/ exists but {lacking}/ does not; put both in the same folder")
    return ImageFolders(*(_unnested(place.folder(name), name) for name in halves)) if halves else None


def list_images(folders: ImageFolders, ids: Sequence[int] | None = None) -> ListedImages:
    """List the images of a data set without opening them.

    Parameters
    ----------
    folders : the two halves
    ids : those of a sample submission; by default the test images must be numbered from 1

    Raises
    ------
    BadData
        A digit has no images, a file is not named as an image, or the test images are not numbered as expected.
    """
    unknown = [name for name in folders.train.names.folders if digit_of(name) is None] + folders.train.names.files
    if unknown:
        problem = _other_classes(folders.train) or f"/{unknown[0]}: {_misplaced(folders.train, unknown[0])}"
        raise BadData(f"{folders.train}{problem}")
    train, labels = _in_digit_folders(folders.train)
    if len(set(labels)) < CLASSES:
        lacking = next(digit for digit in DIGITS if int(digit) not in labels)
        raise BadData(f"{folders.train}/{lacking}: contains no images; every digit needs some")
    test, names = folders.test, folders.test.names
    if len(names.folders) == 1 and not names.files:  # one folder for all: no class
        test, names = test.folder(names.folders[0]), test.folder(names.folders[0]).names
    unknown = [name for name in names.folders if digit_of(name) is None]
    if names.files and len(names.folders) > 1 and not unknown:
        raise BadData(f"{test}/{names.files[0]}: {_misplaced(test, names.files[0])}")
    if unknown or (names.folders and names.files):
        raise BadData(f"{test}/{(unknown or names.folders)[0]}: {_among_images(test)}")
    if names.folders:
        images, test_labels = _in_digit_folders(test)
        if not images:
            raise BadData(f"{test}: contains no images; put the test images there")
        return ListedImages(train, labels, images, test_labels)
    return ListedImages(train, labels, _in_order_of_id(test, ids))


def same_images(first: ImageFolders, second: ImageFolders) -> bool:
    """Whether two sets have files of the same names and sizes, such as a zip and what was extracted from it."""
    try:
        return _sizes(first) == _sizes(second)
    except (BadData, OSError):
        return False


def digit_of(folder: str) -> int | None:
    """The digit that a folder's name stands for; None if it is not the name of one.

    Examples
    --------
    >>> digit_of("7"), digit_of("07"), digit_of("Seven"), digit_of("10")
    (7, 7, 7, None)
    """
    names = {folder.lower(), folder.lstrip("0") or "0"}
    return next((digit for digit in range(CLASSES) if names & {DIGITS[digit], WORDS[digit]}), None)


def _misplaced(place: Place, name: str) -> str:
    """What is wrong with a file or folder beside the digit folders, or in their place."""
    if name in place.names.folders and any(digit_of(inside) is not None for inside in place.folder(name).names.folders):
        return f"has folders of digits; move them into {place}/"
    if name.lower().endswith((*SUFFIXES, *OTHERS)):
        return "is not in one of the folders 0 to 9; move it to that of its digit"
    return f"{ONLY}; rename or remove it"


def _among_images(place: Place) -> str:
    return f"is a folder among images; move its images into {place}/, or remove it"


def _other_classes(train: Place) -> str | None:
    """What a set with many more class folders than digits is."""
    classes = train.names.folders
    if len(classes) < 2 * CLASSES:
        return None
    known = f", as {OTHER_SETS[len(classes)]}" if len(classes) in OTHER_SETS else ""
    return f": has {len(classes)} classes{known}; only sets of ten classes, 0 to 9, can be used"


def _unnested(folder: Place, name: str) -> Place:
    """`testSet/testSet` or `train/images` if that has everything in this folder, else the folder itself."""
    files, folders = folder.names
    nested = name if name in folders else folders[0] if len(folders) == 1 and not files else None
    return folder if nested is None or digit_of(nested) is not None else folder.folder(nested)


def _in_digit_folders(place: Place) -> tuple[list[str], list[int]]:
    """The images in digit folders and their labels, sorted by the numbers in their names."""
    found: list[tuple[int, int, str, str]] = []
    for folder in place.names.folders:
        if (digit := digit_of(folder)) is None:
            continue
        by_stem = dict[str, str]()
        for name in _image_names(place.folder(folder)):
            other = by_stem.setdefault(name.rpartition(".")[0], name)
            if other != name:  # the same picture: held out by one member, and learned by it in the other format
                both = f"{place}/{folder}/{name} and {other}"
                raise BadData(f"{both}: have the same name; remove one, or rename it if they are different pictures")
            found.append((_number(name) or 0, digit, name, folder))
    found.sort()
    return [f"{place}/{folder}/{name}" for *_, name, folder in found], [digit for _, digit, *_ in found]


def _image_names(folder: Place) -> list[str]:
    files, folders = folder.names
    if folders:
        raise BadData(f"{folder}/{folders[0]}: {_among_images(folder)}")
    odd = next((name for name in files if not name.lower().endswith(SUFFIXES)), None)
    if odd is not None:
        advice = "convert the images to PNG" if odd.lower().endswith(OTHERS) else "remove it"
        raise BadData(f"{folder}/{odd}: not a .jpg or .png file; {advice}")
    return files


def _number(name: str) -> int | None:
    """The last number in a file's name: 17 for `img_17.jpg`."""
    found = LAST_NUMBER.search(name)
    return int(found[1]) if found else None


def _in_order_of_id(folder: Place, ids: Sequence[int] | None) -> list[str]:
    by_id: dict[int, str] = {}
    for name in _image_names(folder):
        number = _number(name)
        if number is None:
            raise BadData(
                f"{folder}/{name}: has no number in its name; name test images by ImageId, such as img_17.jpg"
            )
        if number in by_id:
            both = f"{folder}/{name} and {by_id[number]}"
            raise BadData(f"{both}: both have the number {number}; rename or remove one")
        by_id[number] = name
    if not by_id:
        raise BadData(f"{folder}: contains no images; put the test images there")
    expected = range(1, len(by_id) + 1) if ids is None else ids
    if ids is not None and (odd := set(ids) ^ by_id.keys()):
        which = "only one of this folder and sample_submission.csv has"
        raise BadData(f"{folder}: {which} the number {min(odd)}; put those there that belong together")
    missing = next((i for i in expected if i not in by_id), None)
    if missing is not None:
        raise BadData(f"{folder}: {_misnumbered(by_id.keys(), missing)}")
    return [f"{folder}/{by_id[i]}" for i in expected]


def _misnumbered(numbers: Collection[int], missing: int) -> str:
    if max(numbers) == len(numbers) - 1:
        return (
            f"has the numbers 0 to {max(numbers)}; ImageIds count from 1: rename the images, or put a"
            " sample_submission.csv with these ids beside the folder"
        )
    return (
        f"has an image number {0 if 0 in numbers else max(numbers)} but no number {missing};"
        " number the test images from 1 without gaps"
    )


def _sizes(folders: ImageFolders) -> list[tuple[str, int]]:
    found = list_images(folders)
    files = [*found.train, *found.test]
    if folders.archive is None:
        sizes = [os.stat(file).st_size for file in files]
    else:
        with open_zip(folders.archive) as opened:
            sizes = [info_of(opened, file.removeprefix(f"{folders.archive}/")).file_size for file in files]
    return sorted(zip(("/".join(file.split("/")[-2:]) for file in files), sizes, strict=True))
