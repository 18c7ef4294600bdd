"""The practice set: MNIST's 70,000 digits, bundled, dealt into 42,000 labeled and 28,000 unlabeled."""

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
MAX_PACKED, MAX_BYTES, MAX_RANK = 1 << 24, 1 << 28, 3  # of an IDX file; the largest has 10 MB, 47 unpacked
LABELED, SEED = 42_000, 2010  # the competition's size; any seed would do, as long as it never changes

# Digits.fingerprint of the dealt set: its digits are known again when they come back as CSV files.
FINGERPRINT = "8e816325a2b09ceacee9568486567d3e639abb9bb85878d1ab62df7e325f51e1"

# Images of MNIST's test file, from 0, whose label people have found wrong: of the candidates in mturk/mnist_mturk.json
# of github.com/cleanlab/label-errors those where fewer than three of five workers saw the given label. They are the 15
# errors that C. G. Northcutt, A. Athalye and J. Mueller count in "Pervasive Label Errors in Test Sets Destabilize
# Machine Learning Benchmarks", 2021, arXiv:2103.14749. That repository is under the GPL, version 3 or later; nothing of
# it is here but which 15 images these are.
CONFIRMED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)
TEST_FILE_STARTS = 60_000  # the training file's images come before it


def load_practice() -> Digits:
    """The 42,000 labeled and 28,000 unlabeled digits; the labels of the latter stay closed."""
    images = np.concatenate([_read_idx("train-images-idx3-ubyte"), _read_idx("t10k-images-idx3-ubyte")])
    labeled, withheld = _deal()
    return Digits(
        source="practice set",
        path="bundled with kaggle-mnist",
        train_images=images[labeled],
        train_labels=_labels()[labeled],
        test_images=images[withheld],
    )


def is_practice(digits: Digits) -> bool:
    """Whether these are the practice set's digits, in whatever form they came."""
    return digits.fingerprint == FINGERPRINT


def open_withheld_labels() -> NDArray[np.int64]:
    """The 28,000 withheld labels, shape ``(28000,)``. Only scoring a finished run may call this."""
    _, withheld = _deal()
    return _labels()[withheld]


def confirmed_errors() -> NDArray[np.int64]:
    """The labeled images, from 0, whose label people have found wrong; those among the 28,000 are not told."""
    labeled, _ = _deal()
    return np.flatnonzero(np.isin(labeled, np.array(CONFIRMED) + TEST_FILE_STARTS))


def _deal() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # RandomState, not default_rng: NumPy promises that its stream stays the same for ever (NEP 19).
    order = np.random.RandomState(SEED).permutation(70_000)
    return order[:LABELED], order[LABELED:]


def _labels() -> NDArray[np.int64]:
    files = ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")
    return np.concatenate([_read_idx(file) for file in files]).astype(np.int64)


def _read_idx(name: str) -> NDArray[np.uint8]:
    """One of MNIST's four files."""
    return read_idx(FOLDER / f"{name}.gz")


def read_idx(file: Path) -> NDArray[np.uint8]:
    """The array in an IDX file of bytes, packed by gzip: ``00 00 08 rank``, the sizes as big-endian int32, the values.

    No more is unpacked than the sizes ask for, and not even that if it is over `MAX_BYTES`. Raises BadData.
    """
    try:
        with gzip.open(io.BytesIO(read_bounded(file, MAX_PACKED))) as stream:
            zeros, rank = stream.read(3), int.from_bytes(stream.read(1))
            sizes = stream.read(4 * rank)
            if zeros != b"\0\0\x08" or not 1 <= rank <= MAX_RANK or len(sizes) < 4 * rank:
                raise BadData(f"{file}: is no IDX file of bytes; install kaggle-mnist again")
            shape = [int.from_bytes(sizes[i : i + 4], signed=True) for i in range(0, len(sizes), 4)]
            count = math.prod(shape)
            if min(shape) < 0 or count > MAX_BYTES:
                raise BadData(f"{file}: has the sizes {shape}; no set of digits has")
            content = stream.read(count + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"{file}: cannot be read ({error}); install kaggle-mnist again") from error
    if len(content) != count:
        fault = "more" if len(content) > count else f"{len(content):,}"
        raise BadData(f"{file}: has {fault} values where its sizes ask for {count:,}; install kaggle-mnist again")
    return np.frombuffer(content, np.uint8).reshape(shape)
