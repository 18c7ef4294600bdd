"""The command report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.run import Run
from tests.cli.invoke import invoke
from tests.conftest import TINY


@pytest.fixture
def run(few: Digits) -> Run:
    """A run on digits that are not in `input/`."""
    export_csv(few, Path("elsewhere"))
    return pipeline.train(TINY.replaced(epochs=1), input="elsewhere", folds=2)


def test_report_writes_the_page_of_the_newest_or_a_named_run(few: Digits, submissions: Path) -> None:
    export_csv(few, Path("input"))
    newest, named = find_run(None, submissions), find_run("20261124-200000-a", submissions)
    for arguments, run in (((), newest), ((named.name,), named)):
        page = run.path / "report.html"
        page.unlink(missing_ok=True)
        done = invoke("report", *arguments)
        assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, f"Report       {page}")
        assert page.read_text().startswith("<!")


def test_report_refuses_what_is_not_a_run() -> None:
    done = invoke("report", "nowhere")
    assert done.exit_code == 2
    assert done.stderr.startswith("kaggle-mnist: nowhere: no such run")


def test_report_finds_the_digits_where_the_run_had_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    page, folder = run.path / "report.html", Path.cwd()
    Path("home").mkdir()
    monkeypatch.chdir("home")
    done = invoke("report", run.name, "--output", str(folder / run.path.parent))
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Report       {folder / page}"
    assert "image/png" in (folder / page).read_text()


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_page_is_kept_where_the_digits_are_gone(run: Run, few: Digits, how: str) -> None:
    assert invoke("report").exit_code == 0
    page = run.path / "report.html"
    before = page.read_bytes()
    Path("elsewhere").rename("moved")
    if how == "changed":
        export_csv(few.head(1400, 300), Path("elsewhere"))
    refused = invoke("report")
    message = f"{Path.cwd()}/elsewhere: the digits of that run are not there any more; specify them with --input"
    assert (refused.exit_code, refused.stderr) == (2, f"kaggle-mnist: {message}; {page} was kept as it is\n")
    assert page.read_bytes() == before
    page.unlink()
    assert invoke("report", "--input", "moved").exit_code == 0
    assert page.read_bytes() == before


def test_digits_that_cannot_be_read_any_more_are_said_to_be_that(run: Run) -> None:
    with Path("elsewhere/test.csv").open("a") as file:
        file.write("1,2,3\n")
    refused = invoke("report", f"{run.path}")
    assert refused.exit_code == 0
    assert "elsewhere/test.csv, row 302: has 3 values" in refused.stdout


def test_a_first_page_without_images_is_said_to_be_one(run: Run) -> None:
    shutil.rmtree("elsewhere")
    done = invoke("report")
    assert done.exit_code == 0, done.stderr
    page, note = done.stdout.splitlines()[-2:]
    assert page == f"Report       {run.path / 'report.html'}, without images of digits"
    assert note.startswith("Note         ") and note.endswith("not there any more; specify them with --input")
    assert "This page has no images of digits" in (run.path / "report.html").read_text()


def test_a_resumed_run_remembers_where_its_digits_have_moved_to(few: Digits, tmp_path: Path) -> None:
    from kaggle_mnist.runs import checkpoint
    from tests.runs.test_checkpoint import stop_after

    export_csv(few, Path("elsewhere"))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint, "PRICE", 0)
        pipeline.train(TINY, input="elsewhere", folds=2, on_epoch=stop_after(2))
    Path("elsewhere").rename("moved")
    assert invoke("resume", "--input", "moved").exit_code == 0
    done = invoke("report")
    assert done.exit_code == 0, done.stderr
    [page] = Path("submissions").glob("*/report.html")
    assert "image/png" in page.read_text()
