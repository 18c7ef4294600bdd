"""The picture of `compare --plot`."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from kaggle_mnist.cli import app
from kaggle_mnist.report.fold_plot import plot_folds
from kaggle_mnist.utils.errors import OutputError

RUNS = [("A  20261124-200000-a", [0.93, 0.94, 0.935]), ("B  $x", [0.92, 0.925, 0.93])]


def test_fold_accuracies_are_plotted() -> None:
    plot_folds(RUNS, Path("folds.png"))
    with Image.open("folds.png") as picture:
        assert picture.size[0] > 800
    with pytest.raises(OutputError, match=r"must end in \.png"):
        plot_folds(RUNS, Path("folds.txt"))
    with pytest.raises(OutputError, match="cannot be written"):
        plot_folds(RUNS, Path("nowhere/folds.png"))


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_plot_overwrites_an_earlier_one_but_no_other_file(kind: str, submissions: Path) -> None:
    path = Path(f"folds.{kind}")
    plot_folds(RUNS, path)
    plot_folds(RUNS, path)
    path.write_bytes(path.read_bytes().replace(b"kaggle-mnist", b"another tool"))
    theirs = path.read_bytes()
    with pytest.raises(OutputError, match="exists and was not written by kaggle-mnist; name another file"):
        plot_folds(RUNS, path)
    done = CliRunner().invoke(app, ["compare", "--csv", "--plot", str(path)])
    assert (done.exit_code, done.stdout) == (2, "")  # refused before anything is compared
    assert path.read_bytes() == theirs
