"""Digits are found on pages, on sheets, in frames and beside punch holes, each once and in reading order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pictures as made
import pytest
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.ink import NoInk
from kaggle_mnist.data.pages import FoundDigit, find_digits, reading_order
from kaggle_mnist.data.photos import like_mnist

Grey = NDArray[np.float32]
Change = Callable[[made.Page, np.random.Generator], made.Page]


def as_grey(page: made.Page) -> Grey:
    """The page with dark ink, 480×640."""
    grey = page.paper * (1 - 0.8 * page.ink)
    return np.asarray(Image.fromarray(grey.astype(np.float32)).resize((480, 640), Image.Resampling.BOX))


def page_of(practice: Digits, rows: int = 4, columns: int = 2, seed: int = 0) -> made.Page:
    random = np.random.default_rng(seed)
    return made.grid(rows, columns, largest=0.5)(made.Pile(practice, random), random)


def assert_found(found: list[FoundDigit], page: made.Page) -> None:
    """Each digit of the page is found once, at its place, in the order of the page, and nothing else."""
    assert len(found) == len(page.boxes)
    for digit, (top, left, bottom, right) in zip(found, page.boxes, strict=True):
        box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) / [made.WIDTH, made.HEIGHT]
        assert made.overlap(digit.corners, box) > 0.7


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (4, 2), (6, 4)])
def test_every_digit_on_a_page_is_found_in_reading_order(practice: Digits, rows: int, columns: int) -> None:
    page = page_of(practice, rows, columns)
    assert_found(find_digits(as_grey(page)), page)


def test_a_digit_among_others_looks_like_the_same_digit_alone(practice: Digits) -> None:
    page = page_of(practice)
    alike = []
    for digit, (top, left, bottom, right) in zip(find_digits(as_grey(page)), page.boxes, strict=True):
        ink = np.pad(page.ink[top:bottom, left:right], 20).astype(np.float32)
        alone = like_mnist(ink, ink > 0.5)
        alike.append(np.corrcoef(alone.ravel(), digit.image.ravel())[0, 1])
    assert min(alike) > 0.85
    assert np.median(alike) > 0.95


def page_frame(page: made.Page, random: np.random.Generator) -> made.Page:
    page.ink[20:-20, [20, 21, 22, 23, -24, -23, -22, -21]] = 1
    page.ink[[20, 21, 22, 23, -24, -23, -22, -21], 20:-20] = 1
    return page


def cut_off_frame(page: made.Page, random: np.random.Generator) -> made.Page:
    page.ink[20:24], page.ink[-24:-20], page.ink[20:-20, 20:24] = 1, 1, 1
    return page


def underlined(page: made.Page, random: np.random.Generator) -> made.Page:
    bottom = max(box[2] for box in page.boxes)
    page.ink[bottom + 8 : bottom + 14, 60:-60] = 1
    return page


def margin_line(page: made.Page, random: np.random.Generator) -> made.Page:
    page = made.ruled(page, random, squared=True)
    page.paper[:, 40:43] -= 0.35
    return page


@pytest.mark.parametrize(
    "change",
    [made.framed, made.punched, made.ruled, made.squared, page_frame, cut_off_frame, underlined, margin_line],
)
def test_what_is_around_a_digit_is_not_one(practice: Digits, change: Change) -> None:
    page = change(page_of(practice), np.random.default_rng(1))
    assert_found(find_digits(as_grey(page)), page)


def test_digits_are_found_on_a_turned_sheet_and_their_boxes_are_in_the_picture(practice: Digits) -> None:
    page = page_of(practice)
    boxes = np.array(page.boxes, float)[:, [1, 0, 3, 0, 3, 2, 1, 2]].reshape(-1, 4, 2)
    picture, places = made.on_table(page.paper * (1 - 0.8 * page.ink), boxes, np.random.default_rng(2))
    small = Image.fromarray(picture.astype(np.float32)).resize((640, 640), Image.Resampling.BOX)
    found = find_digits(np.asarray(small))
    assert len(found) == len(places)
    for digit, place in zip(found, places / 1000, strict=True):
        assert np.abs(digit.corners - place).max() < 0.02


def test_a_digit_in_a_sharp_shadow_is_found_and_the_shadow_is_not(practice: Digits) -> None:
    page = page_of(practice)
    grey = as_grey(page).copy()
    y, x = np.indices(grey.shape)
    grey[x + y > 500] *= 0.6
    assert_found(find_digits(grey), page)


def test_the_strokes_of_a_digit_stay_together_and_neighbours_apart(practice: Digits) -> None:
    random = np.random.default_rng(3)
    page = made.numbers(made.Pile(practice, random), random)
    assert_found(find_digits(as_grey(page)), page)
    fives = made.Page.empty()
    for y, x in ((200, 200), (200, 400), (500, 200), (500, 400)):
        fives.ink[y : y + 14, x + 20 : x + 110] = 1  # the bar
        fives.ink[y + 35 : y + 90, x : x + 14] = fives.ink[y + 76 : y + 90, x : x + 90] = 1
        fives.ink[y + 76 : y + 160, x + 76 : x + 90] = fives.ink[y + 146 : y + 160, x : x + 90] = 1
        fives.boxes.append((y, x, y + 160, x + 110))
    assert_found(find_digits(as_grey(fives)), fives)


@pytest.mark.parametrize("shape", ["a dash", "punch holes", "lines", "a table", "dots"])
def test_a_page_with_ink_but_without_digits_is_refused(shape: str) -> None:
    page = made.Page.empty()
    match shape:
        case "a dash":
            page.ink[480:490, 200:500] = 1
        case "punch holes":
            page = made.punched(page, np.random.default_rng(0))
        case "lines":
            page.ink[30::40] = page.ink[31::40] = 0.3
        case "a table":
            page.ink[100:900:50, 60:660] = page.ink[101:900:50, 60:660] = 0.3
            page.ink[100:852, 60:660:100] = page.ink[100:852, 61:660:100] = 0.3
        case "dots":
            page.ink[np.ix_(*(np.flatnonzero(np.arange(side) % 40 < 4) for side in page.ink.shape))] = 0.3
    with pytest.raises(NoInk, match="no digit found"):
        find_digits(as_grey(page))


def test_rows_that_slope_are_read_one_after_the_other() -> None:
    places = [(row, column) for row in range(3) for column in range(5)]
    boxes = np.array(
        [
            [(row * 30 + column * 8, column * 30), (row * 30 + column * 8 + 20, column * 30 + 15)]
            for row, column in places
        ]
    )
    shuffled = np.random.default_rng(0).permutation(len(places))
    assert [places[shuffled[i]] for i in reading_order(boxes[shuffled])] == places
