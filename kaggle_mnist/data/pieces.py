"""Sort a page's connected pieces of ink into digits, and drop what is none: frames, punch holes, specks, the edge."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]

MAX_PIECES = 1000  # the largest are kept; a page full of digits has 300
SPECK = 0.08  # area relative to the largest piece of the same digit; smaller pieces are specks
DUST = 0.08  # longer side relative to the page's typical piece; less is not part of a digit
SMALLEST = 0.3  # longer side of a digit, relative to the page's typical piece
LEAST = 6  # longer side of a digit in pixels; the dots of a dotted page have less
LINES = 4.0  # length of a digit's lines, relative to its longer side; MNIST's have at most 3.2
WIDEST = 2.5  # width of a digit, relative to its height; more is a dash
LONGEST = 1.6  # length of a dash that belongs to a digit, relative to the typical piece; more is an underline
THIN = 0.15  # width of a stroke, relative to the typical piece's area by its longer side; less is a printed line
ENCLOSED = 0.06  # ink inside a frame, relative to the frame's; less is a speck in a 0
MAX_OVERLAP = 10  # areas of the page that are searched for frames; those of a thousand crossed lines take a minute
GAP = 0.08  # in a frame, relative to its longer side: still closed
DOT, THICK = 0.4, 0.07  # a dot's longer side and an outline's width, relative to the longer side of a dotted 0
ROUND = 0.75  # a punch hole's shorter side, relative to its longer
FILLED = 0.85  # its overlap (intersection over union) with a disc
FRAGMENT = 0.6  # longer side of a detached stroke, relative to the piece that it belongs to
TALLEST = 2.0  # longer side by which gaps are judged, relative to the typical piece: a box may be of several digits
FLAT = 1.3  # width relative to height; more is a stroke, not a digit
BROADEST = 1.4  # width relative to height of a digit and its stroke, in a group that is wider than any digit
BESIDE, ABOVE = 0.15, 0.35  # the widest gap between pieces of one digit, relative to the longer side of a larger piece
OVERLAP = 0.25  # of the boxes of two large pieces of one digit, relative to the smaller box


@dataclass(frozen=True)
class Pieces:
    """Connected pieces of ink.

    Attributes
    ----------
    labels : shape ``(height, width)``, 0 for paper, i + 1 for piece i
    low, high : shape ``(n, 2)``, the pieces' first and last row and column (y, x)
    areas : shape ``(n,)``, in pixels
    """

    labels: NDArray[np.int32]
    low: Indices
    high: Indices
    areas: Indices

    @classmethod
    def of(cls, mask: Mask) -> Pieces:
        """The `MAX_PIECES` largest connected pieces of a mask, diagonal neighbours included."""
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        areas = np.bincount(labels.ravel(), minlength=count + 1)
        if count > MAX_PIECES:
            largest = np.sort(np.argsort(areas[1:])[-MAX_PIECES:]) + 1
            renamed = np.zeros(count + 1, np.int32)
            renamed[largest] = np.arange(1, MAX_PIECES + 1)
            labels = renamed[labels]
            areas = np.concatenate([areas[:1], areas[largest]])
        corners = [[(y.start, x.start), (y.stop - 1, x.stop - 1)] for y, x in ndimage.find_objects(labels)]
        boxes = np.array(corners, np.int64).reshape(-1, 2, 2)
        return cls(labels, boxes[:, 0], boxes[:, 1], areas[1:])

    @property
    def sides(self) -> Indices:
        """Height and width, ``(n, 2)``."""
        return self.high - self.low + 1

    def box(self, piece: int) -> tuple[slice, slice]:
        """A piece's rows and columns."""
        (top, left), (bottom, right) = self.low[piece], self.high[piece] + 1
        return slice(top, bottom), slice(left, right)


def without_frames(ink: Mask, faint: Mask) -> Mask:
    """The ink without what encloses other ink, also with a small gap.

    Parameters
    ----------
    ink : shape ``(height, width)``
    faint : the same and fainter ink, as of a thin frame

    Examples
    --------
    >>> ink, faint = np.zeros((2, 100, 100), bool)
    >>> faint[10:90, 10:90] = True
    >>> faint[14:86, 14:86] = False
    >>> faint[30:70, 50:54] = ink[30:70, 50:54] = ink[20:80, 10:12] = True
    >>> np.argwhere(without_frames(ink, faint)).min(0)
    array([30, 50])
    """
    pieces = Pieces.of(faint)
    by_size = np.argsort(pieces.sides.prod(1))
    checked = by_size[np.cumsum(pieces.sides.prod(1)[by_size]) <= MAX_OVERLAP * ink.size]
    frames = [piece + 1 for piece in checked if _encloses(pieces, piece, ink)]
    return ink & ~np.isin(pieces.labels, frames)


