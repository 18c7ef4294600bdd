"""What audit and predict print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kaggle_mnist.audit import Audit, Confirmed
from kaggle_mnist.cli.screens.digits import show_audit, show_prediction
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.predict import Prediction
from tests.cli.screens.screen import screen


def prediction_of(digits: Digits, number: int) -> Prediction:
    """Certain outputs, 0 to 9 in turn, for the first test images."""
    outputs = np.eye(10, dtype=np.float32)[np.arange(number) % 10]
    files = [Path(f"photos/[bold]{i:03}.png") for i in range(number)]
    images, corners = digits.test_images[:number], np.zeros((number, 4, 2))
    return Prediction("tiny", files, [1] * number, images, corners, outputs, 0.9, ["bad.png: not an image"])


def audit_of(number: int, *, confident: bool = True) -> Audit:
    rows = [(i, 4, 9, 0.001 * i, f"train.csv, row {i + 2}") for i in range(number)]
    suspects = pd.DataFrame(rows, columns=["image", "label", "suggested", "self_confidence", "place"])
    table, picture = Path("two words/audit.csv"), Path("two words/audit.png")
    return Audit("tiny", 42_000, suspects, table, picture, confident, Confirmed(6, 1, 3))


@pytest.mark.parametrize("width", [40, 80])
def test_one_image_is_shown_with_bars_that_fit(
    few: Digits, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = screen(monkeypatch, width=width)
    show_prediction(prediction_of(few, 1), as_csv=False, csv=None, show=Path("seen.png"))
    lines = text.getvalue().splitlines()
    assert lines[0] == "Digit        0 (photos/[bold]000.png)"
    assert lines[1].startswith("Outputs      0  1.0000  ████")
    assert max(map(len, lines)) <= width
    assert lines[-1] == "Picture      seen.png"
    assert capsys.readouterr().err == "kaggle-mnist: bad.png: not an image\n"


def test_many_images_are_a_table_of_forty_rows(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_prediction(prediction_of(few, 50), as_csv=False, csv=None, show=None)
    assert "photos/[bold]039.png" in text.getvalue()
    assert "photos/[bold]040.png" not in text.getvalue()
    assert "… and 10 more; --csv FILE writes all of them" in text.getvalue()


@pytest.mark.parametrize("width", [40, 80])
def test_the_digits_of_a_page_have_numbers_and_fit(few: Digits, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch, width=width, terminal=True)
    outputs = np.zeros((3, 10), np.float32)
    outputs[[0, 1, 1, 2], [7, 4, 9, 0]] = 0.9, 0.5, 0.4, 0.8
    files = [Path("photos/page.jpg")] * 2 + [Path("photos/[b]other.jpg")]
    images, corners = few.test_images[:3], np.zeros((3, 4, 2))
    prediction = Prediction("tiny", files, [1, 2, 1], images, corners, outputs, 0.8, [])
    show_prediction(prediction, as_csv=False, csv=None, show=None)
    lines = [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]
    assert max(map(len, lines)) <= width
    if width == 80:
        assert [line.split() for line in lines[2:]] == [
            ["7", "0.90", "1", "photos/page.jpg"],
            ["not", "sure:", "4", "or", "9", "0.50", "2", "photos/page.jpg"],
            ["0", "0.80", "1", "photos/[b]other.jpg"],
        ]
    else:
        assert lines == [
            "photos/page.jpg",
            "   1  7  0.90",
            "   2  not sure: 4 or 9  0.50",
            "photos/[b]other.jpg",
            "   1  0  0.80",
        ]


def test_csv_goes_to_standard_output_and_nothing_else_does(
    few: Digits, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = screen(monkeypatch)
    show_prediction(prediction_of(few, 2), as_csv=True, csv=None, show=Path("seen.png"))
    assert text.getvalue() == ""
    assert [line.split(",")[2] for line in capsys.readouterr().out.splitlines()] == ["digit", "0", "1"]


def test_an_audit_shows_ten_suspects_and_a_command_that_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_audit(audit_of(300))
    assert "Suspects     300 of 42,000 training labels look wrong, according to tiny\n" in text.getvalue()
    assert "train.csv, row 11" in text.getvalue()
    assert "train.csv, row 12" not in text.getvalue()
    assert "kaggle-mnist train --drop-suspects 'two words/audit.csv'\n" in text.getvalue()
    assert "3 of 6 label errors that people confirmed" in text.getvalue()
    assert "audit.png (the first 200)" in text.getvalue()
    assert "`audit --all`" in text.getvalue()
    assert max(map(len, text.getvalue().splitlines())) <= 80


def test_an_audit_of_all_contradicted_labels_does_not_suggest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_audit(audit_of(3, confident=False))
    assert "Suspects     3 of 42,000 training labels are contradicted by the outputs of tiny\n" in text.getvalue()
    assert ["image", "label", "suggested", "self-confidence", "place"] in map(str.split, text.getvalue().splitlines())
    assert "--all" not in text.getvalue()


@pytest.mark.parametrize(
    ("confident", "expected"),
    [(True, "none of 42,000 training labels look wrong"), (False, "none of 42,000 training labels are contradicted")],
)
def test_an_audit_that_found_nothing_names_no_file_and_drops_nothing(
    confident: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = screen(monkeypatch)
    show_audit(audit_of(0, confident=confident))
    assert f"Suspects     {expected}" in text.getvalue()
    assert not any(word in text.getvalue() for word in ("Table", "Picture", "drop"))
    assert ("`audit --all` also" in text.getvalue()) is confident


def test_a_single_suspect_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(monkeypatch)
    show_audit(audit_of(1))
    assert "Suspects     1 of 42,000 training labels looks wrong, according to tiny\n" in text.getvalue()
