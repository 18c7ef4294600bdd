from pathlib import Path

import pytest

from kaggle_mnist.errors import UserError
from kaggle_mnist.files import sha256_of, write_whole


def test_a_file_is_replaced_whole() -> None:
    write_whole(Path("a"), b"old")
    write_whole(Path("a"), b"new")
    assert Path("a").read_bytes() == b"new"
    assert [path.name for path in Path().iterdir()] == ["a"]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(Path("a"), b"old")

    def refuse(self: Path, target: Path) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="Permission denied"):
        write_whole(Path("a"), b"new")
    assert Path("a").read_bytes() == b"old"
    assert [path.name for path in Path().iterdir()] == ["a"]


def test_sha256_is_that_of_the_content() -> None:
    Path("a").write_bytes(b"abc")
    assert sha256_of(Path("a")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_message_is_one_line_whatever_names_are_in_it() -> None:
    assert str(UserError("a\nb\x1b[31m\u202ec")) == "a\\nb\\x1b[31m\\u202ec"