def _encloses(pieces: Pieces, piece: int, ink: Mask) -> bool:
    box, least = pieces.box(piece), ENCLOSED * pieces.areas[piece]
    own = pieces.labels[box] == piece + 1
    others = ink[box] & ~own
    if others.sum() < least:
        return False
    gap = 1 + round(GAP * max(own.shape))
    wall = ndimage.maximum_filter(np.pad(own, gap), gap)
    at_start, at_end = pieces.low[piece] == 0, pieces.high[piece] == np.array(ink.shape) - 1
    for axis in (0, 1):  # the page's edge closes a frame that runs over it
        lines = np.moveaxis(wall, axis, 0)
        lines[:gap] |= at_start[axis]
        lines[-gap:] |= at_end[axis]
    inside = (ndimage.binary_fill_holes(wall) & ~wall)[gap:-gap, gap:-gap]
    return bool((inside & others).sum() >= least) and not _is_dotted_zero(own, inside & others)


def _is_dotted_zero(outline: Mask, enclosed: Mask) -> bool:
    """Whether a thick outline has only a dot inside, as the 0 of many fonts for programmers."""
    longer = max(outline.shape)
    dot = np.ptp(np.nonzero(enclosed), axis=1).max() + 1
    return bool(dot <= DOT * longer and outline.sum() >= THICK * longer * 2 * sum(outline.shape))


def find_groups(mask: Mask) -> tuple[Pieces, list[Indices]]:
    """Sort ink into digits.

    Parameters
    ----------
    mask : shape ``(height, width)``, where there is ink

    Returns
    -------
    The pieces, and for every digit the numbers of its pieces; no digits if nothing looks like one.

    Examples
    --------
    >>> mask = np.zeros((100, 100), bool)
    >>> mask[20:60, 20:24] = mask[20:40, 60:64] = mask[44:60, 60:64] = True  # one stroke, and one in two pieces
    >>> find_groups(mask)[1]
    [array([0]), array([1, 2])]
    """
    pieces = Pieces.of(mask)
    kept = np.ones(len(pieces.areas), bool)
    for drop in (_holes, _at_edge):
        kept[kept] = ~drop(pieces, np.flatnonzero(kept))
    numbers = np.flatnonzero(kept)
    longer = pieces.sides.max(1)
    if not len(numbers):
        return pieces, []
    typical = _weighted_median(longer[numbers], pieces.areas[numbers])
    stroke = pieces.areas / longer
    thin = stroke < THIN * _weighted_median(stroke[numbers], pieces.areas[numbers])
    underlines = (pieces.sides[:, 1] > WIDEST * pieces.sides[:, 0]) & (longer > LONGEST * typical)
    numbers = numbers[~(thin | underlines | (longer < DUST * typical))[numbers]]
    groups = []
    for joined in _joined(pieces, numbers, typical):
        # A low digit is taken for a stroke of its neighbour, and may take its whole row with it.
        row = len(joined) > 1 and _is_dash(pieces, joined)
        for whole in _joined(pieces, joined, typical, BROADEST) if row else [joined]:
            group = whole[pieces.areas[whole] >= SPECK * pieces.areas[whole].max()]
            longer_side = (pieces.high[group].max(0) - pieces.low[group].min(0) + 1).max()
            is_large = longer_side >= max(LEAST, SMALLEST * typical)
            if is_large and not _is_dash(pieces, group) and not _is_lines(pieces, group):
                groups.append(group)
    return pieces, groups


def _is_dash(pieces: Pieces, group: Indices) -> bool:
    """Whether a group is wider than any digit."""
    height, width = pieces.high[group].max(0) - pieces.low[group].min(0) + 1
    return bool(width > WIDEST * height)


def _is_lines(pieces: Pieces, group: Indices) -> bool:
    """Whether a group's lines are longer together than any digit's, as those of a ruled page or a table."""
    (top, left), (bottom, right) = pieces.low[group].min(0), pieces.high[group].max(0) + 1
    own = np.pad(np.isin(pieces.labels[top:bottom, left:right], group + 1), 1)
    width = max(1.0, 4 * float(ndimage.distance_transform_edt(own)[own].mean()) - 1)  # of a stroke
    return bool(own.sum() > LINES * max(bottom - top, right - left) * width)


