from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.image_listing import WORDS
from kaggle_mnist.data.practice import open_withheld_labels
from kaggle_mnist.data.sources import labeled_places, load_digits
from kaggle_mnist.utils.errors import AmbiguousData, BadData
from tests.conftest import same_digits, write_folders
from tests.data.test_csv_files import Files, write, zip_of
from tests.data.test_hostile_files import refused


@pytest.fixture
def images(handful: Digits) -> Files:
    """Image files by path."""
    write_folders(handful, Path("made"))
    return {f"{path.relative_to('made')}": path.read_bytes() for path in Path("made").rglob("*.png")}


def labeled(files: Files, train: str, test: str) -> Files:
    """The same with the test images in digit folders; the numbers in their names are in the order of their ids."""
    labels = open_withheld_labels()[:12]
    moved = {name.replace("train/", f"{train}/"): content for name, content in files.items() if "train/" in name}
    return moved | {f"{test}/{label}/{i}.png": files[f"test/img_{i}.png"] for i, label in enumerate(labels, 1)}


@pytest.mark.parametrize(("train", "test"), [("training", "testing"), ("Train", "Test"), ("train", "test")])
@pytest.mark.parametrize("above", ["", "mnist_png/", "data/mnist_png/"])
def test_a_labeled_test_set_of_image_folders_has_its_labels_kept_apart(
    train: str, test: str, above: str, images: Files, handful: Digits
) -> None:
    write({f"{above}{name}": content for name, content in labeled(images, train, test).items()})
    for _ in range(2):  # decoded, and from the cache
        digits = load_digits()
        assert same_digits(digits, handful)
        assert digits.withheld is not None
        assert digits.withheld.open().tolist() == open_withheld_labels()[:12].tolist()
        assert digits.test_ids.tolist() == list(range(1, 13))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("readme.txt", "only the folders 0 to 9 are expected here; rename or remove it"),
        ("13.png", "is not in one of the folders 0 to 9; move it to that of its digit"),
    ],
)
def test_a_file_beside_the_digit_folders_of_a_labeled_test_set_is_named(name: str, advice: str, images: Files) -> None:
    write(labeled(images, "train", "test") | {f"test/{name}": b"x"})
    with pytest.raises(BadData) as error:
        load_digits()
    assert str(error.value) == f"input/test/{name}: {advice}"


def test_class_folders_without_test_images_are_refused(images: Files) -> None:
    write(labeled(images, "train", "test"))
    for file in Path("input/test").rglob("*.png"):
        file.unlink()
    with pytest.raises(BadData, match="test: contains no images; put the test images there"):
        load_digits()


@pytest.mark.parametrize("above", ["", "mnist/", "a/b/"])
def test_images_in_a_zip_are_read_in_place(above: str, images: Files, handful: Digits) -> None:
    junk = {"__MACOSX/train/0/._img_1.png": b"x", "train/0/.DS_Store": b"x", "notes.txt": b"x"}
    write({"archive.zip": zip_of({f"{above}{name}": content for name, content in (images | junk).items()})})
    assert same_digits(load_digits(), handful)
    assert same_digits(load_digits("input/archive.zip"), handful)
    assert labeled_places(load_digits())[0] == f"input/archive.zip/{above}train/{handful.train_labels[0]}/img_1.png"
    assert [path.name for path in Path("input").iterdir()] == ["archive.zip"]
    write({"archive.zip": zip_of({name.replace("/", "\\"): content for name, content in images.items()})})
    assert same_digits(load_digits(), handful)


def test_a_zip_of_images_and_what_was_extracted_from_it_are_one_set(images: Files, handful: Digits) -> None:
    write({"archive.zip": zip_of(images), **images})
    assert same_digits(load_digits(), handful)
    write({"test/img_1.png": images["test/img_2.png"] + b"x"})
    with pytest.raises(AmbiguousData, match=r"two data sets: input/train/ .*; input/archive\.zip/train/ and"):
        load_digits()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x", "archive.zip/test/img_1.png: not a JPG or PNG image despite its name"),
        (b"x" * (2 << 20), "archive.zip/test/img_1.png: has 2 MB; an image of 28×28 pixels"),
    ],
)
def test_a_bad_image_in_a_zip_is_named(content: bytes, message: str, images: Files) -> None:
    write({"archive.zip": zip_of(images | {"test/img_1.png": content})})
    refused(load_digits, message)


def test_a_damaged_zip_of_images_is_refused(images: Files) -> None:
    packed = bytearray(zip_of(images))
    packed[3000:3040] = bytes(40)
    write({"archive.zip": bytes(packed)})
    refused(load_digits, "archive.zip/")


