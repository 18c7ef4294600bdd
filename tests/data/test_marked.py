"""Boxes and labels are drawn where the digits are."""

from __future__ import annotations

import numpy as np

from kaggle_mnist.data.contact_sheet import GIVEN, SUGGESTED
from kaggle_mnist.data.marked import Mark, marked_picture


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def test_a_sure_digit_has_a_green_box_and_an_unsure_one_a_red_box() -> None:
    marks = [Mark("4", True, box(0.1, 0.2, 0.3, 0.6)), Mark("9?", False, box(0.6, 0.2, 0.8, 0.6))]
    pixels = np.asarray(marked_picture(np.full((200, 400), 0.8, np.float32), marks))
    assert pixels.shape == (320, 640, 3)
    for x, colour in ((64, SUGGESTED), (384, GIVEN)):
        np.testing.assert_array_equal(pixels[64:192, x], np.broadcast_to(colour, (128, 3)))
        np.testing.assert_array_equal(pixels[64, x : x + 128], np.broadcast_to(colour, (128, 3)))
        assert (pixels[30:62, x : x + 40] == colour).all(-1).sum() > 20  # the label above the box


def test_a_label_at_the_top_is_drawn_below_its_box() -> None:
    pixels = np.asarray(marked_picture(np.full((400, 400), 0.8, np.float32), [Mark("7", True, box(0.1, 0, 0.3, 0.3))]))
    assert (pixels[196:240, 64:100] == SUGGESTED).all(-1).sum() > 20
