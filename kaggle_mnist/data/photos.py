"""Convert a photograph, scan or drawing of one digit to an image like MNIST's.

MNIST's digits were cropped, scaled to fit 20×20 pixels with their aspect ratio kept, anti-aliased, and shifted by whole
pixels so that their centre of mass is the centre of 28×28 (http://yann.lecun.com/exdb/mnist/). A photograph is
converted in steps: to greyscale, subtract the paper, remove the surroundings and specks, crop, scale and centre.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from kaggle_mnist.data.digits import SIDE
from kaggle_mnist.data.pictures import Grey, read_grey
from kaggle_mnist.utils.errors import BadData

BOX = 20  # pixels, the longer side of an MNIST digit
CENTRE = 14.0  # of mass of an MNIST digit, ± half a pixel
FAINTEST = 0.06  # contrast of ink and paper, from 0 to 1; less is a blank page
DIMMEST = 0.1  # brightness of paper, from 0 to 1
NOISE_FACTOR = 4.0  # the least contrast of ink, in standard deviations of the paper's noise
NO_INK = "no ink found, the picture is blank or too faint; increase the contrast"
SPECK = 0.08  # area relative to the largest piece of ink; smaller pieces are specks
# Stroke widths in pixels of the 20: 1 in 100 of MNIST's is below 1.9; a pen's on a large sheet often is.
THINNEST, THICKENED = 1.6, 2.2

Mask = NDArray[np.bool_]


def prepare_photo(file: Path) -> NDArray[np.uint8]:
    """Convert the picture of a digit in an image file to MNIST's form.

    Parameters
    ----------
    file : as for `pictures.read_grey`; the digit may be dark on light or light on dark

    Returns
    -------
    array of uint8
        Shape ``(28, 28)``, 0 background to 255 ink.

    Raises
    ------
    BadData
        The file cannot be read, is too large or too small, or shows no ink; the message names it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import ImageDraw
    >>> page = Image.new("L", (300, 400), "white")
    >>> ImageDraw.Draw(page).line([(200, 100), (150, 300)], "black", 12)
    >>> with TemporaryDirectory() as folder:
    ...     page.save(Path(folder, "one.png"))
    ...     image = prepare_photo(Path(folder, "one.png"))
    >>> image.shape, image.max().item()
    ((28, 28), 255)
    """
    try:
        return prepare_grey(read_grey(file))
    except NoInk as error:
        raise BadData(f"{file}: {error}") from error


def prepare_grey(grey: Grey) -> NDArray[np.uint8]:
    """Convert the picture of a digit to MNIST's form; an image that has this form already is not changed.

    Parameters
    ----------
    grey : shape ``(height, width)``, 0 black to 1 white, dark on light or light on dark

    Returns
    -------
    array of uint8
        Shape ``(28, 28)``, 0 background to 255 ink.

    Raises
    ------
    NoInk
        The picture is blank or too faint.

    Examples
    --------
    >>> page = np.ones((100, 80), np.float32)
    >>> page[20:80, 38:44] = 0
    >>> rows, columns = np.nonzero(prepare_grey(page))
    >>> (rows.max() - rows.min() + 1).item()
    20
    """
    if (unchanged := _as_mnist(grey)) is not None:
        return unchanged
    ink = _ink(grey)
    mask = _digit(ink > _otsu(ink))
    return _centred(_scaled(_cut_out(ink, mask)))


class NoInk(ValueError):
    """The page is blank, or its ink is too faint."""


def _as_mnist(grey: Grey) -> NDArray[np.uint8] | None:
    """The image, light on dark, if it is 28×28 and its digit has the size and position of MNIST's; else None."""
    if grey.shape != (SIDE, SIDE):
        return None
    for image in (grey, 1 - grey):
        if image.max() < 0.5:
            continue
        rows, columns = np.nonzero(image > 0.1)  # above the noise of a JPG
        longer = max(np.ptp(rows), np.ptp(columns)) + 1
        centre = np.array(ndimage.center_of_mass(image))
        if BOX - 3 <= longer <= BOX + 2 and (np.abs(centre - CENTRE) <= 1).all():
            return np.round(image * 255).astype(np.uint8)
    return None


