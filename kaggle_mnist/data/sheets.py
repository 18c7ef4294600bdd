"""Find a sheet of paper on a darker table, and flatten it as a document scanner does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from kaggle_mnist.data.ink import otsu
from kaggle_mnist.data.pictures import Grey

SMALLEST, LARGEST = 0.1, 0.95  # area of a sheet, relative to the picture
CONTRAST = 0.12  # of sheet and table, from 0 to 1
SHADED = (
    0.15,
    0.25,
    0.4,
    0.5,
)  # brightness of the sheet's darkest part, from 0 (table) to 1 (paper): the first that fits
TOUCH = 0.02  # of a side of the picture: the sheet is cut off there
SHORTEST, LEAST_SINE = 20, 0.7  # a side in pixels, and the sine of an angle between sides
SQUARE = 0.9  # the least overlap (intersection over union) of a sheet and the quadrilateral through its corners
RIM = 0.012  # width of the margin left out, relative to a side: the edge itself, its shadow and a curled corner

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Sheet:
    """A sheet seen from straight above.

    Attributes
    ----------
    grey : shape ``(height, width)``, 0 black to 1 white
    to_picture : shape ``(3, 3)``, the homography from its pixels ``(x, y, 1)`` to fractions of the picture's sides
    """

    grey: Grey
    to_picture: Points

    def in_picture(self, points: Points) -> Points:
        """Where points of the sheet, x and y in pixels on the last axis, are in the picture, from 0 to 1.

        >>> whole_picture(np.ones((50, 100), np.float32)).in_picture(np.array([[50.0, 50.0]]))
        array([[0.5, 1. ]])
        """
        moved = np.concatenate([points, np.ones_like(points[..., :1])], -1) @ self.to_picture.T
        fractions: Points = np.clip(moved[..., :2] / moved[..., 2:], 0, 1)
        return fractions


def whole_picture(grey: Grey) -> Sheet:
    """The picture as one sheet, as it is."""
    height, width = grey.shape
    return Sheet(grey, np.diag([1 / width, 1 / height, 1]))


def find_sheet(grey: Grey) -> Sheet | None:
    """Find a light, four-sided sheet whose surroundings are darker.

    Parameters
    ----------
    grey : shape ``(height, width)``, 0 black to 1 white

    Returns
    -------
    The sheet without its rim, or None: also if the picture shows nothing but paper, however it is lit.

    Examples
    --------
    >>> table = np.full((300, 400), 0.3, np.float32)
    >>> table[50:250, 100:300] = 0.9
    >>> sheet = find_sheet(table)
    >>> sheet.grey.shape, round(float(sheet.grey.min()), 1)
    ((194, 194), 0.9)
    """
    size = 2 * round(0.02 * max(grey.shape)) + 1  # wider than a stroke
    light = ndimage.minimum_filter(ndimage.maximum_filter(grey, size), size)  # a closing: without dark ink
    if np.ptp(light) < CONTRAST:
        return None
    threshold = otsu(light)
    paper, table = np.median(light[light > threshold]), np.median(light[light <= threshold])
    if paper - table < CONTRAST:
        return None
    for share in SHADED:
        corners = _four_corners(light > table + share * (paper - table))
        if corners is not None:
            return _flattened(grey, corners)
    return None


def _four_corners(mask: NDArray[np.bool_]) -> Points | None:
    """The corners of the largest piece if it is a quadrilateral inside the picture, else None."""
    pieces, count = ndimage.label(mask)
    areas = np.bincount(pieces.ravel(), minlength=count + 1)
    areas[0] = 0
    sheet = ndimage.binary_fill_holes(pieces == areas.argmax())
    cut_off = [side.mean() > TOUCH for side in (sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1])]
    if not SMALLEST <= sheet.mean() <= LARGEST or sum(cut_off) > 1:  # a part in the light is cut off on more sides
        return None
    corners = _corners(sheet)
    if not _has_right_angles(corners):
        return None
    inside = _inside(corners, sheet.shape)
    return corners if (inside & sheet).sum() >= SQUARE * (inside | sheet).sum() else None


def _corners(mask: NDArray[np.bool_]) -> Points:
    """The outermost points on the diagonals, x and y: top left, top right, bottom right, bottom left."""
    y, x = np.nonzero(mask)
    at = [(x + y).argmin(), (x - y).argmax(), (x + y).argmax(), (x - y).argmin()]
    return np.stack([x[at], y[at]], -1).astype(float)


def _has_right_angles(corners: Points) -> bool:
    """Whether the angles are roughly right, as those of a sheet seen at an angle, and no side is tiny."""
    sides = np.roll(corners, -1, 0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    before = np.roll(sides, 1, 0)
    area = before[:, 0] * sides[:, 1] - before[:, 1] * sides[:, 0]  # of the parallelogram at each corner
    return bool(lengths.min() >= SHORTEST and (area >= LEAST_SINE * lengths * np.roll(lengths, 1)).all())


def _inside(corners: Points, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels within a convex polygon."""
    y, x = np.indices(shape)
    inside = np.ones(shape, bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, 0), strict=True):
        inside &= (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) >= 0
    return inside


def _flattened(grey: Grey, corners: Points) -> Sheet:
    """The quadrilateral as a rectangle whose sides have the mean length of opposite sides, without its rim."""
    sides = np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)  # top, right, bottom, left
    size = np.array([sides[0] + sides[2], sides[1] + sides[3]]) / 2  # width, height
    rectangle = (np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) - RIM) * size
    homography = _homography(rectangle, corners)
    width, height = (max(1, round(side)) for side in size * (1 - 2 * RIM))
    flat = Image.fromarray(grey).transform(
        (width, height), Image.Transform.PERSPECTIVE, homography.ravel()[:8].tolist(), Image.Resampling.BILINEAR
    )
    return Sheet(np.asarray(flat, np.float32), whole_picture(grey).to_picture @ homography)


def _homography(points: Points, images: Points) -> Points:
    """The projective map of four points to four others, ``(3, 3)``, with 1 in its last corner."""
    equations = []
    for (x, y), (u, v) in zip(points, images, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.append(np.linalg.solve(np.array(equations), images.ravel()), 1).reshape(3, 3)
