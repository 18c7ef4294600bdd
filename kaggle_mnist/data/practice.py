"""The practice set: MNIST's 70,000 digits, bundled, dealt into 42,000 labeled and 28,000 unlabeled."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.digits import SIDE, Digits

FOLDER = Path(__file__).parent / "mnist"
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
    """An IDX file of bytes: ``00 00 08 rank``, the sizes as big-endian int32, then the values."""
    with gzip.open(FOLDER / f"{name}.gz") as file:
        content = file.read()
    rank = content[3]
    shape = np.frombuffer(content, ">i4", count=rank, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * rank)
    return values.reshape((-1, SIDE, SIDE) if rank == 3 else tuple(shape))
