"""Screens as they look at four widths, compared with the stored ones; `--snapshot-update` stores them anew.

The runs have outputs that a seeded generator made, so that every machine shows the same numbers.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from rich.console import Console
from syrupy.assertion import SnapshotAssertion

from kaggle_mnist import pipeline
from kaggle_mnist.cli import console
from kaggle_mnist.cli.screens import training
from kaggle_mnist.cli.screens.overview import show_overview
from kaggle_mnist.cli.screens.runs import show_comparison
from kaggle_mnist.compare import compare_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.overview import list_entries
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.labels import Labels
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.training.cross_validation import HISTORY, CrossValidation, EpochEnd, MemberEpoch
from tests.cli.screens.screen import screen

WIDTHS = pytest.mark.parametrize("width", [120, 80, 60, 40])
STYLES = {"", "0", "1", "2", "3", "38;5;31", "1;38;5;31", "1;97;48;5;31", "1;37;48;5;31"}  # bold, dim, italic, accent


def made_outputs(labels: NDArray[np.int64], rng: np.random.Generator, errors: int) -> NDArray[np.float32]:
    """Outputs that are wrong for the first `errors` images, float32 ``(n, 10)``."""
    outputs = rng.uniform(0, 0.05, (len(labels), 10)).astype(np.float32)
    answers = np.where(np.arange(len(labels)) < errors, (labels * 3 + 4) % 10, labels)
    outputs[np.arange(len(labels)), answers] = rng.uniform(0.6, 0.99, len(labels))
    return outputs


def make_run(
    name: str,
    digits: Digits,
    monkeypatch: pytest.MonkeyPatch,
    *,
    seed: int,
    errors: int,
    hidden: tuple[int, ...] = (48,),
) -> Run:
    def cross_validate(digits: Digits, recipe: Recipe, folds: NDArray[np.int64], *_: object, **__: object):  # type: ignore[no-untyped-def]
        rng = np.random.default_rng(seed)
        oof = made_outputs(digits.train_labels, rng, errors)
        test = np.stack([made_outputs(digits.train_labels[: len(digits.test_images)], rng, 3) for _ in range(3)])
        rows = [(epoch, 0, fold, 1e-3, 0.1, 0.1, 1 - 0.2 / epoch) for epoch in range(1, 5) for fold in range(3)]
        return CrossValidation({}, oof[None], test[None], pd.DataFrame(rows, columns=HISTORY))

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "cross_validate", cross_validate)
        patch.setattr(time, "perf_counter", lambda: 0.0)
        recipe = Recipe(name=name, hidden=hidden, epochs=4, batch_size=100)
        labels = Labels(name=name, note=f"{len(hidden)} hidden layers", tags=("evening",))
        run = pipeline.train(recipe, input=digits, folds=3, seed=seed, labels=labels)
    place = Path(f"submissions/20261126-20000{seed}-{name}")
    run.path.rename(place)
    return read_run(place)


def shown(text: str) -> str:
    """What was printed, without what differs from run to run."""
    return re.sub(r"\d+ s", "9 s", re.sub(r" +$", "", text, flags=re.MULTILINE))


@WIDTHS
def test_a_finished_run(few: Digits, width: int, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion) -> None:
    run = make_run("steady", few, monkeypatch, seed=1, errors=40)
    text = screen(monkeypatch, width=width, terminal=True)
    training.show_run(run)
    assert max(map(len, text.getvalue().splitlines())) <= width
    assert shown(text.getvalue()) == snapshot


@pytest.fixture
def evening(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three runs in `submissions/`."""
    make_run("steady", few, monkeypatch, seed=1, errors=40)
    make_run("wide", few, monkeypatch, seed=2, errors=44, hidden=(300, 100))
    make_run("narrow", few, monkeypatch, seed=3, errors=200, hidden=(8,))


@WIDTHS
@pytest.mark.usefixtures("evening")
def test_a_comparison(width: int, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion) -> None:
    text = screen(monkeypatch, width=width, terminal=True)
    show_comparison(compare_runs([], "submissions"))
    assert max(map(len, text.getvalue().splitlines())) <= width
    assert shown(text.getvalue()) == snapshot


@WIDTHS
@pytest.mark.usefixtures("evening")
def test_the_list_of_runs(width: int, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion) -> None:
    text = screen(monkeypatch, width=width, terminal=True)
    show_overview(list_entries(Path("submissions")), Path("submissions"))
    assert max(map(len, text.getvalue().splitlines())) <= width
    assert re.sub(r"[\d.]+ MB", "1 MB", shown(text.getvalue())) == snapshot


@WIDTHS
def test_an_epoch_in_the_middle(width: int, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    screen(monkeypatch, width=width, terminal=True)
    with console.Watcher() as watcher:
        watcher.curve.earlier = ("20261126-200000-mlp", {12: 0.9938})
        watcher("Training", 0, 30)
        monkeypatch.setattr(time, "monotonic", lambda: 60.0)
        for epoch in range(1, 13):
            accuracies = (0.99 - 0.1 / epoch, 0.992 - 0.1 / epoch)
            members = tuple(MemberEpoch(0, fold, 1e-3, 0.1, 0.1, value) for fold, value in enumerate(accuracies))
            watcher.on_epoch(EpochEnd(epoch, 30, members, 5.0))
        lines = watcher._picture().plain.splitlines()
    assert max(map(len, lines)) <= width
    assert "\n".join(lines) == snapshot


def test_screens_have_one_color_that_reads_on_light_and_dark(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run("steady", few, monkeypatch, seed=1, errors=40)
    text = screen(monkeypatch, width=80, terminal=True)
    colored = Console(file=text, force_terminal=True, width=80, soft_wrap=True, highlight=False, color_system="256")
    for module in (console, training):
        monkeypatch.setattr(module, "console", colored)
    training.show_run(run)
    watcher = console.Watcher()
    watcher("Training", 3, 30)
    watcher.stop()
    assert set(re.findall(r"\x1b\[([\d;]*)m", text.getvalue())) <= STYLES
    accent = (0, 0x87, 0xAF)  # of color 31 among the 256
    assert "38;5;31" in text.getvalue()
    for background in ((255, 255, 255), (0, 0, 0), (0x1E, 0x1E, 0x1E), (0xFD, 0xF6, 0xE3)):
        assert contrast(accent, background) >= 3.5


def contrast(first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    """The contrast ratio of two sRGB colors, from 1 to 21 (WCAG 2.2, definition of contrast ratio)."""
    light, dark = sorted(map(_luminance, (first, second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: tuple[int, int, int]) -> float:
    parts = [value / 255 for value in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
