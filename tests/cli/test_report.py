"""The command report."""

from __future__ import annotations

from pathlib import Path

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.runs.finding import find_run
from tests.cli.invoke import invoke


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
