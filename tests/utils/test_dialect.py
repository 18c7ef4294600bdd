from __future__ import annotations

import io

import pytest

from kaggle_mnist.utils.dialect import AsUtf8, encoding_of, is_blank, separator_of


@pytest.mark.parametrize("text", ["label,pixel0\n", "0\t0\t0\n", "ImageId;Label\r\n"])
@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8-sig"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
    ],
)
def test_the_encoding_of_a_table_is_found(text: str, encoding: str, found: str) -> None:
    assert encoding_of(text.encode(encoding)) == found
    assert text.encode(encoding).decode(found) == text


@pytest.mark.parametrize("start", [b"", b"\0", b"0", b"\0\0\0\0\0\0\0\0", b"\x89PNG\r\n\x1a\n"])
def test_other_bytes_count_as_utf_8(start: bytes) -> None:
    assert encoding_of(start) == "utf-8-sig"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_utf_16_is_read_as_utf_8_in_pieces_of_any_size(size: int) -> None:
    text = "5,0,é,€,𝟙\n" * 30
    reader = AsUtf8(io.BytesIO(text.encode("utf-16")), "utf-16")
    assert b"".join(iter(lambda: reader.read(size), b"")) == text.encode()


def test_the_commonest_separator_is_taken_and_a_comma_if_there_is_none() -> None:
    assert [separator_of(line) for line in ("a;b,c;d", "a\tb", "a", "a,b;c")] == [";", "\t", ",", ","]


def test_a_row_of_separators_is_blank() -> None:
    assert is_blank(["", " ", "\t"])
    assert is_blank([])
    assert not is_blank(["", "0"])
