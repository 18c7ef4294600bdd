"""The page as text; what it does in a browser is in test_page_in_a_browser.py."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kaggle_mnist import pipeline
from kaggle_mnist.blend import blend_runs
from kaggle_mnist.cli import app
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.forecast import predict_score
from kaggle_mnist.report import page as report
from kaggle_mnist.report.page import write_report
from kaggle_mnist.runs.finding import find_run, list_runs
from kaggle_mnist.runs.labels import Labels, write_labels
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.utils.errors import BadRun, DataNotFound, OutputError
from kaggle_mnist.utils.files import SUMS
from tests.conftest import TINY

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


def test_the_page_is_self_contained_and_not_among_the_checksums(run: Run, few: Digits) -> None:
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


def test_the_figures_and_the_submission_come_first_and_the_learning_curves_next(run: Run, few: Digits) -> None:
    page = write_report(run, few).read_text("utf-8")
    start, rest = page.split("<nav")
    scores, forecast = run.record.scores, predict_score(run)
    figures = (
        f"CV accuracy {scores.cv_accuracy:.4f} ± {scores.cv_accuracy_std:.4f} (SD)",
        f"Log loss {scores.oof_log_loss:.4f} out of fold",
        f"Errors {round((1 - scores.oof_accuracy) * 1500)} of 1,500 digits",
        f"Forecast {forecast.expected:.4f} 95 % interval: {forecast.low:.4f}–{forecast.high:.4f}",
        f"Training {run.record.seconds['train']:.0f} s on cpu",
        "Submission file submission.csv , next to this page rows 300 ImageIds, each with a digit",
        "It cannot be uploaded: Kaggle's Digit Recognizer expects 28,000 ImageIds.",
    )
    places = [text_of(start).index(figure) for figure in figures]
    assert places == sorted(places)
    assert "OOF accuracy" not in start  # the same as the errors, without repeats
    assert "Public score" not in start
    assert re.findall(r'<section id="([a-z]+)"', rest)[:3] == ["curves", "folds", "confusion"]


def test_recipe_and_provenance_are_folded(run: Run, few: Digits) -> None:
    page = write_report(run, few).read_text("utf-8")
    for part, content in (("recipe", "learning_rate"), ("provenance", run.record.data.fingerprint)):
        found = re.search(rf'<details id="{part}" class="fold">(.*?)</details>', page, re.DOTALL)
        assert found
        assert content in found[1].replace("<wbr>", "")


def test_folds_are_a_chart_with_their_mean_and_a_folded_table(run: Run, few: Digits) -> None:
    page = write_report(run, few).read_text("utf-8")
    found = re.search(r'<section id="folds">(.*?)<details>(.*?)</section>', page, re.DOTALL)
    assert found
    chart, table = found[1], found[2]
    folds = run.table("folds")
    for number, accuracy in zip(folds.fold, folds.accuracy, strict=True):
        assert f">fold {number}<" in chart
        assert f">{accuracy:.4f}<" in chart
        assert f"<td>{accuracy:.4f}</td>" in table
    assert f">mean {run.cv_accuracy:.4f}<" in chart


def test_repeats_and_many_folds_share_a_row(run: Run, few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_ROWS", 2)  # fewer than the run's folds
    page = write_report(run, few).read_text("utf-8")
    assert ">all<" in page
    assert ">fold 0<" not in page
    assert "strokes and the numbers at the right are means" in page


def test_only_the_first_mistakes_and_test_digits_are_not_folded(run: Run, few: Digits) -> None:
    page = write_report(run, few).read_text("utf-8")
    for part in ("mistakes", "uncertain"):
        found = re.search(rf'<section id="{part}">(.*?)</section>', page, re.DOTALL)
        assert found
        open_, folded = found[1].split("<details><summary>18 more</summary>")
        assert (open_.count("<figure>"), folded.count("<figure>")) == (6, 18)


def test_a_run_that_kaggle_accepts_has_its_upload_command(practice: Digits, few: Digits) -> None:
    digits = replace(few, test_images=practice.test_images)
    run = pipeline.train(TINY.replaced(epochs=1), input=digits, folds=2)
    page = write_report(run, digits).read_text("utf-8")
    assert f"kaggle-mnist upload {run.name} " in text_of(page)
    assert "cannot be uploaded" not in page
    elsewhere = pipeline.train(TINY.replaced(epochs=1), input=digits, folds=2, output="other runs")
    assert f"kaggle-mnist upload {elsewhere.name} --output 'other runs'" in text_of(
        write_report(elsewhere, digits).read_text("utf-8")
    )


def test_test_images_are_named_by_their_ids_and_a_known_competition_gets_the_upload_command(few: Digits) -> None:
    digits = replace(few, header=("id", "label"), ids=np.arange(5000, 5300), competition="Kannada-MNIST")
    run = pipeline.train(TINY.replaced(epochs=1), input=digits, folds=2)
    page = write_report(run, digits).read_text("utf-8")
    least = np.sort(run.outputs().test, axis=1)
    first = 5000 + int(np.argmin(least[:, -1] - least[:, -2]))
    assert f'<span class="named">id <b>{first}</b></span>' in page
    assert f'aria-label="id {first}"' in page
    assert "300 ids, each with a digit" in page
    assert ", 1 epoch, 2 folds," in text_of(page)
    assert f"kaggle-mnist upload {run.name} " in text_of(page)
    assert "ImageId" not in page


def test_a_practice_run_says_why_it_cannot_be_uploaded_and_what_to_do(run: Run, few: Digits) -> None:
    scores = run.record.scores.model_copy(update={"withheld_accuracy": 0.9765})
    data = run.record.data.model_copy(update={"practice": True})
    practiced = Run(run.path, run.record.model_copy(update={"data": data, "scores": scores}))
    text = text_of(write_report(practiced, few).read_text("utf-8").split("<nav")[0])
    assert "Withheld 0.9765 300 labels" in text
    assert "the practice set, whose ImageIds are not Kaggle's" in text
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
    assert page.count("<script") == page.count("</script>") == 5  # data, weights, network, report and navigation
    for said in (f"source{evil}", f"path{evil}", f"status{evil}", f"message{evil}", "a<b>\"'& c"):
        assert said in text
    (folder / "report.html").unlink()
    missing = write_report(find_run(str(folder), output)).read_text("utf-8")
    assert "kaggle-mnist report 'a<b>\"'\"'\"'& c'" in text_of(missing)  # as a shell takes it


def test_the_public_score_is_shown_with_its_prediction(run: Run, few: Digits) -> None:
    (run.path / "leaderboard.json").write_text(json.dumps(BOARD))
    text = text_of(write_report(run, few).read_text("utf-8").split("<nav")[0])
    assert "Forecast 0.9925 95 % interval: 0.9901–0.9949 Public score 0.99235 as forecast" in text
    assert "uploaded 2026-11-24 20:00 UTC, “mlp, <5> folds”" in text
    assert "kaggle-mnist upload" not in text
    (run.path / "leaderboard.json").write_text(json.dumps({**BOARD, "public_score": 0.98}))
    assert "Public score 0.98000 outside the forecast" in text_of(write_report(run, few).read_text("utf-8"))
    (run.path / "leaderboard.json").write_text('{"public_score": 1}')
    with pytest.raises(BadRun, match=r"leaderboard\.json: cannot be read"):
        write_report(run, few)
    (run.path / "leaderboard.json").unlink()


def test_without_its_digits_the_page_has_no_images_and_says_how_to_get_them(run: Run, few: Digits) -> None:
    (run.path / "report.html").unlink(missing_ok=True)
    page = write_report(run).read_text("utf-8")  # looks for them, and finds the practice set
    text = text_of(page)
    assert "This page has no images of digits" in text
    assert f"kaggle-mnist report {run.name} --output {run.path.parent} --input PATH" in text
    assert "image/png" not in page
    assert data_of(page)["pictures"] == data_of(write_report(run, few).read_text("utf-8"))["pictures"]


def test_the_named_digits_are_used_or_refused(run: Run, few: Digits, practice: Digits) -> None:
    export_csv(few, Path("named"))
    assert write_report(run, input="named").read_bytes() == write_report(run, few).read_bytes()
    with pytest.raises(DataNotFound, match="not the digits of that run"):
        write_report(run, input="practice")
    with pytest.raises(DataNotFound, match="not the digits of run"):
        write_report(run, practice)


def test_the_page_of_a_blend_says_how_its_weights_were_chosen(output: Path, few: Digits) -> None:
    names = [folder.name for folder in list_runs(output)][:2]
    for options, said in (
        ({}, "equal weights"),
        ({"weights": "fit"}, "fitted weights"),
        ({"top": 2}, "runs selected by OOF log loss, at most 2"),
    ):
        blend = blend_runs(names, output, **options)
        text = text_of(write_report(blend, few).read_text("utf-8"))
        assert f"the weighted mean of its parents' outputs ({said})." in text


def test_the_page_of_a_blend_begins_with_its_parents_and_omits_learning_curves_and_drawing(
    output: Path, few: Digits
) -> None:
    names = [folder.name for folder in sorted(output.iterdir())][:2]
    blend = blend_runs(names, output)
    write_report(read_run(output / names[0]), few)
    (output / names[1] / "report.html").unlink(missing_ok=True)
    page = write_report(blend, few).read_text("utf-8")
    start = page.split("<nav")[0]
    assert re.findall(r'<a href="(\.\./[^"]*)">([^<]*)</a>', start) == [(f"../{names[0]}/report.html", names[0])]
    assert (blend.path / f"../{names[0]}/report.html").is_file()
    sections = re.findall(r'<section id="([a-z]+)"', page)
    assert not {"curves", "draw"} & {*sections, *re.findall(r'<a href="#([a-z]+)"', page)}
    assert "no learning curves" not in page
    assert "not available" not in page
    assert 'id="weights"' not in page
    assert data_of(page)["network"] is None
    for parent in blend.record.parents:
        assert f"{parent.weight:.4f} {parent.run}" in text_of(start)
        assert f"{parent.run} {parent.weight:.4f} {parent.sha256}" in text_of(page)


def test_a_legend_names_only_the_lines_of_its_chart(run: Run, few: Digits) -> None:
    page = write_report(run, few).read_text("utf-8")
    error, loss = re.findall(r"<figcaption><h3>(.*?)</figcaption>", page, re.DOTALL)
    assert text_of(error) == "Held-out error mean of 3 members each member"
    assert text_of(loss) == "Held-out loss mean of 3 members each member mean in training"


def test_the_page_has_the_weights_of_one_member_in_float16_and_names_it(run: Run, few: Digits) -> None:
    page = write_report(run, few).read_text("utf-8")
    found = re.search(r'id="weights">([^<]*)<', page)
    assert found
    halves = np.frombuffer(base64.b64decode(found[1]), "<f2")
    weights = run.weights()
    names = ("weights.0", "biases.0", "weights.1", "biases.1")
    expected = np.concatenate([weights[name][report.FOLD].ravel() for name in names]).astype(np.float16)
    np.testing.assert_array_equal(halves, expected)
    assert "Read by fold 0 (784-48-10, float16)." in text_of(page)


def test_the_page_of_repeats_that_differ_says_what_reads_drawings(handful: Digits) -> None:
    mixed = TINY.replaced(epochs=1, batch_size=60, vary=({}, {"features": "gradients"}))
    run = pipeline.train(mixed, input=handful, folds=2)
    text = text_of(write_report(run, handful).read_text("utf-8"))
    assert "784-48-10 or 648-48-10" in text
    assert "Read by repeat 1, fold 0 (648-48-10, float16)." in text  # the smallest is in the page
    assert ">repeat 1<" in write_report(run, handful).read_text("utf-8")
    assert f"OOF accuracy {run.record.scores.oof_accuracy:.4f} outputs averaged" in text


def test_a_network_too_large_for_the_page_is_left_out_and_the_page_says_why(handful: Digits) -> None:
    large = TINY.replaced(hidden=(2048, 1024), epochs=1, batch_size=120)
    run = pipeline.train(large, input=handful, folds=2)
    path = write_report(run, handful)
    page = path.read_text("utf-8")
    assert path.stat().st_size < 500_000
    assert re.search(r"784-2048-1024-10\), this page would have 1\d\.\d MB, more than the limit of 5 MB", text_of(page))
    assert 'id="weights"' not in page
    assert 'id="pad"' not in page


def test_weights_beyond_float16_are_left_out(run: Run, few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = run.weights()
    weights["biases.1"][report.FOLD] += 1e5
    monkeypatch.setattr(Run, "weights", lambda self: weights)
    assert "weights outside the range of float16" in text_of(write_report(run, few).read_text("utf-8"))


def test_a_page_that_cannot_be_written_is_an_error(run: Run, few: Digits, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    for file in run.path.iterdir():
        if file.name != "report.html":
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html: cannot be written"):
        write_report(Run(folder, run.record), few)


def test_train_ends_with_the_report_and_succeeds_without_it(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    export_csv(few, Path("input"))
    quick = ["train", "--folds", "2", "--epochs", "1", "--set", "hidden=[16]", "--set", "views=1"]
    done = CliRunner().invoke(app, quick)
    [path] = Path("submissions").glob("*/report.html")
    assert done.exit_code == 0
    assert done.output.splitlines()[-2].split() == ["Report", str(path)]
    again = CliRunner().invoke(app, ["report", path.parent.name])
    assert (again.exit_code, again.output.splitlines()[-1].split()) == (0, ["Report", str(path)])

    def refuse(*arguments: object, **options: object) -> None:
        raise OutputError("report.html: cannot be written (No space left on device)")

    monkeypatch.setattr(report, "write_report", refuse)
    done = CliRunner().invoke(app, quick)
    assert done.exit_code == 0
    assert "not written, but the run is complete: report.html: cannot be written (No space left" in done.output
    assert len(list(Path("submissions").glob("*/SHA256SUMS"))) == 2


def test_a_run_is_shown_with_its_name_note_and_tags(run: Run, few: Digits) -> None:
    write_labels(run.path, Labels(name="wide", note="wider <layers>", tags=("good", "evening")))
    assert "wide · wider <layers> · good, evening" in text_of(write_report(run, digits=few).read_text())
    write_labels(run.path, Labels())
    assert " · good" not in text_of(write_report(run, digits=few).read_text())
