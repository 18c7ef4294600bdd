from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kaggle_mnist.report.charts import (
    SERIES,
    STYLE_OF,
    accuracy_curves,
    digit_chart,
    loss_curves,
    reliability_chart,
)
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.training import metrics


@pytest.fixture(scope="module")
def run(evening: Path) -> Run:
    """A run of three members and twelve epochs."""
    return read_run(list_runs(evening)[0])


@pytest.fixture(scope="module")
def history(run: Run) -> pd.DataFrame:
    return run.table("history")


@pytest.fixture(scope="module")
def charts(run: Run, history: pd.DataFrame) -> dict[str, str]:
    oof, y_true = run.outputs().oof, run.outputs().y_true
    return {
        "accuracy": accuracy_curves(history),
        "loss": loss_curves(history),
        "digits": digit_chart(metrics.digit_scores(oof, y_true)),
        "reliability": reliability_chart(metrics.reliability(oof, y_true)),
    }


def lines_of(svg: str) -> list[tuple[str, str]]:
    """Colour and style of each line in a chart that has more than a few points."""
    paths = re.findall(r'<path d="([^"]*)"[^>]*style="fill: none; ([^"]*)"', svg)
    found = []
    for shape, style in paths:
        colour = re.search(r"stroke: ([^;\"]+)", style)
        points = len(re.findall(r"[ML] ", shape))
        if colour and points > 5:
            found.append((colour[1], "dashed" if "dasharray" in style else "solid"))
    return found


def texts_of(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def of_members(history: pd.DataFrame, members: int) -> pd.DataFrame:
    """The history of the first member, as if there were that many repeats of one fold."""
    first = history[history.fold == 0]
    return pd.concat([first.assign(repeat=repeat) for repeat in range(members)], ignore_index=True)


def test_every_chart_is_one_described_svg_element_without_a_size_or_a_font(charts: dict[str, str]) -> None:
    for svg in charts.values():
        opening = svg[: svg.index(">")]
        assert opening.startswith('<svg class="chart" role="img" aria-label="')
        assert "viewBox=" in opening
        assert "width=" not in opening
        assert "font-family" not in svg
        assert svg.count("<svg") == svg.count("</svg>") == 1


def test_every_colour_is_one_of_the_pages_style_sheet(charts: dict[str, str]) -> None:
    css = Path(__file__).parents[2] / "kaggle_mnist" / "report" / "templates" / "report.css"
    defined = set(re.findall(r"(--[a-z0-9-]+):", css.read_text()))
    for svg in charts.values():
        assert not re.search("|".join(STYLE_OF), svg)
        assert set(re.findall(r"var\((--[^)]*)\)", svg)) <= defined


def test_equal_tables_give_equal_bytes_and_no_date(charts: dict[str, str], history: pd.DataFrame) -> None:
    assert accuracy_curves(history.copy()) == charts["accuracy"]
    assert loss_curves(history.copy()) == charts["loss"]
    assert all("dc:date" not in svg and "<metadata" not in svg for svg in charts.values())


def test_every_id_in_a_chart_is_referred_to(charts: dict[str, str]) -> None:
    for svg in charts.values():
        assert all(f"#{name}" in svg for name in re.findall(r' id="([^"]+)"', svg))


def test_few_members_have_a_line_and_a_colour_each(charts: dict[str, str]) -> None:
    assert lines_of(charts["accuracy"]) == [(f"var(--series-{fold})", "solid") for fold in range(3)]
    assert [text for text in texts_of(charts["accuracy"]) if text.startswith("fold")] == ["fold 0", "fold 1", "fold 2"]


def test_many_members_have_grey_lines_and_a_mean(history: pd.DataFrame) -> None:
    few, many = of_members(history, len(SERIES)), of_members(history, len(SERIES) + 1)
    assert "repeat 5, fold 0" in texts_of(accuracy_curves(few))
    lines = lines_of(accuracy_curves(many))
    assert lines == [("var(--muted)", "solid")] * 7 + [("var(--accent)", "solid")]
    assert "mean of 7 members" in texts_of(accuracy_curves(many))


def test_training_loss_is_dashed_in_the_colour_of_its_member(charts: dict[str, str]) -> None:
    expected = [(f"var(--series-{fold})", style) for style in ("solid", "dashed") for fold in range(3)]
    assert lines_of(charts["loss"]) == expected


def test_a_loss_of_zero_is_drawn_on_a_linear_axis(charts: dict[str, str], history: pd.DataFrame) -> None:
    zero = history.assign(train_loss=history.train_loss.where(history.epoch < 12, 0.0))
    assert "0.0" in texts_of(loss_curves(zero))
    assert "0.0" not in texts_of(charts["loss"])


def test_a_run_of_one_epoch_is_drawn_as_points(history: pd.DataFrame) -> None:
    point = re.compile(r'<use [^>]*style="fill: var\(--series-\d\)')
    assert len(point.findall(accuracy_curves(history[history.epoch == 1]))) >= 3
    assert not point.findall(accuracy_curves(history))


def test_the_digit_chart_has_two_dots_for_each_digit(charts: dict[str, str]) -> None:
    texts = texts_of(charts["digits"])
    assert {"precision", "recall", *map(str, range(10))} <= set(texts)


def test_a_bin_with_more_images_has_a_larger_dot() -> None:
    bins = pd.DataFrame({"confidence": [0.3, 0.6, 0.9], "accuracy": [0.2, 0.6, 0.95], "images": [1, 25, 400]})
    svg = reliability_chart(bins)
    circles = re.findall(r'<path d="([^"]*C [^"]*)"[^>]*style="fill: var\(--accent\)', svg)
    widths = [np.ptp(np.array(re.findall(r"-?[\d.]+", circle), float)[::2]) for circle in circles]
    np.testing.assert_allclose(
        np.square(widths) / widths[2] ** 2, (10 + 110 * np.array([1, 5, 20]) / 20) / 120, atol=1e-3
    )
