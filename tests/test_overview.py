"""Listing runs with what is special about them."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from pathlib import Path

import pytest

from kaggle_mnist.blend import blend_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.forecast import predict_score
from kaggle_mnist.overview import Entry, list_entries
from kaggle_mnist.pipeline import train
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.runs.finding import find_run, list_runs
from kaggle_mnist.runs.labels import Labels, write_labels
from kaggle_mnist.utils.errors import BadOption
from tests.cli.invoke import invoke
from tests.opened import opened_files

A, B, C = "20261124-200000-a", "20261124-200001-b", "20261124-200000-c"


def names(entries: list[Entry]) -> list[str]:
    return [entry.path.name for entry in entries]


def test_a_run_is_listed_with_what_differs_from_the_recipe_that_it_varies(handful: Digits) -> None:
    fast = find_recipe("fast", ["hidden=[16]"], epochs=1)
    train(fast, input=handful, folds=2, seed=3, labels=Labels(note="small"))
    train(fast.replaced(name="mine"), input=handful, folds=5)
    blend_runs(["fast", "mine"])
    first, second, third = list_entries().entries
    assert (first.recipe, first.like, first.labels.note) == ("fast", "fast", "small")
    assert first.differs == {"hidden": [16], "epochs": 1, "folds": 2, "seed": 3}
    assert (second.recipe, second.like) == ("mine", "fast")
    assert second.differs == {"hidden": [16], "epochs": 1}
    assert (third.recipe, third.like, third.differs, third.parents) == ("blend", None, None, 2)


def test_scores_are_those_of_the_run_and_of_kaggle(submissions: Path) -> None:
    run = find_run("a", submissions)
    entry = next(entry for entry in list_entries(submissions).entries if entry.path == run.path)
    assert (entry.cv_accuracy, entry.forecast, entry.public_score) == (run.cv_accuracy, predict_score(run), None)
    assert entry.seconds == run.record.seconds["train"] < run.record.seconds["all"]
    then = {"expected": 0.5, "low": 0.4, "high": 0.6}
    rest = {"competition": "x", "submitted": "2026-11-24T23:00:00+00:00", "sha256": "0" * 64, "ref": 1}
    content = {**rest, "message": "m", "status": "complete", "public_score": 0.55, "prediction": then}
    (run.path / "leaderboard.json").write_text(json.dumps(content))
    [sent, *_] = list_entries(submissions, sort="public").entries
    assert (sent.path, sent.public_score, sent.forecast and sent.forecast.low) == (run.path, 0.55, 0.4)


def test_runs_are_sorted_and_chosen(submissions: Path) -> None:
    write_labels(submissions / A, Labels(tags=("good", "slow")))
    write_labels(submissions / C, Labels(note="worst", tags=("good",)))
    assert names(list_entries(submissions).entries) == [A, B, C]
    by_score = sorted(list_runs(submissions), key=lambda path: -find_run(str(path), submissions).cv_accuracy)
    assert names(list_entries(submissions, sort="cv").entries) == [path.name for path in by_score]
    assert names(list_entries(submissions, sort="note").entries) == [C, A, B]
    assert names(list_entries(submissions, recipe="b").entries) == [B]
    assert names(list_entries(submissions, tags=["good"]).entries) == [A, C]
    assert names(list_entries(submissions, tags=["good", "slow"]).entries) == [A]
    assert names(list_entries(submissions, last=2).entries) == [B, C]
    assert names(list_entries(submissions, last=1, tags=["slow"]).entries) == [A]
    with pytest.raises(BadOption, match=r"--sort sate: no such column \(did you mean state\?\); use one of run, cv"):
        list_entries(submissions, sort="sate")


def test_a_machine_gets_everything(submissions: Path) -> None:
    write_labels(submissions / A, Labels(name="first", note="a, b", tags=("x", "y")))
    rows = list(csv.DictReader(io.StringIO(invoke("runs", "--csv", "--recipe", "a").stdout)))
    assert [(row["run"], row["name"], row["note"], row["tags"]) for row in rows] == [(A, "first", "a, b", "x y")]
    assert json.loads(rows[0]["differs"])["folds"] == 3
    [run] = json.loads(invoke("runs", "--json", "--tag", "x").stdout)["runs"]
    assert list(run) == list(rows[0])
    assert (run["tags"], run["state"], run["cv_accuracy"]) == (["x", "y"], "finished", float(rows[0]["cv_accuracy"]))
    assert "Total        2 of 3 runs, " in invoke("runs", "--last", "2").stdout


def test_what_no_run_has_is_named_with_what_was_probably_meant(submissions: Path) -> None:
    write_labels(submissions / A, Labels(tags=("good",)))
    write_labels(submissions / B, Labels(tags=("steady",)))
    for options, expected in (
        (["--recipe", "z"], "none of the 3 runs has the recipe z"),
        (["--tag", "gud"], "none of the 3 runs has the tag gud (did you mean good?)"),
        (["--tag", "good", "--tag", "staedy"], "none of the 3 runs has the tag staedy (did you mean steady?)"),
        (["--recipe", "b", "--tag", "good"], "none of the 3 runs has the recipe b and the tag good"),
    ):
        assert invoke("runs", *options).stdout == f"Runs         {expected}\n"


@pytest.mark.parametrize(("typed", "meant"), [("s", "seconds"), ("acuracy", "cv"), ("Secnds", "seconds")])
def test_a_sorting_that_is_unknown_gets_the_one_that_was_probably_meant(typed: str, meant: str) -> None:
    with pytest.raises(BadOption, match=rf"--sort {typed}: no such column \(did you mean {meant}\?\)"):
        list_entries("empty", sort=typed)


def test_columns_are_sorted_by_in_capitals_too(submissions: Path) -> None:
    assert names(list_entries(submissions, sort="CV").entries) == names(list_entries(submissions, sort="cv").entries)


def test_only_files_that_were_changed_since_are_compared_with_their_checksums_unless_all_are_asked_for(
    submissions: Path,
) -> None:
    now = time.time()
    for file in submissions.glob("*/*"):
        os.utime(file, (now - 60, now - 60))
    for file in submissions.glob("*/SHA256SUMS"):
        os.utime(file, (now - 30, now - 30))
    with opened_files() as opened:
        list_entries(submissions)
    assert {name for name in opened if not name.endswith(".toml")} == {"run.json", "SHA256SUMS"}
    for name, since in (("folds.csv", now), ("outputs.npz", now - 60)):
        file = submissions / A / name
        file.write_bytes(file.read_bytes() + b"1")
        os.utime(file, (since, since))
    states = [entry.state for entry in list_entries(submissions).entries]
    assert states == [f"damaged: {submissions / A / 'folds.csv'}: does not match its checksum; {REMEDY}", *OTHERS]
    (submissions / A / "folds.csv").write_bytes((submissions / A / "folds.csv").read_bytes()[:-1])
    assert list_entries(submissions).entries[0].state == "finished"
    found = list_entries(submissions, verify=True).entries[0]
    assert found.state == f"damaged: {submissions / A / 'outputs.npz'}: does not match its checksum; {REMEDY}"
    (submissions / A / "outputs.npz").unlink()
    assert "outputs.npz: is missing" in list_entries(submissions).entries[0].state


REMEDY, OTHERS = "restore it or recreate the run", ["finished", "finished"]


def test_labels_that_cannot_be_read_are_reported_as_damage(submissions: Path) -> None:
    (submissions / A / "labels.json").write_text("{")
    assert list_entries(submissions).entries[0].state.startswith(f"damaged: {submissions / A / 'labels.json'}")