def _ink(grey: Grey) -> Grey:
    """How much darker than the paper each pixel is, or how much lighter if the ink is light: at least 0.

    Raises NoInk.
    """
    smooth = ndimage.gaussian_filter(grey, max(grey.shape) / 600)
    paper = _paper(smooth)
    darker, lighter = np.maximum(paper - smooth, 0), np.maximum(smooth - paper, 0)
    # Noise is on both sides of the paper's brightness, ink on one.
    is_dark = (_without_frame(_strokes(darker)) ** 3).sum() >= (_without_frame(_strokes(lighter)) ** 3).sum()
    # An opening follows what the fitted surface cannot, and vice versa: ink stands out from both.
    from_surface, from_around = _strokes(darker if is_dark else lighter), _strokes(-smooth if is_dark else smooth)
    if is_dark:  # the contrast of ink is lower in the shade
        from_surface /= np.maximum(paper, DIMMEST)
        from_around /= np.maximum(smooth + from_around, DIMMEST)
    level = float(np.median(from_around))  # of paper, above 0 because of noise
    ink = _without_frame(np.maximum(np.minimum(from_around - level, from_surface), 0))

    threshold = _otsu(ink)
    if ink.max() <= max(threshold, FAINTEST):
        raise NoInk(NO_INK)
    noise = 1.4826 * float(np.median(np.abs(from_around[ink <= threshold] - level)))  # one standard deviation
    if np.median(ink[ink > threshold]) < max(FAINTEST, NOISE_FACTOR * noise):
        raise NoInk(NO_INK)
    return ink


def _strokes(light: Grey) -> Grey:
    """How much lighter each pixel is than its background, as a white top-hat: only shapes as narrow as strokes remain.

    A morphological opening removes narrow shapes, and keeps shadows and their edges, which are wider than a stroke.
    """
    wide = max(3, round(0.4 * math.sqrt(light.size)))
    strokes: Grey = light - ndimage.maximum_filter(ndimage.minimum_filter(light, wide), wide)
    return strokes


def _without_frame(ink: Grey) -> Grey:
    """The ink without pieces that run along the picture's edge for half a side, such as the table around the paper."""
    for _ in range(2):  # again, because the first piece removed may have raised the threshold
        pieces, count = ndimage.label(ink > _otsu(ink))
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


def _otsu(values: Grey) -> float:
    """The threshold that minimizes the variance within the two classes (Otsu, 1979, doi:10.1109/TSMC.1979.4310076)."""
    counts, edges = np.histogram(values, 256)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(float)
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    between = below * above * (mean_below - mean_above) ** 2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(middles[best].mean())  # the middle of a gap


def _digit(mask: Mask) -> Mask:
    """The digit's pieces of ink, without specks, and without pieces at the edge if a large piece is clear of it."""
    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    edge = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    touches = np.isin(np.arange(1, count + 1), edge)
    if (~touches).any() and areas[~touches].max() >= areas.max() / 2:
        areas = np.where(touches, 0, areas)
    kept = np.flatnonzero(areas >= SPECK * areas.max()) + 1
    return np.isin(pieces, kept)


def _cut_out(ink: Grey, mask: Mask) -> Grey:
    """The digit cropped to its bounding box, 0 to 1 at full ink; strokes thinner than MNIST's are thickened."""
    outside = ndimage.distance_transform_edt(~mask)  # pixels to the digit
    full, floor = float(np.median(ink[mask])), 0.5 * float(ink[mask].min())
    level = np.clip((ink - floor) / max(full - floor, 1e-6), 0, 1) * (outside <= 2)  # including its grey edges

    rows, columns = np.nonzero(mask)
    unit = (max(np.ptp(rows), np.ptp(columns)) + 1) / BOX  # pixels per pixel of MNIST
    stroke = 4 * float(ndimage.distance_transform_edt(mask)[mask].mean()) / unit  # width in MNIST's pixels
    if stroke < THINNEST:
        spread = (THICKENED - stroke) / 2 * unit
        level = np.maximum(level, np.clip(spread + 0.5 - outside, 0, 1))
    rows, columns = np.nonzero(level > 0.5)
    digit: Grey = level[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float32)
    return digit


def _scaled(digit: Grey) -> Grey:
    """The digit with its longer side `BOX` pixels, anti-aliased, the darkest ink 1."""
    scale = BOX / max(digit.shape)
    height, width = (max(1, round(side * scale)) for side in digit.shape)
    picture = Image.fromarray(digit).resize((width, height), Image.Resampling.BILINEAR)
    scaled: Grey = np.array(picture, np.float32)
    scaled /= scaled.max()
    return scaled


def _centred(digit: Grey) -> NDArray[np.uint8]:
    """The digit on 28×28, shifted by whole pixels so that its centre of mass is nearest to the middle."""
    height, width = digit.shape
    y, x = ndimage.center_of_mass(digit)
    top = min(max(round(CENTRE - y), 0), SIDE - height)
    left = min(max(round(CENTRE - x), 0), SIDE - width)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + height, left : left + width] = np.round(digit * 255)
    return image
