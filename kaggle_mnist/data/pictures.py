"""Read a user's picture in greyscale, within bounded time and memory."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.formats import form_of
from kaggle_mnist.utils.reading import LimitedReads, format_size, jpeg_scans, read_bounded

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")  # and AVIF, where Pillow has it
PHOTOS = ("JPEG", "MPO")  # Pillow calls a JPG with several pictures MPO
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif")
UNREAD = (".heic", ".heif")  # photos that Pillow cannot read: reported in a folder, not ignored
HEIF = (b"ftypheic", b"ftypheix", b"ftypheim", b"ftyphevc", b"ftypmif1", b"ftypmsf1")  # a phone's photos
SIGNS = {b"%pdf": "PDF", b"<svg": "SVG"}  # in lower case
MAX_BYTES = 100 << 20  # of a file
MAX_READS = 200_000  # of a file; a PNG of 100 MB takes 40,000
MAX_SCANS = 200  # of a JPG; a progressive one has about 10
MAX_PIXELS = 64_000_000  # a phone's largest photos have 50 million; checked before decompression
SMALLEST = 8  # pixels per side
LONGEST = 25  # longer side of a picture that must be reduced, relative to the shorter
WORKING = 640  # pixels on the longer side for finding the digit: one that fills a tenth of the picture has 64

Grey = NDArray[np.float32]


def read_grey(file: Path) -> Grey:
    """Read a picture in greyscale, rotated upright according to its metadata.

    Parameters
    ----------
    file : AVIF or one of the formats in `FORMATS`, at most `MAX_BYTES` and `MAX_PIXELS`; transparent pixels become
        paper, white for dark ink and black for light ink

    Returns
    -------
    array of float32
        Shape ``(height, width)``, 0 black to 1 white, reduced to at most `WORKING` pixels on the longer side.

    Raises
    ------
    BadData
        The file cannot be read or decoded, or is too large or too small; the message names it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("RGB", (1280, 960), "white").save(Path(folder, "page.png"))
    ...     grey = read_grey(Path(folder, "page.png"))
    >>> grey.shape, grey.min().item()
    ((480, 640), 1.0)
    """
    if not file.is_file():
        raise BadData(f"{file}: not a file")
    try:
        if (size := file.stat().st_size) > MAX_BYTES:
            raise BadData(f"{file}: too large ({format_size(size)}); the limit is {format_size(MAX_BYTES)}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about invalid metadata
            content = read_bounded(file, MAX_BYTES)
            formats = ("AVIF",) if is_avif(file, content) else FORMATS
            with Image.open(LimitedReads(content, MAX_READS), formats=formats) as image:
                _refuse_unusable(file, image)
                if image.format in PHOTOS:
                    if jpeg_scans(content, MAX_SCANS) == MAX_SCANS:
                        raise BadData(f"{file}: has {MAX_SCANS} scans or more; save it as a new JPG")
                    image.draft(None, (2 * WORKING, 2 * WORKING))  # decodes a large one at 1/2, 1/4 or 1/8 of its size
                return _grey(file, ImageOps.exif_transpose(image))
    except BadData:
        raise
    except UnidentifiedImageError as error:
        known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise BadData(f"{file}: not a supported image format{_recognized(content)}; use {known}") from error
    except Image.DecompressionBombError as error:
        raise BadData(f"{file}: has too many pixels; the limit is {MAX_PIXELS:,} in all") from error
    except Exception as error:  # Pillow raises many types for damaged files
        raise BadData(f"{file}: cannot be decoded, it may be truncated ({error}); save it again") from error


def _recognized(content: bytes) -> str:
    """What an unsupported file is, whatever its name, in brackets; nothing if that is not known."""
    start = content[:1000].lstrip().lower()
    if not content:
        return " (it is empty)"
    if content[4:12] in HEIF:
        return " (it is HEIC)"
    form = form_of(content)
    name = form.what if form else next((name for sign, name in SIGNS.items() if sign in start), None)
    return f" (it is {name})" if name else ""


def is_avif(file: str | Path, content: bytes) -> bool:
    """Whether a file is in the format AVIF. Raises BadData if it is and Pillow cannot read it."""
    found = content[4:12] in (b"ftypavif", b"ftypavis")
    if found and not features.check("avif"):
        raise BadData(f"{file}: this Pillow cannot read AVIF; convert the images to PNG")
    return found


def _refuse_unusable(file: Path, image: Image.Image) -> None:
    """Check the header, before anything is decompressed. Raises BadData."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadData(f"{file}: is {width}×{height} pixels; the limit is {MAX_PIXELS:,} in all")
    if min(width, height) < SMALLEST:
        raise BadData(f"{file}: is {width}×{height} pixels; it must be at least {SMALLEST}×{SMALLEST}")
    if max(width, height) > max(WORKING, LONGEST * min(width, height)):
        raise BadData(f"{file}: is {width}×{height} pixels, too long for its digits to be seen; cut it into pieces")
    # A phone's JPG may contain a thumbnail or a second view as well.
    if image.format not in PHOTOS and getattr(image, "is_animated", False):
        raise BadData(f"{file}: contains several pictures; save the one with the digit as a separate file")


def _grey(file: Path, image: Image.Image) -> Grey:
    if image.mode.startswith(("I", "F")):  # 16 bits and more: stretch the range of values
        values = np.asarray(image, np.float32)
        low, high = float(values.min()), float(values.max())
        if not high - low <= float(np.finfo(np.float32).max):  # nor NaN
            raise BadData(f"{file}: contains NaN, infinite or huge pixels; save it as an 8-bit image")
        return _reduced(Image.fromarray((values - low) / max(high - low, 1e-9)))
    if is_transparent(image):
        return on_paper(_reduced_image(image.convert("RGBA")))
    return _reduced(image if image.mode == "L" else image.convert("RGB").convert("L")) / np.float32(255)


def is_transparent(image: Image.Image) -> bool:
    """Whether a picture has an alpha channel or a transparent colour."""
    return "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBA", "RGBa")


def has_clear_paper(image: Image.Image) -> bool:
    """Whether some of a transparent picture shows what it lies on, and some does not."""
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return bool(alpha.min() < 128 <= alpha.max())


def on_paper(image: Image.Image) -> Grey:
    """A transparent picture in grey, 0 to 1, on paper: white for dark ink, black for light ink.

    That is the paper on which more is to be seen. If all of it is equally transparent, there is nothing to choose.
    """
    pixels = np.asarray(image.convert("RGBA").convert("LA"), np.float32) / 255
    light, alpha = pixels[..., 0], pixels[..., 1]
    if alpha.min() == alpha.max() and light.min() < light.max():
        return light.astype(np.float32)
    on_black: Grey = (light * alpha).astype(np.float32)
    on_white: Grey = (on_black + 1 - alpha).astype(np.float32)
    return on_white if on_white.std() >= on_black.std() else on_black


def _reduced(image: Image.Image) -> Grey:
    return np.asarray(_reduced_image(image), np.float32)


def _reduced_image(image: Image.Image) -> Image.Image:
    """The picture with its longer side at most `WORKING`; every pixel is the mean of those that it replaces."""
    scale = WORKING / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)
