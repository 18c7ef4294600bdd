from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.report import gallery as module
from kaggle_mnist.report.gallery import COLUMNS, CORRECT, choose_digits, make_sprite
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.run import Outputs, Run, read_run

LABELS = np.repeat(np.arange(10), 100)


@pytest.fixture
def run(evening: Path) -> Run:
    return read_run(list_runs(evening)[0])


def outputs_with(predicted: NDArray[np.int64], confidence: NDArray[np.float32] | None = None) -> Outputs:
    """Outputs for images with `LABELS`, each largest for the digit in `predicted`."""
    n = len(predicted)
    oof = np.zeros((n, 10), np.float32)
    oof[np.arange(n), predicted] = np.linspace(0.5, 0.9, n) if confidence is None else confidence
    test = np.tile(np.array([0.5, 0.1, *[0] * 8], np.float32), (30, 1))
    test[7, 1] = 0.45
    return Outputs(oof, test, LABELS[:n], np.arange(1, 31), np.zeros((1, n), np.int64))


def test_every_mistake_is_in_its_cell_most_confident_first(run: Run) -> None:
    outputs = run.outputs()
    gallery = choose_digits(outputs)
    predicted = outputs.oof.argmax(1)
    for true in range(10):
        for read in set(range(10)) - {true}:
            start, end = gallery.cells[true * 10 + read]
            in_cell = np.flatnonzero((outputs.y_true == true) & (predicted == read))
            assert sorted(gallery.images[start:end]) == in_cell.tolist()
            confidence = outputs.oof[gallery.images[start:end], read]
            assert (np.diff(confidence) <= 0).all()
            np.testing.assert_array_equal(gallery.outputs[start:end], outputs.oof[gallery.images[start:end]])


def test_correct_predictions_are_sampled_from_the_most_to_the_least_confident() -> None:
    outputs = outputs_with(LABELS)
    gallery = choose_digits(outputs)
    start, end = gallery.cells[33]
    assert end - start == CORRECT
    assert (gallery.images[start], gallery.images[end - 1]) == (399, 300)  # confidence grows along the images
    assert gallery.mistakes == []


def test_of_too_many_mistakes_each_cell_shows_its_most_confident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MISTAKES", 60)
    outputs = outputs_with((LABELS + 1) % 10)  # all wrong: ten cells of 100 mistakes
    gallery = choose_digits(outputs)
    assert [end - start for start, end in gallery.cells if end > start] == [6] * 10
    start, end = gallery.cells[12]
    assert gallery.images[start:end].tolist() == list(range(199, 193, -1))


def test_mistakes_start_with_the_most_confident_and_test_digits_with_the_least_certain() -> None:
    predicted = LABELS.copy()
    predicted[[5, 250, 777]] = 9
    confidence = np.full(1000, 0.6, np.float32)
    confidence[[250, 777, 5]] = 0.99, 0.9, 0.8
    gallery = choose_digits(outputs_with(predicted, confidence))
    assert gallery.images[gallery.mistakes].tolist() == [250, 777, 5]
    assert gallery.images[gallery.uncertain][0] == 7
    assert (gallery.labels[gallery.uncertain] == -1).all()


def test_the_sprite_has_the_digits_in_the_order_of_the_gallery(run: Run, few: Digits) -> None:
    gallery = choose_digits(run.outputs())
    content = base64.b64decode(make_sprite(gallery, few).removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(content)) as picture:
        ink = 255 - np.asarray(picture.convert("L")).astype(int)
    for n in (0, 51, len(gallery.images) - 1):
        top, left = n // COLUMNS * 28, n % COLUMNS * 28
        source = few.test_images if gallery.labels[n] < 0 else few.train_images
        assert abs(ink[top : top + 28, left : left + 28] - source[gallery.images[n]]).max() <= 9  # 16 greys


def test_a_run_without_mistakes_has_none_in_its_gallery_and_few_images_are_all_shown() -> None:
    labels = LABELS[::50]  # two of each digit
    oof = np.eye(10, dtype=np.float32)[labels]
    gallery = choose_digits(Outputs(oof, oof[:2], labels, np.array([1, 2]), np.zeros((1, 20), np.int64)))
    assert gallery.mistakes == []
    assert sorted(gallery.images[gallery.labels >= 0].tolist()) == list(range(20))
    assert gallery.uncertain == [20, 21]
