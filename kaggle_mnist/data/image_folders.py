"""Folders of JPG and PNG files: `train/<digit>/*` and `test/*`, or Kaggle's `trainingSet/` and `testSet/`."""

from __future__ import annotations

import os
import re
import warnings
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import current_process
from pathlib import Path

import numpy as np
from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor  # the standard library's would run the main script again
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from kaggle_mnist.data.cache import cached
from kaggle_mnist.data.digits import CLASSES, SIDE, Digits
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.reading import format_size

NAMES = (("train", "test"), ("trainingSet", "testSet"))
SUFFIXES = (".jpg", ".jpeg", ".png")
LAST_NUMBER = re.compile(r"([0-9]{1,18})[^0-9]*\.[^.]*$")  # the last one before the suffix
IGNORED = {"thumbs.db", "desktop.ini"}  # left by file managers, like names that start with a dot
JPEG = b"\xff\xd8\xff"  # first bytes of a file
CHUNK = 250  # images decoded between two progress reports
PER_WORKER = 2000  # images; fewer are decoded before another process has started
MAX_WORKERS = 7
MAX_BYTES = 1 << 20  # of an image file with its metadata


@dataclass(frozen=True)
class ImageFolders:
    """The two folders of a data set: digit folders inside `train`, numbered files inside `test`."""

    train: Path
    test: Path

    def __str__(self) -> str:
        return f"{self.train}/ and {self.test}/"


def in_folder(folder: Path) -> ImageFolders | None:
    """Find a pair of image folders in `folder`; None if it has neither of the two.

    Raises BadData if only one of the two exists.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("train", "test"):
    ...         Path(folder, name).mkdir()
    ...     found = in_folder(Path(folder))
    >>> found.test.name
    'test'
    """
    for train_name, test_name in NAMES:
        train, test = folder / train_name, folder / test_name
        if train.is_dir() and test.is_dir():
            return ImageFolders(_unnested(train), _unnested(test))
        if train.is_dir() or test.is_dir():
            there, lacking = (train, test) if train.is_dir() else (test, train)
            raise BadData(f"{there}/ exists but {lacking}/ does not; put both in the same folder")
    return None


def list_images(folders: ImageFolders) -> tuple[list[str], list[int], list[str]]:
    """List the images of a data set without opening them.

    Returns
    -------
    paths, labels : of the labeled images, sorted by the numbers in their names, so that files numbered like the rows of
        Kaggle's CSV are in the order of the rows
    test_paths : of the test images, in the order of their ImageIds

    Raises
    ------
    BadData
        A digit has no images, a file is not named as a JPG or PNG, or the test files are not numbered 1 to n.
    """
    labeled: list[tuple[int, int, str]] = []
    unknown = [name for name in _names(folders.train) if name not in {str(d) for d in range(CLASSES)}]
    if unknown:
        raise BadData(f"{folders.train / unknown[0]}: only the folders 0 to 9 are expected here; remove it")
    for digit in range(CLASSES):
        folder = folders.train / str(digit)
        names = _image_names(folder) if folder.is_dir() else []
        if not names:
            raise BadData(f"{folder}: contains no images; every digit needs some")
        labeled += [(_number(name) or 0, digit, name) for name in names]
    labeled.sort()
    paths = [f"{folders.train}/{digit}/{name}" for _, digit, name in labeled]
    return paths, [digit for _, digit, _ in labeled], _in_order_of_id(folders.test)


def load_images(folders: ImageFolders, *, progress: Progress = quiet) -> Digits:
    """Load a pair of image folders, converted to greyscale; the decoded digits are cached.

    Raises
    ------
    BadData
        As for `list_images`, or an image is not 28×28 pixels or cannot be decoded; the message names the file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in (*(f"train/{digit}/1.png" for digit in range(10)), "test/1.png"):
    ...         Path(folder, name).parent.mkdir(parents=True)
    ...         Image.new("L", (28, 28)).save(Path(folder, name))
    ...     digits = load_images(ImageFolders(Path(folder, "train"), Path(folder, "test")))
    >>> digits.train_images.shape, digits.train_labels.tolist()
    ((10, 28, 28), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    train, labels, test = list_images(folders)

    def decode() -> Digits:
        images = _decode_all([*train, *test], progress)
        return Digits(
            source="image folders",
            path=str(folders),
            train_images=images[: len(train)],
            train_labels=np.array(labels, np.int64),
            test_images=images[len(train) :],
        )

    return cached([*train, *test], decode, path=str(folders))


def _unnested(folder: Path) -> Path:
    """`testSet/testSet` if the archive was extracted into a folder of the same name, else `testSet`."""
    inner = folder / folder.name
    return inner if inner.is_dir() else folder


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:  # names: 70,000 Path objects take as long as reading the sizes
        names = [entry.name for entry in entries]
    return sorted(name for name in names if not name.startswith(".") and name.lower() not in IGNORED)


def _image_names(folder: Path) -> list[str]:
    names = _names(folder)
    for name in names:
        if not name.lower().endswith(SUFFIXES):
            raise BadData(f"{folder / name}: not a .jpg or .png file; remove it")
    return names


def _number(name: str) -> int | None:
    """The last number in a file's name: 17 for `img_17.jpg`."""
    found = LAST_NUMBER.search(name)
    return int(found[1]) if found else None


