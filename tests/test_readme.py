"""README is true: its code blocks run, and so does every command that it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from kaggle_mnist import pipeline
from kaggle_mnist.cli import app
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.export import export_onnx
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.runs import checkpoint
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.trials.space import Space, read_space
from kaggle_mnist.utils.errors import Interrupted
from tests.conftest import TINY
from tests.runs.test_checkpoint import stop_after

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\| `\./run\.sh ([^`]+)`", README, flags=re.MULTILINE)
LAST_LINES = ("submission.csv", "(2, 2000, 10) (2, 5, 500, 10)", "(500, 10) (2000, 10)", "]")  # of each Python block
ELSEWHERE = ("download", "upload", "test", "bench")  # need Kaggle, or are run.sh's own


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(LAST_LINES)))
def test_the_python_blocks_run(number: int, submissions: Path) -> None:
    blocks = [code for language, code in BLOCKS if language == "python"]
    assert len(blocks) == len(LAST_LINES)
    if "model.onnx" in blocks[number]:
        export_onnx("latest", "model.onnx")
    done = subprocess.run([sys.executable, "-c", blocks[number]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(LAST_LINES[number])


def test_the_recipes_are_valid() -> None:
    wide, mixed, space = [content for language, content in BLOCKS if language == "toml"]
    Path("space.toml").write_text(space)
    assert len(Space.of(*read_space(Path("space.toml"))).dimensions) == 3
    Path("wide.toml").write_text(wide)
    Path("mixed.toml").write_text(mixed)
    recipe = find_recipe("wide.toml")
    assert (recipe.hidden, recipe.epochs, recipe.views) == ((2048, 1024), 60, 5)
    assert [variant.features for variant in find_recipe("mixed.toml").variants] == ["gradients", "pixels"]


@pytest.fixture
def prepared(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with everything that the commands name: digits, an interrupted run, two finished ones, pictures."""
    small = few.head(200, 40)
    export_csv(small, Path("input"))
    monkeypatch.setattr(checkpoint, "PRICE", 0)
    with pytest.raises(Interrupted):
        pipeline.train(TINY, folds=2, on_epoch=stop_after(2))
    for name in ("RUN1", "RUN2", "RUN"):
        pipeline.train(TINY.replaced(name=name), folds=2).path.rename(Path("submissions") / name)
    Path("photos").mkdir()
    for file in ("photo.jpg", "photos/a.png", "photos/b.jpg"):
        paper = Image.new("L", (200, 200), 235)
        paper.paste(Image.fromarray(255 - small.test_images[0]).resize((140, 140)), (30, 30))
        paper.save(file)
    pd.DataFrame({"ImageId": range(1, 28_001), "Label": 7}).to_csv("submission.csv", index=False)
    Path("space.toml").write_text([content for language, content in BLOCKS if language == "toml"][2])
    assert CliRunner().invoke(app, ["audit", "RUN"]).exit_code == 0


@pytest.mark.slow
@pytest.mark.usefixtures("prepared")
def test_every_command_that_it_shows_does_its_job() -> None:
    shown = [shlex.split(command) for command in COMMANDS]
    assert {arguments[0] for arguments in shown} >= set(ELSEWHERE)
    assert {command.name or command.callback.__name__ for command in app.registered_commands if command.callback} == {
        arguments[0] for arguments in shown if arguments[0] not in ("test", "bench")
    }
    blended = 2
    for arguments in shown:
        if arguments[0] == "train" and "--epochs" not in arguments:
            arguments += ["--epochs", "1"]  # cut short
        if arguments[0] == "search" and "--resume" not in arguments:
            arguments += ["--trials", "1", "--seeds", "3", "--folds", "2", "--set", "epochs=1"]
        if arguments[0] not in ELSEWHERE:
            done = CliRunner().invoke(app, arguments)
            if "no blend is better than this run alone" in done.output:
                blended -= 1
                continue
            assert done.exit_code == 0, (arguments, done.output)
    found = [path for path in list_runs(Path("submissions")) if not path.name.endswith("-found")]
    assert len(found) == 3 + 6 + 3 + 1 + blended - 1  # prepared, trained, three seeds, resumed, blended, removed
    assert all(Path(file).exists() for file in ("seen.png", "out.csv", "csv/train.csv"))


def test_every_benchmark_that_it_names_is_there() -> None:
    [row] = [line for line in README.splitlines() if line.startswith("| `./run.sh bench")]
    named = set(re.findall(r"`(\w+)`", row.split("|")[2]))
    in_harness = {name for name in ("faults", "fuzz") if (ROOT / "tests" / "harness" / f"{name}.py").exists()}
    assert named == {file.stem for file in (ROOT / "benchmarks").glob("*.py")} | in_harness


def test_every_file_that_it_links_to_is_there() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "submissions/README.md", "input/README.md"):
        text = (ROOT / name).read_text()
        links = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(
            r"`((?:tests|kaggle_mnist|benchmarks)/[\w/.-]+)`", text
        )
        placeholders = re.compile(r"/(NAME|KIND|SOURCE)\.")
        named = [link for link in links if "://" not in link and not placeholders.search(link)]
        missing = [link for link in named if not _exists(name, link)]
        assert missing == [], name


def _exists(document: str, link: str) -> bool:
    return (ROOT / document).parent.joinpath(link).exists() or (ROOT / link).exists()
