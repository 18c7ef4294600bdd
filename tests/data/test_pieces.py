"""Pieces of ink are joined to digits, and frames, holes and lines are told from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.pieces import MAX_PIECES, Pieces, find_groups, without_frames

Mask = NDArray[np.bool_]


def mask_of(*boxes: tuple[int, int, int, int], size: int = 300) -> Mask:
    """Filled boxes: top, left, bottom, right."""
    mask = np.zeros((size, size), bool)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


def sizes(mask: Mask) -> list[int]:
    """The number of pieces of each digit."""
    return [len(group) for group in find_groups(mask)[1]]


def test_two_whole_strokes_are_two_digits_and_a_short_one_belongs_to_the_nearest() -> None:
    ones = [(100, 50, 200, 60), (100, 90, 200, 100)]
    assert sizes(mask_of(*ones)) == [1, 1]
    assert sizes(mask_of(*ones, (100, 65, 110, 75))) == [2, 1]
    assert sizes(mask_of(*ones, (100, 75, 110, 85))) == [1, 2]


def test_a_stroke_above_two_digits_does_not_join_them() -> None:
    assert sizes(mask_of((20, 100, 100, 110), (120, 95, 130, 140), (140, 100, 220, 110))) == [1, 2]


def test_a_piece_that_interlocks_with_another_is_no_stroke_of_a_digit_farther_off() -> None:
    above, top, bottom = (20, 100, 113, 110), (145, 102, 188, 114), [(172, 140, 221, 152), (210, 93, 221, 152)]
    assert sizes(mask_of(above, top)) == [2]
    assert sizes(mask_of(above, top, *bottom)) == [1, 2]


def test_digits_below_each_other_stay_apart_though_one_has_a_stroke_above_it() -> None:
    stroke, tall, column = (20, 100, 50, 110), (80, 100, 180, 110), [(y, 100, y + 60, 110) for y in (230, 340, 450)]
    assert sizes(mask_of(stroke, tall, *column, size=600)) == [2, 1, 1, 1]


def test_specks_and_far_marks_are_dropped() -> None:
    one = (100, 100, 200, 112)
    assert sizes(mask_of(one, (98, 116, 101, 119))) == [1]
    assert sizes(mask_of(one, (250, 250, 260, 258))) == [1]


def test_a_disc_is_a_hole_and_a_ring_is_a_zero() -> None:
    y, x = np.indices((300, 300))
    distance = np.hypot(y - 150, x - 150)
    assert sizes(distance < 20) == []
    assert sizes((distance < 40) & (distance > 30)) == [1]


def test_what_touches_the_edge_is_dropped_unless_it_is_all_there_is() -> None:
    cut_off, clear = (0, 20, 80, 30), (100, 100, 180, 110)
    assert sizes(mask_of(cut_off)) == [1]
    pieces, groups = find_groups(mask_of(cut_off, clear))
    assert [pieces.low[group].tolist() for group in groups] == [[[100, 100]]]


def test_a_speck_in_a_zero_does_not_make_it_a_frame() -> None:
    zero = mask_of((50, 50, 250, 200)) & ~mask_of((65, 65, 235, 185))
    speck, digit = mask_of((140, 120, 146, 126)), mask_of((100, 110, 200, 125))
    np.testing.assert_array_equal(without_frames(zero | speck, zero | speck), zero | speck)
    np.testing.assert_array_equal(without_frames(zero | digit, zero | digit), digit)


def test_a_page_of_dust_costs_no_more_than_its_largest_pieces() -> None:
    dust = np.zeros((400, 400), bool)
    dust[::3, ::3] = True
    dust[99:140, 99:104] = True
    pieces = Pieces.of(dust)
    assert len(pieces.areas) == MAX_PIECES
    assert pieces.labels.max() == MAX_PIECES
    assert pieces.areas.max() >= 41 * 5


def test_a_low_digit_does_not_take_its_row_with_it() -> None:
    mask = np.zeros((160, 400), bool)
    mask[66:91, 20:68] = True  # flat, as a stroke
    for left in range(75, 300, 42):
        mask[55:103, left : left + 35] = True
    assert len(find_groups(mask)[1]) == 7


def test_a_dotted_zero_is_no_frame() -> None:
    zero, dot = np.zeros((2, 60, 60), bool)
    zero[10:34, 10:26] = True
    zero[13:31, 13:23] = False
    dot[20:25, 16:20] = True
    np.testing.assert_array_equal(without_frames(zero | dot, zero | dot), zero | dot)
    thin, digit = np.zeros((2, 60, 60), bool)
    thin[5:55, 5:55] = True
    thin[6:54, 6:54] = False
    digit[25:40, 28:31] = True
    np.testing.assert_array_equal(without_frames(thin | digit, thin | digit), digit)
