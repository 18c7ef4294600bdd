import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kaggle_mnist.utils.errors import OutputError, UserError
from kaggle_mnist.utils.files import leftovers, refuse_foreign, sha256_of, write_whole

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


def refusal(path: str, header: bytes = b"") -> str:
    with pytest.raises(OutputError) as refused:
        refuse_foreign(Path(path), header=header)
    return str(refused.value)


def test_a_table_may_be_replaced_only_if_it_begins_with_our_header() -> None:
    Path("ours.csv").write_bytes(b"file,digit\na.png,3\n")
    refuse_foreign(Path("ours.csv"), header=b"file,digit\n")
    refuse_foreign(Path("new.csv"), header=b"file,digit\n")
    for content in (b"name,mark\n", b"file,digit,remark\n", b"", b"file,dig"):
        Path("theirs.csv").write_bytes(content)
        told = "theirs.csv: exists and was not written by kaggle-mnist; name another file"
        assert refusal("theirs.csv", b"file,digit\n") == told


def test_a_picture_that_only_mentions_us_is_not_ours() -> None:
    for content in (b"\xff\xd8\xff\xe0 kaggle-mnist", b"<svg>kaggle-mnist</svg>", b"%PDF-1.4 (kaggle-mnist)", b""):
        Path("theirs").write_bytes(content)
        refusal("theirs")


@POSIX
def test_what_is_no_file_or_cannot_be_read_is_not_ours() -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("dangling").symlink_to("nowhere")
    for path in ("folder", "pipe", "dangling", "/dev/null", "."):
        refusal(path)


@POSIX
def test_only_both_ends_of_a_large_file_are_read() -> None:
    with Path("large").open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte that takes no room
    refusal("large")
    with Path("large").open("r+b") as file:
        file.write(b"%PDF-1.4")
        file.seek(-100, os.SEEK_END)
        file.write(b"/Creator (kaggle-mnist)")
    refuse_foreign(Path("large"))


def test_sha256_is_that_of_the_content() -> None:
    Path("a").write_bytes(b"abc")
    assert sha256_of(Path("a")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_message_is_one_line_whatever_names_are_in_it() -> None:
    assert str(UserError("a\nb\x1b[31m\u202ec")) == "a\\nb\\x1b[31m\\u202ec"
