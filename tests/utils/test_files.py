import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kaggle_mnist.utils.errors import BadRun, OutputError
from kaggle_mnist.utils.files import (
    leftovers,
    read_sums,
    refuse_foreign,
    sha256_of,
    verify_file,
    verify_sums,
    write_atomic,
    write_sums,
)

POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has no permission bits")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_a_file_is_replaced_atomically() -> None:
    write_atomic(Path("a"), b"old")
    write_atomic(Path("a"), b"new")
    assert Path("a").read_bytes() == b"new"
    assert [path.name for path in Path().iterdir()] == ["a"]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomic(Path("a"), b"old")

    def refuse(self: Path, target: Path) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="Permission denied"):
        write_atomic(Path("a"), b"new")
    assert Path("a").read_bytes() == b"old"
    assert [path.name for path in Path().iterdir()] == ["a"]


@POSIX
@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_a_new_file_has_the_permissions_that_the_umask_allows(mask: int, mode: int) -> None:
    with umask(mask):
        write_atomic(Path("a"), b"x")
    assert mode_of("a") == mode


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o400])
def test_a_replaced_file_keeps_its_permissions(mode: int) -> None:
    Path("a").write_bytes(b"old")
    Path("a").chmod(mode)
    with umask(0o022):
        write_atomic(Path("a"), b"new")
    assert mode_of("a") == mode
    assert Path("a").read_bytes() == b"new"


@POSIX
def test_the_replacement_of_a_private_file_is_private_while_it_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a").write_bytes(b"old")
    Path("a").chmod(0o600)
    open_file, modes = os.open, []

    def watched(path: Path, flags: int, mode: int = 0o777) -> int:
        handle = open_file(path, flags, mode)
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    monkeypatch.setattr(os, "open", watched)
    write_atomic(Path("a"), b"new")
    assert modes[0] == 0o600


def test_leftovers_finds_the_temporary_file_of_a_killed_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: Path, *_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(Path("a"), b"x")
    assert [part.read_bytes() for part in leftovers(Path(), ["a"])] == [b"x"]


def test_names_of_up_to_245_bytes_can_be_written() -> None:
    write_atomic(Path("n" * 245), b"x")
    assert Path("n" * 245).read_bytes() == b"x"


def refusal(path: str, header: bytes = b"") -> str:
    with pytest.raises(OutputError) as refused:
        refuse_foreign(Path(path), header=header)
    return str(refused.value)


def test_a_csv_is_replaced_only_if_it_starts_with_our_header() -> None:
    Path("ours.csv").write_bytes(b"file,digit\na.png,3\n")
    refuse_foreign(Path("ours.csv"), header=b"file,digit\n")
    refuse_foreign(Path("new.csv"), header=b"file,digit\n")
    for content in (b"name,mark\n", b"file,digit,remark\n", b"\n", b"file,dig"):
        Path("theirs.csv").write_bytes(content)
        expected = "theirs.csv: exists and was not written by kaggle-mnist; name another file"
        assert refusal("theirs.csv", b"file,digit\n") == expected


def test_an_empty_file_is_replaced_but_not_a_link_to_one() -> None:
    Path("empty").touch()
    refuse_foreign(Path("empty"))
    Path("link").symlink_to("empty")
    assert refusal("link") == "link: exists and was not written by kaggle-mnist; name another file"


def test_a_picture_that_only_mentions_us_is_not_ours() -> None:
    for content in (b"\xff\xd8\xff\xe0 kaggle-mnist", b"<svg>kaggle-mnist</svg>", b"%PDF-1.4 (kaggle-mnist)", b"\0"):
        Path("theirs").write_bytes(content)
        refusal("theirs")


@POSIX
def test_anything_but_a_readable_file_is_not_ours() -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("dangling").symlink_to("nowhere")
    for path in ("folder", "pipe", "dangling", "/dev/null", "."):
        refusal(path)


@POSIX
def test_only_the_two_ends_of_a_large_file_are_read() -> None:
    with Path("large").open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte without disk space
    refusal("large")
    with Path("large").open("r+b") as file:
        file.write(b"%PDF-1.4")
        file.seek(-100, os.SEEK_END)
        file.write(b"/Creator (kaggle-mnist)")
    refuse_foreign(Path("large"))


def test_sha256_is_the_published_one_of_abc() -> None:
    Path("a").write_bytes(b"abc")
    assert sha256_of(Path("a")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def sealed() -> Path:
    """A folder of two files with their checksums."""
    Path("run").mkdir()
    for name in ("a.csv", "b.csv"):
        Path("run", name).write_bytes(name.encode())
    write_sums(Path("run"), ["b.csv", "a.csv"])
    return Path("run")


def test_checksums_are_written_as_sha256sum_writes_them(sealed: Path) -> None:
    lines = (sealed / "SHA256SUMS").read_text().splitlines()
    assert lines == [f"{sha256_of(sealed / name)}  {name}" for name in ("a.csv", "b.csv")]
    assert verify_sums(sealed) == ["a.csv", "b.csv"]


def test_a_changed_or_missing_file_is_named_with_what_to_do(sealed: Path) -> None:
    (sealed / "b.csv").write_bytes(b"changed")
    remedy = "restore it or recreate the run"
    with pytest.raises(BadRun, match=rf"b\.csv: does not match its checksum; {remedy}"):
        verify_sums(sealed)
    (sealed / "b.csv").unlink()
    with pytest.raises(BadRun, match=rf"b\.csv: is missing; {remedy}"):
        verify_sums(sealed)
    assert verify_file(sealed, "a.csv", read_sums(sealed)) == sealed / "a.csv"
    with pytest.raises(BadRun, match=r"SHA256SUMS: does not list c\.csv"):
        verify_file(sealed, "c.csv", read_sums(sealed))


@pytest.mark.parametrize("content", [b"", b"no checksum", b"\xff", b"0  ../a.csv\n", b"x" * (1 << 17)])
def test_an_invalid_list_of_checksums_is_refused(content: bytes, sealed: Path) -> None:
    (sealed / "SHA256SUMS").write_bytes(content)
    with pytest.raises(BadRun, match="SHA256SUMS: is damaged or was edited"):
        read_sums(sealed)
    (sealed / "SHA256SUMS").unlink()
    with pytest.raises(BadRun, match="SHA256SUMS: is missing"):
        read_sums(sealed)
