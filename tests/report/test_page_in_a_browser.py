"""The page in headless Chromium: it asks the network for nothing, and computes what Python computes."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.models.registry import load_network
from kaggle_mnist.report.page import FOLD, write_report
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.training.inference import member_outputs
from tests.conftest import TINY
from tests.report.browsing import PHONE, SCREENS, resize, serious_findings, wait_until

SEVEN = ((0.25, 0.2), (0.75, 0.2), (0.5, 0.5), (0.4, 0.85))  # shares of the pad
SOFTMAX = "softmax, five views"
RECIPES = {
    SOFTMAX: TINY.replaced(views=5),
    "sigmoids, other pixels": TINY.replaced(
        name="other", hidden=(32, 24), pixels=(0.01, 1.0), loss="squared_error", targets=(0.01, 0.99)
    ),
    "gradient directions": TINY.replaced(name="gradients", features="gradients", grid=7, smoothing=1.5, views=5),
    "normalized": TINY.replaced(
        name="normalized", deslant=0.7, equalize_width=0.5, features="gradients", directions=12
    ),
    "convolutions": TINY.replaced(
        name="cnn", network="cnn", hidden=(1024, 512), features="gradients", grid=10, stages=((6, 5), (8,)), deslant=1.0
    ),
}


@pytest.fixture(scope="module")
def runs(few: Digits, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A run of each recipe, with its page."""
    output, digits = tmp_path_factory.mktemp("runs"), few.head(600, 100)
    runs = {name: pipeline.train(recipe, input=digits, output=output, folds=2) for name, recipe in RECIPES.items()}
    for run in runs.values():
        write_report(run, digits)
    return runs


@pytest.fixture
def run(runs: dict[str, Run]) -> Run:
    return runs[SOFTMAX]


@pytest.fixture
def visit(open_page: Any, run: Run) -> Any:
    """Open a run's page."""
    return lambda shown=run, **options: open_page(shown.path / "report.html", **options)


def wait_for_drawing(page: Any) -> None:
    """Wait until the page has shown what is drawn: it does so once for all that happens between two frames."""
    page.evaluate("() => new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)))")


