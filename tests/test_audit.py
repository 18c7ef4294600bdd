"""Finding wrong labels, and excluding them from training."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from kaggle_mnist import audit, pipeline
from kaggle_mnist.audit import audit_run, find_suspects
from kaggle_mnist.data import practice as practice_set
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.suspects import read_suspects
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.run import Run
from kaggle_mnist.training.cross_validation import cross_validate
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.utils.errors import BadFolds, DataNotFound, MissingPackage, OutputError
from tests.conftest import TINY, write_folders

A = "20261124-200000-a"


@pytest.fixture(scope="module")
def mislabeled(few: Digits) -> tuple[Digits, np.ndarray]:
    """The digits with 30 labels changed, and the positions of those."""
    changed = np.random.default_rng(0).choice(len(few.train_labels), 30, replace=False)
    labels = few.train_labels.copy()
    labels[changed] = (labels[changed] + 3) % 10
    return replace(few, train_labels=labels), changed


def test_changed_labels_are_ranked_first_and_the_right_ones_suggested(
    mislabeled: tuple[Digits, np.ndarray], few: Digits, tiny: Recipe
) -> None:
    digits, changed = mislabeled
    recipe = tiny.replaced(hidden=(128,), epochs=10)
    run = pipeline.train(recipe, input=digits, output="submissions", folds=5)
    outputs = run.outputs()
    suspects = find_suspects(outputs.oof, outputs.y_true)
    assert suspects.self_confidence.is_monotonic_increasing
    first = suspects.head(40)
    found = first[first.image.isin(changed)]
    assert len(found) >= 20  # by chance it would be one
    assert (found.suggested == few.train_labels[found.image]).mean() > 0.8
    assert (first.label == digits.train_labels[first.image]).all()
    assert (first.label != first.suggested).all()


def test_audit_writes_a_table_and_a_contact_sheet_and_leaves_the_run_intact(few: Digits, submissions: Path) -> None:
    export_csv(few, Path("input"))
    found = audit_run(find_run(A, submissions))
    assert found.table == submissions / A / "audit.csv"
    table = pd.read_csv(found.table)
    assert list(table.columns) == ["image", "label", "suggested", "self_confidence", "place"]
    assert len(table) == len(found.suspects) > 10
    assert table.place.tolist() == [f"train.csv, row {image + 2}" for image in table.image]
    row = Path("input/train.csv").read_text().splitlines()[table.image[0] + 1]
    assert row.split(",")[0] == str(table.label[0])
    with Image.open(found.picture) as sheet:
        assert sheet.size == (1000, -(-len(table) // 10) * 136 + 8)
        digit = np.asarray(sheet.convert("L"))[8 : 8 + 84 : 3, 8 : 8 + 84 : 3]
    np.testing.assert_array_equal(digit, 255 - few.train_images[table.image[0]])
    assert found.confirmed is None
    assert find_run(A, submissions).record.name == "a"
    assert read_suspects(found.table, few.train_labels) == tuple(sorted(table.image))


def test_an_audit_without_suspects_writes_nothing(
    few: Digits, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_csv(few, Path("input"))
    monkeypatch.setattr(audit, "find_suspects", lambda *args, **options: find_suspects(*args, **options).head(0))
    found = audit_run(find_run(A, submissions), to=Path("results"))
    assert len(found.suspects) == 0
    assert not Path("results").exists()


def test_audit_names_the_files_of_image_folders(few: Digits, submissions: Path, tmp_path: Path) -> None:
    write_folders(few, Path("input"))
    found = audit_run(find_run(A, submissions), to=tmp_path / "somewhere")
    assert found.picture.parent == found.table.parent == tmp_path / "somewhere"
    first = found.suspects.head(5)
    for place, label, image in zip(first.place.tolist(), first.label.tolist(), first.image.tolist(), strict=True):
        with Image.open(place) as stored:
            np.testing.assert_array_equal(np.asarray(stored), few.train_images[image])
        assert Path(place).parent.name == str(label)


def test_audit_refuses_other_digits_an_unwritable_folder_and_a_missing_cleanlab(
    few: Digits, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = find_run(A, submissions)
    with pytest.raises(DataNotFound, match="not the digits of that run"):
        audit_run(run)  # input/ is empty, so the practice set is loaded
    export_csv(few, Path("input"))
    Path("file").touch()
    with pytest.raises(OutputError, match="file: cannot write there"):
        audit_run(run, to=Path("file"))
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(MissingPackage, match=r"pip install 'kaggle-mnist\[audit\]'"):
        audit_run(run)


@pytest.mark.parametrize("name", ["audit.csv", "audit.png"])
def test_audit_overwrites_its_own_files_but_no_others(name: str, few: Digits, submissions: Path) -> None:
    export_csv(few, Path("input"))
    run, to = find_run(A, submissions), Path("results")
    audit_run(run, to=to)
    written = {path.name: path.read_bytes() for path in to.iterdir()}
    audit_run(run, to=to)
    (to / name).write_bytes(b"image,label,my remarks\n")
    with pytest.raises(OutputError, match=rf"{name}: exists and was not .*; name another folder with --to"):
        audit_run(run, to=to)
    assert {path.name: path.read_bytes() for path in to.iterdir()} == {**written, name: b"image,label,my remarks\n"}


def test_an_edited_list_is_never_overwritten(few: Digits, submissions: Path) -> None:
    export_csv(few, Path("input"))
    run = find_run(A, submissions)
    found = audit_run(run)
    reviewed = found.table.read_text().splitlines(keepends=True)[:4]
    found.table.write_text("".join(reviewed))
    picture = found.picture.read_bytes()
    with pytest.raises(OutputError, match=r"audit\.csv: may have been edited since audit wrote it; delete it, or name"):
        audit_run(run)
    assert (found.table.read_text(), found.picture.read_bytes()) == ("".join(reviewed), picture)
    every = audit_run(run, confident=False)
    assert (every.table.name, every.picture.name) == ("audit-all.csv", "audit-all.png")
    assert found.table.read_text() == "".join(reviewed)
    found.table.unlink()
    assert len(audit_run(run).suspects) > 3


def test_a_list_of_an_earlier_version_is_overwritten_by_the_same_list(few: Digits, submissions: Path) -> None:
    export_csv(few, Path("input"))
    run = find_run(A, submissions)
    found = audit_run(run)
    found.picture.unlink()  # without its checksum, nobody knows whether the list was edited
    assert audit_run(run).picture.exists()
    found.table.write_text(f"{found.table.read_text()}7,1,7,0.1,\n")
    found.picture.unlink()
    with pytest.raises(OutputError, match="may have been edited"):
        audit_run(run)


def test_the_confirmed_errors_of_the_practice_set_are_counted(practice: Digits) -> None:
    confirmed = practice_set.confirmed_errors()
    assert len(practice_set.CONFIRMED) == 15  # the paper's number
    assert len(confirmed) == 6
    of_test_file = practice_set._read_idx("t10k-images-idx3-ubyte")[list(practice_set.CONFIRMED)]
    for image in practice.train_images[confirmed]:
        assert (of_test_file == image).all((1, 2)).any()

    outputs = np.full((len(practice.train_labels), 10), 0.001, np.float32)
    outputs[np.arange(len(outputs)), practice.train_labels] = 0.99
    wrong = confirmed[:4]
    outputs[wrong] = 0.001
    outputs[wrong, (practice.train_labels[wrong] + 1) % 10] = 0.99
    found = audit._count_confirmed(find_suspects(outputs, practice.train_labels))
    assert (found.labels, found.among_first, found.among_all) == (6, 4, 4)


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_dropped_image_reaches_no_member(few: Digits, tiny: Recipe, repeats: int) -> None:
    """Dropped images are replaced and mislabeled, and every member stays bit-identical."""
    recipe, dropped = tiny.replaced(epochs=2), [3, 500, 501, 1499]
    fold_of = assign_folds(few.train_labels, n_splits=3, repeats=repeats)
    before = cross_validate(few, recipe, fold_of, dropped=dropped).members
    images, labels = few.train_images.copy(), few.train_labels.copy()
    images[dropped] = 255 - images[dropped]
    labels[dropped] = (labels[dropped] + 1) % 10
    changed = replace(few, train_images=images, train_labels=labels)
    after = cross_validate(changed, recipe, fold_of, dropped=dropped).members
    assert all(torch.equal(before[name], after[name]) for name in before)
    undropped = cross_validate(changed, recipe, fold_of).members
    assert not torch.equal(before["weights.0"], undropped["weights.0"])


def test_scores_include_dropped_images_and_the_run_records_them(few: Digits, tiny: Recipe) -> None:
    Path("drop.csv").write_text(f"label,image\n{few.train_labels[70]},70\n{few.train_labels[4]},4\n")
    run = pipeline.train(tiny, input=few, output="submissions", folds=3, drop_suspects="drop.csv")
    assert run.record.dropped == (4, 70)
    assert run.table("folds").images.sum() == 1500
    assert run.outputs().oof.shape == (1500, 10)
    assert (run.outputs().oof[[4, 70]].sum(1) > 0.9).all()
    assert find_run(run.name, Path("submissions")).record.dropped == (4, 70)


def test_dropping_a_whole_fold_is_refused(handful: Digits, tiny: Recipe) -> None:
    fold_of = assign_folds(handful.train_labels, n_splits=3)
    with pytest.raises(BadFolds, match="a fold has none left; drop fewer"):
        cross_validate(handful, tiny, fold_of, dropped=np.flatnonzero(fold_of[0] == 1).tolist())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_list_of_suspects_may_be_a_pipe(few: Digits) -> None:
    export_csv(few, Path("input"))
    os.mkfifo("pipe.csv")
    listed = f"image,label\n3,{few.train_labels[3]}\n"
    threading.Thread(target=Path("pipe.csv").write_text, args=[listed], daemon=True).start()
    arguments = ["--folds", "2", "--epochs", "1", "--set", "hidden=[16]", "--drop-suspects", "pipe.csv"]
    command = [sys.executable, "-m", "kaggle_mnist", "train", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert find_run(None, Path("submissions")).record.dropped == (3,)


def test_audit_finds_the_digits_where_the_run_had_them(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folders(few, Path("elsewhere"))
    run = pipeline.train(TINY.replaced(epochs=1), input="elsewhere", folds=2)
    found = audit_run(run, confident=False)
    first = found.suspects.place[0]
    assert first.startswith("elsewhere/train/")
    Path("home").mkdir()
    monkeypatch.chdir("home")
    again = audit_run(Run(Path("..") / run.path, run.record), to=Path("list"), confident=False)
    assert again.suspects.place[0] == str(Path.cwd().parent / first)
