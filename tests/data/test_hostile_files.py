"""Malicious data files give a valid result or a one-line error, within bounded time, memory and folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from kaggle_mnist.cli import app
from kaggle_mnist.data import cache, practice
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import COLUMNS, export_csv
from kaggle_mnist.data.sources import load_digits
from kaggle_mnist.utils import reading
from kaggle_mnist.utils.errors import BadData, UserError
from tests.conftest import same_digits, write_folders
from tests.harness.archives import LZMA, Member, npy_bytes, zip_bytes

HEADERS = {name: ",".join(columns).encode() + b"\n" for name, columns in COLUMNS.items()}
ROW = b"3" + b",0" * 784 + b"\n"
ODD_NAMES = ["a\nb", "\x1b[31mred\x1b[0m", "<script>alert(1)</script>", "\u202egnp.x", "[bold]x[/bold]", "x\udcffy"]
ODD_NUMBERS = ["1e400", "nan", "NaN", "inf", "٣", "１", "0x1F", "1_0", "-1", "1.5", "256", "9" * 25, "1" * 5000]
ODD_NUMBERS += ["", '"', "\0", "1e1"]


def refused(read: Callable[[], object], *words: str) -> str:
    """The message that `read` is refused with: one printable line that contains `words`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError) as error:
            read()
    message = str(error.value)
    assert message.isprintable()
    assert len(message) < 2000
    for word in words:
        assert word in message
    return message


@pytest.fixture
def folder(handful: Digits) -> Path:
    """The competition's two files in a folder."""
    export_csv(handful, Path("files/csv"))
    return Path("files/csv")


def zipped(folder: Path, **changes: object) -> Path:
    """Both files in a zip with false information about `train.csv`."""
    train = Member(b"train.csv", (folder / "train.csv").read_bytes(), **changes)  # type: ignore[arg-type]
    path = folder.parent / "digits.zip"
    path.write_bytes(zip_bytes([train, Member(b"test.csv", (folder / "test.csv").read_bytes())]))
    return path


# Zip files


@pytest.mark.parametrize("up", ["../", "/", "..\\", "C:\\"])
def test_a_zip_that_points_outside_itself_writes_nothing_anywhere(up: str, folder: Path) -> None:
    path = Path("files/digits.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for name in COLUMNS:
            archive.writestr(f"{up}{name}", (folder / name).read_bytes())
    before = sorted(Path().resolve().parent.rglob("*"))
    try:
        load_digits(path)
    except UserError as error:
        assert str(error).isprintable()
    new = [file for file in Path().resolve().parent.rglob("*") if file not in before]
    assert {file.parent.name for file in new} <= {"cache", "digits", Path().resolve().parent.name}
    assert not [file for file in new if file.suffix == ".csv"]


@pytest.mark.parametrize("size", [2**29 + 1, 2**32, 2**40, 2**63])
def test_a_zip_that_would_unpack_to_terabytes_is_refused_before_reading(size: int, folder: Path) -> None:
    refused(lambda: load_digits(zipped(folder, declared_size=size)), "digits.zip", f"{size:,} bytes")


def test_a_zip_that_understates_the_size_of_a_member_is_refused(folder: Path) -> None:
    size = len((folder / "train.csv").read_bytes())
    for claimed in (0, 100, size - 1):
        path = zipped(folder, declared_size=claimed)
        refused(lambda path=path: load_digits(path), "train.csv")  # type: ignore[misc]


def test_a_zip_with_two_members_of_the_same_name_is_refused(folder: Path) -> None:
    """The check would see the first, and the reader the second, of any size."""
    member, path = Member(b"train.csv", ROW), Path("files/twice.zip")
    path.write_bytes(zip_bytes([member, Member(b"train.csv", ROW, declared_size=2**40), Member(b"test.csv", ROW)]))
    refused(lambda: load_digits(path), "twice.zip", "'train.csv' 2 times")


def test_a_zip_with_an_endless_table_of_contents_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_READ", 10_000)
    Path("long.zip").write_bytes(zip_bytes([Member(f"{i}".encode(), b"") for i in range(500)]))
    refused(lambda: load_digits("long.zip"), "long.zip", "table of contents")


@pytest.mark.parametrize(
    "lie",
    [
        {"method": LZMA, "declared_crc": 0},
        {"declared_method": LZMA},  # the data is not LZMA: lzma.LZMAError
        {"declared_method": 12},
        {"declared_method": 99},
        {"local_name": b"\xff\xfe", "flags": 0x800},  # invalid UTF-8 in a name flagged as UTF-8: UnicodeDecodeError
        {"flags": 1},
        {"offset": 7},
        {"extra": b"\1\0\x08\0"},
    ],
)
def test_a_zip_with_false_information_about_a_member_is_refused(lie: dict[str, object], folder: Path) -> None:
    refused(lambda: load_digits(zipped(folder, **lie)), "digits.zip")


# CSV files


@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_an_odd_number_is_named_with_its_row(number: str, folder: Path) -> None:
    (folder / "train.csv").write_bytes(HEADERS["train.csv"] + ROW * 3 + b"3," + number.encode() + b",0" * 783 + b"\n")
    refused(lambda: load_digits(folder), "train.csv, row 5:", "pixel0 is" if number != '"' else "has 2 values")


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"\n", b" ", b"\0", b"\r", b'"'])
def test_an_almost_empty_file_is_refused(start: bytes, folder: Path) -> None:
    """A byte order mark alone has no first line, and raised IndexError."""
    (folder / "test.csv").write_bytes(start)
    refused(lambda: load_digits(folder), "test.csv")


