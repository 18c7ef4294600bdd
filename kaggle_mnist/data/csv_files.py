"""Which files are a data set: `train.csv` and `test.csv` by name, whatever their folder, zip or compression."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kaggle_mnist.data.places import Place, StoredFile, is_zip
from kaggle_mnist.utils.errors import AmbiguousData

TRAIN, TEST, SAMPLE = "train.csv", "test.csv", "sample_submission.csv"
COPY = r"(?: ?\(\d+\))?"  # what a browser adds to a name that is taken: "train (1).csv", "train.csv (1).zip"
NAME = re.compile(rf"(.+?){COPY}\.csv{COPY}(?:\.(?:gz|zip))?{COPY}", re.IGNORECASE)
STEM = re.compile(r"((?:.*mnist.*[-_ ])?)(train|test)|()sample[-_ ]?submission", re.IGNORECASE)
ZIPPED = re.compile(r".+\.zip", re.IGNORECASE)


@dataclass(frozen=True)
class CsvSet:
    """The CSV files of one data set, or some of them if others are missing.

    Attributes
    ----------
    files : by role: `TRAIN`, `TEST` and, where there is one, `SAMPLE`
    prefix : what the names of `TRAIN` and `TEST` begin with, such as ``"fashion-mnist_"``
    """

    files: dict[str, StoredFile]
    prefix: str = ""

    @property
    def missing(self) -> list[str]:
        """Names of the halves that are missing."""
        return [f"{self.prefix}{role}" for role in (TRAIN, TEST) if role not in self.files]

    def __str__(self) -> str:
        return " and ".join(str(self.files[role]) for role in (TRAIN, TEST) if role in self.files)

    def is_part_of(self, other: CsvSet) -> bool:
        """Whether `other` contains the same `TRAIN` and `TEST`, as far as this set has them.

        Raises BadData if a file cannot be read.
        """
        halves = (role for role in (TRAIN, TEST) if role in self.files)
        return all(role in other.files and is_same(self.files[role], other.files[role]) for role in halves)


def csv_sets(place: Place) -> list[CsvSet]:
    """Find the CSV files in one folder; files whose names have the same beginning are one set.

    Raises
    ------
    BadData
        A file is too large.
    AmbiguousData
        Two different files have the same role, such as `train.csv` and `train (1).csv`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("mnist_train.csv", "mnist_test (1).csv", "Notes.csv"):
    ...         _ = Path(folder, name).write_text("label")
    ...     [found] = csv_sets(Place(Path(folder)))
    >>> found.prefix, list(found.files), found.missing
    ('mnist_', ['train.csv', 'test.csv'], [])
    """
    sets: dict[str, dict[str, StoredFile]] = {}
    for name in sorted(place.names.files, key=len):  # train.csv before train (1).csv
        if ZIPPED.fullmatch(name) or not (role := role_of(name)):
            continue
        prefix, file = role[0], place.file(name)
        if place.tree is None and is_zip(file):  # by its content: `zips` lists it
            continue
        file.refuse_too_large()
        _add(sets.setdefault(prefix, {}), role[1], file)
    return [CsvSet(files, prefix) for prefix, files in sets.items()]


def role_of(name: str) -> tuple[str, str] | None:
    """The beginning of a file's name and its role, or None.

    Examples
    --------
    >>> role_of("Train (1).CSV"), role_of("fashion-mnist_test.csv.gz"), role_of("Dig-MNIST.csv")
    (('', 'train.csv'), ('fashion-mnist_', 'test.csv'), None)
    """
    if not (named := NAME.fullmatch(name)) or not (found := STEM.fullmatch(named[1])):
        return None
    return ((found[1] or "").lower(), f"{found[2].lower()}.csv") if found[2] else ("", SAMPLE)


def home(half: CsvSet, searched: Place) -> tuple[str, ...]:
    """The folders from `searched` down to half a set, without the folders and zips that are named after it.

    Examples
    --------
    >>> from pathlib import Path
    >>> digits, path = Place(Path("input")), Path("input/mnist/mnist_train/train.csv.zip")
    >>> home(CsvSet({TRAIN: StoredFile(path, "train.csv")}), digits)
    ('mnist',)
    >>> home(CsvSet({TRAIN: StoredFile(Path("input/old/train.csv"))}), digits)
    ('old',)
    """
    role = TRAIN if TRAIN in half.files else TEST
    file = half.files[role]
    folders = [*file.path.relative_to(searched.path).parts, *(file.member.split("/") if file.member else ())][:-1]
    while folders and (role_of(f"{folders[-1].partition('.')[0]}.csv") or ("", ""))[1] == role:
        folders.pop()
    return tuple(folders)


def zips(place: Place) -> list[StoredFile]:
    """The zips in a folder on disk: those that are named so, and CSV files that are zips despite their names."""
    if place.tree is not None:
        return []
    named = [(name, place.file(name)) for name in place.names.files]
    return [file for name, file in named if ZIPPED.fullmatch(name) or (role_of(name) and is_zip(file))]


def merged(sets: Iterable[CsvSet]) -> CsvSet:
    """Put together what lies in different folders and zips, such as `train.csv.zip` beside `test.csv`.

    Raises AmbiguousData if two different files have the same role.
    """
    files: dict[str, StoredFile] = {}
    prefix = ""
    for found in sets:
        prefix = found.prefix or prefix
        for role, file in found.files.items():
            _add(files, role, file)
    return CsvSet(files, prefix)


def _add(files: dict[str, StoredFile], role: str, file: StoredFile) -> None:
    known = files.setdefault(role, file)
    if known is not file and not is_same(known, file):
        raise AmbiguousData(f"found two files for {role}: {known}; {file}; remove one")


def is_same(first: StoredFile, second: StoredFile) -> bool:
    """Whether two files have the same content. Raises BadData if one cannot be read."""
    return first == second or first.size_and_crc() == second.size_and_crc()
