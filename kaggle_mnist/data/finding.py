"""Find a set of digits: where the user says, else the competition's files in `input/`, else nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kaggle_mnist.data.csv_files import SAMPLE, CsvSet, csv_sets, home, merged, zips
from kaggle_mnist.data.image_listing import TEST_NAMES, TRAIN_NAMES, ImageFolders, image_folders, same_images
from kaggle_mnist.data.places import Place, StoredFile, is_zip, walk, zip_place
from kaggle_mnist.data.unread import unread
from kaggle_mnist.utils.errors import AmbiguousData, BadData, DataNotFound

PRACTICE = "practice"  # the value of --input for the bundled set
# Where Kaggle mounts the competition's files in a notebook: the older and the newer place.
KAGGLE_INPUTS = (Path("/kaggle/input/digit-recognizer"), Path("/kaggle/input/competitions/digit-recognizer"))
EXPECTED = "train.csv and test.csv, digit-recognizer.zip, or image folders train/0 … train/9 and test/"


@dataclass(frozen=True)
class Found:
    """A data set, and its `sample_submission.csv` if there is one."""

    files: CsvSet | ImageFolders
    sample: StoredFile | None


def find(where: str | Path | None) -> tuple[Found | None, str]:
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
