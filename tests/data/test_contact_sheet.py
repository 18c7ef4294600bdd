from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist.data.contact_sheet import (
    COLUMNS,
    GIVEN,
    SUGGESTED,
    Caption,
    labeled_sheet,
    refuse_foreign_sheet,
    write_contact_sheet,
)
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.utils.errors import OutputError

CELL = 60  # pixels from one digit to the next: 28 and a gap of 2, twice enlarged


def pixels_of(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture)


def digit_at(sheet: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    """The digit in a cell of a contact sheet, light on dark, at its original size."""
    top, left = 4 + row * CELL + (8 if row >= 10 else 0), 4 + column * CELL
    return 255 - sheet[top : top + 56 : 2, left : left + 56 : 2]


def test_each_row_shows_the_first_images_of_a_digit_and_then_come_the_unlabeled_ones(few: Digits) -> None:
    sheet = pixels_of(Image.open(write_contact_sheet(few, Path("digits.png"))))
    for digit in range(10):
        images = few.train_images[few.train_labels == digit]
        for column in (0, COLUMNS - 1):
            np.testing.assert_array_equal(digit_at(sheet, digit, column), images[column])
    for row in range(4):
        np.testing.assert_array_equal(digit_at(sheet, 10 + row, 3), few.test_images[row * COLUMNS + 3])


def test_a_data_set_with_few_images_leaves_cells_empty(handful: Digits) -> None:
    sheet = pixels_of(Image.open(write_contact_sheet(handful.head(20, 5), Path("digits.png"))))
    np.testing.assert_array_equal(digit_at(sheet, 10, 4), handful.test_images[4])
    assert len(np.unique(digit_at(sheet, 10, 5))) == 1


def test_the_folder_is_created_and_an_earlier_sheet_is_replaced(handful: Digits) -> None:
    path = Path("new/folder/digits.png")
    assert write_contact_sheet(handful, path) == path
    before = path.read_bytes()
    write_contact_sheet(replace(handful, test_images=handful.test_images[::-1]), path)
    assert path.read_bytes() != before


def test_a_picture_from_elsewhere_is_not_replaced(handful: Digits) -> None:
    Image.fromarray(handful.test_images[0]).save("digits.png")
    before = Path("digits.png").read_bytes()
    for refuse in (
        lambda: refuse_foreign_sheet(Path("digits.png")),
        lambda: write_contact_sheet(handful, Path("digits.png")),
    ):
        with pytest.raises(OutputError, match="was not written by kaggle-mnist; name another folder with --output"):
            refuse()
    assert Path("digits.png").read_bytes() == before


def test_a_folder_that_cannot_be_created_is_an_error(handful: Digits) -> None:
    Path("file").write_bytes(b"x")
    with pytest.raises(OutputError, match=r"file/digits\.png: cannot be written"):
        write_contact_sheet(handful, Path("file/digits.png"))


def captioned(images: NDArray[np.uint8], captions: list[Caption]) -> NDArray[np.uint8]:
    return pixels_of(Image.open(io.BytesIO(labeled_sheet(images, captions))))


def has_colour(sheet: NDArray[np.uint8], colour: tuple[int, int, int]) -> bool:
    return bool((sheet == colour).all(-1).any())


def test_ten_captioned_digits_are_in_a_row_dark_on_light(handful: Digits) -> None:
    sheet = captioned(handful.test_images, [Caption("", f"{i}", f"img_{i}.png") for i in range(12)])
    assert sheet.shape == (2 * 136 + 8, 10 * 100, 3)
    for number, image in enumerate(handful.test_images):
        top, left = 8 + number // 10 * 136, 8 + number % 10 * 100
        np.testing.assert_array_equal(255 - sheet[top : top + 84 : 3, left : left + 84 : 3, 0], image)


def test_a_caption_shows_the_given_label_only_if_there_is_one(handful: Digits) -> None:
    one = handful.test_images[:1]
    both, single = captioned(one, [Caption("4", "9", "17")]), captioned(one, [Caption("", "9", "17")])
    assert has_colour(both, GIVEN)
    assert has_colour(both, SUGGESTED)
    assert not has_colour(single, GIVEN)
    assert has_colour(single, SUGGESTED)


def test_a_long_or_odd_name_stays_below_its_own_digit(handful: Digits) -> None:
    names = ("i" * 500, "img\n\x1b[31m" + "x" * 50)
    for name in names:
        sheet = captioned(handful.test_images[:2], [Caption("", "1", name), Caption("", "2", "")])
        alone = captioned(handful.test_images[:2], [Caption("", "1", ""), Caption("", "2", "")])
        changed = np.nonzero((sheet != alone).any((0, 2)))[0]
        assert changed.min() > 0 and changed.max() < 100


def test_no_digits_make_an_empty_sheet_and_captions_must_match() -> None:
    assert (captioned(np.empty((0, 28, 28), np.uint8), []) == 255).all()
    with pytest.raises(ValueError, match="shorter"):
        labeled_sheet(np.zeros((2, 28, 28), np.uint8), [Caption("", "1", "a")])
