"""Separate ink from paper: uneven light, shadows, ruled lines and noise are not ink."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kaggle_mnist.data.pictures import Grey

FAINTEST = 0.06  # contrast of ink and paper, from 0 to 1; less is a blank page
DIMMEST = 0.1  # brightness of paper, from 0 to 1
NOISE_FACTOR = 4.0  # the least contrast of ink, in standard deviations of the paper's noise
LINES = 10  # ends of ruled lines at the page's edge; a digit that is cut off has fewer
NO_INK = "no ink found, the picture is blank, too faint or cropped to its ink; increase contrast and margin"


class NoInk(ValueError):
    """The page is blank, or its ink is too faint or runs along the page's edge."""


def ink_of(grey: Grey, widest: float) -> Grey:
    """How much darker than the paper each pixel is, or how much lighter if the ink is light.

    Parameters
    ----------
    grey : shape ``(height, width)``, 0 black to 1 white
    widest : width of the widest stroke, relative to the page's side; what is wider is a shadow or a table

    Returns
    -------
    array of float32
        Shape ``(height, width)``, from 0 for paper.

    Raises
    ------
    NoInk
        The page is blank or too faint, or all its ink runs along its edge.

    Examples
    --------
    >>> page = np.ones((100, 80), np.float32)
    >>> page[20:80, 18:24] = 0
    >>> ink_of(page, 0.4).max().round(1).item()
    1.0
    """
    wide = max(3, round(widest * math.sqrt(grey.size)))
    smooth = ndimage.gaussian_filter(grey, max(grey.shape) / 600)
    paper = _paper(smooth)
    # Noise and shadows are on both sides of the paper's brightness, ink on one.
    dark, light = (_standing_out(sign * smooth, sign * paper, wide) for sign in (-1, 1))
    is_dark = _strength(*dark) >= _strength(*light)
    from_surface, from_around = dark if is_dark else light
    if is_dark:  # the contrast of ink is lower in the shade
        from_surface /= np.maximum(paper, DIMMEST)
        from_around /= np.maximum(smooth + from_around, DIMMEST)
    level = float(np.median(from_around))  # of paper, above 0 because of noise
    ink = _without_frame(np.maximum(np.minimum(from_around - level, from_surface), 0))

    threshold = ink_threshold(ink)
    if ink.max() <= max(threshold, FAINTEST):
        raise NoInk(NO_INK)
    noise = 1.4826 * float(np.median(np.abs(from_around[ink <= threshold] - level)))  # one standard deviation
    if np.median(ink[ink > threshold]) < max(FAINTEST, NOISE_FACTOR * noise):
        raise NoInk(NO_INK)
    return ink


def ink_threshold(ink: Grey) -> float:
    """The least value of ink: Otsu's threshold, or if that finds ruled lines, the one between them and ink."""
    threshold = otsu(ink)
    return otsu(ink[ink > threshold]) if is_ruled(ink > threshold) else threshold


def is_ruled(mask: NDArray[np.bool_]) -> bool:
    """Whether lines cross the edge of the page in many places."""
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return sum(int(np.count_nonzero(side[1:] & ~side[:-1])) for side in sides) >= LINES


def _standing_out(light: Grey, paper: Grey, wide: int) -> tuple[Grey, Grey]:
    """How far strokes lighter than the paper stand out from the fitted surface, and from what is around them.

    An opening follows what the fitted surface cannot, and vice versa: ink stands out from both.
    """
    return _strokes(np.maximum(light - paper, 0), wide), _strokes(light, wide)


def _strength(from_surface: Grey, from_around: Grey) -> float:
    level = np.median(from_around)
    return float((_without_frame(np.maximum(np.minimum(from_around - level, from_surface), 0)) ** 3).sum())


def _strokes(light: Grey, wide: int) -> Grey:
    """How much lighter each pixel is than its background, as a white top-hat: only shapes as narrow as strokes remain.

    A morphological opening removes narrow shapes, and keeps shadows and their edges, which are wider than a stroke.
    """
    strokes: Grey = light - ndimage.maximum_filter(ndimage.minimum_filter(light, wide), wide)
    return strokes


def _without_frame(ink: Grey) -> Grey:
    """The ink without pieces that run along the picture's edge for half a side, such as the table around the paper."""
    for _ in range(2):  # again, because the first piece removed may have raised the threshold
        pieces, count = ndimage.label(ink > otsu(ink))
        edge = np.concatenate([pieces[0], pieces[-1], pieces[1:-1, 0], pieces[1:-1, -1]])
        along = np.bincount(edge, minlength=count + 1) > 0.5 * min(ink.shape)
        along[0] = False
        if along.any():
            ink = np.where(ndimage.maximum_filter(along[pieces], 1 + 2 * (max(ink.shape) // 100)), 0, ink)
    return ink


def _paper(grey: Grey) -> Grey:
    """The brightness of the paper behind the ink, ``(height, width)``: a quadratic surface near most pixels.

    It is fitted to the border, where ink is rare, then three times to all pixels near the previous fit.
    """
    height, width = grey.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    step = max(1, grey.size // 20_000)  # enough pixels for six coefficients
    some, values = terms[::step], grey.ravel()[::step]
    frame = np.maximum(np.abs(some[:, 1]), np.abs(some[:, 2])) > 0.85
    middle = np.median(values[frame])
    near = frame & (np.abs(values - middle) <= max(3 * np.median(np.abs(values[frame] - middle)), 0.1))
    for _ in range(4):
        fitted = np.linalg.lstsq(some[near], values[near], rcond=None)[0]
        distance = np.abs(values - some @ fitted)
        near = distance <= max(3 * float(np.median(distance)), 0.02)
    surface: Grey = (terms @ fitted).reshape(grey.shape).astype(np.float32)
    return surface


def otsu(values: Grey) -> float:
    """The threshold that minimizes the variance within the two classes (Otsu, 1979, doi:10.1109/TSMC.1979.4310076)."""
    counts, edges = np.histogram(values.astype(float), 256)  # float32 has no 256 bins between nearly equal values
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(float)
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    between = below * above * (mean_below - mean_above) ** 2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(middles[best].mean())  # the middle of a gap
