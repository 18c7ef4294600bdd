"""A photograph, scan or drawing of one digit, made into an image like MNIST's.

MNIST's digits were cut out, scaled into 20×20 pixels with their aspect kept, anti-aliased, and shifted by whole pixels
so that their centre of mass is the centre of 28×28. A photograph is brought there in steps: made grey, the paper and
what lies around it taken away, the digit's pieces told from specks, cut out, scaled, and centred.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from kaggle_mnist.data.digits import SIDE
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.reading import LimitedReads, jpeg_scans, read_bounded

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")
PHOTOS = ("JPEG", "MPO")  # what Pillow calls a JPG with more than one picture
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
UNREAD = (".heic", ".heif", ".avif")  # a telephone's too: in a folder they are told, not passed over
MAX_BYTES = 100 << 20  # of a file
MAX_READS = 200_000  # of a file; a PNG of 100 MB takes 40,000
MAX_SCANS = 200  # of a JPG; one that appears step by step has about 10
MAX_PIXELS = 64_000_000  # a telephone's largest have 50 million; known before anything is decompressed
SMALLEST = 8  # pixels a side
WORKING = (
    640  # pixels on the longer side at which the digit is looked for: 64 for one that takes a tenth of the picture
)
BOX = 20  # pixels, the longer side of a digit of MNIST
CENTRE = 14.0  # where MNIST's centres of mass are, give or take half a pixel
FAINTEST = 0.06  # contrast of ink and paper, where black and white have 1: less is a blank page
DIMMEST = 0.1  # paper, where white has 1
CLEAREST_NOISE = 4.0  # ink is that many standard deviations of the paper's noise above it, or there is none
NO_INK = "no ink found; is it blank, or too faint?"
PIECE = 0.08  # of the largest piece of ink: what is smaller is a speck
THINNEST, THICKENED = 1.6, 2.2  # pixels of 20: 1 in 100 of MNIST's strokes is below 1.9; a pen's on a large sheet often

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]


def prepare_photo(file: Path) -> NDArray[np.uint8]:
    """The digit in a picture, shape ``(28, 28)``, 0 background to 255 ink.

    Raises BadData, naming the file, where it cannot be read, is too large, or shows no ink.
    """
    try:
        return prepare_grey(_read_grey(file))
    except NoInk as error:
        raise BadData(f"{file}: {error}") from error


def prepare_grey(grey: Grey) -> NDArray[np.uint8]:
    """The digit in a grey image, ``(height, width)`` from 0 to 1, dark on light or light on dark; shape ``(28, 28)``.

    An image that has MNIST's form already comes back as it is. Raises NoInk.
    """
    if (finished := _in_mnists_form(grey)) is not None:
        return finished
    ink = _ink(grey)
    mask = _digit(ink > _otsu(ink))
    return _centred(_scaled(_cut_out(ink, mask)))


class NoInk(ValueError):
    """A blank page, or ink too faint to tell from the paper."""


def _read_grey(file: Path) -> Grey:
    """The picture upright, 0 black to 1 white, its longer side at most `WORKING`. Raises BadData."""
    if not file.is_file():
        raise BadData(f"{file}: is no file")
    try:
        if (size := file.stat().st_size) > MAX_BYTES:
            raise BadData(f"{file}: has {size >> 20} MB; the most is {MAX_BYTES >> 20}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that is not as it should be
            content = read_bounded(file, MAX_BYTES)
            with Image.open(LimitedReads(content, MAX_READS), formats=FORMATS) as image:
                _refuse_unusable(file, image)
                if image.format in PHOTOS:
                    if jpeg_scans(content, MAX_SCANS) == MAX_SCANS:
                        raise BadData(f"{file}: is a JPG of {MAX_SCANS} scans or more; save it anew")
                    image.draft(None, (2 * WORKING, 2 * WORKING))  # decodes a large one at a half, quarter or eighth
                return _grey(ImageOps.exif_transpose(image))
    except BadData:
        raise
    except UnidentifiedImageError as error:
        raise BadData(f"{file}: is no picture in one of the formats {', '.join(FORMATS)}; save it as JPG") from error
    except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them into
        raise BadData(f"{file}: cannot be decoded, it may be cut off ({error}); save it anew") from error


def _refuse_unusable(file: Path, image: Image.Image) -> None:
    """By the header, before anything is decompressed."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadData(f"{file}: is {width}×{height} pixels; make it smaller than {MAX_PIXELS:,} in all")
    if min(width, height) < SMALLEST:
        raise BadData(f"{file}: is {width}×{height} pixels; a digit needs {SMALLEST}×{SMALLEST}")
    # A telephone's JPG may hold a small copy of itself, or a second view, beside the picture.
    if image.format not in PHOTOS and getattr(image, "is_animated", False):
        raise BadData(f"{file}: holds several pictures; save the one with the digit by itself")


