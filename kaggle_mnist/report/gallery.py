"""Which digits the report shows: those in each cell of the confusion matrix, and the least certain test digits."""

from __future__ import annotations

import base64
import io
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist.data.digits import CLASSES, SIDE, Digits
from kaggle_mnist.runs.run import Outputs

COLUMNS = 50  # digits in a row of the sprite
GREYS = 16  # four bits per pixel: half the bytes, no visible loss
MAX_MISTAKES = 3000  # shown at most, so that a poor run's page stays small
CORRECT = 20  # correct predictions shown for each digit
CONFIDENT, UNCERTAIN = 24, 24  # mistakes, and test digits, shown with their outputs


@dataclass(frozen=True)
class Gallery:
    """The digits shown, in the order of the sprite.

    Attributes
    ----------
    images : int64 ``(p,)``, numbers of labeled images, then of test images, each counted from 0
    ids : int64 ``(p,)``, by which they are named: the same numbers, but for test images their ids in the submission
    labels : int64 ``(p,)``, 0 to 9; -1 for test images
    outputs : float32 ``(p, 10)``, 0 to 1; out of fold for labeled images
    cells : half-open ranges of indices into `images`, one for each ``true * 10 + predicted``
    mistakes : indices of the most confident mistakes, most confident first
    uncertain : indices of the least certain test images, least certain first
    """

    images: NDArray[np.int64]
    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    outputs: NDArray[np.float32]
    cells: list[tuple[int, int]]
    mistakes: list[int]
    uncertain: list[int]


def choose_digits(outputs: Outputs) -> Gallery:
    """Choose all mistakes, a sample of the correct predictions, and the least certain test digits.

    Of more than `MAX_MISTAKES` mistakes, only the most confident of each cell are chosen.

    Parameters
    ----------
    outputs : of a run

    Examples
    --------
    >>> oof = np.eye(10, dtype=np.float32)  # ten images; the last is read as 9
    >>> y_true = np.array([*range(9), 4])
    >>> ids, fold_of = np.array([1, 2]), np.zeros((1, 10), np.int64)
    >>> gallery = choose_digits(Outputs(oof, oof[:2], y_true, ids, fold_of))
    >>> gallery.images[gallery.mistakes], gallery.labels[gallery.mistakes]
    (array([9]), array([4]))
    """
    predicted, confidence = outputs.oof.argmax(1), outputs.oof.max(1)
    by_confidence = np.argsort(-confidence, kind="stable")  # (n,), most confident first
    cell_of = (outputs.y_true * CLASSES + predicted)[by_confidence]
    in_cell = [by_confidence[cell_of == cell] for cell in range(CLASSES**2)]
    diagonal = range(0, CLASSES**2, CLASSES + 1)
    limit = _limit([len(rows) for cell, rows in enumerate(in_cell) if cell not in diagonal], MAX_MISTAKES)
    for cell, rows in enumerate(in_cell):
        in_cell[cell] = _evenly_spaced(rows, CORRECT) if cell in diagonal else rows[:limit]
    ends = np.cumsum([0, *map(len, in_cell)]).tolist()

    labeled = np.concatenate(in_cell)
    mistakes = np.flatnonzero(outputs.y_true[labeled] != predicted[labeled])
    top = mistakes[np.argsort(-confidence[labeled[mistakes]], kind="stable")][:CONFIDENT]
    highest = np.sort(outputs.test, axis=1)[:, -2:]  # (m, 2)
    tests = np.argsort(highest[:, 1] - highest[:, 0], kind="stable")[:UNCERTAIN]
    return Gallery(
        images=np.concatenate([labeled, tests]),
        ids=np.concatenate([labeled, outputs.test_ids[tests]]),
        labels=np.concatenate([outputs.y_true[labeled], np.full(len(tests), -1)]),
        outputs=np.concatenate([outputs.oof[labeled], outputs.test[tests]]),
        cells=list(itertools.pairwise(ends)),
        mistakes=top.tolist(),
        uncertain=list(range(len(labeled), len(labeled) + len(tests))),
    )


def make_sprite(gallery: Gallery, digits: Digits) -> str:
    """Draw the gallery's digits into one PNG.

    Parameters
    ----------
    gallery : the digits to draw
    digits : the data set that the run was trained on

    Returns
    -------
    A data URI.
    """
    tests = gallery.labels < 0
    pixels = np.concatenate([digits.train_images[gallery.images[~tests]], digits.test_images[gallery.images[tests]]])
    return draw_sprite(pixels)


def draw_sprite(pixels: NDArray[np.uint8]) -> str:
    """Draw images ``(p, 28, 28)`` into one PNG, `COLUMNS` in a row, dark on white; returns a data URI.

    >>> draw_sprite(np.zeros((3, 28, 28), np.uint8))[:22]
    'data:image/png;base64,'
    """
    rows = -(-len(pixels) // COLUMNS)
    greys = np.zeros((rows * COLUMNS, SIDE, SIDE), np.uint8)
    greys[: len(pixels)] = (pixels.astype(np.uint16) * (GREYS - 1) + 127) // 255  # rounded
    sheet = greys.reshape(rows, COLUMNS, SIDE, SIDE).swapaxes(1, 2)  # (rows, 28, COLUMNS, 28)
    picture = Image.frombytes("P", (COLUMNS * SIDE, rows * SIDE), sheet.tobytes())
    picture.putpalette([255 - grey * 255 // (GREYS - 1) for grey in range(GREYS) for _ in range(3)])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", bits=4, optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _evenly_spaced(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """`count` of the rows at even distances, including the first and the last; all if there are fewer."""
    return rows if len(rows) <= count else rows[np.linspace(0, len(rows) - 1, count).astype(int)]


def _limit(counts: list[int], total: int) -> int:
    """The largest limit for each count such that the limited counts sum to at most `total`."""
    limit = max(counts)
    while sum(min(count, limit) for count in counts) > total:
        limit -= 1
    return limit
