"""What runs may be called."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from kaggle_mnist.runs.labels import Labels, write_labels
from kaggle_mnist.runs.names import named_runs


def test_every_run_is_known_by_its_folder_its_recipe_and_its_name(submissions: Path) -> None:
    old = Path(__file__).parent / "version-0.1" / "20261124-210000-old"
    unfinished = Path(shutil.copytree(old, submissions / "20261124-210000-old"))
    write_labels(submissions / "20261124-200000-a", Labels(name="first"))
    write_labels(unfinished, Labels(name="later"))
    (submissions / ".hidden" / "checkpoint").mkdir(parents=True)
    found = {run.path.name: (run.recipe, run.name, run.finished) for run in named_runs(submissions)}
    assert found == {
        "20261124-200000-a": ("a", "first", True),
        "20261124-200001-b": ("b", None, True),
        "20261124-200000-c": ("c", None, True),
        "20261124-210000-old": ("old", "later", False),
    }
    assert list(found)[-1] == "20261124-200000-c"  # made last, whatever its folder says


def test_settings_and_labels_that_cannot_be_read_give_no_names(submissions: Path) -> None:
    run = submissions / "20261124-200000-a"
    for content in ("{", "[]", json.dumps({"created": 10**30, "recipe": {"name": ["a"]}, "name": "../a"}), "[" * 10**5):
        for file in ("run.json", "labels.json"):
            (run / file).write_text(content)
        first = named_runs(submissions)[0]
        assert (first.path, first.recipe, first.name, first.finished) == (run, None, None, True)


def test_names_are_read_without_slow_packages() -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'sklearn', 'pydantic', 'rich'}"
    code = f"import sys, kaggle_mnist.runs.names; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
