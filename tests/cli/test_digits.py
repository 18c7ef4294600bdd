"""The commands audit and predict."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.runs.finding import find_run
from tests.cli.invoke import invoke

A = "20261124-200000-a"


def save(images: NDArray[np.uint8], folder: str = "photos") -> Path:
    """Save images in MNIST's own form, which `predict` does not change."""
    Path(folder).mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(Path(folder) / f"{number:03}.png")
    return Path(folder)


def test_audit_lists_suspects_that_train_drops(few: Digits, submissions: Path) -> None:
    export_csv(few, Path("input"))
    done = invoke("audit", A)
    assert done.exit_code == 0, done.stderr
    assert "of 1,500 training labels look wrong" in done.stdout
    table = submissions / A / "audit.csv"
    assert f"train --drop-suspects {table}\n" in done.stdout
    number = len(pd.read_csv(table))
    every = invoke("audit", A, "--all", "--to", "all")
    wrong = (find_run(A, submissions).outputs().oof.argmax(1) != few.train_labels).sum()
    assert f"{wrong:,} of 1,500 training labels are contradicted by the outputs" in every.stdout
    assert len(pd.read_csv("all/audit-all.csv")) == wrong > number
    assert "train --drop-suspects all/audit-all.csv" in every.stdout
    arguments = ["--folds", "2", "--epochs", "1", "--set", "hidden=[16]", "--drop-suspects", str(table)]
    trained = invoke("train", *arguments)
    assert f"{number:,} images excluded from training; the scores include them" in trained.stdout, trained.stderr
    moved = Path("input").rename("moved").absolute()
    there = invoke("audit", A, "--to", "there", "--input", "moved")
    assert f"train --drop-suspects there/audit.csv --input {moved}\n" in there.stdout
    moved.rename("input")
    table.write_text("image,label\n1,x\n")
    refused = invoke("train", *arguments)
    assert refused.exit_code == 2
    assert refused.stderr == f"kaggle-mnist: {table}, row 2: label is 'x'; it must be a whole number from 0 to 9\n"


def test_predict_prints_bars_for_one_image_a_table_for_several_and_csv_for_a_folder(
    few: Digits, submissions: Path
) -> None:
    digit, second = find_run(A, submissions).outputs().test[:2].argmax(1)
    folder = save(few.test_images[:2])
    one = invoke("predict", A, "photos/000.png", "--show", "seen.png")
    assert one.exit_code == 0, one.stderr
    assert one.stdout.startswith(f"Digit        {digit} (photos/000.png)\n")
    assert one.stdout.count("\n") == 12
    assert Path("seen.png").is_file()

    several = invoke("predict", A, "photos/000.png", "photos/001.png")
    assert several.exit_code == 0
    assert [line.split()[0] for line in several.stdout.splitlines() if "photos" in line] == [f"{digit}", f"{second}"]

    (folder / "[bold]2.png").write_bytes(b"")
    piped = invoke("predict", "latest", "photos")
    assert piped.exit_code == 2
    assert piped.stderr.startswith("kaggle-mnist: photos/[bold]2.png: not a supported image format")
    assert [row.split(",")[0] for row in piped.stdout.splitlines()] == ["file", "photos/000.png", "photos/001.png"]
    to_file = invoke("predict", A, "photos", "--csv", "out.csv")
    assert to_file.exit_code == 2
    assert "2 digits in 2 pictures" in to_file.stdout
    assert len(Path("out.csv").read_text().splitlines()) == 3


def test_damaged_weights_are_refused(few: Digits, submissions: Path) -> None:
    file = submissions / A / "members.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    save(few.test_images[:1])
    done = invoke("predict", A, "photos/000.png")
    assert done.exit_code == 2
    assert "members.safetensors: does not match its checksum" in done.stderr


def test_predict_does_not_overwrite_a_photo_that_is_named_as_output(
    few: Digits, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = save(few.test_images[:1]) / "000.png"
    content = photo.read_bytes()
    monkeypatch.setattr("kaggle_mnist.predict.read_digits", None)  # refused before any work
    for option in ("--show", "--csv"):
        done = invoke("predict", A, str(photo), option, str(photo))
        message = f"kaggle-mnist: {photo}: exists and was not written by kaggle-mnist; name another file\n"
        assert (done.exit_code, done.stderr) == (2, message)
    assert photo.read_bytes() == content


def test_predict_overwrites_the_files_of_an_earlier_prediction(few: Digits, submissions: Path) -> None:
    save(few.test_images[:2])
    for photos in ("photos/000.png", "photos"):
        done = invoke("predict", A, photos, "--csv", "out.csv", "--show", "seen.png")
        assert done.exit_code == 0, done.stderr
    assert len(Path("out.csv").read_text().splitlines()) == 3


@pytest.mark.skipif(os.name != "posix", reason="permission bits mean little there")
def test_predict_respects_the_umask(few: Digits, submissions: Path) -> None:
    save(few.test_images[:1])
    before = os.umask(0o077)
    try:
        done = invoke("predict", A, "photos", "--csv", "out.csv", "--show", "seen.png")
    finally:
        os.umask(before)
    assert done.exit_code == 0, done.stderr
    assert [Path(name).stat().st_mode & 0o777 for name in ("out.csv", "seen.png")] == [0o600, 0o600]
