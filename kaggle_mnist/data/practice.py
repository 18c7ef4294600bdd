"""The practice set: the bundled 70,000 digits of MNIST, split into 42,000 labeled and 28,000 unlabeled ones."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.reading import read_bounded

FOLDER = Path(__file__).parent / "mnist"
MAX_PACKED, MAX_BYTES, MAX_RANK = 1 << 24, 1 << 28, 3  # of an IDX file; the largest has 10 MB, 47 MB uncompressed
LABELED, SEED = 42_000, 2010  # the competition's size; an arbitrary seed that must never change

# Digits.fingerprint of the practice set, which also identifies it after an export to CSV.
FINGERPRINT = "8e816325a2b09ceacee9568486567d3e639abb9bb85878d1ab62df7e325f51e1"

# Images of MNIST's test file, from 0, with confirmed label errors: the candidates in mturk/mnist_mturk.json of
# github.com/cleanlab/label-errors for which fewer than three of five workers chose the given label. These are the 15
# errors counted by C. G. Northcutt, A. Athalye and J. Mueller, "Pervasive Label Errors in Test Sets Destabilize Machine
# Learning Benchmarks", 2021, arXiv:2103.14749. That repository is under the GPL, version 3 or later; nothing but these
# 15 image numbers is taken from it.
CONFIRMED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)
TEST_FILE_START = 60_000  # position of the test file's first image, after the training file's


def load_practice() -> Digits:
    """Load the practice set: 42,000 labeled and 28,000 unlabeled digits, whose labels are not used.

    Raises BadData if a bundled file is damaged.

    Examples
    --------
    >>> digits = load_practice()
    >>> digits.train_images.shape, digits.test_images.shape, is_practice(digits)
    ((42000, 28, 28), (28000, 28, 28), True)
    """
    images = np.concatenate([_read_idx("train-images-idx3-ubyte"), _read_idx("t10k-images-idx3-ubyte")])
    labeled, withheld = _split()
    return Digits(
        source="practice set",
        path="bundled with kaggle-mnist",
        train_images=images[labeled],
        train_labels=_labels()[labeled],
        test_images=images[withheld],
    )


def is_practice(digits: Digits) -> bool:
    """Whether these digits are the practice set, from whichever source they were loaded."""
    return digits.fingerprint == FINGERPRINT


def open_withheld_labels() -> NDArray[np.int64]:
    """Return the labels of the unlabeled images, int64, 0 to 9, shape ``(28000,)``.

    Call this only to score a finished run, never to choose between recipes.
    """
    _, withheld = _split()
    return _labels()[withheld]


def confirmed_errors() -> NDArray[np.int64]:
    """Return the positions of the labeled images with confirmed label errors, int64, from 0 to 41,999, ascending.

    Those among the 28,000 unlabeled images are left out. The source is given at `CONFIRMED`.

    Examples
    --------
    >>> positions = confirmed_errors()
    >>> 0 < len(positions) < len(CONFIRMED)
    True
    """
    labeled, _ = _split()
    return np.flatnonzero(np.isin(labeled, np.array(CONFIRMED) + TEST_FILE_START))


def _split() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # RandomState, not default_rng: NumPy guarantees that its stream never changes (NEP 19).
    order = np.random.RandomState(SEED).permutation(70_000)
    return order[:LABELED], order[LABELED:]


def _labels() -> NDArray[np.int64]:
    files = ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")
    return np.concatenate([_read_idx(file) for file in files]).astype(np.int64)


def _read_idx(name: str) -> NDArray[np.uint8]:
    return read_idx(FOLDER / f"{name}.gz")


def read_idx(file: Path) -> NDArray[np.uint8]:
    """Read a gzip-compressed IDX file of bytes: ``00 00 08 rank``, the sizes as big-endian int32, the values.

    No more is decompressed than the sizes call for, and at most `MAX_BYTES`. The format is
    that of MNIST's original files.

    Returns
    -------
    array of uint8
        Of 1 to `MAX_RANK` axes: ``(n, 28, 28)`` for MNIST's images, ``(n,)`` for its labels.

    Raises
    ------
    BadData
        The file is missing or damaged, is not an IDX file of bytes, or is too large.

    Examples
    --------
    >>> read_idx(FOLDER / "t10k-labels-idx1-ubyte.gz")[:5]
    array([7, 2, 1, 0, 4], dtype=uint8)
    """
    try:
        with gzip.open(io.BytesIO(read_bounded(file, MAX_PACKED))) as stream:
            zeros, rank = stream.read(3), int.from_bytes(stream.read(1))
            sizes = stream.read(4 * rank)
            if zeros != b"\0\0\x08" or not 1 <= rank <= MAX_RANK or len(sizes) < 4 * rank:
                raise BadData(f"{file}: not an IDX file of bytes; reinstall kaggle-mnist")
            shape = [int.from_bytes(sizes[i : i + 4], signed=True) for i in range(0, len(sizes), 4)]
            count = math.prod(shape)
            if min(shape) < 0 or count > MAX_BYTES:
                raise BadData(f"{file}: has the impossible sizes {shape}; reinstall kaggle-mnist")
            content = stream.read(count + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"{file}: cannot be read ({error}); reinstall kaggle-mnist") from error
    if len(content) != count:
        found = f"more than {count:,}" if len(content) > count else f"{len(content):,} of {count:,}"
        raise BadData(f"{file}: has {found} values; reinstall kaggle-mnist")
    return np.frombuffer(content, np.uint8).reshape(shape)