def _weighted_median(values: NDArray[np.generic], weights: Indices) -> float:
    order = np.argsort(values)
    half = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
    return float(values[order][half])


def _holes(pieces: Pieces, numbers: Indices) -> Mask:
    """Which pieces are filled discs, such as punch holes."""
    found = np.zeros(len(numbers), bool)
    for at, piece in enumerate(numbers):
        height, width = pieces.sides[piece]
        if min(height, width) >= ROUND * max(height, width):
            y, x = ((2 * np.arange(side) + 1) / side - 1 for side in (height, width))  # from -1 to 1
            disc, own = y[:, None] ** 2 + x**2 <= 1, pieces.labels[pieces.box(piece)] == piece + 1
            found[at] = (disc & own).sum() >= FILLED * (disc | own).sum()
    return found


def _at_edge(pieces: Pieces, numbers: Indices) -> Mask:
    """Which pieces touch the page's edge, if a large piece is clear of it."""
    longer = pieces.sides[numbers].max(1)
    last = np.array(pieces.labels.shape) - 1
    touches: Mask = (pieces.low[numbers] == 0).any(1) | (pieces.high[numbers] == last).any(1)
    if touches.all() or not touches.any():
        return np.zeros(len(numbers), bool)
    areas = pieces.areas[numbers]
    if areas[~touches].max() >= areas.max() / 2 or longer[~touches].max() >= FRAGMENT * longer.max():
        return touches
    return np.zeros(len(numbers), bool)


def _joined(pieces: Pieces, numbers: Indices, typical: float, broadest: float = math.inf) -> list[Indices]:
    """Groups of pieces that belong to one digit; what has been joined is joined to others as one piece."""
    groups = [numbers[i : i + 1] for i in range(len(numbers))]
    while len(groups) > 1:
        low = np.array([pieces.low[group].min(0) for group in groups])
        high = np.array([pieces.high[group].max(0) for group in groups])
        joined = _neighbours(low, high, typical, broadest)
        if joined.max() + 1 == len(groups):
            break
        groups = [np.concatenate([groups[i] for i in np.flatnonzero(joined == j)]) for j in range(joined.max() + 1)]
    return groups


def _neighbours(low: Indices, high: Indices, typical: float, broadest: float) -> NDArray[np.int32]:
    """Number groups of boxes: strokes with the nearest larger box, and boxes that interlock or stand on each other."""
    from scipy.sparse.csgraph import connected_components

    sides = high - low + 1
    longer, (heights, widths) = np.minimum(sides.max(1), TALLEST * typical), sides.T
    # The overlap of two boxes in y and x, (n, n, 2); negative if there is a gap.
    overlap = np.minimum(high[:, None], high) - np.maximum(low[:, None], low) + 1
    scale = np.maximum(np.maximum(longer[:, None], longer), typical)
    gap_y, gap_x = (-np.minimum(overlap[..., i], 0) / scale for i in (0, 1))
    stacked = overlap[..., 1] >= 0.5 * np.minimum(widths[:, None], widths)
    common = np.maximum(overlap, 0).prod(-1)
    same = common >= OVERLAP * np.minimum(sides.prod(1)[:, None], sides.prod(1))
    same |= stacked & (gap_y <= BESIDE)

    flat = widths > FLAT * heights
    is_stroke = longer[:, None] < FRAGMENT * np.maximum(longer, typical)
    is_stroke = (is_stroke | flat[:, None]) & (longer[:, None] < longer / FRAGMENT)
    near = (gap_x <= BESIDE) & (gap_y <= ABOVE) & ~np.eye(len(longer), dtype=bool)
    height, width = np.moveaxis(np.maximum(high[:, None], high) - np.minimum(low[:, None], low) + 1, -1, 0)
    near &= width <= broadest * height
    is_stroke &= (same.sum(1) == 1)[:, None]  # what interlocks with a box belongs there, not to one farther off
    gaps = np.where(is_stroke & near, np.hypot(gap_y, gap_x), np.inf)  # of a stroke and every larger box
    strokes = np.flatnonzero(np.isfinite(gaps).any(1))
    same[strokes, gaps[strokes].argmin(1)] = True
    group_of: NDArray[np.int32] = connected_components(same, directed=False)[1]
    return group_of
