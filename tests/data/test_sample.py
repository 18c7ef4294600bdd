from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.sources import labeled_places, load_digits
from kaggle_mnist.utils.errors import BadData
from tests.conftest import same_digits, write_folders

SAMPLE = Path("input/sample_submission.csv")


def sample(ids: range, header: str = "id,label") -> str:
    return "\n".join([header, *(f"{number},0" for number in ids), ""])


def test_a_sample_submission_decides_header_and_ids(handful: Digits) -> None:
    export_csv(handful, Path("input"))
    assert (load_digits().header, load_digits().ids) == (("ImageId", "Label"), None)
    SAMPLE.write_text(sample(range(12)))
    for _ in range(2):  # parsed, and from the cache
        digits = load_digits()
        assert same_digits(digits, handful)
        assert (digits.header, digits.test_ids.tolist()) == (("id", "label"), list(range(12)))
    assert digits.head(5, 3).test_ids.tolist() == [0, 1, 2]
    export_csv(digits, Path("copy"))
    assert Path("copy/sample_submission.csv").read_text() == SAMPLE.read_text()


def test_image_files_are_numbered_as_in_the_sample_submission(handful: Digits) -> None:
    write_folders(handful, Path("input"))
    for number in range(12):
        Path(f"input/test/img_{number + 1}.png").rename(f"input/test/img_{number}.png")
    with pytest.raises(BadData, match=r"input/test: has the numbers 0 to 11; ImageIds count from 1: rename"):
        load_digits()
    SAMPLE.write_text(sample(range(12)))
    digits = load_digits()
    assert same_digits(digits, handful)
    assert digits.test_ids.tolist() == list(range(12))
    assert labeled_places(digits)[0] == f"input/train/{handful.train_labels[0]}/img_1.png"
    Image.new("L", (28, 28)).save("input/test/img_99.png")
    with pytest.raises(BadData, match=r"test: only one of this folder and sample_submission\.csv has the number 99"):
        load_digits()
    Path("input/test/img_0.png").unlink()
    with pytest.raises(BadData, match="has the number 0; put those there that belong together"):
        load_digits()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (sample(range(1, 12)), "sample_submission.csv: has 11 ids, but input/test.csv has 12 images"),
        (sample(range(1, 2)), "sample_submission.csv: has 1 id, but input/test.csv has 12 images"),
        ("", "sample_submission.csv, row 1: must have two names, such as ImageId,Label"),
        (sample(range(2, 13), "1,0"), "row 1: must have two names"),  # an id and its label
        (sample(range(1, 3)) + '3,"0\n' + "4,0\n" * 40_000, "row 4: is not valid CSV"),
        ("a,b,c\n", "row 1: must have two names"),
        ("id,\x1b[31m\n", "row 1: must have two names"),
        (sample(range(1, 13)).replace("7,", "x,"), "row 8: id is 'x'; it must be a whole number (or remove the file)"),
        (sample(range(1, 13)).replace("7,", "6,"), "row 8: id 6 is already in row 7"),
    ],
)
def test_a_sample_that_cannot_be_meant_is_refused_with_its_row(content: str, message: str, handful: Digits) -> None:
    export_csv(handful, Path("input"))
    SAMPLE.write_text(content)
    with pytest.raises(BadData) as error:
        load_digits()
    assert message in str(error.value)


def test_a_sample_with_other_ids_than_the_test_images_is_refused(handful: Digits) -> None:
    export_csv(handful, Path("input"))
    rows = Path("input/test.csv").read_text().splitlines()
    numbered = [f"id,{rows[0]}", *(f"{number},{row}" for number, row in enumerate(rows[1:]))]
    Path("input/test.csv").write_text("\n".join(numbered))
    SAMPLE.write_text(sample(range(12)))
    assert load_digits().test_ids.tolist() == list(range(12))
    SAMPLE.write_text(sample(range(1, 13)))
    with pytest.raises(BadData, match=r"sample_submission\.csv: has other ids than input/test\.csv, such as 0"):
        load_digits()
