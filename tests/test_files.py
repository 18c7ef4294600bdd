import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kaggle_mnist.errors import UserError
from kaggle_mnist.files import leftovers, sha256_of, write_whole

POSIX = pytest.mark.skipif(os.name != "posix", reason="permission bits mean little there")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


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


@POSIX
@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_a_new_file_has_the_permissions_that_the_umask_leaves(mask: int, mode: int) -> None:
    with umask(mask):
        write_whole(Path("a"), b"x")
    assert mode_of("a") == mode


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o400])
def test_a_file_that_is_replaced_keeps_its_permissions(mode: int) -> None:
    Path("a").write_bytes(b"old")
    Path("a").chmod(mode)
    with umask(0o022):
        write_whole(Path("a"), b"new")
    assert mode_of("a") == mode
    assert Path("a").read_bytes() == b"new"


@POSIX
def test_what_replaces_a_private_file_is_private_before_anything_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a").write_bytes(b"old")
    Path("a").chmod(0o600)
    open_file, modes = os.open, []

    def watched(path: Path, flags: int, mode: int = 0o777) -> int:
        handle = open_file(path, flags, mode)
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    monkeypatch.setattr(os, "open", watched)
    write_whole(Path("a"), b"new")
    assert modes[0] == 0o600


def test_a_killed_writer_leaves_what_leftovers_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: Path, *_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        write_whole(Path("a"), b"x")
    assert [part.read_bytes() for part in leftovers(Path(), ["a"])] == [b"x"]


def test_names_of_up_to_245_bytes_can_be_written() -> None:
    write_whole(Path("n" * 245), b"x")
    assert Path("n" * 245).read_bytes() == b"x"


def test_sha256_is_that_of_the_content() -> None:
    Path("a").write_bytes(b"abc")
    assert sha256_of(Path("a")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_message_is_one_line_whatever_names_are_in_it() -> None:
    assert str(UserError("a\nb\x1b[31m\u202ec")) == "a\\nb\\x1b[31m\\u202ec"
