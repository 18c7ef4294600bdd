from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.suspects import HEADER, read_suspects, suspects_csv
from kaggle_mnist.utils.errors import BadData
from tests.data.test_hostile_files import ODD_NUMBERS, refused


def suspects_of(digits: Digits, images: list[int]) -> pd.DataFrame:
    """Suspects as an audit finds them, the most suspect first."""
    labels = digits.train_labels[images]
    confidence = np.linspace(0.01, 1 / 3, len(images))
    places = [f"train/{label}/img_{image}.png" for image, label in zip(images, labels, strict=True)]
    columns = {"image": images, "label": labels, "suggested": 9 - labels, "self_confidence": confidence}
    return pd.DataFrame({**columns, "place": places})


def test_the_suspects_of_an_audit_are_read_back_in_ascending_order(handful: Digits) -> None:
    content = suspects_csv(suspects_of(handful, [70, 4, 119]))
    assert content.startswith(HEADER)
    Path("audit.csv").write_bytes(content)
    assert read_suspects(Path("audit.csv"), handful.train_labels) == (4, 70, 119)


def test_self_confidence_has_six_decimals_and_odd_file_names_are_kept(handful: Digits) -> None:
    suspects = suspects_of(handful, [4, 70])
    suspects.loc[1, "place"] = "train/3/\udcff,\n.png"
    header, *rows = suspects_csv(suspects).decode("utf-8", "surrogateescape").split("\n", 2)
    assert rows[0].split(",")[3] == "0.010000"
    assert '0.333333,"train/3/\udcff,\n.png"' in rows[1]
    assert header.encode() + b"\n" == HEADER
    Path("audit.csv").write_bytes(suspects_csv(suspects))
    assert read_suspects(Path("audit.csv"), handful.train_labels) == (4, 70)


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_made_by_hand_needs_only_two_columns_in_any_order(start: str, end: str, handful: Digits) -> None:
    rows = ["label,note,image", *(f"{handful.train_labels[image]},?, {image}" for image in (8, 2)), ""]
    Path("mine.csv").write_text(start + end.join(rows), encoding="utf-8", newline="")
    assert read_suspects(Path("mine.csv"), handful.train_labels) == (2, 8)


@pytest.mark.parametrize(
    ("separator", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-8-sig"), (";", "cp1252")]
)
def test_the_table_of_an_audit_is_read_after_excel_saved_it(separator: str, encoding: str, handful: Digits) -> None:
    """With a comma in decimals, an emptied row, and 70 as 70.0, as pandas has it once a row was empty."""
    rows = [HEADER.decode().strip().split(","), ["", "", "", "", ""]]
    rows += [[image, f"{handful.train_labels[int(float(image))]}", "9", "0,01", "é"] for image in ("70.0", "4")]
    Path("audit.csv").write_text("\r\n".join(separator.join(f'"{x}"' for x in row) for row in rows), encoding=encoding)
    assert read_suspects(Path("audit.csv"), handful.train_labels) == (4, 70)


def test_an_excel_workbook_is_called_one(handful: Digits) -> None:
    Path("audit.csv").write_bytes(b"PK\x03\x04...xl/workbook.xml" + bytes(100))
    with pytest.raises(BadData, match=r"audit\.csv: is an Excel workbook, not a CSV; save it as CSV"):
        read_suspects(Path("audit.csv"), handful.train_labels)


def test_a_table_without_rows_has_no_suspects(handful: Digits) -> None:
    Path("none.csv").write_bytes(HEADER)
    assert read_suspects(Path("none.csv"), handful.train_labels) == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "row 1: has no column image; use a CSV from `kaggle-mnist audit`"),
        ("image\n1\n", "row 1: has no column label"),
        ("image,label\n120,1\n", "row 2: image is '120'; it must be a whole number from 0 to 119"),
        ("image,label\n-1,1\n", "row 2: image is '-1'"),
        ("image,label\n1e1,1\n", "row 2: image is '1e1'"),
        ("image,label\n5\n", "row 2: has no label; complete the row"),
        ("image,label\n5,X\n5,LABEL\n", "row 2: label is 'X'; it must be a whole number from 0 to 9"),
        ("image,label\n5,LABEL\n6,OTHER\n", "row 3: image 6 has the label"),
        ("image,label\n5,LABEL\n\n5,LABEL\n", "row 4: image 5 is already in row 2; delete one of the rows"),
        ("image,label\n\x00,1\n", "row 2: "),
        ("\udcff\udcfe\x00", "row 1: has no column image"),
        ("x" * (17 << 20), "is larger than 16 MB"),
    ],
)
def test_an_error_names_the_file_and_row(handful: Digits, content: str, message: str) -> None:
    y_true = handful.train_labels
    content = content.replace("LABEL", str(y_true[5])).replace("OTHER", str((y_true[6] + 1) % 10))
    Path("drop.csv").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadData) as error:
        read_suspects(Path("drop.csv"), y_true)
    assert str(error.value).startswith("drop.csv")
    assert message in str(error.value)


def test_a_quote_that_is_not_closed_is_named_with_its_row(handful: Digits) -> None:
    rows = f'0,{handful.train_labels[0]}\n1,"{handful.train_labels[1]}\n' + "2,0\n" * 40_000
    Path("audit.csv").write_text(f"image,label\n{rows}")
    with pytest.raises(BadData, match=r"audit\.csv, row 3: is not valid CSV .*; perhaps a quote is not closed"):
        read_suspects(Path("audit.csv"), handful.train_labels)


def test_a_missing_file_is_refused(handful: Digits) -> None:
    with pytest.raises(BadData, match=r"nowhere\.csv: cannot be read \(No such file or directory\)"):
        read_suspects(Path("nowhere.csv"), handful.train_labels)


@pytest.mark.parametrize("number", [number for number in ODD_NUMBERS if number])
def test_an_odd_number_is_refused_with_its_row(number: str) -> None:
    Path("odd.csv").write_bytes(b"image,label\n" + number.encode() + b",0\n")
    refused(lambda: read_suspects(Path("odd.csv"), np.zeros(5, np.int64)), "odd.csv, row")


def test_millions_of_columns_are_read_quickly() -> None:
    """A dictionary per row would have two million keys."""
    rows = b"".join(b"%d,%d\n" % (image, image % 10) for image in range(2000))
    Path("wide.csv").write_bytes(b"image,label" + b"," * 2_000_000 + b"\n" + rows)
    assert len(read_suspects(Path("wide.csv"), np.arange(2000) % 10)) == 2000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_suspects_are_read_from_a_pipe(handful: Digits) -> None:
    os.mkfifo("pipe.csv")
    content = suspects_csv(suspects_of(handful, [3]))
    writer = threading.Thread(target=Path("pipe.csv").write_bytes, args=[content])
    writer.start()
    assert read_suspects(Path("pipe.csv"), handful.train_labels) == (3,)
    writer.join()
