"""Pictures of digits."""

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
from kaggle_mnist.utils.files import WRITER, refuse_foreign, write_whole

COLUMNS, GAP, ZOOM = 24, 2, 2
LABELLED_COLUMNS, LABELLED_ZOOM, MARGIN, CAPTION = 10, 3, 8, 44  # pixels, but for the columns
GIVEN, SUGGESTED, FAINT = (178, 34, 34), (0, 100, 0), (96, 96, 96)  # red, green, grey: also told apart by their order


@dataclass(frozen=True)
class Caption:
    """What stands below a digit: `given` (may be empty), an arrow, `suggested`, and in small letters its `name`."""

    given: str
    suggested: str
    name: str


def write_contact_sheet(digits: Digits, path: Path) -> Path:
    """The first labeled images of each digit, a row a digit, then as many rows of test images, as a PNG.

    Raises OutputError where it cannot be written, or would replace a file that is not ours.
    """
    refuse_foreign_sheet(path)
    rows = [digits.train_images[digits.train_labels == digit][:COLUMNS] for digit in range(CLASSES)]
    rows += [digits.test_images[i * COLUMNS : (i + 1) * COLUMNS] for i in range(4)]
    cell = SIDE + GAP
    sheet = np.full((len(rows) * cell + GAP + 2 * GAP, COLUMNS * cell + GAP), 96, np.uint8)
    for y, row in enumerate(rows):
        top = GAP + y * cell + (2 * GAP if y >= CLASSES else 0)  # a gap sets the unlabeled ones apart
        for x, image in enumerate(row):
            sheet[top : top + SIDE, GAP + x * cell : GAP + x * cell + SIDE] = 255 - image
    picture = Image.fromarray(sheet).resize((sheet.shape[1] * ZOOM, sheet.shape[0] * ZOOM), Image.Resampling.NEAREST)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _png(picture))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def refuse_foreign_sheet(path: Path) -> None:
    """Raise OutputError where the contact sheet would replace a file that is not ours."""
    refuse_foreign(path, advice="name another folder with --output")


def labelled_sheet(images: NDArray[np.uint8], captions: Sequence[Caption]) -> bytes:
    """Digits ``(n, 28, 28)``, dark on light and enlarged, each above its caption, row by row, as a PNG."""
    side = SIDE * LABELLED_ZOOM
    width, height = side + 2 * MARGIN, side + MARGIN + CAPTION  # of a cell
    columns = max(1, min(LABELLED_COLUMNS, len(images)))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width, max(1, rows) * height + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = number % columns * width + MARGIN, number // columns * height + MARGIN
        digit = Image.fromarray(255 - image).resize((side, side), Image.Resampling.NEAREST)
        sheet.paste(digit, (left, top))
        draw.rectangle((left - 1, top - 1, left + side, top + side), outline=(208, 208, 208))
        _draw_caption(draw, caption, left + side // 2, top + side + 2, side + MARGIN)
    return _png(sheet)


def _png(picture: Image.Image) -> bytes:
    """With the mark that `refuse_foreign` looks for."""
    metadata, buffer = PngInfo(), io.BytesIO()
    metadata.add_text("Software", WRITER)
    picture.save(buffer, "PNG", pnginfo=metadata)
    return buffer.getvalue()


def _draw_caption(draw: ImageDraw.ImageDraw, caption: Caption, middle: int, top: int, room: int) -> None:
    """`given -> suggested` in large letters and the name in small ones, centred on `middle`."""
    large, small = ImageFont.load_default(20), ImageFont.load_default(11)
    if caption.given:
        draw.text((middle - 16, top), caption.given, GIVEN, large, anchor="ra")
        line = top + 13  # Pillow's own font has no arrow
        draw.line((middle - 10, line, middle + 10, line), FAINT, 2)
        draw.polygon([(middle + 12, line), (middle + 5, line - 5), (middle + 5, line + 5)], FAINT)
    place, anchor = (middle + 16, "la") if caption.given else (middle, "ma")
    draw.text((place, top), caption.suggested, SUGGESTED, large, anchor=anchor)
    name = one_line(caption.name)
    while draw.textlength(name, small) > room and len(name) > 1:
        name = f"{name[:-2]}…" if not name.endswith("…") else f"{name[:-3]}…"
    draw.text((middle, top + 26), name, FAINT, small, anchor="ma")
