"""The notebook runs as on Kaggle: its cells in order, in a kernel of its own, without internet."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.runs.finding import find_run

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "digit-recognizer.ipynb"
TINY_TOML = 'hidden = [32]\nepochs = 2\nbatch_size = 100\nname = "tiny"\n'


def read_notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


@pytest.fixture
def cells() -> list[str]:
    notebook = read_notebook()
    nbformat.validate(notebook)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
def test_three_cells_build_a_submission(few: Digits, cells: list[str]) -> None:
    export_csv(few, Path("input"))
    Path("tiny.toml").write_text(TINY_TOML)
    notebook = read_notebook()
    [train] = [cell for cell in notebook.cells if 'RECIPE = "mlp"' in cell.source]
    train.source = train.source.replace('RECIPE = "mlp"', 'RECIPE = "tiny.toml"')
    kernel = AsyncKernelManager(kernel_name="python3", transport="ipc")  # no port that another program may take first
    place = {"metadata": {"path": "."}}
    NotebookClient(notebook, kernel, timeout=600, startup_timeout=600, resources=place).execute()

    run = find_run("latest", Path("submissions"))
    assert (len(cells), run.record.name, run.record.data.source) == (3, "tiny", "Kaggle CSV")
    submission = pd.read_csv(run.submission)
    assert submission.ImageId.tolist() == list(range(1, 301))
    shown = str(notebook.cells[-1].outputs)
    assert f"Kaggle CSV: CV accuracy {run.cv_accuracy:.4f}" in shown
    assert "300 rows" in shown


def test_the_notebook_is_stored_without_outputs(cells: list[str]) -> None:
    notebook = read_notebook()
    assert len(cells) == 3
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")


def run_first_cell(source: str, attached: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Run it in a Python without kaggle_mnist: site-packages without the .pth files of editable installations."""
    code = source.replace('Path("/kaggle/input")', f"Path({str(attached)!r})")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    script = f"import sys; sys.path += {packages!r}\n{code}\nimport kaggle_mnist; print(kaggle_mnist.__file__)"
    env = {
        **os.environ,
        "PYTHONPATH": str(target),
        "PIP_TARGET": str(target),
        "PIP_NO_DEPS": "1",
        "PIP_NO_CACHE_DIR": "1",
    }
    command = [sys.executable, "-S", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=600)


def test_the_first_cell_installs_the_wheel_of_an_attached_dataset_without_internet(
    cells: list[str], tmp_path: Path
) -> None:
    attached, target = tmp_path / "input", tmp_path / "target"
    (attached / "digit-recognizer").mkdir(parents=True)
    refused = run_first_cell(cells[0], attached, target)
    assert "contains no kaggle_mnist-*.whl; attach the dataset" in refused.stderr
    wheel = attached / "datasets" / "someone" / "wheels" / "kaggle_mnist-9.0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("kaggle_mnist/__init__.py", "")
        archive.writestr(
            "kaggle_mnist-9.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: kaggle-mnist\nVersion: 9.0\n"
        )
        archive.writestr(
            "kaggle_mnist-9.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("kaggle_mnist-9.0.dist-info/RECORD", "")
    installed = run_first_cell(cells[0], attached, target)
    assert installed.returncode == 0, installed.stderr
    assert installed.stdout.strip().endswith(str(target / "kaggle_mnist" / "__init__.py"))
