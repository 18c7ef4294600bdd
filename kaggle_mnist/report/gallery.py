"""Which digits the report pictures: those behind each cell of the confusion matrix, and the least certain test ones."""

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
GREYS = 16  # four bits a pixel: half the bytes, and the eye sees no less
MISTAKES = 3000  # pictured at most, so that a poor run's page stays small
RIGHT = 20  # pictured of each digit's right answers
CONFIDENT, UNCERTAIN = 24, 24  # mistakes, and test digits, shown with their outputs


@dataclass(frozen=True)
class Gallery:
    """The pictured digits, in the order of the sprite.

    Attributes
    ----------
    images : int64 ``(p,)``, labeled images counted from 0, then test images likewise
    labels : int64 ``(p,)``, -1 for test images
    outputs : float32 ``(p, 10)``, out of fold for labeled images
    cells : for ``true * 10 + predicted`` the first of its pictures, and the one after its last
    mistakes : the pictures of the most confident mistakes, the most confident first
    uncertain : the pictures of the least certain test images, the least certain first
    """

    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    outputs: NDArray[np.float32]
    cells: list[tuple[int, int]]
    mistakes: list[int]
    uncertain: list[int]


def choose(outputs: Outputs) -> Gallery:
    """All mistakes (of a poor run, each cell's most confident), a sample of the right answers, and uncertain tests."""
    predicted, confidence = outputs.oof.argmax(1), outputs.oof.max(1)
    by_confidence = np.argsort(-confidence, kind="stable")  # (n,), the most confident first
    cell_of = (outputs.y_true * CLASSES + predicted)[by_confidence]
    in_cell = [by_confidence[cell_of == cell] for cell in range(CLASSES**2)]
    right = range(0, CLASSES**2, CLASSES + 1)  # the diagonal's cells
    limit = _limit([len(rows) for cell, rows in enumerate(in_cell) if cell not in right], MISTAKES)
    for cell, rows in enumerate(in_cell):
        in_cell[cell] = _spread(rows, RIGHT) if cell in right else rows[:limit]
    ends = np.cumsum([0, *map(len, in_cell)]).tolist()

    labeled = np.concatenate(in_cell)
    mistakes = np.flatnonzero(outputs.y_true[labeled] != predicted[labeled])
    top = mistakes[np.argsort(-confidence[labeled[mistakes]], kind="stable")][:CONFIDENT]
    highest = np.sort(outputs.test, axis=1)[:, -2:]  # (m, 2)
    tests = np.argsort(highest[:, 1] - highest[:, 0], kind="stable")[:UNCERTAIN]
    return Gallery(
        images=np.concatenate([labeled, tests]),
        labels=np.concatenate([outputs.y_true[labeled], np.full(len(tests), -1)]),
        outputs=np.concatenate([outputs.oof[labeled], outputs.test[tests]]),
        cells=list(itertools.pairwise(ends)),
        mistakes=top.tolist(),
        uncertain=list(range(len(labeled), len(labeled) + len(tests))),
    )


def sprite(gallery: Gallery, digits: Digits) -> str:
    """The pictured digits, `COLUMNS` in a row, dark on white, as the data URI of a PNG."""
    tests = gallery.labels < 0
    pixels = np.concatenate([digits.train_images[gallery.images[~tests]], digits.test_images[gallery.images[tests]]])
    rows = -(-len(pixels) // COLUMNS)
    greys = np.zeros((rows * COLUMNS, SIDE, SIDE), np.uint8)
    greys[: len(pixels)] = (pixels.astype(np.uint16) * (GREYS - 1) + 127) // 255  # the nearest
    sheet = greys.reshape(rows, COLUMNS, SIDE, SIDE).swapaxes(1, 2)  # (rows, 28, COLUMNS, 28)
    picture = Image.frombytes("P", (COLUMNS * SIDE, rows * SIDE), sheet.tobytes())
    picture.putpalette([255 - grey * 255 // (GREYS - 1) for grey in range(GREYS) for _ in range(3)])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", bits=4, optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """`count` of the rows, at even distances, the first and the last among them; all where they are no more."""
    return rows if len(rows) <= count else rows[np.linspace(0, len(rows) - 1, count).astype(int)]


def _limit(counts: list[int], total: int) -> int:
    """The largest number that each count may be cut to so that their sum is at most `total`."""
    limit = max(counts)
    while sum(min(count, limit) for count in counts) > total:
        limit -= 1
    return limit
