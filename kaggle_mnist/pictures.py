"""Pictures of digits."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from kaggle_mnist.data.digits import CLASSES, SIDE, Digits
from kaggle_mnist.errors import OutputError
from kaggle_mnist.files import write_whole

COLUMNS, GAP, ZOOM = 24, 2, 2


def write_contact_sheet(digits: Digits, path: Path) -> Path:
    """The first labeled images of each digit, a row a digit, then as many rows of test images, as a PNG.

    Raises OutputError where it cannot be written.
    """
    rows = [digits.train_images[digits.train_labels == digit][:COLUMNS] for digit in range(CLASSES)]
    rows += [digits.test_images[i * COLUMNS : (i + 1) * COLUMNS] for i in range(4)]
    cell = SIDE + GAP
    sheet = np.full((len(rows) * cell + GAP + 2 * GAP, COLUMNS * cell + GAP), 96, np.uint8)
    for y, row in enumerate(rows):
        top = GAP + y * cell + (2 * GAP if y >= CLASSES else 0)  # a gap sets the unlabeled ones apart
        for x, image in enumerate(row):
            sheet[top : top + SIDE, GAP + x * cell : GAP + x * cell + SIDE] = 255 - image
    picture = Image.fromarray(sheet).resize((sheet.shape[1] * ZOOM, sheet.shape[0] * ZOOM), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, buffer.getvalue())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    return path
