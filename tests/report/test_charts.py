from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kaggle_mnist.report.charts import (
    digit_chart,
    dot_rows,
    epoch_ticks,
    error_curves,
    forest,
    loss_curves,
    reliability_chart,
)
from kaggle_mnist.report.svg import STYLE_OF
from kaggle_mnist.training import metrics


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    """Three members and twelve epochs."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [(epoch, 0, fold) for epoch in range(1, 13) for fold in range(3)], columns=["epoch", "repeat", "fold"]
    )
    error = 0.1 / table.epoch + 0.01 * rng.random(len(table))
    return table.assign(watched_accuracy=1 - error, watched_loss=3 * error, train_loss=4 * error)


@pytest.fixture(scope="module")
def charts(history: pd.DataFrame) -> dict[str, str]:
    oof, y_true = np.random.default_rng(0).dirichlet(np.ones(10), 500).astype(np.float32), np.arange(500) % 10
    return {
        "error": error_curves(history),
        "loss": loss_curves(history),
        "digits": digit_chart(metrics.digit_scores(oof, y_true)),
        "reliability": reliability_chart(metrics.reliability(oof, y_true)),
        "dots": dot_rows([("fold 0", [0.91]), ("fold 1", [0.93])], "Folds", overall=0.92),
        "forest": forest([("A − B", 0.002, 0.001, 0.003, True), ("A − C", 0.001, -0.001, 0.003, False)]),
    }


def lines_of(svg: str, *, least: int = 6) -> list[tuple[str, str]]:
    """Colour and style of each line in a chart that has at least so many points."""
    paths = re.findall(r'<path d="([^"]*)"[^>]*style="fill: none; ([^"]*)"', svg)
    found = []
    for shape, style in paths:
        colour = re.search(r"stroke: ([^;\"]+)", style)
        points = len(re.findall(r"[ML] ", shape))
        if colour and points >= least:
            found.append((colour[1], "dashed" if "dasharray" in style else "solid"))
    return found


def texts_of(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_every_chart_is_one_described_svg_element_without_a_size_or_a_font(charts: dict[str, str]) -> None:
    for svg in charts.values():
        opening = svg[: svg.index(">")]
        assert opening.startswith('<svg class="chart" role="img" aria-label="')
        assert "viewBox=" in opening
        assert "width=" not in opening
        assert "font-" not in svg
        assert svg.count("<svg") == svg.count("</svg>") == 1


def test_every_colour_is_one_of_the_pages_style_sheet(charts: dict[str, str]) -> None:
    css = Path(__file__).parents[2] / "kaggle_mnist" / "report" / "templates" / "base.css"
    defined = set(re.findall(r"(--[a-z0-9-]+):", css.read_text()))
    for svg in charts.values():
        assert not re.search("|".join(STYLE_OF), svg)
        assert set(re.findall(r"var\((--[^)]*)\)", svg)) <= defined


def test_equal_tables_give_equal_bytes_and_no_date(charts: dict[str, str], history: pd.DataFrame) -> None:
    assert error_curves(history.copy()) == charts["error"]
    assert loss_curves(history.copy()) == charts["loss"]
    assert all("dc:date" not in svg and "<metadata" not in svg for svg in charts.values())


def test_every_id_in_a_chart_is_referred_to(charts: dict[str, str]) -> None:
    for svg in charts.values():
        assert all(f"#{name}" in svg for name in re.findall(r' id="([^"]+)"', svg))


def test_members_have_thin_grey_lines_and_their_mean_is_named_at_its_end(
    charts: dict[str, str], history: pd.DataFrame
) -> None:
    assert lines_of(charts["error"]) == [("var(--muted)", "solid")] * 3 + [("var(--accent)", "solid")]
    last = 100 * (1 - history[history.epoch == 12].watched_accuracy.mean())
    assert f"{last:.3g} %" in texts_of(charts["error"])


def test_training_loss_is_one_dashed_line(charts: dict[str, str], history: pd.DataFrame) -> None:
    expected = [*[("var(--muted)", "solid")] * 3, ("var(--accent)", "solid"), ("var(--accent)", "dashed")]
    assert lines_of(charts["loss"]) == expected
    last = history[history.epoch == 12]
    assert {f"{last.watched_loss.mean():.3g}", f"{last.train_loss.mean():.3g}"} <= set(texts_of(charts["loss"]))


def test_the_axis_has_the_first_epoch_and_the_last(charts: dict[str, str], history: pd.DataFrame) -> None:
    for name in ("error", "loss"):
        assert {"1", "12"} <= set(texts_of(charts[name]))
    steep = history.assign(watched_accuracy=1 - 0.9 / history.epoch**2)  # from 90 % wrong to under 1 %
    named = [float(text[:-2]) for text in texts_of(error_curves(steep)) if text.endswith(" %")]
    assert max(named) >= 30
    assert min(named) <= 1
    assert all(
        ticks[0] == 1 and ticks[-1] == last and len(ticks) <= 12
        for last in range(1, 400)
        for ticks in [epoch_ticks(last)]
    )


@pytest.mark.parametrize("scale", [1.0, 0.35, 0.02, 1.7])
@pytest.mark.parametrize("end", [0.0, 0.001, 0.05])
def test_the_ticks_reach_beyond_the_lines_at_both_ends(history: pd.DataFrame, scale: float, end: float) -> None:
    error = scale * (0.5 / history.epoch**1.3).where(history.epoch < 12, end)
    svg = error_curves(history.assign(watched_accuracy=1 - error))
    named = [float(text[:-2]) for text in texts_of(svg) if text.endswith(" %")]
    assert min(named) <= 100 * error.min() + 1e-9
    assert max(named) >= 100 * error.max() - 1e-9
    assert 3 <= len(set(named)) <= 8


def test_a_bin_without_a_correct_image_has_its_whole_dot_above_the_axis() -> None:
    bins = pd.DataFrame({"confidence": [0.3, 0.9], "accuracy": [0.0, 0.95], "images": [400, 400]})
    svg = reliability_chart(bins)
    clip = re.search(r'<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', svg)
    assert clip
    bottoms = re.findall(r'<path d="M [\d.]+ ([\d.]+)\nC [^"]*"[^>]*style="fill: var\(--accent\)', svg)
    assert len(bottoms) == 2
    assert float(bottoms[0]) < float(clip[1]) + float(clip[2])


def test_a_loss_or_an_error_of_zero_is_drawn_on_a_linear_axis(history: pd.DataFrame) -> None:
    zero = history.assign(train_loss=history.train_loss.where(history.epoch < 12, 0.0))
    assert "0" in texts_of(loss_curves(zero))
    assert "0" not in texts_of(loss_curves(history))
    perfect = history.assign(watched_accuracy=history.watched_accuracy.where(history.epoch < 12, 1.0))
    assert "0 %" in texts_of(error_curves(perfect))


def test_a_run_of_one_epoch_is_drawn_as_strokes_in_the_styles_that_the_legend_explains(history: pd.DataFrame) -> None:
    drawn = [line for line in lines_of(loss_curves(history[history.epoch == 1]), least=2) if line[0] != "var(--line)"]
    assert drawn == [*[("var(--muted)", "solid")] * 3, ("var(--accent)", "solid"), ("var(--accent)", "dashed")]


def test_labels_at_the_ends_of_close_lines_do_not_overlap(history: pd.DataFrame) -> None:
    svg = loss_curves(history.assign(train_loss=history.watched_loss * 1.001))
    heights = re.findall(r'<text style="text-anchor: start; fill: var\(--accent\)" x="[\d.]+" y="([\d.]+)"', svg)
    assert len(heights) == 2
    assert abs(float(heights[0]) - float(heights[1])) > 11


def test_a_row_of_dots_ends_with_its_mean(charts: dict[str, str]) -> None:
    assert {"fold 0", "0.9100", "fold 1", "0.9300", "mean 0.9200"} <= set(texts_of(charts["dots"]))
    several = dot_rows([("A", [0.91, 0.93, 0.95])], "Runs")
    assert "0.9300" in texts_of(several)
    assert several.count("<use ") > charts["dots"].count('style="fill: var(--accent)')


@pytest.mark.parametrize(
    ("accuracies", "decimals"),
    [((1.0, 1.0), 4), ((0.9, 1.0), 4), ((0.08, 0.99), 4), ((0.995, 0.99512), 5), ((0.99, 0.990004), 6)],
)
def test_the_ticks_of_accuracies_end_at_1_and_each_says_where_it_stands(
    accuracies: tuple[float, float], decimals: int
) -> None:
    svg = dot_rows([("fold 0", accuracies[:1]), ("fold 1", accuracies[1:])], "Folds")
    ticks = [text for text in texts_of(svg) if "fold" not in text][:-2]  # the last two are the rows' values
    assert 2 <= len(set(map(float, ticks))) == len(ticks) <= 7
    assert max(map(float, ticks)) <= 1
    assert {len(tick) for tick in ticks} == {decimals + 2}


def test_only_significant_differences_are_in_colour(charts: dict[str, str]) -> None:
    assert {"A − B", "+0.0020", "A − C", "+0.0010"} <= set(texts_of(charts["forest"]))
    strokes = re.findall(r"stroke: var\(--(accent|muted)\); stroke-width: 2.2", charts["forest"])
    assert strokes == ["accent", "muted"]


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
