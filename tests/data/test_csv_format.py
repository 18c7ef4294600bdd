"""Each public form of a CSV of digits is read as it is meant, or its cause of trouble is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from kaggle_mnist.data.csv_format import recognize
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import COLUMNS
from kaggle_mnist.data.practice import open_withheld_labels
from kaggle_mnist.data.sources import labeled_places, load_digits
from kaggle_mnist.utils.errors import BadData
from tests.conftest import same_digits

TRAIN, TEST = COLUMNS["train.csv"], COLUMNS["test.csv"]
GRID = [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)]
FROM_1 = [f"pixel{i}" for i in range(1, 785)]


def table(images: NDArray[np.uint8], names: list[str], **leading: NDArray[np.int64]) -> pd.DataFrame:
    """Images as rows, behind the columns in `leading`."""
    pixels = pd.DataFrame(images.reshape(len(images), -1), columns=names)
    return pd.concat([pd.DataFrame(leading), pixels], axis=1)


def save(train: pd.DataFrame, test: pd.DataFrame, prefix: str = "", encoding: str = "utf-8", **options: object) -> None:
    """Both halves in `input/`, as `DataFrame.to_csv` saves them with these options."""
    Path("input").mkdir()
    for half, rows in (("train", train), ("test", test)):
        text = rows.to_csv(**{"index": False, **options})  # type: ignore[call-overload]
        Path("input", f"{prefix}{half}.csv").write_text(text, encoding=encoding)


@pytest.mark.parametrize(
    ("prefix", "names", "header"),
    [
        ("mnist_", GRID, True),  # mnist-in-csv
        ("mnist_", TEST, False),  # the headerless CSV
        ("fashion-mnist_", FROM_1, True),
        ("", TEST, True),
        ("", [f"{i}" for i in range(784)], True),
    ],
)
def test_a_labeled_test_set_is_read_with_its_labels_kept_apart(
    prefix: str, names: list[str], header: bool, handful: Digits
) -> None:
    labels = open_withheld_labels()[:12]
    train = table(handful.train_images, names, label=handful.train_labels)
    save(train, table(handful.test_images, names, label=labels), prefix, header=header)
    for _ in range(2):  # parsed, and from the cache
        digits = load_digits()
        assert same_digits(digits, handful)
        assert digits.fingerprint == handful.fingerprint
        assert digits.withheld is not None
        assert digits.withheld.open().tolist() == labels.tolist()
        assert digits.head(5, 5).withheld.open().tolist() == labels[:5].tolist()  # type: ignore[union-attr]
    first = 2 if header else 1
    assert labeled_places(digits)[:2] == [f"{prefix}train.csv, row {first}", f"{prefix}train.csv, row {first + 1}"]


def test_a_test_set_with_one_label_for_all_has_a_placeholder(handful: Digits) -> None:
    names = [f"pixel{i}" for i in range(784)]
    train = table(handful.train_images, names, label=handful.train_labels)
    save(train, table(handful.test_images, names, label=np.zeros(12, np.int64)), "", header=True)
    digits = load_digits()
    assert same_digits(digits, handful)
    assert digits.withheld is None


@pytest.mark.parametrize(
    "options",
    [
        {"sep": ";"},
        {"sep": "\t"},
        {"encoding": "utf-16"},  # Excel's "Unicode text" is both
        {"encoding": "utf-16", "sep": "\t"},
        {"encoding": "utf-8-sig", "sep": ";", "lineterminator": "\r\n"},
        {"index": True},
        {"index": True, "sep": ";"},
    ],
)
def test_what_excel_and_pandas_make_of_the_competitions_files_is_read(
    options: dict[str, object], handful: Digits
) -> None:
    train = table(handful.train_images, TEST, label=handful.train_labels)
    save(train, table(handful.test_images, TEST), **options)  # type: ignore[arg-type]
    assert same_digits(load_digits(), handful)


@pytest.mark.parametrize("columns", [["label"], TRAIN])
def test_whole_numbers_with_decimals_are_read_and_others_are_named(columns: list[str], handful: Digits) -> None:
    train = table(handful.train_images, TEST, label=handful.train_labels)
    save(train.astype(dict.fromkeys(columns, float)), table(handful.test_images, TEST))
    assert same_digits(load_digits(), handful)
    lines = Path("input/train.csv").read_text().splitlines()
    for value, column in (("2.5", "label"), ("2e0", "label"), ("", "label")):
        changed = [*lines[:70], ",".join([value, *lines[70].split(",")[1:]]), *lines[71:], ""]
        Path("input/train.csv").write_text("\n".join(changed))
        with pytest.raises(BadData, match=rf"train\.csv, row 71: {column} is {repr(value) if value else 'empty'}"):
            load_digits()


def test_rows_that_excel_emptied_are_not_images(handful: Digits) -> None:
    train = table(handful.train_images, TEST, label=handful.train_labels)
    save(train, table(handful.test_images, TEST), sep=";")
    lines = Path("input/train.csv").read_text().splitlines()
    Path("input/train.csv").write_text("\n".join([*lines[:50], ";" * 784, *lines[50:], *[";" * 784] * 3, ""]))
    assert same_digits(load_digits(), handful)
    Path("input/train.csv").write_text("\n".join([*lines[:50], ";" * 784, "x" + lines[50], *lines[51:], ""]))
    with pytest.raises(BadData, match=r"train\.csv, row 52: label is 'x"):
        load_digits()


def test_a_table_of_pandas_with_numbers_for_names_has_its_label_first(handful: Digits) -> None:
    train = table(handful.train_images, TEST, label=handful.train_labels).set_axis(range(785), axis=1)
    save(train, table(handful.test_images, TEST).set_axis(range(784), axis=1))
    assert same_digits(load_digits(), handful)


def test_an_id_column_gives_the_ids_of_the_test_images(handful: Digits) -> None:
    train = table(handful.train_images, TEST, label=handful.train_labels)
    save(train, table(handful.test_images, TEST, id=np.arange(12)[::-1]))
    digits = load_digits()
    assert same_digits(digits, handful)
    assert digits.test_ids.tolist() == list(range(12))[::-1]
    rows = Path("input/test.csv").read_text().replace("\n0,", "\n3,")
    Path("input/test.csv").write_text(rows)
    with pytest.raises(BadData, match=r"test\.csv: has the id 3 more than once"):
        load_digits()


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        (
            ",".join(["0", *["5"] * 785]),
            "row 1: has 786 values instead of 785; if it was saved with its index",
        ),
        (
            ";".join([*TRAIN, "x"]),
            "row 1: unknown column 'x'; expected label,pixel0,…,pixel783; the",
        ),
        (",".join(["5"] * 784), "row 1: starts with '5,5"),
        (
            ",".join(["5", "0", *(f"0.{i}" for i in range(1, 784))]),
            "row 1: is an image that pandas took for the header",
        ),
        (",".join(["label", *TEST[1:], "pixel0"]), "row 1: columns are out of order: column 2 is 'pixel1'"),
        (",".join(["label", *GRID[1:], "28x29"]), "row 1: missing columns 'pixel0'"),
        (",".join(["label", "id", *TEST]), "row 1: unknown column 'id'"),
        (",".join([*TEST, "label"]), "row 1: the label is the last column; it must be the first"),
        (",".join([*FROM_1, "class"]), "row 1: the label is the last column; it must be the first"),  # OpenML's
        (",".join([*TRAIN, ""]), "row 1: ends with an empty name; remove the separator at the end of the rows"),
        (",".join(["Table 1", *[""] * 784]), "row 1: starts with 'Table 1,"),
        ("\n" + ",".join(TRAIN), "row 1: is blank; delete it"),
        (",".join(["Unnamed: 0.1", "Unnamed: 0", *TRAIN]), "row 1: saved with its index several times; save it"),
        (
            ",".join(["label", *(f"pixel{i}" for i in range(1024))]),
            "row 1: has images of 32×32 pixels; every image must be 28×28",
        ),
        (",".join(["5"] * 1025), "row 1: has 1,025 values instead of 785"),
    ],
)
def test_what_cannot_be_read_without_doubt_is_named(start: str, problem: str) -> None:
    found = recognize(start.encode(), TRAIN)
    assert isinstance(found, str)
    assert found.startswith(problem)
    assert "index" not in found or "index" in problem


@pytest.mark.parametrize(
    ("classes", "recognized"),
    [
        ([c for c in range(25) if c != 9], "24 classes, as Sign Language MNIST"),
        (list(range(47)), "47 classes, as EMNIST Balanced"),
        (list(range(1, 27)), "26 classes, as EMNIST Letters"),
        (list(range(30)), "30 classes"),
    ],
)
def test_a_set_of_other_classes_is_recognized_in_one_line(classes: list[int], recognized: str, handful: Digits) -> None:
    labels = np.array(classes)[np.arange(120) % len(classes)]
    train = table(handful.train_images, FROM_1, label=labels)
    save(train, table(handful.test_images, FROM_1, label=labels[:12]), "sign_mnist_")
    message = f"input/sign_mnist_train.csv: has {recognized}; only sets of ten classes, 0 to 9, can be used"
    with pytest.raises(BadData) as error:
        load_digits()
    assert str(error.value) == message


@pytest.mark.parametrize("rows", [3, 10, 12])
@pytest.mark.parametrize("first", [0, 1, 28_000])
def test_an_index_without_a_header_is_not_taken_for_the_test_images_labels(
    rows: int, first: int, handful: Digits
) -> None:
    train = table(handful.train_images, TEST, label=handful.train_labels)
    test = table(handful.test_images[:rows], TEST, index=np.arange(first, first + rows))
    save(train, test, "mnist_", header=False)
    with pytest.raises(BadData) as error:
        load_digits()
    assert str(error.value) == (
        "input/mnist_test.csv: the first column has the rows' numbers or ids instead of labels;"
        " save it without its index (index=False in pandas), or with a header: id,pixel0,…,pixel783"
    )
    without = test.drop(columns="index").to_csv(index=False, header=False)  # as the message advises
    Path("input/mnist_test.csv").write_text(without)
    assert load_digits().withheld is None
    Path("input/mnist_test.csv").write_text(test.rename(columns={"index": "id"}).to_csv(index=False))
    assert load_digits().test_ids.tolist() == list(range(first, first + rows))


def test_a_shuffled_index_is_recognized_and_a_training_set_with_one_needs_labels(handful: Digits) -> None:
    index = np.random.default_rng(0).permutation(5000)[:120]  # as train_test_split leaves it
    save(table(handful.train_images, TEST, index=index), table(handful.test_images, TEST), header=False)
    with pytest.raises(
        BadData, match=r"input/train\.csv: the first column has the rows' numbers or ids instead of lab"
    ):
        load_digits()
    Path("input/train.csv").write_text(
        table(handful.train_images, TEST, index=np.arange(120)).to_csv(index=False, header=False)
    )
    with pytest.raises(BadData, match="save it with its labels there, and without its index"):
        load_digits()


@pytest.mark.parametrize("labels", [[0, 1], [7, 2, 1], [0, 1, 2, 4]])
def test_a_few_labels_without_a_header_are_labels_unless_they_number_the_rows(
    labels: list[int], handful: Digits
) -> None:
    train = table(handful.train_images, TEST, label=handful.train_labels)
    save(train, table(handful.test_images[: len(labels)], TEST, label=np.array(labels)), header=False)
    withheld = load_digits().withheld
    assert withheld is not None
    assert withheld.open().tolist() == labels


def test_a_bad_pixel_is_named_in_rows_whose_labels_happen_to_count(handful: Digits) -> None:
    rows = [int(np.flatnonzero(handful.train_labels == digit)[0]) for digit in range(10)]
    train = table(handful.train_images[rows], TEST, label=np.arange(10)).astype(int)
    train.loc[4, "pixel9"] = 300
    save(train, table(handful.test_images, TEST), header=False)
    with pytest.raises(BadData, match=r"train\.csv, row 5: pixel9 is '300'"):
        load_digits()


@pytest.mark.parametrize("half", ["train", "test"])
@pytest.mark.parametrize("header", [False, True])  # which pandas makes of the columns' numbers
def test_labels_in_the_last_column_without_a_name_are_not_taken_for_pixels(
    half: str, header: bool, handful: Digits
) -> None:
    images, labels = {
        "train": (handful.train_images, handful.train_labels),
        "test": (handful.test_images, open_withheld_labels()[:12]),
    }[half]
    tables = {
        "train": table(handful.train_images, TEST, label=handful.train_labels),
        "test": table(handful.test_images, TEST),
    }
    tables[half] = table(images, TEST).assign(label=labels)
    named = {half: rows.set_axis(range(rows.shape[1]), axis=1) for half, rows in tables.items()}
    save(named["train"], named["test"], header=header)
    with pytest.raises(BadData) as error:
        load_digits()
    assert str(error.value) == f"input/{half}.csv: the last column has the labels; they must be in the first"
