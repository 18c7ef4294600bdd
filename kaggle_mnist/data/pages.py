"""Find the digits in a photograph, scan or drawing, on a sheet of paper or without, in reading order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kaggle_mnist.data.ink import NoInk, ink_of, ink_threshold, is_ruled
from kaggle_mnist.data.photos import as_mnist, like_mnist
from kaggle_mnist.data.pictures import Grey, read_grey
from kaggle_mnist.data.pieces import Pieces, find_groups, without_frames
from kaggle_mnist.data.sheets import Sheet, find_sheet, whole_picture
from kaggle_mnist.utils.errors import BadData

FINE, COARSE = 0.12, 0.4  # the widest stroke, relative to the page's side
FAINT = 0.5  # where a thin line is still seen, relative to the threshold of ink
NO_DIGIT = "no digit found; write dark digits on light paper, apart from each other"
MARGIN = 3  # pixels around a digit: its grey edges
ROW = 0.5  # of the smaller height: digits of one row overlap at least so much

Corners = NDArray[np.float64]


@dataclass(frozen=True)
class FoundDigit:
    """A digit in a picture.

    Attributes
    ----------
    image : uint8, shape ``(28, 28)``, 0 background to 255 ink
    corners : shape ``(4, 2)``, x and y of its box from the top left, clockwise, as fractions of the picture's sides;
        the box is turned like the sheet
    """

    image: NDArray[np.uint8]
    corners: Corners


def read_digits(file: Path) -> list[FoundDigit]:
    """Find the digits in an image file.

    Parameters
    ----------
    file : as for `pictures.read_grey`; the digits may be dark on light or light on dark

    Returns
    -------
    At least one digit; several in reading order.

    Raises
    ------
    BadData
        The file cannot be read, is too large or too small, or shows no digit; the message names it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image, ImageDraw
    >>> page = Image.new("L", (300, 400), "white")
    >>> ImageDraw.Draw(page).line([(200, 100), (150, 300)], "black", 12)
    >>> with TemporaryDirectory() as folder:
    ...     page.save(Path(folder, "one.png"))
    ...     [one] = read_digits(Path(folder, "one.png"))
    >>> one.image.shape, one.corners[0].round(1)
    ((28, 28), array([0.5, 0.2]))
    """
    try:
        return find_digits(read_grey(file))
    except NoInk as error:
        raise BadData(f"{file}: {error}") from error


def find_digits(grey: Grey) -> list[FoundDigit]:
    """Find the digits in a picture; a picture that is an image in MNIST's form is one digit, and is not changed.

    Parameters
    ----------
    grey : shape ``(height, width)``, 0 black to 1 white, dark on light or light on dark

    Returns
    -------
    At least one digit; several in reading order.

    Raises
    ------
    NoInk
        The picture is blank or too faint, or nothing in it looks like a digit.

    Examples
    --------
    >>> page = np.ones((100, 80), np.float32)
    >>> page[20:80, 18:24] = page[20:80, 58:64] = 0
    >>> [found.corners[0].round(1).tolist() for found in find_digits(page)]
    [[0.2, 0.2], [0.7, 0.2]]
    """
    if (unchanged := as_mnist(grey)) is not None:
        return [FoundDigit(unchanged, np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float))]
    if (sheet := find_sheet(grey)) is not None:
        try:
            return _on_sheet(sheet)
        except NoInk:
            pass  # perhaps the sheet is a light digit
    return _on_sheet(whole_picture(grey))


def _on_sheet(sheet: Sheet) -> list[FoundDigit]:
    """The digits, with a small window against shadows, unless strokes are too wide for it. Raises NoInk."""
    try:
        ink = ink_of(sheet.grey, FINE)
        if _widest_stroke(ink) <= 0.5 * FINE * math.sqrt(ink.size) and (found := _in_ink(sheet, ink)):
            return found
    except NoInk:
        pass
    if found := _in_ink(sheet, ink_of(sheet.grey, COARSE)):
        return found
    raise NoInk(NO_DIGIT)


def _widest_stroke(ink: Grey) -> float:
    """Width in pixels of the widest stroke that is clear of the edge, or infinity if none is."""
    pieces, _ = ndimage.label(ink > ink_threshold(ink), np.ones((3, 3)))
    edge = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    clear = (pieces > 0) & ~np.isin(pieces, edge)
    return 2 * float(ndimage.distance_transform_edt(clear).max()) if clear.any() else math.inf


def _in_ink(sheet: Sheet, ink: Grey) -> list[FoundDigit]:
    threshold = ink_threshold(ink)
    mask = ink > threshold
    for level in (1, FAINT):  # a thin frame is faint, and one that nearly touches its digit is one with it there
        if not is_ruled(faint := ink > level * threshold):
            mask = without_frames(mask, faint)
    pieces, groups = find_groups(mask)
    corners = [[pieces.low[group].min(0), pieces.high[group].max(0) + 1] for group in groups]
    boxes = np.array(corners, np.int64).reshape(-1, 2, 2)
    return [_found(sheet, ink, pieces, groups[i], boxes[i]) for i in reading_order(boxes)]


def _found(sheet: Sheet, ink: Grey, pieces: Pieces, group: NDArray[np.int64], box: NDArray[np.int64]) -> FoundDigit:
    (top, left), (bottom, right) = box
    window = tuple(slice(max(low - MARGIN, 0), high + MARGIN) for low, high in zip(*box, strict=True))
    image = like_mnist(ink[window], np.isin(pieces.labels[window], group + 1))
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
    return FoundDigit(image, sheet.in_picture(corners))


def reading_order(boxes: NDArray[np.int64]) -> list[int]:
    """Order boxes by rows, which may slope, and from left to right within a row.

    Parameters
    ----------
    boxes : shape ``(n, 2, 2)``, the first and last row and column (y, x) of each

    Examples
    --------
    >>> reading_order(np.array([[[50, 0], [70, 10]], [[8, 20], [28, 30]], [[0, 0], [20, 10]]]))
    [2, 1, 0]
    """
    rows: list[list[int]] = []
    for i in np.argsort(boxes[:, :, 1].mean(1), kind="stable").tolist():  # from left to right
        top, bottom = boxes[i, :, 0]
        shared = [min(bottom, boxes[row[-1], 1, 0]) - max(top, boxes[row[-1], 0, 0]) for row in rows]
        heights = [min(bottom - top, np.ptp(boxes[row[-1], :, 0])) for row in rows]
        best = max(range(len(rows)), key=lambda row: shared[row], default=None)
        if best is not None and shared[best] >= ROW * heights[best]:
            rows[best].append(i)
        else:
            rows.append([i])
    rows.sort(key=lambda row: boxes[row, :, 0].mean())
    return [i for row in rows for i in row]
