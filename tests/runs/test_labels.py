"""Names, notes and tags of runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.runs import checkpoint
from kaggle_mnist.runs.finding import find_run, list_runs
from kaggle_mnist.runs.labels import Labels, labels_from, read_labels, write_labels
from kaggle_mnist.runs.listing import remove_runs
from kaggle_mnist.utils.errors import BadOption, BadRun, Interrupted, OutputError
from tests.conftest import TINY
from tests.runs.test_checkpoint import stop_after

WIDE = Labels(name="wide", note="twice the units", tags=("good", "to-blend"))


def test_a_run_is_trained_with_a_name_and_keeps_it_when_it_is_resumed(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "PRICE", 0)
    with pytest.raises(Interrupted):
        pipeline.train(TINY, input=few, folds=2, labels=WIDE, on_epoch=stop_after(2))
    finished = pipeline.resume(input=few)
    assert finished.name.endswith("-wide")
    assert read_labels(finished.path) == WIDE
    finished.verify()
    assert "labels.json" not in (finished.path / "SHA256SUMS").read_text()
    without = pipeline.train(TINY, input=few, folds=2)
    assert not (without.path / "labels.json").exists()
    assert (without.path / "submission.csv").read_bytes() == finished.submission.read_bytes()


def test_labels_change_one_by_one_and_their_file_goes_with_the_last(submissions: Path) -> None:
    run = list_runs(submissions)[0]
    assert read_labels(run) == Labels()
    write_labels(run, WIDE)
    assert read_labels(run) == WIDE
    changed = labels_from(note="", tag=["new", "good"], untag=["to-blend"], before=WIDE)
    assert changed == Labels(name="wide", tags=("good", "new"))
    write_labels(run, labels_from(name="", untag=["good", "new"], before=changed))
    assert not (run / "labels.json").exists()


@pytest.mark.parametrize(
    ("name", "note", "tag"),
    [(name, None, []) for name in ("a/b", "latest", ".", "-x", "x" * 61, "二" * 61, "a b", "\ud800", "a\n")]
    + [(None, note, []) for note in ("two\nlines", "\x1b[31m", "x" * 501)]
    + [(None, None, tag) for tag in ([""], ["a b"], ["x" * 41], [f"{i}" for i in range(21)])],
)
def test_what_is_no_name_note_or_tag_is_refused_in_one_line(name: str | None, note: str | None, tag: list[str]) -> None:
    with pytest.raises(BadOption, match=r"must be (at most|one line)") as refused:
        labels_from(name, note, tag)
    assert str(refused.value).isprintable()


def test_a_tag_that_is_not_there_is_not_taken_away() -> None:
    with pytest.raises(BadOption, match=r"--untag goood: the run has no such tag \(did you mean good\?\)"):
        labels_from(untag=["goood"], before=WIDE)


def test_a_damaged_file_is_one_line_and_no_reason_not_to_find_the_run(submissions: Path) -> None:
    run = list_runs(submissions)[0]
    for content in (b"{", b"[1]", b'{"name": 7}', b'{"name": "latest"}', b'{"colour": "red"}', b"[" * 60_000):
        (run / "labels.json").write_bytes(content)
        with pytest.raises(BadRun, match=r"labels\.json: cannot be read; move it away"):
            read_labels(run)
        assert find_run(run.name, submissions).path == run
    os.truncate(run / "labels.json", 1 << 40)
    with pytest.raises(BadRun, match=r"labels\.json: cannot be read"):
        read_labels(run)


def test_labels_are_removed_with_the_run_and_a_folder_that_cannot_be_written_is_named(submissions: Path) -> None:
    run = list_runs(submissions)[0]
    write_labels(run, WIDE)
    remove_runs([run.name], submissions)
    assert not run.exists()
    with pytest.raises(OutputError, match=r"labels\.json: cannot be written"):
        write_labels(run, WIDE)
