"""Contact sheets: many digits in one PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from kaggle_mnist.data.digits import CLASSES, SIDE, Digits
from kaggle_mnist.utils.errors import OutputError, one_line
from kaggle_mnist.utils.files import WRITER, refuse_foreign, write_atomic

COLUMNS, GAP, ZOOM = 24, 2, 2
LABELED_COLUMNS, LABELED_ZOOM, MARGIN, CAPTION = 10, 3, 8, 44  # in pixels except the number of columns
PICTURE_COLUMNS = 2
GIVEN, SUGGESTED, FAINT = (
    (178, 34, 34),
    (0, 100, 0),
    (96, 96, 96),
)  # red, green, grey; their order distinguishes them too


@dataclass(frozen=True)
class Caption:
    """A digit's caption: `given` → `suggested`, or only `suggested` if `given` is empty; below, a small `name`."""

    given: str
    suggested: str
    name: str


def write_contact_sheet(digits: Digits, path: Path) -> Path:
    """Write a PNG with the first labeled images of each digit, one row per digit, and four rows of test images.

    Parameters
    ----------
    digits : shown dark on light, twice their size
    path : the PNG; its folder is created if necessary, and an earlier contact sheet is replaced

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputError
        The file cannot be written, or exists and is not a picture by kaggle-mnist.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> images = np.zeros((10, 28, 28), np.uint8)
    >>> digits = Digits("practice set", "here", images, np.arange(10), images)
    >>> with TemporaryDirectory() as folder:
    ...     Image.open(write_contact_sheet(digits, Path(folder, "digits.png"))).size
    (1444, 852)
    """
    refuse_foreign_sheet(path)
    rows = [digits.train_images[digits.train_labels == digit][:COLUMNS] for digit in range(CLASSES)]
    rows += [digits.test_images[i * COLUMNS : (i + 1) * COLUMNS] for i in range(4)]
    cell = SIDE + GAP
    sheet = np.full((len(rows) * cell + GAP + 2 * GAP, COLUMNS * cell + GAP), 96, np.uint8)
    for y, row in enumerate(rows):
        top = GAP + y * cell + (2 * GAP if y >= CLASSES else 0)  # a gap before the unlabeled images
        for x, image in enumerate(row):
            sheet[top : top + SIDE, GAP + x * cell : GAP + x * cell + SIDE] = 255 - image
    picture = Image.fromarray(sheet).resize((sheet.shape[1] * ZOOM, sheet.shape[0] * ZOOM), Image.Resampling.NEAREST)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, _png(picture))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def refuse_foreign_sheet(path: Path) -> None:
    """Raise OutputError if `write_contact_sheet` would replace a file that kaggle-mnist did not write."""
    refuse_foreign(path, advice="name another folder with --output")


def labeled_sheet(
    images: NDArray[np.uint8], captions: Sequence[Caption], pictures: Sequence[Image.Image] = (), comment: str = ""
) -> bytes:
    """Draw digits with captions, ten in a row, dark on light and enlarged.

    Parameters
    ----------
    images : uint8, shape ``(n, 28, 28)``, 0 background to 255 ink
    captions : one per image
    pictures : of any size, drawn above the images
    comment : for the file's metadata

    Returns
    -------
    bytes
        The content of a PNG file.

    Examples
    --------
    >>> png = labeled_sheet(np.zeros((1, 28, 28), np.uint8), [Caption("4", "9", "image 17")])
    >>> Image.open(io.BytesIO(png)).size
    (100, 144)
    """
    side = SIDE * LABELED_ZOOM
    width, height = side + 2 * MARGIN, side + MARGIN + CAPTION  # of a cell
    columns = max(1, min(LABELED_COLUMNS, len(images)))
    rows = -(-len(images) // columns)
    places, (across, top_row) = _in_columns(pictures)
    sheet = Image.new("RGB", (max(columns * width, across), top_row + max(1, rows) * height + MARGIN), "white")
    for picture, place in zip(pictures, places, strict=True):
        sheet.paste(picture, place)
    draw = ImageDraw.Draw(sheet)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = number % columns * width + MARGIN, top_row + number // columns * height + MARGIN
        digit = Image.fromarray(255 - image).resize((side, side), Image.Resampling.NEAREST)
        sheet.paste(digit, (left, top))
        draw.rectangle((left - 1, top - 1, left + side, top + side), outline=(208, 208, 208))
        _draw_caption(draw, caption, left + side // 2, top + side + 2, side + MARGIN)
    return _png(sheet, comment)


def _in_columns(pictures: Sequence[Image.Image]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Where pictures go in `PICTURE_COLUMNS` columns, left and top of each, and the width and height of all."""
    places, width, top = [], 0, 0
    for start in range(0, len(pictures), PICTURE_COLUMNS):
        left = MARGIN
        for picture in pictures[start : start + PICTURE_COLUMNS]:
            places.append((left, top + MARGIN))
            left += picture.width + MARGIN
        width = max(width, left)
        top += max(picture.height for picture in pictures[start : start + PICTURE_COLUMNS]) + MARGIN
    return places, (width, top)


def _png(picture: Image.Image, comment: str = "") -> bytes:
    """The picture as a PNG with the mark that `refuse_foreign` looks for."""
    metadata, buffer = PngInfo(), io.BytesIO()
    metadata.add_text("Software", WRITER)
    if comment:
        metadata.add_text("Comment", comment)
    picture.save(buffer, "PNG", pnginfo=metadata)
    return buffer.getvalue()


def _draw_caption(draw: ImageDraw.ImageDraw, caption: Caption, middle: int, top: int, room: int) -> None:
    """Draw `given → suggested` in large characters and the name in small ones, centred on `middle`."""
    large, small = ImageFont.load_default(20), ImageFont.load_default(11)
    if caption.given:
        draw.text((middle - 16, top), caption.given, GIVEN, large, anchor="ra")
        line = top + 13  # Pillow's built-in font has no arrow
        draw.line((middle - 10, line, middle + 10, line), FAINT, 2)
        draw.polygon([(middle + 12, line), (middle + 5, line - 5), (middle + 5, line + 5)], FAINT)
    place, anchor = (middle + 16, "la") if caption.given else (middle, "ma")
    draw.text((place, top), caption.suggested, SUGGESTED, large, anchor=anchor)
    name = one_line(caption.name)
    while draw.textlength(name, small) > room and len(name) > 1:
        name = f"{name[:-2]}…" if not name.endswith("…") else f"{name[:-3]}…"
    draw.text((middle, top + 26), name, FAINT, small, anchor="ma")
