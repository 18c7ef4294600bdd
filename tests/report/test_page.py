"""The page as text; what it does in a browser is in test_report_in_a_browser.py."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kaggle_mnist import pipeline
from kaggle_mnist.blend import blend_runs
from kaggle_mnist.cli import app
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.report import gallery as galleries
from kaggle_mnist.report import page as report
from kaggle_mnist.report.page import write_report
from kaggle_mnist.runs.finding import find_run, list_runs
from kaggle_mnist.runs.run import SUMS, Outputs, Run, read_run
from kaggle_mnist.utils.errors import BadRun, DataNotFound, OutputError
from tests.conftest import TINY

LABELS = np.repeat(np.arange(10), 100)
BOARD = {
    "competition": "digit-recognizer",
    "submitted": "2026-11-24T20:00:00+00:00",
    "sha256": "0" * 64,
    "ref": 1,
    "message": "mlp, <5> folds",
    "status": "complete",
    "public_score": 0.99235,
    "prediction": {"low": 0.9901, "high": 0.9949, "expected": 0.9925},
}


@pytest.fixture(scope="module")
def output(few: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on the same digits: seeds 0 and 1."""
    output = tmp_path_factory.mktemp("submissions")
    for seed in (0, 1):
        pipeline.train(TINY, input=few, output=output, folds=3, seed=seed)
    return output


@pytest.fixture
def run(output: Path) -> Run:
    return read_run(list_runs(output)[0])


