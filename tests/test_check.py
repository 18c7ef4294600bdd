"""Checks of the digits before training, and of a CSV before it is submitted."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from kaggle_mnist.check import check_csv, check_data
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.utils.errors import BadData, BadRun, DataNotFound, OutputError


def test_the_digits_are_loaded_drawn_and_exported(handful: Digits) -> None:
    export_csv(handful, Path("input"))
    found = check_data(output="pictures", export=Path("copy"))
    assert found.digits.fingerprint == handful.fingerprint
    assert found.picture == Path("pictures/digits.png")
    with Image.open(found.picture) as sheet:
        assert sheet.size[0] > 1000
    assert Path("copy/test.csv").read_bytes() == Path("input/test.csv").read_bytes()


def test_a_picture_that_is_not_ours_is_refused_before_the_digits_are_loaded(handful: Digits) -> None:
    Path("submissions").mkdir()
    Path("submissions/digits.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"digits\.png: exists and was not written by kaggle-mnist"):
        check_data("nowhere")
    Path("submissions/digits.png").unlink()
    with pytest.raises(DataNotFound, match="nowhere: no such file or folder"):
        check_data("nowhere")
    assert not Path("submissions/digits.png").exists()


def test_a_csv_is_expected_to_have_the_competitions_rows_or_those_of_a_run(submissions: Path) -> None:
    run = find_run("latest", submissions)
    assert check_csv(run.submission).verdict.errors == ["ImageIds without a row: 301–28000 (27700 in all)"]
    for named in (run, run.name, str(run.path), "latest"):
        checked = check_csv(run.submission, run=named)
        assert (checked.verdict.errors, checked.expected) == ([], 300)


def test_a_copy_of_a_runs_csv_may_differ_but_the_runs_own_may_not(submissions: Path) -> None:
    run = find_run("latest", submissions)
    content = run.submission.read_text()
    changed = content[:-2] + str((int(content[-2]) + 1) % 10) + "\n"
    Path("mine.csv").write_text(changed)
    assert check_csv("mine.csv", run=run).verdict.errors == []
    run.submission.write_text(changed)
    Path("link.csv").symlink_to(run.submission)
    for file in (run.submission, Path("link.csv")):
        with pytest.raises(BadRun, match=r"submission\.csv: "):
            check_csv(file, run=run)
    with pytest.raises(BadData, match=r"nowhere\.csv: cannot be read"):
        check_csv("nowhere.csv")
