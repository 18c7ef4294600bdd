"""Draw boxes around the digits found in a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kaggle_mnist.data.contact_sheet import GIVEN, SUGGESTED
from kaggle_mnist.data.pictures import WORKING, Grey

GAP = 5  # between a box and its label, in pixels
LETTERS = (14, 40)  # smallest and largest height of a label, in pixels


@dataclass(frozen=True)
class Mark:
    """A box, green if `sure` and else red: its `corners`, ``(4, 2)``, are fractions of the picture's sides."""

    label: str
    sure: bool
    corners: NDArray[np.float64]


def marked_picture(grey: Grey, marks: list[Mark]) -> Image.Image:
    """Draw marks on a picture that is scaled to `WORKING` pixels on its longer side.

    Examples
    --------
    >>> box = np.array([[0.2, 0.2], [0.6, 0.2], [0.6, 0.8], [0.2, 0.8]])
    >>> picture = marked_picture(np.ones((300, 400), np.float32), [Mark("7", True, box)])
    >>> picture.size, picture.getpixel((128, 96))
    ((640, 480), (0, 100, 0))
    """
    scale = WORKING / max(grey.shape)
    size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
    shades = Image.fromarray((grey * 255).round().astype(np.uint8))
    picture = shades.resize((size[0], size[1]), Image.Resampling.BILINEAR).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for mark in marks:
        corners = mark.corners * size
        outline = [(x, y) for x, y in corners.tolist()]
        colour = SUGGESTED if mark.sure else GIVEN
        for width, shade in ((5, "white"), (2, colour)):  # a box is seen on dark paper, too
            draw.line([*outline, outline[0]], shade, width, "curve")
        height = float(np.clip(0.4 * np.ptp(corners[:, 1]), *LETTERS))
        above, font = corners[0, 1] > height + GAP, ImageFont.load_default(height)
        x, y = corners[0] - [0, GAP] if above else corners[3] + [0, GAP]
        draw.text((x, y), mark.label, colour, font, anchor="ls" if above else "lt", stroke_width=2, stroke_fill="white")
    return picture
