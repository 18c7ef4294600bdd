"""The program as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from tests.conftest import write_folders

QUICK = ["--folds", "2", "--epochs", "2", "--set", "hidden=[32]", "--set", "batch_size=100"]


def kaggle_mnist(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kaggle_mnist", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=os.environ)


def test_train_shows_the_data_the_folds_the_confusion_matrix_and_the_csv(few: Digits) -> None:
    export_csv(few, Path("input"))
    done = kaggle_mnist("train", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "Kaggle CSV: 1,500 labeled, 300 unlabeled (input/train.csv and input/test.csv)" in done.stdout
    assert "mlp: 784-32-10, 2 epochs, 2 folds, seed 0\n" in done.stdout
    [file] = Path("submissions").glob("*-mlp/run.json")
    products = json.loads(file.read_text())["environment"]["products"]
    mixed = ", bfloat16" if products == "bfloat16" else ""
    assert f"Device       cpu, 1 thread{mixed}\n" in done.stdout
    assert "true digit × predicted digit" in done.stdout
    assert "Withheld" not in done.stdout
    assert "\x1b" not in done.stdout  # no terminal, no escapes
    [submission] = Path("submissions").glob("*-mlp/submission.csv")
    assert str(submission) in done.stdout
    checked = kaggle_mnist("check", str(submission), "--run", "latest")
    assert (checked.returncode, checked.stdout.split()[0]) == (0, "Valid")


def test_data_counts_pictures_and_exports(few: Digits) -> None:
    export_csv(few, Path("input"))
    done = kaggle_mnist("data", "--export", "copy")
    assert done.returncode == 0, done.stderr
    assert few.fingerprint in done.stdout
    assert all(f" {count} " in done.stdout for count in few.counts)
    with Image.open("submissions/digits.png") as sheet:
        assert sheet.size[0] > 1000
    assert Path("copy/train.csv").read_bytes() == Path("input/train.csv").read_bytes()
    again = kaggle_mnist("data", "--export", "copy")
    assert again.returncode == 2
    assert "already exists" in again.stderr


def test_the_contact_sheet_replaces_an_earlier_one_and_no_other_picture(few: Digits) -> None:
    export_csv(few, Path("input"))
    for _ in range(2):
        done = kaggle_mnist("data", "--output", "pictures")
        assert done.returncode == 0, done.stderr
    Image.new("L", (9, 9)).save("pictures/digits.png")
    theirs = Path("pictures/digits.png").read_bytes()
    refused = kaggle_mnist("data", "--output", "pictures")
    told = "pictures/digits.png: exists and was not written by kaggle-mnist; name another folder with --output\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"kaggle-mnist: {told}")
    assert Path("pictures/digits.png").read_bytes() == theirs


def test_the_practice_set_is_announced_with_the_way_to_the_competitions_files() -> None:
    done = kaggle_mnist("data")
    assert "practice set: 42,000 labeled, 28,000 unlabeled" in done.stdout
    assert "https://www.kaggle.com/competitions/digit-recognizer/data" in done.stdout


def test_recipes_lists_every_field_of_the_named_ones() -> None:
    done = kaggle_mnist("recipes")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("article", "mlp", "learning_rate", "0.6", "elastic_sigma"))


def test_check_tells_every_reason_and_exits_with_2() -> None:
    Path("s.csv").write_text("ImageId,Label\n1,3\n2,x\n")
    done = kaggle_mnist("check", "s.csv")
    assert done.returncode == 2
    assert "row 3: Label is 'x'" in done.stdout
    assert "3–28000 (27998 in all)" in done.stdout.replace("2–28000", "3–28000")


def faulty_inputs(handful: Digits) -> None:
    write_folders(handful, Path("pictures"))
    Path("pictures/test/img_3.png").write_bytes(b"not an image")
    export_csv(handful, Path("table"))
    Path("table/test.csv").write_text(Path("table/test.csv").read_text().replace(",0,", ",900,", 1))
    Path("few.toml").write_text("epochs = 'many'")
    Path("odd\nname\x1b[31m.toml").write_text("epochs =")
    Path("file").write_text("x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--input", "nowhere"], "nowhere: no such file or folder"),
        (["train", "--input", "pictures"], "pictures/test/img_3.png: not a JPG or PNG image"),
        (["train", "--input", "table"], "table/test.csv, row 2: pixel1 is '900'"),
        (["train", "--recipe", "articel"], "did you mean article?"),
        (["train", "--recipe", "few.toml"], "few.toml: epochs: 'many'"),
        (["train", "--recipe", "odd\nname\x1b[31m.toml"], r"odd\nname\x1b[31m.toml: cannot be read as TOML"),
        (["train", "--set", "epoch=3"], "did you mean epochs?"),
        (["train", "--set", "dropout=2"], "dropout: 2: "),
        (["train", "--folds", "1"], "at least 2 folds"),
        (["train", "--seed", "-1"], "seed -1: must be from 0 to 2147483647"),
        (["train", "--device", "tpu"], "device tpu: must be auto, cpu or cuda"),
        (["train", "--output", "file/runs"], "file/runs: cannot write there"),
        (["data", "--output", "file/runs"], "file/runs/digits.png: cannot be written"),
        (["check", "nowhere.csv"], "nowhere.csv: cannot be read"),
        (["check", "file", "--run", "nowhere"], "nowhere: no such run"),
    ],
)
def test_bad_input_gets_one_clear_line_and_status_2(handful: Digits, arguments: list[str], message: str) -> None:
    faulty_inputs(handful)
    done = kaggle_mnist(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("kaggle-mnist: ")
    assert done.stderr.count("\n") == 1
    assert not list(Path().glob("submissions/[0-9]*"))


def test_wrong_usage_exits_with_2_and_debug_shows_the_traceback() -> None:
    assert kaggle_mnist("train", "--nonsense").returncode == 2
    assert kaggle_mnist("nonsense").returncode == 2
    assert "Traceback" in kaggle_mnist("--debug", "train", "--recipe", "nothing").stderr


def test_ctrl_c_leaves_nothing_behind_and_exits_with_130() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # children of a background shell inherit it ignored
    command = [sys.executable, "-u", "-m", "kaggle_mnist", "train"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while "Recipe" not in process.stdout.readline():
            pass
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        # After an interrupt inside exec(), as imports do, `python -m` ends by the signal: 130 to a shell too.
        assert process.wait(30) in (130, -signal.SIGINT)
        assert process.stderr.read() == "kaggle-mnist: interrupted; nothing was kept\n"
    assert list(Path("submissions").iterdir()) == []


def test_help_needs_no_heavy_import() -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'sklearn', 'PIL', 'pydantic', 'rich'}"
    code = f"import sys, kaggle_mnist.cli; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == "[]\n"
    assert "Commands" in kaggle_mnist("--help").stdout
