"""Convert one digit of a photograph, scan or drawing to an image like MNIST's.

MNIST's digits were cropped, scaled to fit 20×20 pixels with their aspect ratio kept, anti-aliased, and shifted by whole
pixels so that their centre of mass is the centre of 28×28 (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from kaggle_mnist.data.digits import SIDE
from kaggle_mnist.data.pictures import Grey

BOX = 20  # pixels, the longer side of an MNIST digit
CENTRE = 14.0  # of mass of an MNIST digit, ± half a pixel
# Stroke widths in pixels of the 20: 1 in 100 of MNIST's is below 1.9; a pen's on a large sheet often is.
THINNEST, THICKENED = 1.6, 2.2

Mask = NDArray[np.bool_]


def like_mnist(ink: Grey, mask: Mask) -> NDArray[np.uint8]:
    """Convert a digit to MNIST's form.

    Parameters
    ----------
    ink : shape ``(height, width)``, how much darker than the paper each pixel is, at least 0
    mask : shape ``(height, width)``, the digit's pixels

    Returns
    -------
    array of uint8
        Shape ``(28, 28)``, 0 background to 255 ink.

    Examples
    --------
    >>> ink = np.zeros((100, 80), np.float32)
    >>> ink[20:80, 38:44] = 0.7
    >>> rows, columns = np.nonzero(like_mnist(ink, ink > 0.3))
    >>> (rows.max() - rows.min() + 1).item()
    20
    """
    return _centred(_scaled(_cut_out(ink, mask)))


def as_mnist(grey: Grey) -> NDArray[np.uint8] | None:
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
