"""The commands compare, blend and runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kaggle_mnist.runs.finding import list_runs
from tests.cli.invoke import invoke


def test_compare_fits_a_terminal_and_has_csv_and_json_for_machines(submissions: Path) -> None:
    shown = invoke("compare")
    assert shown.exit_code == 0, shown.output
    assert [line for line in shown.output.splitlines() if len(line) > 80] == []
    assert "A is better than C" in shown.output
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
    weights = [float(line.split()[0]) for line in done.stdout.splitlines() if line.startswith(" 0.")]
    assert sum(weights) == pytest.approx(1, abs=0.002)


def test_runs_lists_and_removes(submissions: Path) -> None:
    names = [path.name for path in list_runs(submissions)]
    listed = invoke("runs").stdout
    assert all(name in listed for name in names)
    assert "Total        3 runs, " in listed
    removed = invoke("runs", "--remove", names[0], "--remove", names[1])
    assert removed.stdout == f"Removed      submissions/{names[0]}\nRemoved      submissions/{names[1]}\n"
    assert [path.name for path in list_runs(submissions)] == names[2:]
    assert invoke("runs", "--output", "empty").stdout == "Runs         none in empty; `kaggle-mnist train` makes one\n"
