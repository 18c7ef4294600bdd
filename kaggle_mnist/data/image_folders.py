"""Image files in folders, on disk or in a zip: reading and decoding them."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from multiprocessing import current_process
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor  # the standard library's would run the main script again
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from kaggle_mnist.data.cache import cached
from kaggle_mnist.data.digits import SIDE, Digits, WithheldLabels
from kaggle_mnist.data.image_listing import ImageFolders, list_images
from kaggle_mnist.data.pictures import has_clear_paper, is_avif, is_transparent, on_paper
from kaggle_mnist.data.places import StoredFile, info_of
from kaggle_mnist.data.polarity import with_one_paper
from kaggle_mnist.data.sample import read_sample, with_ids
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.formats import SAVE, form_of
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.reading import ZIP_ERRORS, format_size, open_zip, zip_problem

JPEG = b"\xff\xd8\xff"  # first bytes of a file
CHUNK = 250  # images decoded between two progress reports
PER_WORKER = 2000  # images; fewer are decoded before another process has started
MAX_WORKERS = 7
MAX_BYTES = 1 << 20  # of an image file with its metadata
ROW = SIDE * SIDE + 1  # bytes of a decoded image: its pixels, and whether its background is transparent


def load_images(folders: ImageFolders, sample: StoredFile | None = None, *, progress: Progress = quiet) -> Digits:
    """Load a pair of image folders, converted to greyscale; the decoded digits are cached.

    Parameters
    ----------
    folders : where the images are
    sample : the competition's `sample_submission.csv`, whose header and ids the submission gets
    progress : called with the images decoded

    Raises
    ------
    BadData
        As for `list_images`, or an image is not 28×28 pixels or cannot be decoded; the message names the file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from kaggle_mnist.data.places import Place
    >>> with TemporaryDirectory() as folder:
    ...     for name in (*(f"train/{digit}/1.png" for digit in range(10)), "test/1.png"):
    ...         Path(folder, name).parent.mkdir(parents=True)
    ...         Image.new("L", (28, 28)).save(Path(folder, name))
    ...     digits = load_images(ImageFolders(Place(Path(folder, "train")), Place(Path(folder, "test"))))
    >>> digits.train_images.shape, digits.train_labels.tolist()
    ((10, 28, 28), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    submission = read_sample(sample) if sample else None
    found = list_images(folders, None if submission is None else submission.ids.tolist())
    files, archive = [*found.train, *found.test], folders.archive

    def decode() -> Digits:
        rows = _decode_all(files, progress) if archive is None else _decode_in_zip(archive, files, progress)
        images = with_one_paper(rows[:, :-1].reshape(-1, SIDE, SIDE), rows[:, -1] > 0)
        digits = Digits(
            source="image folders",
            path=str(folders),
            train_images=images[: len(found.train)],
            train_labels=np.array(found.labels, np.int64),
            test_images=images[len(found.train) :],
        )
        if found.test_labels is not None:
            return replace(digits, withheld=WithheldLabels(np.array(found.test_labels, np.int64)))
        return with_ids(digits, None, submission, of=f"{folders.test}/")

    read = [*(files if archive is None else [archive]), *([sample.path] if sample else [])]
    return cached(dict.fromkeys(read), decode, path=str(folders))


def _decode_all(paths: Sequence[str], progress: Progress) -> NDArray[np.uint8]:
    """All images as rows of `ROW` bytes; worker processes decode from the front while this one works from the back."""
    images = np.empty((len(paths), ROW), np.uint8)
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
        return np.frombuffer(b"".join(map(_decode_one, paths)), np.uint8).reshape(-1, ROW)


def _decode_in_zip(archive: Path, files: Sequence[str], progress: Progress) -> NDArray[np.uint8]:
    """All images as rows of `ROW` bytes, read where they are by this process: a zip is opened once."""
    images, start = np.empty((len(files), ROW), np.uint8), len(f"{archive}/")
    try:
        with warnings.catch_warnings(), open_zip(archive) as opened:
            warnings.simplefilter("ignore")
            for i, file in enumerate(files):
                if i % CHUNK == 0:
                    progress("Reading images", i, len(files))
                images[i] = np.frombuffer(_decode_image(file, _content_in_zip(opened, file, file[start:])), np.uint8)
    except OSError as error:
        raise BadData(f"{archive}: cannot be read ({error.strerror or error})") from error
    progress("Reading images", len(files), len(files))
    return images


def _content_in_zip(opened: ZipFile, file: str, member: str) -> bytes:
    try:
        info = info_of(opened, member)
        _refuse_too_large(file, info.file_size)
        return opened.read(info)  # zipfile reads no more than that
    except ZIP_ERRORS as error:
        raise BadData(f"{file}: the zip {zip_problem(error)}") from error


def _refuse_too_large(file: str, size: int) -> None:
    if size > MAX_BYTES:
        raise BadData(f"{file}: has {format_size(size)}; an image of {SIDE}×{SIDE} pixels needs less than 1 kB")


def _decode_one(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            size = os.fstat(file.fileno()).st_size
            _refuse_too_large(path, size)
            content = file.read(size)
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror})") from error
    return _decode_image(path, content)


def _decode_image(path: str, content: bytes) -> bytes:
    """The pixels, and whether the background is transparent: then its brightness was chosen by `on_paper`."""
    try:
        if content.startswith(JPEG):  # calling the decoder directly is a sixth faster than Image.open
            image: Image.Image = JpegImageFile(BytesIO(content))
        else:
            image = Image.open(BytesIO(content), formats=("AVIF",) if is_avif(path, content) else ("PNG",))
        if image.size != (SIDE, SIDE):  # known from the header, before anything is decompressed
            width, height = image.size
            raise BadData(f"{path}: is {width}×{height} pixels; every image must be {SIDE}×{SIDE}")
        if image.mode.startswith("I"):  # 16 bits
            return (np.asarray(image, np.int64) // 257).astype(np.uint8).tobytes() + b"\0"
        if is_transparent(image):
            return np.rint(255 * on_paper(image)).astype(np.uint8).tobytes() + bytes([has_clear_paper(image)])
        return (image if image.mode == "L" else image.convert("L")).tobytes() + b"\0"
    except BadData:
        raise
    except UnidentifiedImageError as error:
        if (form := form_of(content)) and form.advice != SAVE:
            raise BadData(f"{path}: is {form.what}, not an image; {form.advice}") from error
        if not content:
            raise BadData(f"{path}: is empty; copy it again") from error
        raise BadData(f"{path}: not a JPG or PNG image despite its name; convert it") from error
    except Image.DecompressionBombError as error:
        raise BadData(f"{path}: has too many pixels; every image must be {SIDE}×{SIDE}") from error
    except Exception as error:  # Pillow raises many types for damaged files
        raise BadData(f"{path}: cannot be decoded, it may be truncated ({error}); copy it again") from error