def _in_order_of_id(folder: Path) -> list[str]:
    by_id: dict[int, str] = {}
    for name in _image_names(folder):
        number = _number(name)
        if number is None:
            raise BadData(
                f"{folder / name}: has no number in its name; name test images by ImageId, such as img_17.jpg"
            )
        if number in by_id:
            both = f"{folder / name} and {by_id[number]}"
            raise BadData(f"{both}: both have the number {number}; rename or remove one")
        by_id[number] = name
    if not by_id:
        raise BadData(f"{folder}: contains no images; put the test images there")
    missing = next((i for i in range(1, len(by_id) + 1) if i not in by_id), None)
    if missing is not None:
        raise BadData(
            f"{folder}: has an image number {0 if 0 in by_id else max(by_id)} but no number {missing};"
            " number the test images from 1 without gaps"
        )
    return [f"{folder}/{by_id[i]}" for i in range(1, len(by_id) + 1)]


def _decode_all(paths: Sequence[str], progress: Progress) -> NDArray[np.uint8]:
    """All images, shape ``(n, 28, 28)``; worker processes decode from the front while this one works from the back."""
    images = np.empty((len(paths), SIDE, SIDE), np.uint8)
    todo = deque(range(0, len(paths), CHUNK))
    submitted: deque[tuple[int, Future[NDArray[np.uint8]]]] = deque()
    workers = 0 if current_process().daemon else min(cpu_count() - 1, len(paths) // PER_WORKER, MAX_WORKERS)
    progress("Reading images", 0, len(paths))
    with ProcessPoolExecutor(workers) if workers else nullcontext() as pool:
        while todo or submitted:
            while pool and todo and len(submitted) < 3 * workers:
                start = todo.popleft()
                submitted.append((start, pool.submit(_decode, paths[start : start + CHUNK])))
            if submitted and (submitted[0][1].done() or not todo):
                start, job = submitted.popleft()
                decoded = job.result()
            else:
                start = todo.pop()
                decoded = _decode(paths[start : start + CHUNK])
            images[start : start + CHUNK] = decoded
            left = sum(min(CHUNK, len(paths) - start) for start in (*todo, *(start for start, _ in submitted)))
            progress("Reading images", len(paths) - left, len(paths))
    return images


def _decode(paths: Sequence[str]) -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about invalid metadata, which is not used
        return np.frombuffer(b"".join(map(_decode_one, paths)), np.uint8).reshape(-1, SIDE, SIDE)


def _decode_one(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise BadData(f"{path}: has {format_size(size)}; an image of {SIDE}×{SIDE} pixels needs less than 1 kB")
            content = file.read(size)
        if content.startswith(JPEG):  # calling the decoder directly is a sixth faster than Image.open
            image: Image.Image = JpegImageFile(BytesIO(content))
        else:
            image = Image.open(BytesIO(content), formats=("PNG",))
        if image.size != (SIDE, SIDE):  # known from the header, before anything is decompressed
            width, height = image.size
            raise BadData(f"{path}: is {width}×{height} pixels; every image must be {SIDE}×{SIDE}")
        if image.mode.startswith(("I", "F")):
            raise BadData(f"{path}: has more than 8 bits per pixel; save it as 8-bit greyscale")
        return (image if image.mode == "L" else image.convert("L")).tobytes()
    except BadData:
        raise
    except UnidentifiedImageError as error:
        raise BadData(f"{path}: not a JPG or PNG image despite its name; convert it") from error
    except Image.DecompressionBombError as error:
        raise BadData(f"{path}: has too many pixels; every image must be {SIDE}×{SIDE}") from error
    except Exception as error:  # Pillow raises many types for damaged files
        raise BadData(f"{path}: cannot be decoded, it may be truncated ({error}); copy it again") from error
