"""The page of `compare --html`."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kaggle_mnist.blend import blend_runs
from kaggle_mnist.cli import app
from kaggle_mnist.compare import Comparison, Row, compare_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.report import comparison as module
from kaggle_mnist.report.gallery import COLUMNS
from kaggle_mnist.report.page import write_report
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.significance import Pair
from kaggle_mnist.utils.errors import DataNotFound, OutputError
from tests.cli.invoke import invoke
from tests.report.browsing import PHONE, SCREENS, resize, serious_findings
from tests.report.test_page import text_of


@pytest.fixture(scope="module")
def page(evening: Path, few: Digits, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page of three runs: two seeds of a recipe, and a much worse one."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        export_csv(few, Path("input"))
        compare_runs([], evening, page=Path("comparison.html"))
    yield folder / "comparison.html"


@pytest.fixture(scope="module")
def compared(evening: Path) -> Comparison:
    return compare_runs([], evening)


def section_of(page: Path, name: str) -> str:
    found = re.search(rf'<section id="{name}">(.*?)</section>', page.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_every_run_has_its_scores_and_the_best_are_marked(page: Path, compared: Comparison) -> None:
    scores = section_of(page, "scores")
    for row in compared.rows:
        assert f"{row.letter} {row.run} {row.cv_accuracy:.4f} ± {row.cv_accuracy_std:.4f}" in text_of(scores)
        forecast = row.forecast
        assert f"{forecast.expected:.4f} {forecast.low:.4f} to {forecast.high:.4f}" in text_of(scores)
    best = re.findall(r'class="best"[^>]*>([\d.]+)', scores)
    expected = (
        max(row.cv_accuracy for row in compared.rows),
        compared.rows[0].oof_accuracy,
        min(row.oof_log_loss for row in compared.rows),
    )
    assert best == [f"{score:.4f}" for score in expected]


def test_folds_are_dots_with_a_mean_and_differences_have_intervals(page: Path, compared: Comparison) -> None:
    folds, differences = section_of(page, "folds"), section_of(page, "differences")
    for row in compared.rows:
        assert f">{row.letter}</text>" in folds
        assert f">{np.mean(row.folds):.4f}</text>" in folds
    for pair in compared.pairs:
        assert f">{pair.first} − {pair.second}</text>" in differences
        interval = f"{pair.difference:+.4f} {pair.low:+.4f} to {pair.high:+.4f}"
        assert f"{pair.first} − {pair.second} {interval}" in text_of(differences)


def test_the_first_lines_name_better_runs_first_and_then_what_is_not_sure(page: Path, compared: Comparison) -> None:
    lines = [text_of(line) for line in re.findall(r"<li[^>]*>(.*?)</li>", page.read_text("utf-8").split("<nav")[0])]
    recipes = {row.letter: f"{row.letter} ({row.recipe})" for row in compared.rows}
    better = [pair for pair in compared.pairs if pair.verdict.endswith(f"better than {pair.second}")]
    assert [pair.second for pair in better] == ["C", "C"]
    expected = [f"{recipes[pair.first]} is better than {recipes[pair.second]}" for pair in better]
    expected += [f"{recipes['A']} and {recipes['B']} do not differ significantly"]
    assert [line.split(" p ")[0] for line in lines] == expected


def test_equal_runs_are_said_once_to_be_equal_and_a_pair_with_pictures_is_open(
    submissions: Path, few: Digits, compared: Comparison
) -> None:
    for copy in ("20261124-200002-copy", "20261124-200003-copy"):
        shutil.copytree(submissions / compared.rows[0].run, submissions / copy)
    export_csv(few, Path("input"))
    compare_runs([], submissions, page=Path("comparison.html"))
    page = Path("comparison.html").read_text("utf-8")
    start = text_of(page.split("<nav")[0])
    assert "A, B and C have the same outputs" in start
    assert "and B " not in start.replace("A, B and C", "")
    [opened] = re.findall(
        r"<details open>(.*?)</details>", section_of(Path("comparison.html"), "disagreements"), re.DOTALL
    )
    assert "<h3>A and D</h3>" in opened
    assert 'class="digit"' in opened


def test_the_pictures_are_digits_that_only_one_run_read_correctly(
    page: Path, compared: Comparison, evening: Path, few: Digits
) -> None:
    shown = section_of(page, "disagreements")
    [sprite] = set(re.findall(r"image/png;base64,([^)]*)", page.read_text("utf-8")))
    with Image.open(io.BytesIO(base64.b64decode(sprite))) as picture:
        ink = 255 - np.asarray(picture.convert("L")).astype(int)
    pair = next(pair for pair in compared.pairs if pair.first + pair.second == "AC")
    part = shown.split("<summary><h3>A and C</h3></summary>")[1].split("</details>")[0]
    assert f"Only A right: {pair.only_first}" in text_of(part)
    assert f"Only C right: {pair.only_second}" in text_of(part)
    names = {row.letter: row.run for row in compared.rows}
    a, c = (find_run(names[letter], evening).outputs() for letter in "AC")
    figures = re.findall(r"<figure>(.*?)</figure>", part, re.DOTALL)
    assert len(figures) == min(pair.only_first, 12) + min(pair.only_second, 12)
    confidence = []
    for number, figure in enumerate(figures):
        found = re.search(r'"image (\d+)" style="--column:(\d+);--row:(\d+)"', figure)
        assert found
        image, column, row = map(int, found.groups())
        assert column < COLUMNS
        drawn = ink[row * 28 : row * 28 + 28, column * 28 : column * 28 + 28]
        assert abs(drawn - few.train_images[image]).max() <= 9  # 16 greys
        label, read = few.train_labels[image], [outputs.oof[image].argmax() for outputs in (a, c)]
        first = number < min(pair.only_first, 12)
        assert (read[0] == label, read[1] == label) == (first, not first)
        said = f"is {label} A: {read[0]} {a.oof[image].max():.2f} C: {read[1]} {c.oof[image].max():.2f} #{image}"
        assert text_of(figure) == said
        confidence.append(c.oof[image].max() if first else -a.oof[image].max())
    of_a = confidence[: min(pair.only_first, 12)]
    assert of_a == sorted(of_a, reverse=True)  # what the other run was most confident about comes first


def test_without_the_digits_the_page_says_so_and_keeps_the_readings(evening: Path) -> None:
    path = Path("comparison.html")
    compare_runs([], evening, page=path)
    shown = section_of(path, "disagreements")
    assert "There are no pictures of these digits: " in text_of(shown)
    assert "image/png" not in path.read_text("utf-8")
    assert 'class="digit"' not in shown
    assert re.search(r"is \d A: \d 0\.\d\d B: \d", text_of(shown))


def test_named_digits_are_used_or_refused(evening: Path, few: Digits, page: Path) -> None:
    export_csv(few, Path("named"))
    assert compare_runs([], evening, page=Path("comparison.html"), input="named").missing == []
    assert Path("comparison.html").read_bytes() == page.read_bytes()
    with pytest.raises(DataNotFound, match="not the digits of that run"):
        compare_runs([], evening, page=Path("comparison.html"), input="practice")
    assert Path("comparison.html").read_bytes() == page.read_bytes()


def test_a_page_with_pictures_is_kept_where_the_digits_have_moved(submissions: Path, few: Digits) -> None:
    export_csv(few, Path("input"))
    arguments = ["compare", "--html", "runs.html"]
    assert invoke(*arguments).exit_code == 0
    before = Path("runs.html").read_bytes()
    Path("input").rename("moved")
    refused = invoke(*arguments)
    [line] = refused.output.splitlines()
    assert refused.exit_code == 2
    assert line.endswith("specify them with --input; runs.html was kept as it is")
    assert Path("runs.html").read_bytes() == before
    Path("input").mkdir()
    (Path("input") / "train.csv").write_text("label,pixel0\n")
    refused = CliRunner().invoke(app, arguments)
    assert (refused.exit_code, refused.output.count("--input"), Path("runs.html").read_bytes()) == (2, 1, before)
    for _ in range(2):  # a page without pictures has none to keep
        assert CliRunner().invoke(app, ["compare", "--html", "bare.html"]).exit_code == 0
    assert CliRunner().invoke(app, [*arguments, "--input", "moved"]).exit_code == 0
    assert Path("runs.html").read_bytes() == before


def test_a_blend_has_no_settings_that_could_differ(submissions: Path, page: Path) -> None:
    blend_runs(["a", "b"], submissions)
    compare_runs([], submissions, page=Path("comparison.html"))
    settings, alone = section_of(Path("comparison.html"), "settings"), section_of(page, "settings")
    fields = re.findall(r'<tr><th scope="row">([^<]*)</th>', settings)
    assert fields == re.findall(r'<tr><th scope="row">([^<]*)</th>', alone)
    [blended] = [row.letter for row in compare_runs([], submissions).rows if not row.settings]
    assert f'<th scope="col">{blended}</th>' not in settings
    assert f"{blended} is a blend of " in text_of(settings)


def test_only_settings_that_differ_are_listed_with_every_runs_value(page: Path) -> None:
    text = text_of(section_of(page, "settings"))
    assert re.search(r"field A B C .*hidden \[48\] \[48\] \[16\]", text)
    assert re.search(r"epochs 12 12 4", text)
    assert "batch_size" not in text


def test_of_many_runs_only_pairs_with_the_best_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(letter: str) -> Row:
        data = "other" if letter > "M" else "same"
        return Row(letter, letter, "r", {}, data, 0, [], 0.5, 0.1, 0.5, 0.1, None, None, 1.0)  # type: ignore[arg-type]

    def shown(letters: str) -> list[str]:
        pairs = [Pair(a, b, 9, 1, 1, 0, 0, 0, 1, 1) for i, a in enumerate(letters) for b in letters[i + 1 :]]
        pairs = [pair for pair in pairs if (pair.first > "M") == (pair.second > "M")]
        found = module._shown_pairs(Comparison([row(letter) for letter in letters], pairs, []))
        return [pair.first + pair.second for pair in found]

    assert shown("ABC") == ["AB", "AC", "BC"]
    assert shown("ABCDE") == ["AB", "AC", "AD", "AE"]
    assert shown("AXBYCZ") == ["AB", "AC", "XY", "XZ"]  # the second set of digits has a best run, too
    monkeypatch.setattr(module, "MAX_RUNS", 3)
    assert shown("ABCDE") == ["AB", "AC"]


def test_a_file_that_is_not_a_comparison_is_not_replaced(submissions: Path, few: Digits) -> None:
    Path("page.html").write_text("<!doctype html>\n<html lang='en'>\n<title>mine</title>")
    report = write_report(find_run("latest", submissions), few)
    for path in (Path("page.html"), report):
        before = path.read_bytes()
        with pytest.raises(OutputError, match="exists and was not written by kaggle-mnist"):
            compare_runs(["no such run"], submissions, page=path)  # before anything is read
        assert path.read_bytes() == before
    with pytest.raises(OutputError, match=r"page\.txt: must end in \.html"):
        compare_runs([], submissions, page=Path("page.txt"))
    for names in ([], ["latest"]):
        compare_runs(names, submissions, page=Path("ours.html"))
    assert Path("ours.html").read_text("utf-8").count("1 run compared<") == 2  # the title, and the heading


def test_the_command_names_the_page_and_says_what_is_missing(submissions: Path, few: Digits) -> None:
    done = CliRunner().invoke(app, ["compare", "--html", "runs.html"])
    assert done.exit_code == 0
    *_, said, note = done.output.splitlines()
    assert said.split() == ["Page", "runs.html,", "without", "pictures", "of", "digits"]
    assert "not the digits of that run; specify them with --input" in note
    assert Path("runs.html").read_text("utf-8").startswith("<!doctype html>")
    export_csv(few, Path("input"))
    done = CliRunner().invoke(app, ["compare", "--html", "runs.html"])
    assert done.output.splitlines()[-1].split() == ["Page", "runs.html"]
    refused = CliRunner().invoke(app, ["compare", "--input", "input"])
    assert (refused.exit_code, "--html FILE; add it" in refused.output) == (2, True)
    refused = CliRunner().invoke(app, ["compare", "--html", "runs.html", "--by", "recipe"])
    assert (refused.exit_code, refused.output) == (2, "kaggle-mnist: --html: compares runs; leave out --by recipe\n")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_core_finds_nothing_serious_and_the_page_asks_for_nothing(
    open_page: Any, page: Path, screen: str, scheme: str
) -> None:
    shown = open_page(page, color_scheme=scheme, **SCREENS[screen])
    shown.locator("details").evaluate_all("all => all.forEach((part) => { part.open = true; })")
    assert serious_findings(shown) == []


def test_axe_core_does_find_faint_text(open_page: Any, page: Path) -> None:
    shown = open_page(page)
    shown.locator("h1").evaluate("heading => { heading.style.color = '#999'; heading.style.background = '#888'; }")
    assert [finding.split(":")[0] for finding in serious_findings(shown)] == ["color-contrast"]


def test_a_link_that_is_reached_by_keyboard_is_in_sight(open_page: Any, page: Path) -> None:
    shown = open_page(page, **PHONE)
    for _ in range(5):
        shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == "Settings"
    box = shown.locator("nav a", has_text="Settings").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_a_phone_scrolls_one_way(open_page: Any, page: Path) -> None:
    shown = open_page(page, **PHONE)
    shown.locator("details").evaluate_all("all => all.forEach((part) => { part.open = true; })")
    for width in (390, 320):
        resize(shown, width, 844)
        assert shown.evaluate("document.documentElement.scrollWidth") <= width


def test_a_phone_shows_every_score_and_a_table_that_is_wider_than_the_page_says_so(open_page: Any, page: Path) -> None:
    shown = open_page(page, **PHONE)
    for figure in shown.locator(".scores tbody td").all():
        box = figure.bounding_box()
        assert box["x"] >= 0, box
        assert box["x"] + box["width"] <= 390
    hint = shown.locator("#settings .more")
    assert not hint.is_visible()
    shown.locator(".settings").evaluate("table => { table.style.width = '900px'; }")
    resize(shown, 380, 844)
    assert hint.text_content() == "Scroll the table sideways for the runs up to C."
    hint.wait_for(state="visible")
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
