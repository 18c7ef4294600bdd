from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import ProcessPoolExecutor
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist.data import image_folders
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.image_folders import load_images
from kaggle_mnist.data.image_listing import image_folders as image_folders_in
from kaggle_mnist.data.places import Place
from kaggle_mnist.utils.errors import BadData
from tests.conftest import same_digits, write_folders


@pytest.fixture
def folder(handful: Digits, tmp_path: Path) -> Path:
    write_folders(handful, tmp_path / "set")
    return tmp_path / "set"


def load(folder: Path) -> Digits:
    found = image_folders_in(Place(folder))
    assert found is not None
    return load_images(found)


def test_png_files_numbered_like_the_rows_give_the_digits_of_the_csv(folder: Path, handful: Digits) -> None:
    assert same_digits(load(folder), handful)


def test_jpg_files_in_kaggles_nested_folders_give_nearly_the_same_digits(handful: Digits, tmp_path: Path) -> None:
    write_folders(handful, tmp_path, train="trainingSet/trainingSet", test="testSet/testSet", suffix=".jpg")
    digits = load(tmp_path)
    assert np.array_equal(digits.train_labels, handful.train_labels)
    assert np.abs(digits.test_images.astype(int) - handful.test_images).mean() < 5


@pytest.fixture
def own_chunks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Use two processes even for few images; the sizes of the chunks that this process decoded."""
    sizes: list[int] = []
    decode = image_folders._decode

    def counted(paths: list[str]) -> NDArray[np.uint8]:
        sizes.append(len(paths))
        return decode(paths)

    class Pool(ProcessPoolExecutor):  # type: ignore[misc]  # joblib is untyped
        def submit(self, function: object, paths: list[str]) -> Future[NDArray[np.uint8]]:
            future: Future[NDArray[np.uint8]] = super().submit(decode, paths)
            return future

    monkeypatch.setattr(image_folders, "PER_WORKER", 1000)
    monkeypatch.setattr(image_folders, "CHUNK", 100)
    monkeypatch.setattr(image_folders, "cpu_count", lambda: 2)
    monkeypatch.setattr(image_folders, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(image_folders, "_decode", counted)
    return sizes


def test_many_images_are_decoded_by_several_processes_in_order(
    few: Digits, tmp_path: Path, own_chunks: list[int]
) -> None:
    write_folders(few, tmp_path)
    seen: list[int] = []
    found = image_folders_in(Place(tmp_path))
    assert found is not None
    digits = load_images(found, progress=lambda stage, done, total, note="": seen.append(done))
    assert same_digits(digits, few)
    assert seen == list(range(0, 1801, 100))
    assert 0 < len(own_chunks) <= 15  # the worker did three or more
    assert active_children() == []


@pytest.mark.filterwarnings("error", "ignore::ResourceWarning")  # which what other tests have left may cause
@pytest.mark.parametrize(
    "bad", ["train/{first}/img_1.png", "test/img_300.png"]
)  # found by a worker, or by this process
def test_a_bad_image_among_many_is_named_and_no_process_remains(
    few: Digits, tmp_path: Path, own_chunks: list[int], bad: str
) -> None:
    write_folders(few, tmp_path)
    file = tmp_path / bad.format(first=few.train_labels[0])
    file.write_bytes(b"not an image")
    with pytest.raises(BadData, match=rf"{file.name}: not a JPG or PNG image"):
        load(tmp_path)
    assert active_children() == []


def test_17_comes_before_100(folder: Path, handful: Digits) -> None:
    """As text, img_12 would come before img_2."""
    assert np.array_equal(load(folder).test_images, handful.test_images)
    assert not np.array_equal(handful.test_images[1], handful.test_images[11])


def test_a_colour_image_is_converted_to_greyscale(folder: Path, handful: Digits) -> None:
    Image.open(folder / "test/img_3.png").convert("RGB").save(folder / "test/img_3.png")
    assert same_digits(load(folder), handful)


def test_images_are_decoded_once(folder: Path, handful: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    load(folder)
    monkeypatch.setattr(image_folders, "_decode_all", None)
    assert same_digits(load(folder), handful)


def test_a_changed_image_is_decoded_again(folder: Path, handful: Digits) -> None:
    load(folder)
    Image.fromarray(255 - handful.test_images[0]).save(folder / "test/img_1.png")
    assert np.array_equal(load(folder).test_images[0], 255 - handful.test_images[0])


def test_a_damaged_cache_entry_is_not_used(folder: Path, handful: Digits, tmp_path: Path) -> None:
    load(folder)
    [entry] = (tmp_path / "cache/digits").glob("*.npz")
    content = bytearray(entry.read_bytes())
    content[5000] ^= 1
    entry.write_bytes(content)
    assert same_digits(load(folder), handful)
    entry.write_bytes(content[:7000])
    assert same_digits(load(folder), handful)


def larger(path: Path) -> None:
    Image.open(path).resize((32, 32)).save(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def gif(path: Path) -> None:
    Image.open(path).save(path, "GIF")


ERRORS: dict[str, tuple[Callable[[Path], object], str]] = {
    "another size": (larger, "img_5.png: is 32×32 pixels; every image must be 28×28"),
    "a truncated file": (cut, "img_5.png: cannot be decoded"),
    "an empty file": (lambda path: path.write_bytes(b""), "img_5.png: is empty; copy it again"),
    "a web page": (
        lambda path: path.write_bytes(b"<!DOCTYPE html><html>"),
        "img_5.png: is a web page, not an image; download it again, signed in if it asks for that",
    ),
    "a format that is not read": (
        lambda path: path.rename(path.with_suffix(".BMP")),
        "img_5.BMP: not a .jpg or .png file; convert the images to PNG",
    ),
    "another format under this name": (gif, "img_5.png: not a JPG or PNG image"),
    "a file of another kind": (
        lambda path: path.with_name("notes.txt").write_text("x"),
        "notes.txt: not a .jpg or .png file",
    ),
    "a duplicate number": (lambda path: path.rename(path.with_name("digit_4.png")), "both have the number 4"),
    "a gap": (lambda path: path.unlink(), "has an image number 12 but no number 5"),
    "numbers from 0": (
        lambda path: path.with_name("img_1.png").rename(path.with_name("img_0.png")),
        "has an image number 0",
    ),
    "no number": (lambda path: path.rename(path.with_name("five.png")), "five.png: has no number in its name"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_names_the_file(folder: Path, case: str) -> None:
    spoil, message = ERRORS[case]
    spoil(folder / "test/img_5.png")
    with pytest.raises(BadData) as error:
        load(folder)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_or_a_missing_digit_folder_is_refused(folder: Path) -> None:
    for file in (folder / "train/7").iterdir():
        file.unlink()
    with pytest.raises(BadData, match=r"train/7: contains no images"):
        load(folder)
    (folder / "train/7").rmdir()
    with pytest.raises(BadData, match=r"train/7: contains no images"):
        load(folder)


def test_an_unexpected_folder_among_the_digits_is_refused(folder: Path) -> None:
    (folder / "train/ten").mkdir()
    with pytest.raises(BadData, match=r"train/ten: only the folders 0 to 9 are expected here; rename or remove it"):
        load(folder)


def test_files_left_by_file_managers_are_ignored(folder: Path, handful: Digits) -> None:
    for place in (folder / "train", folder / "train/3", folder / "test"):
        (place / ".DS_Store").write_bytes(b"x")
        (place / "Thumbs.db").write_bytes(b"x")
        (place / "Icon\r").write_bytes(b"x")
        (place / "@eaDir").mkdir()
    assert same_digits(load(folder), handful)


def test_a_single_image_folder_is_refused(folder: Path) -> None:
    (folder / "test").rename(folder / "tests")
    with pytest.raises(BadData, match=r"train/ exists but .*test/ does not"):
        image_folders_in(Place(folder))
