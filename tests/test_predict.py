"""Predictions for photos, through runs and blends."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pictures as made
import pytest
from PIL import Image

from kaggle_mnist.blend import blend_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.predict import certainty, least_certainty, predict, prediction_csv, run_outputs, write_prediction
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.utils.errors import BadData, BadRun, OutputError
from tests.conftest import reseal

A, B = "20261124-200000-a", "20261124-200001-b"


def save(images: np.ndarray, folder: str = "photos") -> Path:
    """Save images in MNIST's own form, which `predict` does not change."""
    Path(folder).mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(Path(folder) / f"{number:03}.png")
    return Path(folder)


def test_a_run_reproduces_the_outputs_of_its_test_images(few: Digits, submissions: Path) -> None:
    run = find_run(A, submissions)
    prediction = predict(run, [save(few.test_images)])
    np.testing.assert_array_equal(prediction.images, few.test_images)
    np.testing.assert_allclose(prediction.outputs, run.outputs().test, atol=1e-5)
    assert prediction.faults == []


def test_a_blend_predicts_through_its_parents_even_if_they_are_blends(few: Digits, submissions: Path) -> None:
    blend = blend_runs([A, B], submissions, weights="fit")
    np.testing.assert_allclose(run_outputs(blend, few.test_images), blend.outputs().test, atol=1e-5)
    of_blends = blend_runs([blend.name, A], submissions)
    np.testing.assert_allclose(run_outputs(of_blends, few.test_images), of_blends.outputs().test, atol=1e-5)
    assert not np.allclose(blend.outputs().test, find_run(A, submissions).outputs().test, atol=1e-3)