def _grey(image: Image.Image) -> Grey:
    if image.mode.startswith(("I", "F")):  # 16 bits and more: the darkest and the lightest value are the range
        values = np.asarray(image, np.float32)
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("has pixels that are no numbers")
        return _reduced(Image.fromarray((values - low) / max(high - low, 1e-9)))
    if "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBA", "RGBa"):
        pixels = np.asarray(_reduced_image(image.convert("RGBA")).convert("LA"), np.float32) / 255
        light, alpha = pixels[..., 0], pixels[..., 1]
        # What is transparent is paper: white below dark ink, black below light ink.
        paper = 1 if (light * alpha).sum() <= 0.5 * alpha.sum() else 0
        grey = light * alpha + paper * (1 - alpha)
    else:
        grey = _reduced(image if image.mode == "L" else image.convert("RGB").convert("L")) / 255
    return grey.astype(np.float32)


def _reduced(image: Image.Image) -> Grey:
    return np.asarray(_reduced_image(image), np.float32)


def _reduced_image(image: Image.Image) -> Image.Image:
    """With its longer side at most `WORKING`; every pixel is the mean of those that it stands for."""
    scale = WORKING / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def _in_mnists_form(grey: Grey) -> NDArray[np.uint8] | None:
    """The image, light on dark, where it is 28×28, its digit fits the box, and it lies where MNIST's do."""
    if grey.shape != (SIDE, SIDE):
        return None
    for image in (grey, 1 - grey):
        if image.max() < 0.5:
            continue
        rows, columns = np.nonzero(image > 0.1)  # more than the noise of a JPG
        longer = max(np.ptp(rows), np.ptp(columns)) + 1
        centre = np.array(ndimage.center_of_mass(image))
        if BOX - 3 <= longer <= BOX + 2 and (np.abs(centre - CENTRE) <= 1).all():
            return np.round(image * 255).astype(np.uint8)
    return None


def _ink(grey: Grey) -> Grey:
    """How much darker than the paper each pixel is, or how much lighter where the ink is light: at least 0.

    Raises NoInk.
    """
    smooth = ndimage.gaussian_filter(grey, max(grey.shape) / 600)
    paper = _paper(smooth)
    darker, lighter = np.maximum(paper - smooth, 0), np.maximum(smooth - paper, 0)
    # Noise is on both sides of the paper, ink on one.
    is_dark = (_without_table(_strokes(darker)) ** 3).sum() >= (_without_table(_strokes(lighter)) ** 3).sum()
    # What the surface of the paper cannot follow, an opening can, and the reverse: ink stands out from both.
    from_surface, from_around = _strokes(darker if is_dark else lighter), _strokes(-smooth if is_dark else smooth)
    if is_dark:  # in the shade, ink is less dark than in the light
        from_surface /= np.maximum(paper, DIMMEST)
        from_around /= np.maximum(smooth + from_around, DIMMEST)
    level = float(np.median(from_around))  # of paper: noise lifts it above 0
    ink = _without_table(np.maximum(np.minimum(from_around - level, from_surface), 0))

    threshold = _otsu(ink)
    if ink.max() <= max(threshold, FAINTEST):
        raise NoInk(NO_INK)
    noise = 1.4826 * float(np.median(np.abs(from_around[ink <= threshold] - level)))  # one standard deviation
    if np.median(ink[ink > threshold]) < max(FAINTEST, CLEAREST_NOISE * noise):
        raise NoInk(NO_INK)
    return ink