def test_leftovers_of_macos_are_no_second_set_and_no_images(images: Files, handful: Digits) -> None:
    write(images | {"__MACOSX/train/0/._img_1.png": b"x", "__MACOSX/test/._img_1.png": b"x", "train/._0": b"x"})
    assert same_digits(load_digits(), handful)


def test_test_images_in_one_folder_of_their_own_are_unlabeled(images: Files, handful: Digits) -> None:
    write({name.replace("test/", "test/unknown/"): content for name, content in images.items()})
    assert same_digits(load_digits(), handful)
    assert load_digits().withheld is None


@pytest.mark.parametrize("names", [WORDS, [word.upper() for word in WORDS], [f"{digit:03}" for digit in range(10)]])
@pytest.mark.parametrize("inside", ["", "images/", "train/"])
def test_digit_folders_may_have_other_names_of_the_digits(
    names: list[str], inside: str, images: Files, handful: Digits
) -> None:
    def renamed(path: str) -> str:
        half, *folder, name = path.split("/")
        return f"{half}/{inside}{names[int(folder[0])]}/{name}" if folder else path

    write({renamed(path): content for path, content in images.items()})
    digits = load_digits()
    assert same_digits(digits, handful)
    assert labeled_places(digits)[0] == f"input/train/{inside}{names[handful.train_labels[0]]}/img_1.png"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test/0/1.png", "input/test/0: is a folder among images; move its images into input/test/, or remove it"),
        ("train/0/more/1.png", "input/train/0/more: is a folder among images; move its images into input/train/0/"),
        ("train/ten/1.png", "input/train/ten: only the folders 0 to 9 are expected here; rename or remove it"),
        ("train/more/7/1.png", "input/train/more: has folders of digits; move them into input/train/"),
        ("train/1.png", "input/train/1.png: is not in one of the folders 0 to 9; move it to that of its digit"),
        ("training/0/1.png", "found two sets of images: input/train; input/training; remove one"),
    ],
)
def test_a_folder_in_the_wrong_place_is_named(name: str, message: str, images: Files) -> None:
    write({**images, name: b"x"})
    refused(load_digits, message)


def test_a_labeled_picture_in_two_formats_is_refused(images: Files, handful: Digits) -> None:
    """Else one member would learn from it and be scored on it."""
    name = f"train/{handful.train_labels[2]}/img_3"
    write({**images, f"{name}.jpg": images[f"{name}.png"]})
    refused(load_digits, f"input/{name}.png and img_3.jpg: have the same name; remove one, or rename it if they are")


@pytest.mark.parametrize(
    ("count", "known"), [(24, "24 classes, as Sign Language MNIST"), (47, "47 classes, as EMNIST")]
)
def test_class_folders_of_another_set_are_recognized_in_one_line(count: int, known: str, images: Files) -> None:
    write({f"train/{i:02}/1.png": images["test/img_1.png"] for i in range(count)} | {"test/1.png": b"x"})
    assert known in refused(load_digits, "input/train: has", "only sets of ten classes, 0 to 9, can be used")


def saved(mode: str, kind: str) -> Callable[[bytes], bytes]:
    def convert(content: bytes) -> bytes:
        image: Image.Image = Image.open(io.BytesIO(content))
        file = io.BytesIO()
        if mode == "P":
            image = image.quantize(256)
        elif mode == "I;16":
            image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
        image.convert(mode).save(file, kind)
        return file.getvalue()

    return convert


@pytest.mark.parametrize("mode", ["P", "LA", "I;16", "RGB"])
def test_a_png_of_any_mode_gives_the_same_digits(mode: str, images: Files, handful: Digits) -> None:
    convert = saved(mode, "PNG")
    write({name: convert(content) for name, content in images.items()})
    assert same_digits(load_digits(), handful)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read_where_pillow_has_it_and_else_the_cause_is_named(
    images: Files, handful: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = saved("L", "AVIF")
    files = {name.replace(".png", ".avif"): convert(c) if "test" in name else c for name, c in images.items()}
    write({name.replace(".avif", ".png") if "train" in name else name: c for name, c in files.items()})
    assert np.abs(load_digits().test_images.astype(int) - handful.test_images).mean() < 5
    monkeypatch.setattr(features, "check", lambda name: False)
    write({"test/img_1.avif": files["test/img_2.avif"]})
    refused(load_digits, "input/test/img_1.avif: this Pillow cannot read AVIF; convert the images to PNG")
