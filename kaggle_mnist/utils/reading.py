"""Reading untrusted files within bounds: no endless file, pipe, device or archive exhausts memory or time."""

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

# What the standard library raises for truncated, damaged or malicious archives.
ZIP_ERRORS = (
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
JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # never part of a scan's data
MAX_READ = 16 << 20  # bytes read from a zip at once; the table of contents of 70,000 files has 6 MB


def read_bounded(file: Path, most: int, *, pipe: bool = False) -> bytes:
    """Read a whole file.

    Parameters
    ----------
    file : a regular file or a link to one
    most : the largest size allowed, in bytes
    pipe : also accept a pipe, such as a shell's `<(…)`

    Raises
    ------
    OSError
        The file is larger, unreadable, or not a regular file; `strerror` completes a message "cannot be read (…)".

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.csv").write_bytes(b"image,label")
    ...     read_bounded(Path(folder, "a.csv"), 1024)
    b'image,label'
    """
    with open_regular(file, pipe=pipe) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {format_size(most)}", f"{file}")
    return content


def open_regular(file: Path, *, pipe: bool = False) -> io.BufferedReader:
    """Open a regular file for reading.

    Raises OSError for anything else: a device may never end, and opening a pipe may block. `pipe` allows a pipe.
    """
    require_regular(file, os.stat(file), pipe=pipe)
    return file.open("rb")


def require_regular(file: Path | str, status: os.stat_result, *, pipe: bool = False) -> None:
    """Raise OSError unless `status`, from `os.stat(file)`, is a regular file's, or a pipe's if `pipe` is set."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", f"{file}")
    if not (stat.S_ISREG(status.st_mode) or (pipe and stat.S_ISFIFO(status.st_mode))):
        raise OSError(errno.EINVAL, "it is not a regular file", f"{file}")


@contextmanager
def open_zip(file: Path | io.BytesIO) -> Iterator[zipfile.ZipFile]:
    """Open a zip, and check that its table of contents is at most `MAX_READ` bytes and lists every member once.

    Raises OSError or one of `ZIP_ERRORS`, and so does reading its members.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> with zipfile.ZipFile(buffer, "w") as archive:
    ...     archive.writestr("train.csv", "label,pixel0")
    >>> with open_zip(buffer) as archive:
    ...     archive.namelist()
    ['train.csv']
    """
    source = file if isinstance(file, io.BytesIO) else open_regular(file)
    with source as stream, zipfile.ZipFile(_BoundedReads(stream)) as archive:
        name, times = Counter(archive.namelist()).most_common(1)[0] if archive.namelist() else ("", 0)
        if times > 1:  # the one that was checked may not be the one that is read
            raise zipfile.BadZipFile(f"it contains {name[:60]!r} {times} times")
        yield archive


def zip_problem(error: Exception) -> str:
    """What is wrong with a zip that raised one of `ZIP_ERRORS`, and what to do.

    Examples
    --------
    >>> zip_problem(EOFError("no end")), zip_problem(NotImplementedError("method 9"))
    ('cannot be read (no end); download it again', 'is compressed in a way that is not read; extract it')
    """
    if isinstance(error, NotImplementedError):
        return "is compressed in a way that is not read; extract it"
    if isinstance(error, RuntimeError) and "encrypted" in str(error):
        return "is encrypted; extract it with its password"
    return f"cannot be read ({error}); download it again"


class _BoundedReads:
    """A file for `zipfile`, which reads a table of contents of any size at once: larger reads are refused."""

    def __init__(self, stream: IO[bytes]):
        self.stream = stream
        self.tell, self.seek, self.seekable, self.close = stream.tell, stream.seek, stream.seekable, stream.close

    def read(self, size: int = -1) -> bytes:
        content = self.stream.read(MAX_READ + 1 if size < 0 else min(size, MAX_READ + 1))
        if len(content) > MAX_READ:
            raise zipfile.BadZipFile(f"its table of contents is larger than {format_size(MAX_READ)}")
        return content


class TranslatedErrors(io.RawIOBase):
    """A stream that is read inside the context manager from `translate`, which turns its errors into others."""

    def __init__(self, stream: IO[bytes], translate: Callable[[], AbstractContextManager[None]]):
        self.stream, self.translate = stream, translate
        self.position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: Any) -> int:
        with self.translate():
            content = self.stream.read(len(buffer))
        self.position += len(content)
        buffer[: len(content)] = content
        return len(content)


class BoundedLines(io.RawIOBase):
    """A stream of CSV text that has neither lines of more than `most` bytes nor quoted values with line breaks.

    A CSV reader would keep either in memory, up to the last gigabyte. Reading raises ValueError instead.

    Examples
    --------
    >>> io.BufferedReader(BoundedLines(io.BytesIO(b"label,pixel0"), most=8)).read()
    Traceback (most recent call last):
    ValueError: a line is too long
    """

    def __init__(self, stream: IO[bytes], most: int):
        self.stream, self.most = stream, most
        self.pending = self.quotes = 0  # bytes and quotes of the unfinished last line

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
            raise ValueError("a line is too long")
        if self.quotes or b'"' in content:
            *whole, rest = content.replace(b"\r", b"\n").split(b"\n")
            for line in whole:
                if (self.quotes + line.count(b'"')) % 2:
                    raise ValueError("a quote is not closed on its line")
                self.quotes = 0
            self.quotes += rest.count(b'"')


def _line_end(content: bytes, start: int, end: int) -> int:
    """Index of the last line break in ``content[start:end]``, or -1."""
    start, end = max(start, 0), max(end, 0)
    found = content.rfind(b"\n", start, end)
    return found if found >= 0 else content.rfind(b"\r", start, end)


class LimitedReads(io.BytesIO):
    """A file's content for Pillow that can be read `most` times: a picture with millions of empty chunks takes minutes.

    Raises OSError after that.
    """

    def __init__(self, content: bytes, most: int):
        super().__init__(content)
        self.left = most

    def read(self, size: int | None = -1) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise OSError("it has too many parts")
        return super().read(size)


def jpeg_scans(content: bytes, most: int) -> int:
    """Count the scans of a JPG's first picture, up to `most`; a decoder passes over the whole picture for each scan.

    Examples
    --------
    >>> from PIL import Image
    >>> buffer = io.BytesIO()
    >>> Image.new("L", (28, 28)).save(buffer, "JPEG")
    >>> jpeg_scans(buffer.getvalue(), 100)
    1
    """
    scans, at = 0, 0
    while scans < most and (found := JPEG_MARKER.search(content, at)):
        marker, at = content[found.end() - 1], found.end()
        if marker == 0xD9:  # end of image
            break
        scans += marker == 0xDA  # start of scan
        if marker not in (0x01, 0xD8):  # all others have a length
            at += int.from_bytes(content[at : at + 2])
    return scans


def format_size(size: int) -> str:
    """Format a number of bytes in whole kB or MB (2¹⁰ or 2²⁰ bytes), rounded down.

    Examples
    --------
    >>> format_size(16 << 20)
    '16 MB'
    """
    return f"{size >> 20} MB" if size >= 1 << 20 else f"{size >> 10} kB"
