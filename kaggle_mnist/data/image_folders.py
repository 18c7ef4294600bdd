"""JPG and PNG files: `train/<digit>/*` and `test/*` as in the tutorial, or Kaggle's `trainingSet/` and `testSet/`."""

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
from joblib.externals.loky import ProcessPoolExecutor  # unlike the standard library's, it runs no script a second time
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from kaggle_mnist.data.cache import cached
from kaggle_mnist.data.digits import CLASSES, SIDE, Digits
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.reading import shown_size

NAMES = (("train", "test"), ("trainingSet", "testSet"))
SUFFIXES = (".jpg", ".jpeg", ".png")
LAST_NUMBER = re.compile(r"([0-9]{1,18})[^0-9]*\.[^.]*$")  # before the suffix
LITTER = {"thumbs.db", "desktop.ini"}  # left by file managers, as are names that begin with a dot
JPEG = b"\xff\xd8\xff"  # how such a file begins
PIECE = 250  # images decoded between two reports of progress
MANY = 2000  # for each helping process; fewer are decoded before it has started
MAX_HELPERS = 7
MAX_BYTES = 1 << 20  # of an image's file, whatever it tells beside its pixels


@dataclass(frozen=True)
class ImageFolders:
    """The two folders of a set: digit folders inside `train`, numbered files inside `test`."""

    train: Path
    test: Path

    def __str__(self) -> str:
        return f"{self.train}/ and {self.test}/"


def in_folder(folder: Path) -> ImageFolders | None:
    """The pair of image folders that lies in `folder`, if one does.

    Raises BadData where only one of the two is there.
    """
    for train_name, test_name in NAMES:
        train, test = folder / train_name, folder / test_name
        if train.is_dir() and test.is_dir():
            return ImageFolders(_inside_double(train), _inside_double(test))
        if train.is_dir() or test.is_dir():
            there, lacking = (train, test) if train.is_dir() else (test, train)
            raise BadData(f"{there}/ is there but {lacking}/ is not; put the two folders of the set side by side")
    return None


def list_images(folders: ImageFolders) -> tuple[list[str], list[int], list[str]]:
    """Paths and labels of the labeled images, and paths of the test images in the order of their ImageIds.

    The labeled images are in the order of the numbers in their names too, so that a set whose files are numbered as
    Kaggle's CSV rows gives the rows' order.

    Raises BadData for a digit without images, a file that is no JPG or PNG, and for test files whose numbers are not
    1 to n, each once.
    """
    labeled: list[tuple[int, int, str]] = []
    strangers = [name for name in _names(folders.train) if name not in {str(d) for d in range(CLASSES)}]
    if strangers:
        raise BadData(f"{folders.train / strangers[0]}: expected only the digit folders 0 to 9 here; move it away")
    for digit in range(CLASSES):
        folder = folders.train / str(digit)
        names = _image_names(folder) if folder.is_dir() else []
        if not names:
            raise BadData(f"{folder}: has no images; every digit needs some")
        labeled += [(_number(name) or 0, digit, name) for name in names]
    labeled.sort()
    paths = [f"{folders.train}/{digit}/{name}" for _, digit, name in labeled]
    return paths, [digit for _, digit, _ in labeled], _in_order_of_id(folders.test)


def load_images(folders: ImageFolders, *, progress: Progress = quiet) -> Digits:
    """The digits of a pair of image folders, decoded once and then cached; colour is turned to grey.

    Raises BadData, naming the file, for what `list_images` refuses, for an image of another size than 28×28 and for
    one that cannot be decoded.
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


def _inside_double(folder: Path) -> Path:
    """`testSet/testSet` for `testSet` where an archive was unpacked into a folder of its own name."""
    inner = folder / folder.name
    return inner if inner.is_dir() else folder


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:  # names, not paths: making 70,000 paths takes as long as reading their sizes
        names = [entry.name for entry in entries]
    return sorted(name for name in names if not name.startswith(".") and name.lower() not in LITTER)


def _image_names(folder: Path) -> list[str]:
    names = _names(folder)
    for name in names:
        if not name.lower().endswith(SUFFIXES):
            raise BadData(f"{folder / name}: is neither a .jpg nor a .png file; move it away")
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
                f"{folder / name}: has no number in its name; a test image is named for its ImageId, as img_17.jpg"
            )
        if number in by_id:
            both = f"{folder / name} and {by_id[number]}"
            raise BadData(f"{both}: both have the number {number}; an ImageId must be unique")
        by_id[number] = name
    if not by_id:
        raise BadData(f"{folder}: has no images")
    missing = next((i for i in range(1, len(by_id) + 1) if i not in by_id), None)
    if missing is not None:
        raise BadData(
            f"{folder}: has no image with the number {missing}, but one with {max(by_id)};"
            f" the test images are numbered 1 to n without a gap"
        )
    return [f"{folder}/{by_id[i]}" for i in range(1, len(by_id) + 1)]


def _decode_all(paths: Sequence[str], progress: Progress) -> NDArray[np.uint8]:
    """Every image, shape ``(n, 28, 28)``; helpers take pieces from the front while this process works from the end."""
    images = np.empty((len(paths), SIDE, SIDE), np.uint8)
    todo = deque(range(0, len(paths), PIECE))
    given: deque[tuple[int, Future[NDArray[np.uint8]]]] = deque()
    helpers = 0 if current_process().daemon else min(cpu_count() - 1, len(paths) // MANY, MAX_HELPERS)
    progress("Reading images", 0, len(paths))
    with ProcessPoolExecutor(helpers) if helpers else nullcontext() as pool:
        while todo or given:
            while pool and todo and len(given) < 3 * helpers:
                start = todo.popleft()
                given.append((start, pool.submit(_decode, paths[start : start + PIECE])))
            if given and (given[0][1].done() or not todo):
                start, job = given.popleft()
                piece = job.result()
            else:
                start = todo.pop()
                piece = _decode(paths[start : start + PIECE])
            images[start : start + PIECE] = piece
            left = sum(min(PIECE, len(paths) - start) for start in (*todo, *(start for start, _ in given)))
            progress("Reading images", len(paths) - left, len(paths))
    return images


def _decode(paths: Sequence[str]) -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata that is not as it should be, which is not read
        return np.frombuffer(b"".join(map(_decode_one, paths)), np.uint8).reshape(-1, SIDE, SIDE)


def _decode_one(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise BadData(f"{path}: has {shown_size(size)}; an image of {SIDE}×{SIDE} pixels has less than 1 kB")
            content = file.read(size)
        if content.startswith(JPEG):  # no guess at the format, no buffer, no array: a sixth faster than with them
            image: Image.Image = JpegImageFile(BytesIO(content))
        else:
            image = Image.open(BytesIO(content), formats=("PNG",))
        if image.size != (SIDE, SIDE):  # known from the header, before anything is decompressed
            width, height = image.size
            raise BadData(f"{path}: is {width}×{height} pixels; every image must be {SIDE}×{SIDE}")
        if image.mode.startswith(("I", "F")):
            raise BadData(f"{path}: has more than 8 bits a pixel; save it as 8-bit grey")
        return (image if image.mode == "L" else image.convert("L")).tobytes()
    except BadData:
        raise
    except UnidentifiedImageError as error:
        raise BadData(f"{path}: is not a JPG or PNG image, whatever its name says") from error
    except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them into
        raise BadData(f"{path}: cannot be decoded, it may be cut off ({error}); copy it again") from error
