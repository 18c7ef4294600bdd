"""Untrusted files are read within bounds; `tests/data/test_hostile_files.py` tests the same through whole readers."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.utils import reading
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.reading import (
    BoundedLines,
    LimitedReads,
    TranslatedErrors,
    format_size,
    jpeg_scans,
    open_regular,
    open_zip,
    read_bounded,
)

POSIX = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_refused() -> None:
    Path("a").write_bytes(bytes(1024))
    assert read_bounded(Path("a"), 1024) == bytes(1024)
    Path("a").write_bytes(bytes(1025))
    with pytest.raises(OSError, match="it is larger than 1 kB"):
        read_bounded(Path("a"), 1024)


@POSIX
def test_a_pipe_is_read_only_where_one_is_allowed() -> None:
    os.mkfifo("pipe")
    with pytest.raises(OSError, match="it is not a regular file"):
        open_regular(Path("pipe"))  # would block until somebody writes
    writer = threading.Thread(target=Path("pipe").write_bytes, args=[b"image,label"])
    writer.start()
    assert read_bounded(Path("pipe"), 100, pipe=True) == b"image,label"
    writer.join()


@POSIX
def test_folders_and_devices_are_refused() -> None:
    for path in (".", "/dev/zero"):
        with pytest.raises(OSError, match=r"it is a folder|it is not a regular file"):
            read_bounded(Path(path), 100, pipe=True)


def zip_of(*names: str) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return buffer


def test_a_zip_is_read_from_a_file_and_from_memory() -> None:
    buffer = zip_of("train.csv", "test.csv")
    Path("a.zip").write_bytes(buffer.getvalue())
    for file in (Path("a.zip"), buffer):
        with open_zip(file) as archive:
            assert archive.read("test.csv") == b"test.csv"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_duplicate_name_is_refused() -> None:
    with pytest.raises(zipfile.BadZipFile, match=r"'train\.csv' 2 times"), open_zip(zip_of("train.csv", "train.csv")):
        pass


def test_a_zip_with_an_oversized_table_of_contents_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = zip_of(*(f"{number}" for number in range(500)))
    monkeypatch.setattr(reading, "MAX_READ", 10_000)
    with pytest.raises(zipfile.BadZipFile, match="its table of contents is larger than 9 kB"), open_zip(buffer):
        pass


def test_an_error_while_reading_a_stream_is_translated() -> None:
    class Damaged(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 4:
                raise EOFError("truncated")
            return super().read(4)

    @contextmanager
    def as_bad_data() -> Iterator[None]:
        try:
            yield
        except EOFError as error:
            raise BadData(f"a.zip: {error}") from error

    stream = TranslatedErrors(Damaged(b"digits"), as_bad_data)
    assert stream.read(4) == b"digi"
    assert stream.tell() == 4
    with pytest.raises(BadData, match=r"a\.zip: truncated"):
        stream.read(2)


def lines_of(content: bytes, most: int, buffer: int = 1 << 16) -> bytes:
    return io.BufferedReader(BoundedLines(io.BytesIO(content), most), buffer).read()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("buffer", [3, 7, 1 << 16])  # bytes read at once
def test_lines_within_the_limit_are_passed_on_unchanged(end: bytes, buffer: int) -> None:
    content = end.join([b"label,pixel0", b'"3","0"', b"", b"5,255"] * 20)
    assert lines_of(content, 20, buffer) == content


@pytest.mark.parametrize("place", [0, 1, 5])
def test_a_line_that_is_too_long_is_refused_wherever_it_is(place: int) -> None:
    lines = [b"5,255"] * 6
    lines[place] = b"5," * 50
    with pytest.raises(ValueError, match="a line is too long"):
        lines_of(b"\n".join(lines), 20)


@pytest.mark.parametrize("buffer", [4, 1 << 16])
def test_a_quoted_value_that_continues_on_the_next_line_is_refused(buffer: int) -> None:
    with pytest.raises(ValueError, match="a quote is not closed on its line"):
        lines_of(b'5,255\n5,"2\n55"\n5,255\n', 20, buffer)


def test_content_can_be_read_a_limited_number_of_times() -> None:
    content = LimitedReads(b"digits", 2)
    assert (content.read(3), content.read()) == (b"dig", b"its")
    with pytest.raises(OSError, match="it has too many parts"):
        content.read()


def jpeg(image: Image.Image, *, progressive: bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", progressive=progressive)
    return buffer.getvalue()


def test_the_scans_of_a_jpg_are_counted_up_to_the_limit(handful: Digits) -> None:
    image = Image.fromarray(handful.train_images[0])
    assert jpeg_scans(jpeg(image, progressive=False), 100) == 1
    progressive = jpeg(image, progressive=True)
    scans = jpeg_scans(progressive, 100)
    assert 1 < scans < 100
    assert jpeg_scans(progressive, 2) == 2
    assert jpeg_scans(progressive + progressive, 100) == scans  # only the first picture's


def test_sizes_are_shown_in_whole_kb_or_mb() -> None:
    assert [format_size(size) for size in (100, 2048, (1 << 20) - 1, 16 << 20)] == ["0 kB", "2 kB", "1023 kB", "16 MB"]
