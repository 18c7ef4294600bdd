"""Files from elsewhere, opened so that none can cost more than its bound: no endless file, pipe, device or archive."""

from __future__ import annotations

import errno
import io
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

# What the standard library raises on archives that are cut off, damaged or made with intent.
ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
)
JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # what is not in a scan's data
MAX_READ = 16 << 20  # bytes of a zip at once: a table of contents with 70,000 files has 6 MB


def read_bounded(file: Path, most: int, *, pipe: bool = False) -> bytes:
    """The content of a file of at most `most` bytes.

    Raises OSError, its `strerror` made for a person, also for what is no regular file; `pipe` allows a pipe, which a
    shell's `<(…)` is.
    """
    with open_regular(file, pipe=pipe) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {shown_size(most)}", f"{file}")
    return content


def open_regular(file: Path, *, pipe: bool = False) -> io.BufferedReader:
    """`file` for reading. Raises OSError where it is no regular file, which may have no end, or never begin."""
    require_regular(file, os.stat(file), pipe=pipe)
    return file.open("rb")


def require_regular(file: Path | str, status: os.stat_result, *, pipe: bool = False) -> None:
    """Raise OSError unless `status` is that of a regular file, or of a pipe where that is allowed."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", f"{file}")
    if not (stat.S_ISREG(status.st_mode) or (pipe and stat.S_ISFIFO(status.st_mode))):
        raise OSError(errno.EINVAL, "it is neither a file nor a link to one", f"{file}")


@contextmanager
def open_zip(file: Path | io.BytesIO) -> Iterator[zipfile.ZipFile]:
    """A zip whose table of contents is of reasonable length and names every member once.

    Raises OSError and one of `ZIP_FAULTS`, as reading its members does.
    """
    source = file if isinstance(file, io.BytesIO) else open_regular(file)
    with source as stream, zipfile.ZipFile(_Sparing(stream)) as archive:
        name, times = Counter(archive.namelist()).most_common(1)[0] if archive.namelist() else ("", 0)
        if times > 1:  # which of them is meant, and which one was looked at?
            raise zipfile.BadZipFile(f"it holds {name[:60]!r} {times} times")
        yield archive


class _Sparing:
    """A file that is never read in one great piece, as `zipfile` does with a table of contents of any length."""

    def __init__(self, stream: IO[bytes]):
        self.stream = stream
        self.tell, self.seek, self.seekable, self.close = stream.tell, stream.seek, stream.seekable, stream.close

    def read(self, size: int = -1) -> bytes:
        content = self.stream.read(MAX_READ + 1 if size < 0 else min(size, MAX_READ + 1))
        if len(content) > MAX_READ:
            raise zipfile.BadZipFile(f"its table of contents has more than {shown_size(MAX_READ)}")
        return content


class Source(io.RawIOBase):
    """A stream whose faults, when they show while it is read, are told as its file tells them."""

    def __init__(self, stream: IO[bytes], told: Callable[[], AbstractContextManager[None]]):
        self.stream, self.told = stream, told
        self.position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: Any) -> int:
        with self.told():
            content = self.stream.read(len(buffer))
        self.position += len(content)
        buffer[: len(content)] = content
        return len(content)


class Lines(io.RawIOBase):
    """A stream that gives no line longer than `most` bytes, and no quoted value that goes on in the next line.

    A reader of CSV would hold whatever follows, to the last gigabyte. Raises ValueError.
    """

    def __init__(self, stream: IO[bytes], most: int):
        self.stream, self.most = stream, most
        self.pending = self.quotes = 0  # bytes and quotes of the line that the last piece ended in

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self.stream.read(len(buffer))
        self._check(content)
        buffer[: len(content)] = content
        return len(content)

    def _check(self, content: bytes) -> None:
        start = -self.pending
        while (end := _line_end(content, start, start + self.most)) >= 0:
            start = end + 1
        self.pending = len(content) - start
        if self.pending >= self.most:
            raise ValueError("a line without an end")
        if self.quotes or b'"' in content:
            *whole, rest = content.replace(b"\r", b"\n").split(b"\n")
            for line in whole:
                if (self.quotes + line.count(b'"')) % 2:
                    raise ValueError("a quote without an end")
                self.quotes = 0
            self.quotes += rest.count(b'"')


def _line_end(content: bytes, start: int, end: int) -> int:
    """Where the last line in that stretch ends; -1 for nowhere."""
    start, end = max(start, 0), max(end, 0)
    found = content.rfind(b"\n", start, end)
    return found if found >= 0 else content.rfind(b"\r", start, end)


class FewReads(io.BytesIO):
    """A file's content for Pillow, read at most so many times: a picture of millions of empty parts takes minutes."""

    def __init__(self, content: bytes, most: int):
        super().__init__(content)
        self.left = most

    def read(self, size: int | None = -1) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise OSError("it is made of too many parts")
        return super().read(size)


def jpeg_scans(content: bytes, most: int) -> int:
    """Scans of a JPG's first picture, counted to `most`: a decoder goes over the whole picture for each."""
    scans, at = 0, 0
    while scans < most and (found := JPEG_MARKER.search(content, at)):
        marker, at = content[found.end() - 1], found.end()
        if marker == 0xD9:  # the picture's end
            break
        scans += marker == 0xDA
        if marker not in (0x01, 0xD8):
            at += int.from_bytes(content[at : at + 2])
    return scans


def shown_size(size: int) -> str:
    """`16 MB` for 2²⁴ bytes."""
    return f"{size >> 20} MB" if size >= 1 << 20 else f"{size >> 10} kB"
