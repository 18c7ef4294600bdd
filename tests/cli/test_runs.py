"""The commands compare, blend, runs and label."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.labels import Labels, read_labels
from tests.cli.invoke import invoke


def test_compare_fits_a_terminal_and_has_csv_and_json_for_machines(submissions: Path) -> None:
    shown = invoke("compare")
    assert shown.exit_code == 0, shown.output
    assert [line for line in shown.output.splitlines() if len(line) > 80] == []
    assert "A is better than C" in shown.output
    assert "B – C" not in shown.output
    assert "B – C" in invoke("compare", "--all-pairs").output
    assert "Holm-corrected for 3 pairs" in shown.output
    table = invoke("compare", "--csv").stdout.splitlines()
    assert table[0].startswith("run,recipe,cv_accuracy")
    assert len(table) == 4
    everything = json.loads(invoke("compare", "--json").stdout)
    assert [run["letter"] for run in everything["runs"]] == ["A", "B", "C"]
    assert len(everything["pairs"]) == 3


def test_compare_refuses_a_plot_of_another_type_before_it_compares(submissions: Path) -> None:
    refused = invoke("compare", "--plot", "folds.txt")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "kaggle-mnist: folds.txt: must end in .png, .svg or .pdf\n"
    done = invoke("compare", "--plot", "folds.svg")
    assert "Plot         folds.svg" in done.stdout
    assert Path("folds.svg").is_file()


def test_blend_prints_weights_and_scores(submissions: Path) -> None:
    done = invoke("blend", *(path.name for path in list_runs(submissions)), "--weights", "fit")
    assert done.exit_code == 0, done.output
    assert "each fold with weights fitted on the others" in done.stdout
    assert "submission.csv" in done.stdout
    assert re.search(
        r"^Best parent  OOF accuracy 0\.\d{4}, 2026.*\n +log loss 0\.\d{4}, 2026", done.stdout, re.MULTILINE
    )
    assert re.search(r"^Gain +(mixed: |none, .*: )?(\d+ \w+ images?|as many images) right", done.stdout, re.MULTILINE)
    weights = [float(line.split()[0]) for line in done.stdout.splitlines() if line.startswith(" 0.")]
    assert sum(weights) == pytest.approx(1, abs=0.002)


def test_blend_selects_from_all_runs(submissions: Path) -> None:
    names = [path.name for path in list_runs(submissions)]
    (submissions / names[0] / "outputs.npz").unlink()
    done = invoke("blend", "--top", "5")
    assert done.exit_code == 0, done.output
    assert f"Skipped      submissions/{names[0]}/outputs.npz: is missing" in done.stdout
    assert "(each fold with runs selected on the others)" in done.stdout


def test_runs_lists_and_removes(submissions: Path) -> None:
    names = [path.name for path in list_runs(submissions)]
    listed = invoke("runs").stdout
    assert all(name in listed for name in names)
    assert "Total        3 runs, " in listed
    removed = invoke("runs", "--remove", names[0], "--remove", names[1])
    assert removed.stdout == f"Removed      submissions/{names[0]}\nRemoved      submissions/{names[1]}\n"
    assert [path.name for path in list_runs(submissions)] == names[2:]
    assert invoke("runs", "--output", "empty").stdout == "Runs         none in empty; `kaggle-mnist train` makes one\n"


def test_label_gives_a_run_a_name_that_other_commands_take(submissions: Path) -> None:
    done = invoke("label", "a", "--name", "first", "--note", "as in the article", "--tag", "good", "--tag", "slow")
    assert done.exit_code == 0, done.output
    assert read_labels(submissions / "20261124-200000-a") == Labels(
        name="first", note="as in the article", tags=("good", "slow")
    )
    assert invoke("label", "first", "--untag", "slow").stdout.splitlines() == [
        "Run          submissions/20261124-200000-a",
        "Name         first",
        "Note         as in the article",
        "Tags         good",
    ]
    assert [row.split(",")[0] for row in invoke("compare", "fir", "c", "--csv").stdout.splitlines()] == [
        "run",
        "20261124-200000-a",
        "20261124-200000-c",
    ]
    refused = invoke("label", "first", "--name", "a/b")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("kaggle-mnist: --name 'a/b': must be at most 60 letters")


def test_compare_takes_all_runs_of_a_name_and_other_commands_ask_for_one(submissions: Path) -> None:
    for run in ("a", "b"):
        invoke("label", run, "--name", "steady")
    both = json.loads(invoke("compare", "steady", "latest", "--json").stdout)
    assert [run["recipe"] for run in both["runs"]] == ["a", "b", "c"]
    refused = invoke("report", "steady")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "kaggle-mnist: steady: 2 runs match; name one: 20261124-200001-b, 20261124-200000-a\n",
    )


def test_train_and_blend_name_their_runs(few: Digits) -> None:
    export_csv(few.head(200, 40), Path("input"))
    quick = ["--folds", "2", "--epochs", "1", "--set", "hidden=[16]"]
    for seed in ("0", "1"):
        done = invoke("train", *quick, "--seed", seed, "--name", f"s{seed}", "--note", "a try", "--tag", "t")
        assert done.exit_code == 0, done.output
    [first] = Path("submissions").glob("*-s0")
    assert read_labels(first) == Labels(name="s0", note="a try", tags=("t",))
    assert invoke("blend", "s0", "s1", "--name", "both").exit_code == 0
    [blended] = Path("submissions").glob("*-blend")
    assert read_labels(blended) == Labels(name="both")
    assert invoke("blend", "s0", "s1", "--name", "a b").exit_code == 2
    assert len(list_runs(Path("submissions"))) == 3