def _strokes(light: Grey) -> Grey:
    """How much lighter each pixel is than what is behind it, where it belongs to something as narrow as a stroke.

    An opening takes narrow things away, and leaves what is wider than any stroke as it is: shadows and their edges.
    """
    wide = max(3, round(0.4 * math.sqrt(light.size)))
    strokes: Grey = light - ndimage.maximum_filter(ndimage.minimum_filter(light, wide), wide)
    return strokes


def _without_table(ink: Grey) -> Grey:
    """Without what lies along the edge of the picture for half a side: the table beside the paper is no digit."""
    for _ in range(2):  # the second time, without what made the ink look faint
        pieces, count = ndimage.label(ink > _otsu(ink))
        edge = np.concatenate([pieces[0], pieces[-1], pieces[1:-1, 0], pieces[1:-1, -1]])
        along = np.bincount(edge, minlength=count + 1) > 0.5 * min(ink.shape)
        along[0] = False
        if along.any():
            ink = np.where(ndimage.maximum_filter(along[pieces], 1 + 2 * (max(ink.shape) // 100)), 0, ink)
    return ink


def _paper(grey: Grey) -> Grey:
    """The brightness of the paper behind the ink, ``(height, width)``: the quadratic surface that most pixels are near.

    Fitted to the border first, where there is seldom ink, and then thrice to all pixels near the last fit.
    """
    height, width = grey.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    step = max(1, grey.size // 20_000)  # enough pixels for six numbers
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
    """The threshold that parts values into two groups with the least variance inside them (Otsu, 1979)."""
    counts, edges = np.histogram(values, 256)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(float)
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    between = below * above * (mean_below - mean_above) ** 2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(middles[best].mean())  # the middle of the gap, where there is one


def _digit(mask: Mask) -> Mask:
    """The pieces of ink that are the digit's: not specks, and not what comes in from the edge beside a whole one."""
    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    edge = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    touches = np.isin(np.arange(1, count + 1), edge)
    if (~touches).any() and areas[~touches].max() >= areas.max() / 2:
        areas = np.where(touches, 0, areas)
    kept = np.flatnonzero(areas >= PIECE * areas.max()) + 1
    return np.isin(pieces, kept)


def _cut_out(ink: Grey, mask: Mask) -> Grey:
    """The digit alone, from 0 to 1 at full ink, cut to its size; strokes thinner than MNIST's are thickened."""
    outside = ndimage.distance_transform_edt(~mask)  # pixels to the digit
    full, floor = float(np.median(ink[mask])), 0.5 * float(ink[mask].min())
    level = np.clip((ink - floor) / max(full - floor, 1e-6), 0, 1) * (outside <= 2)  # with the grey of its edges

    rows, columns = np.nonzero(mask)
    unit = (max(np.ptp(rows), np.ptp(columns)) + 1) / BOX  # pixels here for one of MNIST's
    stroke = 4 * float(ndimage.distance_transform_edt(mask)[mask].mean()) / unit  # width, in MNIST's pixels
    if stroke < THINNEST:
        spread = (THICKENED - stroke) / 2 * unit
        level = np.maximum(level, np.clip(spread + 0.5 - outside, 0, 1))
    rows, columns = np.nonzero(level > 0.5)
    digit: Grey = level[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float32)
    return digit


def _scaled(digit: Grey) -> Grey:
    """With its longer side `BOX` pixels, anti-aliased, the darkest ink 1."""
    scale = BOX / max(digit.shape)
    height, width = (max(1, round(side * scale)) for side in digit.shape)
    picture = Image.fromarray(digit).resize((width, height), Image.Resampling.BILINEAR)
    scaled: Grey = np.array(picture, np.float32)
    scaled /= scaled.max()
    return scaled


def _centred(digit: Grey) -> NDArray[np.uint8]:
    """On 28×28, shifted by whole pixels so that the centre of mass comes nearest to the middle."""
    height, width = digit.shape
    y, x = ndimage.center_of_mass(digit)
    top = min(max(round(CENTRE - y), 0), SIDE - height)
    left = min(max(round(CENTRE - x), 0), SIDE - width)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + height, left : left + width] = np.round(digit * 255)
    return image