def test_a_blend_with_missing_or_changed_parents_does_not_predict(few: Digits, submissions: Path) -> None:
    blend = blend_runs([A, B], submissions)
    moved = submissions / B
    moved.rename(submissions / "elsewhere")
    with pytest.raises(BadRun, match=rf"{B}: missing, but the blend .*-blend needs it"):
        run_outputs(blend, few.test_images)
    shutil.copytree(submissions / A, moved)
    with pytest.raises(BadRun, match=rf"{B}: has changed since .*-blend was blended from it"):
        run_outputs(blend, few.test_images)
    shutil.rmtree(moved)
    (submissions / "elsewhere").rename(moved)
    with (moved / "members.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(BadRun, match=r"members.safetensors: does not match its checksum"):
        run_outputs(blend, few.test_images)
    reseal(moved)
    with pytest.raises(BadRun, match="has changed since"):
        run_outputs(blend, few.test_images)
    with pytest.raises(BadRun, match="neither a recipe nor parents"):
        run_outputs(replace(blend, record=blend.record.model_copy(update={"parents": ()})), few.test_images)


def test_an_unusable_image_is_reported_and_the_others_are_predicted(few: Digits, submissions: Path) -> None:
    folder = save(few.test_images[:3])
    (folder / "001.png").write_bytes(b"not a picture")
    (folder / "notes.txt").touch()
    (folder / ".hidden.png").touch()
    (folder / "blank.JPG").write_bytes(b"")
    (folder / "phone.heic").write_bytes(b"ftypheic")
    (folder / "web.avif").write_bytes(b"not a picture")
    prediction = predict(find_run(A, submissions), [folder])
    assert [file.name for file in prediction.files] == ["000.png", "002.png"]
    assert [fault.split(": ")[0] for fault in prediction.faults] == [
        "photos/001.png",
        "photos/blank.JPG",
        "photos/phone.heic",
        "photos/web.avif",
    ]
    assert prediction.faults[0].startswith("photos/001.png: not a supported image format; use JPEG, PNG")
    rows = list(csv.reader(io.StringIO(prediction_csv(prediction))))
    assert rows[0] == ["file", "number", "digit", "sure", *(f"output_{digit}" for digit in range(10))]
    assert [row[0] for row in rows[1:]] == ["photos/000.png", "photos/002.png"]
    assert [row[1] for row in rows[1:]] == ["1", "1"]
    assert [int(row[2]) for row in rows[1:]] == prediction.digits.tolist()
    assert [row[3] for row in rows[1:]] == ["yes" if sure else "no" for sure in prediction.sure]
    np.testing.assert_allclose([[float(x) for x in row[4:]] for row in rows[1:]], prediction.outputs, atol=1e-6)


def test_missing_paths_and_folders_without_images_are_refused(submissions: Path) -> None:
    run = find_run(A, submissions)
    with pytest.raises(BadData, match=r"nowhere.jpg: no such file or folder"):
        predict(run, [Path("nowhere.jpg")])
    Path("empty").mkdir()
    with pytest.raises(BadData, match=r"empty: contains no images; supported are .jpg"):
        predict(run, [Path("empty")])


def test_the_picture_shows_what_the_network_saw(few: Digits, submissions: Path) -> None:
    prediction = predict(find_run(A, submissions), [save(few.test_images[:12])])
    write_prediction(prediction, show=Path("new/seen.png"))
    with Image.open("new/seen.png") as sheet:
        seen = np.asarray(sheet.convert("L"))
    np.testing.assert_array_equal(seen[8 : 8 + 84 : 3, 108 : 108 + 84 : 3], 255 - few.test_images[1])
    Path("file").touch()
    with pytest.raises(OutputError, match=r"file/out.csv: cannot be written"):
        write_prediction(prediction, csv=Path("file/out.csv"))


def test_nothing_is_written_if_one_of_two_outputs_is_refused(few: Digits, submissions: Path) -> None:
    prediction = predict(find_run(A, submissions), [save(few.test_images[:1])])
    with pytest.raises(OutputError, match=r"000\.png: exists and was not written by kaggle-mnist"):
        write_prediction(prediction, csv=Path("out.csv"), show=Path("photos/000.png"))
    assert not Path("out.csv").exists()


def test_predict_finds_the_run_by_name_and_writes_both_files(few: Digits, submissions: Path) -> None:
    folder = save(few.test_images[:3])
    prediction = predict("latest", [str(folder)], output=submissions, csv=Path("out.csv"), show=Path("seen.png"))
    assert prediction.run == find_run(None, submissions).name
    assert Path("out.csv").read_text() == prediction_csv(prediction)
    assert Path("seen.png").is_file()
    with pytest.raises(BadRun, match="nowhere: no such run"):
        predict("nowhere", [folder], output=submissions)


@pytest.fixture
def page(practice: Digits) -> Path:
    """A page with eight digits, and one with a single digit, in a folder."""
    random = np.random.default_rng(0)
    pile = made.Pile(practice, random)
    Path("pages").mkdir()
    for name, content in (("eight.png", made.grid(4, 2)), ("one.png", made.one)):
        made.make(made.Kind(content), pile, random)[0].save(Path("pages", name))
    return Path("pages")


def test_every_digit_of_a_page_has_a_row_with_its_number(page: Path, submissions: Path) -> None:
    run = find_run(A, submissions)
    prediction = predict(run, [page], show=Path("seen.png"), csv=Path("out.csv"))
    assert [file.name for file in prediction.files] == ["eight.png"] * 8 + ["one.png"]
    assert prediction.numbers == [*range(1, 9), 1]
    with Path("out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["number"]) for row in rows[7:]] == [("pages/eight.png", "8"), ("pages/one.png", "1")]
    with Image.open("seen.png") as picture:  # both pages beside each other, above the digits
        pixels = np.asarray(picture)
    assert pixels.shape[1] > 2 * 480
    for left, row in ((8, 0), (496, 8)):
        x, y = (prediction.corners[row, 0] * [480, 640]).round().astype(int)
        assert tuple(pixels[8 + y + 5, left + x]) == ((0, 100, 0) if prediction.sure[row] else (178, 34, 34))


def test_a_file_without_a_digit_is_reported(page: Path, submissions: Path) -> None:
    Image.new("L", (400, 300), 200).save(page / "blank.png")
    prediction = predict(find_run(A, submissions), [page / "blank.png", page / "one.png"])
    assert prediction.numbers == [1]
    assert prediction.faults == [
        "pages/blank.png: no ink found, the picture is blank, too faint or cropped to its ink;"
        " increase contrast and margin"
    ]


def test_at_most_one_right_answer_in_fifty_is_not_sure(few: Digits, submissions: Path) -> None:
    run = find_run(A, submissions)
    oof, labels = run.outputs().oof, run.outputs().y_true
    right = oof.argmax(1) == labels
    threshold = least_certainty(oof, labels)
    refused = certainty(oof) < threshold
    assert 0.01 < refused[right].mean() <= 0.02
    assert refused[~right].mean() > 5 * refused[right].mean()
    prediction = predict(run, [save(few.test_images)])
    assert prediction.threshold == threshold
    np.testing.assert_array_equal(prediction.sure, certainty(run.outputs().test) >= threshold)
    assert 0 < (~prediction.sure).sum() < 30
    unsure = int(np.flatnonzero(~prediction.sure)[0])
    first, second = np.argsort(-prediction.outputs[unsure])[:2]
    assert prediction.answers[unsure] == f"not sure: {first} or {second}"
    assert prediction_csv(prediction).splitlines()[unsure + 1].split(",")[2:4] == [f"{first}", "no"]


def test_a_run_that_is_never_right_is_sure_of_everything_and_equal_outputs_of_nothing() -> None:
    outputs = np.eye(10, dtype=np.float32)
    assert least_certainty(outputs, (np.arange(10) + 1) % 10) == 0
    np.testing.assert_array_equal(certainty(np.full((1, 10), 0.1, np.float32)), [0.5])
    np.testing.assert_array_equal(certainty(outputs), np.ones(10))


def test_outputs_that_are_all_0_are_the_least_certain_and_never_sure(few: Digits, submissions: Path) -> None:
    prediction = predict(find_run(A, submissions), [save(few.test_images[:1])])
    nothing = replace(prediction, outputs=np.zeros((1, 10), np.float32))
    np.testing.assert_array_equal(certainty(nothing.outputs), [0.5])
    assert nothing.answers == ["not sure: 0 or 1"]