def test_columns_by_the_million_are_refused(folder: Path) -> None:
    (folder / "train.csv").write_bytes(b"label," + b",".join(b"x" * 300 for _ in range(1_000_000)))
    refused(lambda: load_digits(folder), "train.csv, row 1: missing columns")
    (folder / "train.csv").write_bytes(HEADERS["train.csv"] + b"0," * 1_000_000 + b"0\n")
    refused(lambda: load_digits(folder), "train.csv, row 2: has more than 16,384 characters")
    (folder / "train.csv").write_bytes(HEADERS["train.csv"] + (b"0," * 5000 + b"0\n") * 100)
    refused(lambda: load_digits(folder), "train.csv, row 2: has 5,001 values")


def test_an_unclosed_quote_ends_with_its_line(folder: Path) -> None:
    rows = ROW * 20 + b'3,"' + b"0,0\n" * 2000 + ROW
    (folder / "train.csv").write_bytes(HEADERS["train.csv"] + rows)
    refused(lambda: load_digits(folder), "train.csv, row 22: has 2 values instead of 785")


def test_endless_blank_lines_are_refused(folder: Path) -> None:
    (folder / "train.csv").write_bytes(HEADERS["train.csv"] + b"\n" * 100_000)
    refused(lambda: load_digits(folder), "train.csv, row 65538: more than 65,536 blank rows")


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n\n"])
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_quotes_and_other_line_endings_are_accepted(end: bytes, quote: bytes, folder: Path, handful: Digits) -> None:
    for name in COLUMNS:
        lines = (folder / name).read_bytes().splitlines()
        quoted = [b",".join(quote + cell + quote for cell in line.split(b",")) for line in lines]
        (folder / name).write_bytes(end.join([*quoted, b""]))
    assert same_digits(load_digits(folder), handful)


BOUNDED = """
import json, sys
from pathlib import Path
from tests.harness.watch import peak
from kaggle_mnist.utils.errors import UserError
from kaggle_mnist.READER as read
before, messages = peak(), []
for name in sys.argv[1:]:
    try:
        read(Path(name))
        messages.append("read")
    except UserError as error:
        messages.append(str(error))
print(json.dumps([messages, peak() - before]))
"""


def bounded(reader: str, *files: str) -> tuple[list[str], int]:
    """A reader's message for each file, and its peak memory in bytes, measured in a separate process."""
    command = [sys.executable, "-c", BOUNDED.replace("READER", reader), *files]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600, env=environment)
    messages, grown = json.loads(done.stdout)
    return messages, grown


