from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.runs.arrays import npz_bytes, read_npz
from kaggle_mnist.utils.errors import BadRun
from tests.data.test_hostile_files import refused
from tests.harness.archives import Member, zip_bytes

FILE = Path("outputs.npz")


@pytest.fixture
def arrays(handful: Digits) -> dict[str, NDArray[Any]]:
    shares = handful.train_images[:, 14, 9:19].astype(np.float32) / 255  # (120, 10)
    return {"oof_outputs": shares, "y_true": handful.train_labels}


EXPECTED = {"oof_outputs": ((120, 10), "float32", 1), "y_true": ((120,), "int64", 9)}


def test_arrays_are_read_as_they_were_written(arrays: dict[str, NDArray[Any]]) -> None:
    FILE.write_bytes(npz_bytes(arrays))
    found = read_npz(FILE, EXPECTED)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_equal_arrays_give_equal_bytes(arrays: dict[str, NDArray[Any]]) -> None:
    assert npz_bytes(arrays) == npz_bytes({name: array.copy() for name, array in arrays.items()})
    assert npz_bytes(arrays) != npz_bytes({**arrays, "y_true": arrays["y_true"][::-1]})


def test_another_shape_type_or_range_is_refused(arrays: dict[str, NDArray[Any]]) -> None:
    oof, y_true = arrays["oof_outputs"], arrays["y_true"]
    for changed, message in (
        ({"oof_outputs": oof[:-1]}, r"oof_outputs must have shape \(120, 10\) and type float32"),
        ({"oof_outputs": oof.astype(np.float64)}, "oof_outputs must have shape"),
        ({"oof_outputs": oof + 1}, "oof_outputs has values outside 0 to 1"),
        ({"oof_outputs": np.full_like(oof, np.nan)}, "oof_outputs has values outside 0 to 1"),
        ({"y_true": y_true - 1}, "y_true has values outside 0 to 9"),
    ):
        FILE.write_bytes(npz_bytes({**arrays, **changed}))
        with pytest.raises(BadRun, match=rf"outputs\.npz: {message}"):
            read_npz(FILE, EXPECTED)


def test_a_missing_array_or_a_truncated_file_is_refused(arrays: dict[str, NDArray[Any]]) -> None:
    content = npz_bytes(arrays)
    for damaged in (npz_bytes({"y_true": arrays["y_true"]}), content[:-1], content[: len(content) // 2], b""):
        FILE.write_bytes(damaged)
        with pytest.raises(BadRun, match=r"outputs\.npz: cannot be read"):
            read_npz(FILE, EXPECTED)


def test_no_more_bytes_are_read_than_the_expected_arrays_can_have(arrays: dict[str, NDArray[Any]]) -> None:
    limits: list[int] = []

    def read(file: Path, most: int) -> bytes:
        limits.append(most)
        return npz_bytes(arrays)

    read_npz(FILE, EXPECTED, read)
    size = sum(array.nbytes for array in arrays.values())
    assert [2 * size <= limit <= 2 * size + (1 << 20) for limit in limits] == [True]


def test_more_outputs_than_a_run_has_are_not_read() -> None:
    """A deflate bomb may hold what run.json describes, if that is false as well."""
    refused(lambda: read_npz(Path("none.npz"), {"a": ((10_000_000, 100), "int64", 1)}), "more than 1024 MB")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 10), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (10, 10), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (10L, 10), }",  # of Python 2: NumPy warns
        "'''",  # tokenize.TokenError
        "{[]: 1}",  # TypeError
        "-" * 9000,  # MemoryError or RecursionError of Python's parser
        "(" * 200,
        "__import__('pathlib').Path('executed').touch()",
    ],
)
def test_an_array_with_an_odd_header_is_refused(header: str) -> None:
    text = header.encode() + b"\n"
    member = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + bytes(400)
    Path("x.npz").write_bytes(zip_bytes([Member(b"a.npy", member)]))
    refused(lambda: read_npz(Path("x.npz"), {"a": ((10, 10), "float32", 1)}), "x.npz")
    assert not Path("executed").exists()
