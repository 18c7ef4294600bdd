"""Folders on disk and inside zips, in one form; and files in them, which are read where they are."""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import ZipFile, ZipInfo

from kaggle_mnist.utils.dialect import GZIP, ZIP
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.formats import START, form_of
from kaggle_mnist.utils.reading import ZIP_ERRORS, TranslatedErrors, open_regular, open_zip, zip_problem

MAX_BYTES = 1 << 29  # of one file, uncompressed; Kaggle's train.csv has 77 MB
SLASH = re.compile(r"[/\\]")  # Windows PowerShell's Compress-Archive writes backslashes
DEPTH = 2  # folders below the one that is searched
LEFTOVERS = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir"}  # like names with a dot first


@dataclass(frozen=True)
class StoredFile:
    """A file on disk, or a member of a zip, which is read without extracting it; either may be compressed by gzip.

    Attributes
    ----------
    path : the file or the zip
    member : the name inside the zip; None for a file

    Examples
    --------
    >>> print(StoredFile(Path("digit-recognizer.zip"), "train.csv"))
    digit-recognizer.zip/train.csv
    """

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else f"{self.path}"

    @property
    def name(self) -> str:
        """The name without its folders."""
        return self.path.name if self.member is None else self.member.rpartition("/")[2]

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the file's content, uncompressed, as a stream of bytes.

        Raises BadData if the file or its zip cannot be read or is too large, and so does reading the stream.
        """
        with ExitStack() as opened:
            file: Any
            with self._as_bad_data():
                if self.member is None:
                    file = opened.enter_context(open_regular(self.path))
                else:
                    archive = opened.enter_context(open_zip(self.path))
                    file = opened.enter_context(archive.open(info_of(archive, self.member)))
                if file.peek(len(GZIP)).startswith(GZIP):
                    file = _Limited(gzip.GzipFile(fileobj=file), self)
            yield io.BufferedReader(TranslatedErrors(file, self._as_bad_data))

    @contextmanager
    def _as_bad_data(self) -> Iterator[None]:
        """Turn every error of a damaged file or zip into BadData."""
        try:
            yield
        except OSError as error:
            raise BadData(f"{self}: cannot be read ({error.strerror or error})") from error
        except ZIP_ERRORS as error:
            zipped = "the zip " if self.member else ""
            raise BadData(f"{self.path}: {zipped}{zip_problem(error)}") from error

    @property
    def size(self) -> int:
        """Size in bytes, on disk or as a member. Raises BadData if a zip cannot be read, OSError if a file cannot."""
        if self.member is None:
            return self.path.stat().st_size
        with self._as_bad_data(), open_zip(self.path) as archive:
            return info_of(archive, self.member).file_size

    def size_and_crc(self) -> tuple[int, int]:
        """The size in bytes and the CRC-32 of the content, which identify two files as the same.

        Raises BadData if the file or its zip cannot be read.
        """
        if self.member is not None and not self.member.lower().endswith(".gz"):
            with self._as_bad_data(), open_zip(self.path) as archive:
                info = info_of(archive, self.member)
                return info.file_size, info.CRC
        crc, size = 0, 0
        with self.open() as file:
            while chunk := file.read(1 << 20):
                crc, size = zlib.crc32(chunk, crc), size + len(chunk)
        return size, crc

    def refuse_too_large(self) -> None:
        """Raise BadData for more than `MAX_BYTES`."""
        if self.size > MAX_BYTES:
            raise BadData(f"{self} is too large ({self.size:,} bytes); download it again")


class _Limited:
    """A decompressed stream that ends with an error after `MAX_BYTES`."""

    def __init__(self, stream: gzip.GzipFile, file: StoredFile):
        self.stream, self.file, self.left = stream, file, MAX_BYTES

    def read(self, size: int) -> bytes:
        content = self.stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise BadData(f"{self.file}: is too large (more than {MAX_BYTES:,} bytes uncompressed); download it again")
        return content


class Names(NamedTuple):
    """What is in a folder, sorted; what file managers leave there is left out."""

    files: list[str]
    folders: list[str]


@dataclass(frozen=True)
class Place:
    """A folder on disk or inside a zip.

    Attributes
    ----------
    path : the folder or the zip
    inside : the folder inside the zip, with a slash at its end unless it is the top
    tree : of a zip, the names in every folder inside; None on disk
    """

    path: Path
    inside: str = ""
    tree: Mapping[str, Names] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.path}/{self.inside}".removesuffix("/") if self.tree is not None else f"{self.path}"

    @property
    def names(self) -> Names:
        """The files and folders here. Raises BadData for a folder that cannot be read."""
        if self.tree is not None:
            return self.tree[self.inside]
        try:
            with os.scandir(self.path) as entries:  # 70,000 Path objects would take as long as reading the sizes
                found = [(entry.name, _is_folder(entry)) for entry in entries if not is_leftover(entry.name)]
        except OSError as error:
            raise BadData(f"{self}: cannot be read ({error.strerror})") from error
        return Names(
            sorted(name for name, folder in found if not folder), sorted(name for name, folder in found if folder)
        )

    def file(self, name: str) -> StoredFile:
        """A file in this folder."""
        return StoredFile(self.path / name) if self.tree is None else StoredFile(self.path, f"{self.inside}{name}")

    def folder(self, name: str) -> Place:
        """A folder in this one."""
        return Place(self.path / name) if self.tree is None else Place(self.path, f"{self.inside}{name}/", self.tree)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def is_leftover(name: str) -> bool:
    """Whether a file manager or macOS left a file or folder of this name.

    Examples
    --------
    >>> [is_leftover(name) for name in ("__MACOSX", "._train.csv", ".DS_Store", "train.csv")]
    [True, True, True, False]
    """
    return name.startswith(".") or name.lower() in LEFTOVERS


def zip_place(path: Path) -> Place:
    """The top folder inside a zip. Raises BadData if it is not a readable zip.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from zipfile import ZipFile
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "archive.zip")
    ...     with ZipFile(path, "w") as archive:
    ...         archive.writestr("mnist/train.csv", "label")
    ...         archive.writestr("__MACOSX/mnist/._train.csv", "x")
    ...     top = zip_place(path)
    ...     top.names.folders, top.folder("mnist").names.files
    (['mnist'], ['train.csv'])
    """
    try:
        with open_zip(path) as archive:
            members = archive.namelist()
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror or error})") from error
    except ZIP_ERRORS as error:
        with open_regular(path) as file:
            form = form_of(file.read(START))
        problem = (
            f"is {form.what}, not a zip; {form.advice}" if form else f"not a readable zip ({error}); download it again"
        )
        raise BadData(f"{path}: {problem}") from error
    files: dict[str, list[str]] = {"": []}
    folders: dict[str, set[str]] = {"": set()}
    for member in members:
        *parents, name = SLASH.split(member)
        if any(part in ("", "..") or is_leftover(part) for part in parents) or is_leftover(name):
            continue
        at = ""
        for part in parents:
            folders[at].add(part)
            at = f"{at}{part}/"
            files.setdefault(at, [])
            folders.setdefault(at, set())
        if name:
            files[at].append(name)
    return Place(path, "", {at: Names(sorted(files[at]), sorted(folders[at])) for at in files})


def info_of(archive: ZipFile, member: str) -> ZipInfo:
    """What a zip says about a member, whose folders may be separated by backslashes in it. Raises KeyError."""
    try:
        return archive.getinfo(member)
    except KeyError:
        return archive.getinfo(member.replace("/", "\\"))


def is_zip(file: StoredFile) -> bool:
    """Whether a file on disk is a zip, whatever its name. Raises BadData if it cannot be read."""
    with file.open() as stream:
        return stream.read(len(ZIP)) == ZIP


def walk(place: Place, *, skip: frozenset[str] = frozenset(), depth: int = DEPTH) -> Iterator[Place]:
    """A folder and those below it, down to `depth`, without those whose lower-case names are in `skip`."""
    folders = place.names.folders if depth else []
    yield place
    for name in folders:
        if name.lower() not in skip and _is_readable(place.folder(name)):
            yield from walk(place.folder(name), skip=skip, depth=depth - 1)


def _is_readable(place: Place) -> bool:
    try:
        return len(place.names) > 0  # reads them
    except BadData:
        return False
