"""The commands train, resume, data, recipes and check."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kaggle_mnist
from kaggle_mnist import pipeline
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.report import page
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.run import Run
from kaggle_mnist.runs.unfinished import progress_of, unfinished_runs
from kaggle_mnist.utils.errors import Interrupted
from tests.cli.invoke import invoke, run_program
from tests.conftest import TINY, write_folders
from tests.runs.test_checkpoint import stop_after

QUICK = ["--folds", "2", "--epochs", "2", "--set", "hidden=[32]", "--set", "batch_size=100"]


@pytest.mark.slow
def test_train_prints_the_digits_the_folds_the_confusion_matrix_and_the_csv(few: Digits) -> None:
    export_csv(few, Path("input"))
    done = run_program("train", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "Kaggle CSV: 1,500 labeled, 300 unlabeled (input/train.csv and input/test.csv)" in done.stdout
    assert "mlp: 648-32-10, 2 epochs, 2 folds, seed 0\n" in done.stdout
    [file] = Path("submissions").glob("*-mlp/run.json")
    products = json.loads(file.read_text())["environment"]["products"]
    mixed = ", bfloat16" if products == "bfloat16" else ""
    assert f"Device       cpu, 1 thread{mixed}\n" in done.stdout
    assert "true digit × predicted digit" in done.stdout
    assert "Withheld" not in done.stdout
    assert "\x1b" not in done.stdout  # no terminal, no escapes
    [submission] = Path("submissions").glob("*-mlp/submission.csv")
    assert str(submission) in done.stdout
    checked = run_program("check", str(submission), "--run", "latest")
    assert (checked.returncode, checked.stdout.split()[0]) == (0, "Valid")


@pytest.mark.slow
def test_data_counts_draws_and_exports_the_digits(few: Digits) -> None:
    export_csv(few, Path("input"))
    done = run_program("data", "--export", "copy")
    assert done.returncode == 0, done.stderr
    assert few.fingerprint in done.stdout
    assert all(f" {count} " in done.stdout for count in few.counts)
    with Image.open("submissions/digits.png") as sheet:
        assert sheet.size[0] > 1000
    assert Path("copy/train.csv").read_bytes() == Path("input/train.csv").read_bytes()
    again = run_program("data", "--export", "copy")
    assert again.returncode == 2
    assert "already exists" in again.stderr


def test_data_and_train_warn_of_copies_and_data_of_images_that_are_nearly_the_same(few: Digits) -> None:
    images, labels = few.train_images[:300], few.train_labels[:300]
    shifted = np.roll(images[7:9], 1, axis=2)
    changed = replace(
        few,
        train_images=np.concatenate([images, images[:5], shifted]),
        train_labels=np.concatenate([labels, labels[:5], labels[7:9]]),
    )
    export_csv(changed, Path("input"))
    warning = "Warning      5 labeled images are repeated; copies of an image are held out together\n"
    shown = invoke("data").output
    assert "Images       302 distinct, 5 repeated, 2 nearly the same as another\n" in shown
    assert warning in shown
    assert "Warning      2 labeled images are nearly the same as others,\n" in shown
    assert "             such as train.csv, row 307 as train.csv, row 9:\n" in shown
    assert warning in invoke("train", *QUICK).output


@pytest.mark.slow
def test_the_contact_sheet_overwrites_an_earlier_one_but_no_other_file(few: Digits) -> None:
    export_csv(few, Path("input"))
    for _ in range(2):
        done = run_program("data", "--output", "pictures")
        assert done.returncode == 0, done.stderr
    Image.new("L", (9, 9)).save("pictures/digits.png")
    theirs = Path("pictures/digits.png").read_bytes()
    refused = run_program("data", "--output", "pictures")
    message = "pictures/digits.png: exists and was not written by kaggle-mnist; name another folder with --output\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"kaggle-mnist: {message}")
    assert Path("pictures/digits.png").read_bytes() == theirs


@pytest.mark.slow
def test_data_says_where_to_get_the_competitions_files() -> None:
    done = run_program("data")
    assert "practice set: 42,000 labeled, 28,000 unlabeled" in done.stdout
    assert "https://www.kaggle.com/competitions/digit-recognizer/data" in done.stdout


def test_recipes_lists_the_fields_of_every_named_recipe() -> None:
    done = run_program("recipes")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("article", "mlp", "learning_rate", "0.6", "elastic_sigma"))


def test_check_prints_every_error_and_exits_with_2() -> None:
    Path("s.csv").write_text("ImageId,Label\n1,3\n2,x\n")
    done = run_program("check", "s.csv")
    assert done.returncode == 2
    assert "row 3: Label is 'x'" in done.stdout
    assert "3–28000 (27998 in all)" in done.stdout.replace("2–28000", "3–28000")


def write_faulty_inputs(handful: Digits) -> None:
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
    write_faulty_inputs(handful)
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.startswith("kaggle-mnist: ")
    assert done.stderr.count("\n") == 1
    assert not list(Path().glob("submissions/[0-9]*"))


def start(*command: str, until: str) -> subprocess.Popen[str]:
    """Start Python with this command, and return once a line of its output contains `until`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # children of a background shell inherit it ignored
    process = subprocess.Popen(
        [sys.executable, "-u", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while until not in (line := process.stdout.readline()):
        assert line, process.communicate()
    return process


@pytest.mark.slow
def test_ctrl_c_before_the_first_epoch_is_done_leaves_nothing_and_exits_with_130() -> None:
    long_epochs = ["--set", "batch_size=1"]  # of minutes, however late the signal comes
    with start("-m", "kaggle_mnist", "train", *long_epochs, until="Recipe") as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=600)
        # After an interrupt inside exec(), as imports do, `python -m` ends by the signal: 130 to a shell too.
        assert process.returncode in (130, -signal.SIGINT)
        assert said == "kaggle-mnist: interrupted; nothing was kept\n"
    assert list(Path("submissions").iterdir()) == []


SLOW_PROGRAM = """
import time
from kaggle_mnist.cli import app, console
from kaggle_mnist.runs import checkpoint

def on_epoch(watcher, event):
    print("epoch", event.epoch)
    time.sleep(600 if event.epoch == 3 else 0)  # the signal comes meanwhile

checkpoint.PRICE = 1e9  # none is written before the signal
console.Watcher.on_epoch = on_epoch
app(prog_name="kaggle-mnist")
"""


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)], ids=lambda number: number.name
)
def test_a_signal_keeps_the_last_epoch_and_the_resumed_run_has_the_bytes_of_an_uninterrupted_one(
    few: Digits, number: signal.Signals
) -> None:
    small = few.head(300, 50)
    export_csv(small, Path("input"))
    settings = ["--folds", "2", "--epochs", "9", "--set", "hidden=[32]"]
    with start("-c", SLOW_PROGRAM, "train", *settings, until="epoch 3") as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=600)
        assert process.returncode == 130
    [path] = unfinished_runs(Path("submissions"))
    resumes = f"`kaggle-mnist resume {path.name}` goes on"
    assert said == f"kaggle-mnist: interrupted; epoch 3 of 9 is kept; {resumes}\n"
    assert progress_of(path)[0] == 3
    resumed = pipeline.resume()
    whole = pipeline.train(find_recipe("mlp", ["hidden=[32]"], epochs=9), folds=2)
    for name in ("submission.csv", "outputs.npz", "members.safetensors", "history.csv"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_the_time_in_all_counts_the_start_of_the_program_and_the_page(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_report(run: Run, **_: object) -> Path:  # takes 2,000 s
        monkeypatch.setattr(kaggle_mnist, "STARTED", kaggle_mnist.STARTED - 2000)
        return run.path / "report.html"

    export_csv(few.head(300, 50), Path("input"))
    monkeypatch.setattr(page, "write_report", write_report)
    monkeypatch.setattr(kaggle_mnist, "STARTED", time.monotonic() - 1000)  # as does the start
    shown = invoke("train", *QUICK).output
    assert re.search(r"\nTime +\d+ s training, 3\d{3} s in all\n$", shown), shown
    with pytest.raises(Interrupted):
        pipeline.train(TINY, folds=2, on_epoch=stop_after(2))
    assert re.search(
        r"\nTime +\d+ s training in all sessions; this one took 5\d{3} s in all\n$", invoke("resume").output
    )


def test_an_interrupt_while_the_page_is_written_names_the_command_that_writes_it(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_report(run: Run, **_: object) -> Path:
        raise KeyboardInterrupt

    export_csv(few.head(300, 50), Path("input"))
    monkeypatch.setattr(page, "write_report", write_report)
    stopped = invoke("train", *QUICK, "--output", "other")
    [run] = Path("other").glob("2*-mlp")
    report = f"`kaggle-mnist report {run.name} --output other`"
    assert stopped.exit_code == 130
    assert stopped.stderr == f"kaggle-mnist: interrupted; {run} is complete except for its page; {report} writes that\n"


def test_resume_without_an_unfinished_run_is_refused() -> None:
    done = invoke("resume")
    assert done.exit_code == 2
    assert done.stderr.startswith("kaggle-mnist: ")
    assert done.stderr.count("\n") == 1


def test_check_verifies_the_runs_own_csv(submissions: Path) -> None:
    run = find_run("latest", submissions)
    assert invoke("check", str(run.submission), "--run", run.name).exit_code == 0
    run.submission.write_bytes(run.submission.read_bytes().replace(b"\n7,", b"\n7,1", 1))
    changed = invoke("check", str(run.submission), "--run", run.name)
    assert (changed.exit_code, changed.stdout) == (2, "")
    assert "submission.csv: " in changed.stderr