def text_of(page: str) -> str:
    """What a reader sees of a page: its text without tags, styles and scripts."""
    page = re.sub(r"<(style|script|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def data_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, object] = json.loads(found[1])
    return data


def outputs_with(predicted: np.ndarray, confidence: np.ndarray | None = None) -> Outputs:
    """Outputs whose largest is for `predicted`, of labels `LABELS`."""
    n = len(predicted)
    oof = np.zeros((n, 10), np.float32)
    oof[np.arange(n), predicted] = np.linspace(0.5, 0.9, n) if confidence is None else confidence
    test = np.tile(np.float32([0.5, 0.1, *[0] * 8]), (30, 1))
    test[7, 1] = 0.45
    return Outputs(oof, test, LABELS[:n], np.arange(1, 31), np.zeros((1, n), np.int64))


def test_the_page_needs_nothing_but_itself_and_is_not_part_of_the_run(run: Run, few: Digits) -> None:
    path = write_report(run, few)
    page = path.read_text("utf-8")
    assert path == run.path / "report.html"
    assert "://" not in page
    assert not re.search(r'(src|href)="(?!#|data:|submission\.csv")', page.replace("xlink:href", "href"))
    assert len(page) < report.MAX_BYTES
    assert "report.html" not in (run.path / SUMS).read_text()
    assert find_run(run.name, run.path.parent).record == run.record


def test_the_same_run_gives_the_same_bytes(run: Run, few: Digits) -> None:
    first = write_report(run, few).read_bytes()
    assert write_report(run, few).read_bytes() == first


def test_the_answer_comes_first(run: Run, few: Digits) -> None:
    start = text_of(write_report(run, few).read_text("utf-8").split("<nav")[0])
    scores = run.record.scores
    wrong = round((1 - scores.oof_accuracy) * 1500)
    assert f"{scores.cv_accuracy:.4f} CV accuracy ± {scores.cv_accuracy_std:.4f}" in start
    assert f"3 folds); {wrong} of 1,500 digits wrong" in start
    assert "submission.csv beside this page: 300 ImageIds" in start
    assert "It cannot be uploaded: Kaggle's Digit Recognizer takes 28,000 ImageIds." in start


def test_a_run_that_kaggle_takes_comes_with_its_upload_command(practice: Digits, few: Digits) -> None:
    digits = replace(few, test_images=practice.test_images)
    run = pipeline.train(TINY.replaced(epochs=1), input=digits, folds=2)
    page = write_report(run, digits).read_text("utf-8")
    assert f"<code>kaggle-mnist upload {run.name}</code>" in page
    assert "cannot be uploaded" not in page
    elsewhere = pipeline.train(TINY.replaced(epochs=1), input=digits, folds=2, output="other runs")
    assert f"kaggle-mnist upload {elsewhere.name} --output 'other runs'" in text_of(
        write_report(elsewhere, digits).read_text("utf-8")
    )


def test_a_practice_run_says_why_it_cannot_be_uploaded_and_what_to_do(run: Run, few: Digits) -> None:
    scores = run.record.scores.model_copy(update={"withheld_accuracy": 0.9765})
    data = run.record.data.model_copy(update={"practice": True})
    practiced = Run(run.path, run.record.model_copy(update={"data": data, "scores": scores}))
    text = text_of(write_report(practiced, few).read_text("utf-8").split("<nav")[0])
    assert "Withheld labels 0.9765" in text
    assert "the practice set, whose ImageIds Kaggle does not know" in text
    assert "put its train.csv and test.csv into input/ , then: kaggle-mnist train kaggle-mnist upload" in text


def test_names_paths_and_messages_with_html_in_them_are_escaped(output: Path, few: Digits, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>\"'&</script><script>"
    digits = replace(few, source=f"source{evil}", path=f"path{evil}")
    made = pipeline.train(TINY.replaced(epochs=1), input=digits, folds=2)
    folder = made.path.rename(made.path.with_name("a<b>\"'& c"))
    board = {"public_score": None, "status": f"status{evil}", "message": f"message{evil}"}
    (folder / "leaderboard.json").write_text(json.dumps({**BOARD, **board}))
    page = write_report(find_run(str(folder), output), digits).read_text("utf-8")
    text = text_of(page)
    assert "<img" not in page
    assert page.count("<script") == page.count("</script>") == 3
    for said in (f"source{evil}", f"path{evil}", f"status{evil}", f"message{evil}", "a<b>\"'& c"):
        assert said in text
    missing = write_report(find_run(str(folder), output)).read_text("utf-8")
    assert "kaggle-mnist report 'a<b>\"'\"'\"'& c'" in text_of(missing)  # as a shell takes it


def test_the_public_score_is_shown_with_what_was_predicted(run: Run, few: Digits) -> None:
    (run.path / "leaderboard.json").write_text(json.dumps(BOARD))
    text = text_of(write_report(run, few).read_text("utf-8").split("<nav")[0])
    assert "Public leaderboard 0.99235 predicted 0.9901 to 0.9949" in text
    assert "submitted 2026-11-24T20:00:00+00:00 “mlp, <5> folds”" in text
    (run.path / "leaderboard.json").write_text('{"public_score": 1}')
    with pytest.raises(BadRun, match=r"leaderboard\.json: cannot be read"):
        write_report(run, few)
    (run.path / "leaderboard.json").unlink()


def test_every_mistake_is_behind_its_cell_the_most_confident_first(run: Run) -> None:
    outputs = run.outputs()
    gallery = galleries.choose(outputs)
    predicted = outputs.oof.argmax(1)
    for true in range(10):
        for read in set(range(10)) - {true}:
            start, end = gallery.cells[true * 10 + read]
            behind = np.flatnonzero((outputs.y_true == true) & (predicted == read))
            assert sorted(gallery.images[start:end]) == behind.tolist()
            confidence = outputs.oof[gallery.images[start:end], read]
            assert (np.diff(confidence) <= 0).all()
            np.testing.assert_array_equal(gallery.outputs[start:end], outputs.oof[gallery.images[start:end]])


def test_right_answers_are_a_sample_from_the_surest_to_the_least_sure() -> None:
    outputs = outputs_with(LABELS)
    gallery = galleries.choose(outputs)
    start, end = gallery.cells[33]
    assert end - start == galleries.RIGHT
    assert (gallery.images[start], gallery.images[end - 1]) == (399, 300)  # confidence grows along the images
    assert gallery.mistakes == []


def test_a_poor_runs_pictures_are_its_most_confident_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(galleries, "MISTAKES", 60)
    outputs = outputs_with((LABELS + 1) % 10)  # all wrong: ten cells of 100 mistakes
    gallery = galleries.choose(outputs)
    assert [end - start for start, end in gallery.cells if end > start] == [6] * 10
    start, end = gallery.cells[12]
    assert gallery.images[start:end].tolist() == list(range(199, 193, -1))


def test_mistakes_are_shown_from_the_most_confident_and_test_digits_from_the_least_certain() -> None:
    predicted = LABELS.copy()
    predicted[[5, 250, 777]] = 9
    confidence = np.full(1000, 0.6, np.float32)
    confidence[[250, 777, 5]] = 0.99, 0.9, 0.8
    gallery = galleries.choose(outputs_with(predicted, confidence))
    assert gallery.images[gallery.mistakes].tolist() == [250, 777, 5]
    assert gallery.images[gallery.uncertain][0] == 7
    assert (gallery.labels[gallery.uncertain] == -1).all()


def test_the_sprite_holds_the_digits_in_the_gallerys_order(run: Run, few: Digits) -> None:
    gallery = galleries.choose(run.outputs())
    content = base64.b64decode(galleries.sprite(gallery, few).removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(content)) as picture:
        ink = 255 - np.asarray(picture.convert("L")).astype(int)
    for n in (0, 51, len(gallery.images) - 1):
        top, left = n // galleries.COLUMNS * 28, n % galleries.COLUMNS * 28
        source = few.test_images if gallery.labels[n] < 0 else few.train_images
        assert abs(ink[top : top + 28, left : left + 28] - source[gallery.images[n]]).max() <= 9  # 16 greys


def test_without_its_digits_the_page_has_no_pictures_and_says_how_to_get_them(run: Run, few: Digits) -> None:
    page = write_report(run).read_text("utf-8")  # looks for them, and finds the practice set
    text = text_of(page)
    assert "No pictures of digits" in text
    assert f"kaggle-mnist report {run.name} --output {run.path.parent} --input PATH" in text
    assert "image/png" not in page
    assert data_of(page)["pictures"] == data_of(write_report(run, few).read_text("utf-8"))["pictures"]


def test_digits_that_are_named_are_found_or_refused(run: Run, few: Digits, practice: Digits) -> None:
    export_csv(few, Path("named"))
    assert write_report(run, input="named").read_bytes() == write_report(run, few).read_bytes()
    with pytest.raises(DataNotFound, match="not the digits of that run"):
        write_report(run, input="practice")
    with pytest.raises(DataNotFound, match="are not the digits of run"):
        write_report(run, practice)


def test_a_blend_has_no_weights_and_no_history_and_says_so(output: Path, few: Digits) -> None:
    names = [folder.name for folder in sorted(output.iterdir())][:2]
    blend = blend_runs(names, output)
    page = write_report(blend, few).read_text("utf-8")
    text = text_of(page)
    assert "A blend has no weights of its own" in text
    assert "A blend has no history of its own" in text
    assert 'id="weights"' not in page
    assert data_of(page)["network"] is None
    for parent in blend.record.parents:
        assert f"{parent.run} {parent.weight:.4f} {parent.sha256}" in text


def test_the_page_holds_one_members_weights_in_float16_and_names_it(run: Run, few: Digits) -> None:
    page = write_report(run, few).read_text("utf-8")
    found = re.search(r'id="weights">([^<]*)<', page)
    assert found
    halves = np.frombuffer(base64.b64decode(found[1]), "<f2")
    weights = run.weights()
    names = ("weights.0", "biases.0", "weights.1", "biases.1")
    expected = np.concatenate([weights[name][report.MEMBER].ravel() for name in names]).astype(np.float16)
    np.testing.assert_array_equal(halves, expected)
    accuracy = run.table("folds").accuracy[report.MEMBER]
    assert "One member reads it: repeat 0, fold 0," in text_of(page)
    assert f"( 784-48-10 ; accuracy {accuracy:.4f} on the images that it held out)" in text_of(page)


def test_a_network_too_large_for_the_page_is_left_out_and_the_page_says_why(handful: Digits) -> None:
    large = TINY.replaced(hidden=(2048, 1024), epochs=1, batch_size=120)  # as recipe best
    run = pipeline.train(large, input=handful, folds=2)
    path = write_report(run, handful)
    page = path.read_text("utf-8")
    assert path.stat().st_size < 500_000
    assert re.search(r"784-2048-1024-10\) would make this page 1\d\.\d MB large, over the 5 MB", text_of(page))
    assert 'id="weights"' not in page
    assert 'id="pad"' not in page


def test_weights_beyond_float16_are_left_out(run: Run, few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = run.weights()
    weights["biases.1"][report.MEMBER] += 1e5
    monkeypatch.setattr(Run, "weights", lambda self: weights)
    assert "weights beyond float16" in text_of(write_report(run, few).read_text("utf-8"))


def test_a_page_that_cannot_be_written_is_one_line(run: Run, few: Digits, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    for file in run.path.iterdir():
        if file.name != "report.html":
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html: cannot be written"):
        write_report(Run(folder, run.record), few)


def test_train_ends_with_the_report_and_stands_without_it(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    export_csv(few, Path("input"))
    quick = ["train", "--folds", "2", "--epochs", "1", "--set", "hidden=[16]", "--set", "views=1"]
    done = CliRunner().invoke(app, quick)
    [path] = Path("submissions").glob("*/report.html")
    assert done.exit_code == 0
    assert "Training" not in done.output.splitlines()[-1]
    assert done.output.splitlines()[-1].split() == ["Report", str(path)]
    again = CliRunner().invoke(app, ["report", path.parent.name])
    assert (again.exit_code, again.output.split()) == (0, ["Report", str(path)])

    def refuse(*arguments: object, **options: object) -> None:
        raise OutputError("report.html: cannot be written (No space left on device)")

    monkeypatch.setattr(report, "write_report", refuse)
    done = CliRunner().invoke(app, quick)
    assert done.exit_code == 0
    assert "not written, but the run is complete: report.html: cannot be written (No space left" in done.output
    assert len(list(Path("submissions").glob("*/SHA256SUMS"))) == 2
