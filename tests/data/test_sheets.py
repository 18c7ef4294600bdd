"""A sheet on a darker table is found and flattened; light and shadow on full paper are no sheet."""

from __future__ import annotations

import numpy as np
import pictures as made
import pytest
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist.data.sheets import find_sheet

Grey = NDArray[np.float32]


def on_table(random: np.random.Generator) -> tuple[Grey, NDArray[np.float64]]:
    """An empty sheet on a table, and its corners as fractions of the picture's sides."""
    corners = np.array([[[0, 0], [720, 0], [720, 960], [0, 960]]], float)
    picture, places = made.on_table(np.full((960, 720), 0.9), corners, random)
    small = Image.fromarray(picture.astype(np.float32)).resize((640, 640), Image.Resampling.BOX)
    return np.asarray(small), places[0] / 1000


@pytest.mark.parametrize("seed", range(5))
def test_a_turned_sheet_is_found_with_its_corners(seed: int) -> None:
    picture, corners = on_table(np.random.default_rng(seed))
    sheet = find_sheet(picture)
    assert sheet is not None
    height, width = sheet.grey.shape
    assert np.median(sheet.grey) == pytest.approx(0.9, abs=0.02)
    assert (sheet.grey < 0.8).mean() < 0.01  # nothing of the table
    ends = sheet.in_picture(np.array([[0, 0], [width, 0], [width, height], [0, height]], float))
    assert np.abs(ends - corners).max() < 0.03
    assert width / height == pytest.approx(0.75, abs=0.06)


def test_a_sheet_in_the_shadow_or_cut_off_at_one_side_is_found_whole() -> None:
    picture, corners = on_table(np.random.default_rng(0))
    y, x = np.indices(picture.shape)
    for changed, left in ((np.where(x + y > 640, 0.65, 1) * picture, 0), (picture[:, 200:], 200)):
        sheet = find_sheet(changed.astype(np.float32))
        assert sheet is not None
        in_picture = sheet.in_picture(np.array([sheet.grey.shape[::-1]], float))[0] * changed.shape[::-1] + [left, 0]
        assert np.abs(in_picture / 640 - corners[2]).max() < 0.03


@pytest.mark.parametrize("scene", ["paper", "shadow", "corner in the light", "lamp", "digit", "triangle"])
def test_paper_that_fills_the_picture_is_no_sheet(scene: str) -> None:
    y, x = np.mgrid[-1:1:640j, -1:1:480j]
    light = {
        "paper": 0.85 - 0.1 * x * x,
        "shadow": np.where(x + 2 * y > 0.3, 0.85, 0.5),
        "corner in the light": np.where((x < 0) & (y < 0), 0.9, 0.5),
        "lamp": 0.3 + 0.6 * np.exp(-2 * (x * x + y * y)),
        "triangle": np.where((y < 0.6) & (y > 2 * abs(x) - 0.6), 0.95, 0.2),
        "digit": np.where((abs(x) < 0.1) & (abs(y) < 0.6), 0.95, 0.2),
    }[scene]
    assert find_sheet(light.astype(np.float32)) is None