def test_gigabytes_in_one_line_one_quote_or_one_image_do_not_fill_the_memory() -> None:
    """Sparse files and a deflate bomb of half a gigabyte each, and sparse files of 100 GB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    megabyte = packer.compress(b"0," * (1 << 19)) + packer.flush(zlib.Z_FULL_FLUSH)
    head = zlib.compressobj(1, zlib.DEFLATED, -15)
    deflated = head.compress(HEADERS["train.csv"]) + head.flush(zlib.Z_FULL_FLUSH) + megabyte * 500
    bomb = Member(b"train.csv", deflated, method=0, declared_method=8, declared_size=500 << 20)
    Path("bomb.zip").write_bytes(zip_bytes([bomb, Member(b"test.csv", HEADERS["test.csv"])]))
    assert Path("bomb.zip").stat().st_size < 3 << 20
    half, whole = 500 << 20, 100 << 30
    for name, start, size in (("line", ROW[:-1], half), ("quote", ROW + b'"', half), ("huge", ROW, whole)):
        Path(name).mkdir()
        Path(name, "test.csv").write_bytes(HEADERS["test.csv"] + b"0" + b",0" * 783 + b"\n")
        Path(name, "train.csv").write_bytes(HEADERS["train.csv"] + start)
        os.truncate(Path(name, "train.csv"), size)
    write_folders(ten_digits(), Path("images"))
    os.truncate("images/test/img_1.png", 100 << 30)
    messages, grown = bounded("data.sources import load_digits", "bomb.zip", "line", "quote", "huge", "images")
    long = "row 2: has more than"
    words = [long, long, "row 3: has more than", "107,374,182,400 bytes", "has 102400 MB"]
    assert [word in message for word, message in zip(words, messages, strict=True)] == [True] * 5, messages
    assert grown < 200 << 20


def ten_digits() -> Digits:
    """One labeled image of each digit and two unlabeled ones."""
    digits = practice.load_practice()
    first = [int(np.flatnonzero(digits.train_labels == digit)[0]) for digit in range(10)]
    return Digits("practice set", "tests", digits.train_images[first], np.arange(10), digits.test_images[:2])


# Names, the cache, and the practice set's own files


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_file_name_is_shown_in_one_printable_line(name: str, handful: Digits) -> None:
    export_csv(handful, Path(name))
    assert same_digits(load_digits(name), handful)
    done = CliRunner().invoke(app, ["data", "--input", name])
    assert done.exit_code == 0
    assert all(line.isprintable() for line in done.stdout.split("\n"))
    Path(name, "test.csv").write_bytes(b"x")
    refused(lambda: load_digits(name), "test.csv, row 1: starts with 'x'")
    done = CliRunner().invoke(app, ["data", "--input", name])
    assert done.exit_code == 2
    assert done.stderr.rstrip("\n").isprintable()
    assert done.stderr.startswith("kaggle-mnist: ")


def test_an_invalid_cache_entry_is_replaced(folder: Path, handful: Digits) -> None:
    """A pickle, compressed arrays, an array of terabytes, and images of another type with the same fingerprint."""
    load_digits(folder)
    (entry,) = Path(os.environ["KAGGLE_MNIST_CACHE"]).glob("digits/*.npz")
    whole = entry.read_bytes()
    with np.load(entry) as stored:
        arrays = dict(stored)
    signed = {**arrays, "train_images": arrays["train_images"].view(np.int8)}
    members = [[Member(f"{k}.npy".encode(), npy_bytes(v), method=0) for k, v in a.items()] for a in (arrays, signed)]
    wide = npy_bytes(np.zeros(1, "u1")).replace(b"(1,), }", b"(9999999999999,), }").replace(b" " * 12 + b"\n", b"\n")
    grown = [Member(m.name, wide if m.name == b"train_images.npy" else m.content, 0) for m in members[0]]
    packed = [Member(m.name, m.content) for m in members[0]]
    for content in (b"", b"\x80\x04N.", whole[:-300], zip_bytes(members[1]), zip_bytes(grown), zip_bytes(packed)):
        entry.write_bytes(content)
        assert cache._read(entry, "x") is None
        assert same_digits(load_digits(folder), handful)
    entry.write_bytes(zip_bytes(members[0]))
    assert cache._read(entry, "x") is not None


def test_an_idx_file_that_does_not_match_its_header_is_refused() -> None:
    def idx(kind: int, *sizes: int, values: int = 6) -> bytes:
        header = bytes([0, 0, kind, len(sizes)]) + b"".join((size % 2**32).to_bytes(4) for size in sizes)
        return header + bytes(values)

    def read(content: bytes, window: int = 31) -> NDArray[np.uint8]:
        packer = zlib.compressobj(9, zlib.DEFLATED, window)
        Path("x.gz").write_bytes(packer.compress(content) + packer.flush())
        return practice.read_idx(Path("x.gz"))

    assert read(idx(8, 2, 3)).shape == (2, 3)
    odd = [idx(8, 2, 4), idx(8, 5), idx(9, 6), idx(8), idx(8, 1, 1, 1, 6), idx(8, -1, -6), idx(8, 2**31 - 1, 2**31 - 1)]
    for content in (*odd, b"", b"\0\0\x08", idx(8, 2, 3)[:9], b"\0\0\x08\xff", idx(8, 6, values=50 << 20)):
        refused(lambda content=content: read(content), "x.gz")  # type: ignore[misc]
    refused(lambda: read(idx(8, 6), window=15), "x.gz: cannot be read")
    Path("x.gz").write_bytes(Path("x.gz").read_bytes()[:-3])
    with pytest.raises(BadData):
        practice.read_idx(Path("x.gz"))