def draw(page: Any, points: tuple[tuple[float, float], ...] = SEVEN) -> None:
    pad = page.locator("#pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    where = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*where[0])
    page.mouse.down()
    for point in where[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


def image_of(page: Any) -> NDArray[np.uint8]:
    """The 28 × 28 pixels that the page's network sees."""
    pixels = page.evaluate("window.kaggleMnist.pixels()")
    assert all(isinstance(pixel, int) and 0 <= pixel <= 255 for pixel in pixels)
    return np.array(pixels, np.uint8).reshape(28, 28)


@pytest.mark.parametrize("name", RECIPES)
def test_a_drawn_stroke_gives_the_outputs_that_python_computes(visit: Any, runs: dict[str, Run], name: str) -> None:
    run = runs[name]
    page = visit(run)
    draw(page)
    image = image_of(page)
    assert image.max() > 200
    recipe, weights = run.record.recipe, run.weights()
    assert recipe
    tolerance = 4e-3  # for the page's weights have float16's precision; a convolution's after its scale
    if recipe.network == "mlp":
        weights = {name: array.astype(np.float16).astype(np.float32) for name, array in weights.items()}
        tolerance = 1e-3
    network = load_network(recipe.network, recipe.network_settings, weights)
    [expected] = member_outputs(network, FOLD, image[None], recipe)
    found = page.evaluate("window.kaggleMnist.outputs()")
    np.testing.assert_allclose(found, expected, atol=tolerance)
    wait_for_drawing(page)
    assert page.locator("#outputs .top").count() == 1
    shown = [float(text) for text in page.locator("#outputs .row span").all_text_contents()]
    np.testing.assert_allclose(shown, expected, atol=tolerance)
    assert page.locator("#reading").text_content() == f"Read as {expected.argmax()}, output {expected.max():.3f}"


@pytest.mark.parametrize("size", [0.2, 0.9])
def test_a_drawn_digit_is_scaled_and_centred_as_in_mnist(visit: Any, size: float) -> None:
    page = visit()
    draw(page, tuple((0.02 + x * size, 0.03 + y * size) for x, y in SEVEN))  # in a corner
    image = image_of(page).astype(float)
    rows, columns = np.nonzero(image.any(1))[0], np.nonzero(image.any(0))[0]
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height == 20
    assert width == pytest.approx(20 * (0.5 + 0.078) / (0.65 + 0.078), abs=1.5)  # the aspect is kept, pen and all
    assert image.sum(1) @ np.arange(28) / image.sum() == pytest.approx(14, abs=0.51)
    assert image.sum(0) @ np.arange(28) / image.sum() == pytest.approx(14, abs=0.51)
    assert 0.08 < (image > 0).mean() < 0.25  # MNIST's: 0.19


def test_clear_deletes_the_drawing(visit: Any) -> None:
    page = visit()
    draw(page)
    page.get_by_role("button", name="Clear").click()
    assert not image_of(page).any()
    wait_until(page, "document.getElementById('reading').textContent === 'Draw a digit.'")


def test_a_finger_draws_and_does_not_scroll(visit: Any) -> None:
    page = visit(**PHONE)
    pad = page.locator("#pad")
    pad.scroll_into_view_if_needed()
    box, before = pad.bounding_box(), page.evaluate("window.scrollY")
    client = page.context.new_cdp_session(page)
    for kind, y in (("touchStart", 0.2), *(("touchMove", 0.2 + step / 10) for step in range(1, 7))):
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + y * box["height"]}
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    image = image_of(page)
    assert (np.nonzero(image.any(1))[0].size, page.evaluate("window.scrollY")) == (20, before)
    assert np.nonzero(image.any(0))[0].size <= 4


def worst_cell(run: Run) -> tuple[int, int, int]:
    """The pair of digits that is confused most often, and how often."""
    mistakes = run.table("confusion").set_index("true").to_numpy().copy()
    np.fill_diagonal(mistakes, 0)
    true, read = np.unravel_index(mistakes.argmax(), mistakes.shape)
    return int(true), int(read), int(mistakes.max())


def test_the_worst_cell_is_open_from_the_start_and_mouse_and_keys_open_others(visit: Any, run: Run) -> None:
    true, read, most = worst_cell(run)
    page = visit()
    cell, panel = page.locator(f"[data-cell='{true * 10 + read}']"), page.locator("#cell")
    assert panel.locator("h3").text_content() == f"{true} read as {read}: {most}"
    assert panel.locator(".digit").count() == most
    assert cell.get_attribute("aria-expanded") == "true"
    assert page.evaluate("[document.activeElement.tagName, window.scrollY]") == ["BODY", 0]
    page.keyboard.press("Escape")
    assert not panel.is_visible()
    cell.focus()
    page.keyboard.press("Enter")
    assert panel.is_visible()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.cell") == str(true * 10 + read)
    right = int(run.table("confusion").set_index("true").to_numpy().diagonal().argmax())
    page.locator(f"[data-cell='{right * 11}']").click()
    assert panel.locator(".digit").count() == 20


def test_the_matrix_is_one_tab_stop_and_arrow_keys_pass_over_empty_cells(visit: Any, run: Run) -> None:
    confusion = run.table("confusion").set_index("true").to_numpy()
    true, read, _ = worst_cell(run)
    page = visit()
    assert page.locator("[data-cell][tabindex='0']").count() == 1
    page.locator(f"[data-cell='{true * 10 + read}']").focus()
    page.keyboard.press("ArrowLeft")
    filled = np.flatnonzero(confusion[true])
    before = filled[filled < read]
    expected = true * 10 + (int(before[-1]) if len(before) else read)
    assert page.evaluate("document.activeElement.dataset.cell") == str(expected)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.heat')") is None


def test_the_shade_of_a_cell_grows_with_its_mistakes(visit: Any, run: Run) -> None:
    confusion = run.table("confusion").set_index("true").to_numpy()
    page = visit()
    cells = page.locator(".heat button:not(.right)")
    found = cells.evaluate_all(
        "all => all.map((cell) => [cell.dataset.cell, getComputedStyle(cell).backgroundColor.match(/[\\d.]+/g).at(-1)])"
    )
    shades = {int(cell): float(alpha) for cell, alpha in found}
    counts = [confusion[divmod(cell, 10)] for cell in shades]
    assert len(set(counts)) > 2
    for count, shade in zip(counts, shades.values(), strict=True):
        assert shade == pytest.approx(0.06 + 0.5 * np.log1p(count) / np.log1p(max(counts)), abs=0.01)
    assert page.locator(".heat .axis").all_text_contents() == ["read as", "true"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_digit_in_the_gallery_is_the_one_in_its_label_with_its_outputs(
    visit: Any, run: Run, few: Digits, scheme: str
) -> None:
    page = visit(color_scheme=scheme)
    button = page.locator("#mistakes .digit").nth(1)
    image = int(button.get_attribute("aria-label").split()[1].rstrip(","))
    button.scroll_into_view_if_needed()
    with Image.open(io.BytesIO(button.screenshot())) as picture:
        shown = np.asarray(picture.convert("L").resize((28, 28), Image.Resampling.BOX)).astype(float)
    ink = 255 - shown if scheme == "light" else shown
    likeness = [np.corrcoef(ink.ravel(), candidate.ravel())[0, 1] for candidate in few.train_images]
    assert np.argmax(likeness) == image  # most similar, not equal: the button may be between the screen's pixels
    button.hover()
    outputs = [float(text) for text in page.locator("#card .row span").all_text_contents()]
    np.testing.assert_allclose(outputs, run.outputs().oof[image], atol=1e-4)


def test_the_first_screen_has_the_figures_and_the_submission_and_a_phone_scrolls_one_way(visit: Any, run: Run) -> None:
    page = visit(**PHONE)
    for width in (390, 320):
        resize(page, width, 844)
        page.locator("details").evaluate_all("all => all.forEach((part) => { part.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    for size in (PHONE["viewport"], {"width": 1280, "height": 800}):
        resize(page, size["width"], size["height"])
        for shown in (".headline", ".submission", "nav"):
            box = page.locator(shown).bounding_box()
            assert box["y"] + box["height"] <= size["height"]
    assert page.locator(".headline dd").first.text_content() == f"{run.cv_accuracy:.4f}"


def test_the_page_is_less_than_half_as_tall_as_it_was(visit: Any) -> None:
    page = visit()
    for width, before in ((1280, 7405), (390, 11551)):
        resize(page, width, 800)
        assert page.evaluate("document.documentElement.scrollHeight") < before / 2


def test_titles_of_cards_are_not_broken_and_bars_in_a_row_stand_at_one_height(visit: Any) -> None:
    for screen in SCREENS.values():
        page = visit(**screen)
        names = page.locator("#uncertain .cards:not(details *) .named").all()
        assert all(name.bounding_box()["height"] <= 24 for name in names)  # one line
        for section in ("mistakes", "uncertain"):
            found: dict[float, set[float]] = {}  # by the top of a row of cards: where their bars stand
            for card in page.locator(f"#{section} .cards:not(details *) figure").all():
                bars = card.locator(".columns").bounding_box()
                found.setdefault(card.bounding_box()["y"], set()).add(round(bars["y"] + bars["height"], 1))
            assert all(len(ends) == 1 for ends in found.values())


def test_the_preview_of_a_drawing_has_a_margin_around_its_pixels(visit: Any) -> None:
    page = visit()
    draw(page)
    image = image_of(page)
    assert np.count_nonzero(image.any(1)) == 20
    assert image[-1].any()  # a 7's foot is at the edge, whole
    assert page.locator("#seen").evaluate("preview => parseFloat(getComputedStyle(preview).paddingBottom)") >= 6


def test_the_navigation_stays_in_sight_in_one_row_and_marks_the_section(visit: Any) -> None:
    page = visit(**PHONE)
    links = page.locator("nav a").evaluate_all("all => all.map((link) => link.getBoundingClientRect().top)")
    assert len(set(links)) == 1
    for name, section in (("Mistakes", "mistakes"), ("Provenance", "provenance")):
        page.locator("nav a", has_text=name).click()
        wait_until(page, f"document.querySelector('nav [aria-current]')?.hash === '#{section}'")
        assert page.locator("nav").bounding_box()["y"] == 0
        heading = page.locator(f"#{section} h2").bounding_box()
        assert heading["y"] >= page.locator("nav").bounding_box()["height"]
    assert page.locator("#provenance").get_attribute("open") is not None  # a link unfolds what it leads to


def test_a_phone_shows_the_pad_and_all_ten_outputs_at_once(visit: Any) -> None:
    page = visit(**PHONE)
    page.locator("nav a", has_text="Draw").click()
    wait_until(page, "window.scrollY > 0")
    top = page.locator("nav").bounding_box()["height"]
    boxes = [page.locator("#pad").bounding_box(), *(row.bounding_box() for row in page.locator("#outputs .row").all())]
    assert len(boxes) == 11
    assert all(top <= box["y"] and box["y"] + box["height"] <= 844 for box in boxes)


def test_a_command_fits_a_phone_and_breaks_between_words_only(visit: Any, run: Run) -> None:
    copy = Path(shutil.copytree(run.path, Path("submissions") / "20261124-200000-a-long-name"))
    (copy / "report.html").unlink()
    write_report(read_run(copy))  # without its digits: the page names the command that adds them
    page = visit(read_run(copy), viewport={"width": 320, "height": 700})
    command = page.locator("pre", has_text="kaggle-mnist report")
    assert command.text_content() == f"kaggle-mnist report {copy.name} --input PATH"
    assert command.evaluate("(pre) => pre.scrollWidth - pre.clientWidth") == 0
    heights = command.locator("span").evaluate_all("all => all.map((word) => word.offsetHeight)")
    assert len(heights) == 5
    assert len(set(heights)) == 1  # one line each
    assert command.evaluate("(pre) => pre.offsetHeight") > 2 * heights[0]


@pytest.mark.parametrize("forced", ["none", "active"])
def test_a_dark_pad_is_dark_grey(visit: Any, forced: str) -> None:
    page = visit(color_scheme="dark", forced_colors=forced)
    pad = page.locator("#pad")
    pad.scroll_into_view_if_needed()
    with Image.open(io.BytesIO(pad.screenshot())) as picture:
        level = np.asarray(picture.convert("L"))[100:200, 100:200]
    assert 20 < level.min() <= level.max() < 50


def test_with_forced_colors_bars_and_shades_are_seen_and_one_link_is_the_current_one(visit: Any) -> None:
    page = visit(color_scheme="dark", forced_colors="active")
    page.locator("#confusion").scroll_into_view_if_needed()
    wait_until(page, "document.querySelector('nav [aria-current]') !== null")
    colors = "all => [...new Set(all.map((one) => getComputedStyle(one).%s))]"
    canvas = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert canvas not in page.locator(".columns i").evaluate_all(colors % "backgroundColor")
    assert len(page.locator(".heat button:not(.right)").evaluate_all(colors % "backgroundColor")) > 1
    assert page.locator("nav a:not([aria-current])").evaluate_all(colors % "borderBottomColor") == [canvas]
    assert page.locator("nav a[aria-current]").evaluate_all(colors % "borderBottomColor") != [canvas]


def test_on_paper_the_page_is_light_has_its_pictures_and_nothing_overlaps(visit: Any) -> None:
    page = visit(color_scheme="dark", viewport={"width": 718, "height": 1000})
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(26, 29, 33)"
    for kind in (".cards .digit", ".heat button", ".columns i"):  # backgrounds, which browsers leave out
        assert page.locator(kind).first.evaluate("one => getComputedStyle(one).printColorAdjust") == "exact"
    for parts in (".judged", ".beside", "section"):  # a grid's rows overlap where a page ends
        assert page.locator(parts).first.evaluate("one => getComputedStyle(one).display") == "block"


def test_the_narrowest_phone_shows_recipe_and_ids_whole(visit: Any) -> None:
    page = visit(viewport={"width": 320, "height": 640})
    page.locator("#recipe summary").click()
    assert page.locator("#recipe").evaluate("one => one.scrollWidth - one.clientWidth") == 0
    card = page.locator("#uncertain figure").first
    title = card.locator(".named")
    title.locator("b").evaluate("one => { one.textContent = '1000000000'; }")
    assert title.evaluate("one => one.scrollWidth - one.clientWidth") == 0
    assert title.evaluate("one => getComputedStyle(one).overflowX") == "visible"
    page.locator("header .note").first.evaluate("one => { one.textContent = 'https://'.repeat(40); }")  # as in a note
    assert page.evaluate("document.documentElement.scrollWidth") == 320


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_core_finds_nothing_serious(visit: Any, screen: str, scheme: str) -> None:
    page = visit(color_scheme=scheme, **SCREENS[screen])
    draw(page)
    page.locator("details").evaluate_all("all => all.forEach((part) => { part.open = true; })")
    assert serious_findings(page) == []


def test_the_colours_follow_the_readers_scheme(visit: Any) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    assert visit(color_scheme="light").evaluate(background) != visit(color_scheme="dark").evaluate(background)
    page = visit(color_scheme="dark")
    inks = page.evaluate("[...document.querySelectorAll('.chart text')].map((text) => getComputedStyle(text).fill)")
    accent_and_muted = {"rgb(138, 180, 248)", "rgb(163, 169, 178)"}
    assert set(inks) <= {page.evaluate("getComputedStyle(document.body).color"), *accent_and_muted}
