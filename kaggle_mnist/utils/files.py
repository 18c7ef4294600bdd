"""Atomic writes, protection of foreign files, and checksums."""

from __future__ import annotations

import glob
import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from kaggle_mnist.utils.errors import BadRun, OutputError
from kaggle_mnist.utils.reading import open_regular, read_bounded

MAX_SUMS = 1 << 16  # bytes; a run's list has under 1,000
REMEDY = "restore it or recreate the run"  # for a file that is missing or does not match its checksum
SUMS = "SHA256SUMS"  # in the format of `sha256sum`
NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

WRITER = "kaggle-mnist"  # in the metadata of every picture that we write
OUR_MARKS = {  # by the first bytes of a picture: what its first or last 64 kB contain if we wrote it
    b"\x89PNG": f"tEXtSoftware\0{WRITER}".encode(),
    b"<?xml": f"<dc:title>{WRITER}</dc:title>".encode(),
    b"%PDF": f"/Creator ({WRITER})".encode(),
}
END = 1 << 16  # bytes searched at each end of a file; a PDF's metadata precede a table of up to 20 kB


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old content or the new content, never a part of it.

    The content goes to a temporary file in the same folder, is flushed to disk, and replaces `path`. A new file gets
    the permissions that the umask allows; a replaced file keeps its permissions.

    Raises
    ------
    OSError
        The file cannot be written; the old one is unchanged and no temporary file is left.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder, "a.txt"), b"digits")
    ...     Path(folder, "a.txt").read_bytes()
    b'digits'
    """
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        mode = None
    part = path.parent / f".{path.name}.{secrets.token_urlsafe(6)}"  # the pattern that `leftovers` looks for
    handle = os.open(part, NEW_FILE, 0o666 if mode is None else mode)
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None:
                part.chmod(mode)  # including bits that the umask cleared
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def refuse_foreign(path: Path, *, header: bytes = b"", advice: str = "name another file") -> None:
    """Refuse to replace a file that kaggle-mnist did not write.

    Parameters
    ----------
    path : the file about to be written; fine if it does not exist or is empty
    header : the first bytes of our own files of this kind, a CSV's; if empty, our own files are PNG, SVG or PDF
        pictures with `WRITER` in their metadata
    advice : what the user can do about it, the end of the message

    Raises
    ------
    OutputError
        There is something else at `path`, or something that cannot be read.

    Examples
    --------
    >>> refuse_foreign(Path(__file__))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    kaggle_mnist.utils.errors.OutputError: ...files.py: exists and was not written by kaggle-mnist; name another file
    """
    if not os.path.lexists(path):
        return
    try:
        with open_regular(path) as file:
            start = file.read(END)
            if not start and not path.is_symlink():
                return  # nothing to lose, such as a file that mktemp made
            file.seek(max(len(start), os.fstat(file.fileno()).st_size - END))
            content = start + file.read(END)
    except OSError:
        content = b""
    marks = (mark for magic, mark in OUR_MARKS.items() if content.startswith(magic))
    if not (content.startswith(header) if header else any(mark in content for mark in marks)):
        raise OutputError(f"{path}: exists and was not written by kaggle-mnist; {advice}")


def _sync_folder(folder: Path) -> None:
    """Flush the folder's directory entries to disk, on systems that support it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def leftovers(folder: Path, names: Iterable[str]) -> list[Path]:
    """Find the temporary files in `folder` that `write_atomic` left for these names when its process was killed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, ".run.json.x7Yz0q1A").write_bytes(b"half a rec")
    ...     [file.name for file in leftovers(Path(folder), ["run.json"])]
    ['.run.json.x7Yz0q1A']
    """
    found = [path for name in names for path in folder.glob(f".{glob.escape(name)}.*")]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def sha256_of(path: Path) -> str:
    """Compute a file's SHA-256 as 64 hexadecimal digits.

    Raises OSError if it is missing, unreadable, or not a regular file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_bytes(b"abc")
    ...     sha256_of(Path(folder, "a.txt"))
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Write the checksums of the named files in `folder` to its `SHA256SUMS`; other files there are not covered.

    Raises OSError if a file cannot be read, or the list cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder, "a.txt"), b"digits")
    ...     write_sums(Path(folder), ["a.txt"])
    ...     verify_sums(Path(folder))
    ['a.txt']
    """
    sums = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in sorted(names))
    write_atomic(folder / SUMS, sums.encode())


def verify_sums(folder: Path) -> list[str]:
    """Verify every file in the folder's `SHA256SUMS`, and return their names.

    Raises BadRun, naming the file, if one of them or the list itself is missing, damaged or edited.
    """
    sums = read_sums(folder)
    for name in sums:
        verify_file(folder, name, sums)
    return list(sums)


def read_sums(folder: Path) -> dict[str, str]:
    """Read the checksums by file name from the folder's `SHA256SUMS`, without reading the files themselves.

    Raises BadRun if the list is missing or invalid.
    """
    try:
        lines = read_bounded(folder / SUMS, MAX_SUMS).decode("ascii").splitlines()
        sums = {name: expected for expected, name in (line.split("  ", 1) for line in lines)}
    except FileNotFoundError as error:
        raise BadRun(f"{folder / SUMS}: is missing; {REMEDY}") from error
    except (OSError, ValueError) as error:
        raise BadRun(f"{folder / SUMS}: is damaged or was edited; {REMEDY}") from error
    if not sums or any(Path(name).name != name for name in sums):
        raise BadRun(f"{folder / SUMS}: is damaged or was edited; {REMEDY}")
    return sums


def verify_file(folder: Path, name: str, sums: Mapping[str, str]) -> Path:
    """Verify one file of `folder` against the checksums from `read_sums`, and return its path.

    Raises BadRun if the file is missing, not listed, unreadable, or does not match its checksum.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder, "a.txt"), b"digits")
    ...     write_sums(Path(folder), ["a.txt"])
    ...     verify_file(Path(folder), "a.txt", read_sums(Path(folder))).name
    'a.txt'
    """
    file = folder / name
    try:
        if name not in sums:
            raise BadRun(f"{folder / SUMS}: does not list {name}; {REMEDY}")
        if sha256_of(file) != sums[name]:
            raise BadRun(f"{file}: does not match its checksum; {REMEDY}")
    except FileNotFoundError as error:
        raise BadRun(f"{file}: is missing; {REMEDY}") from error
    except (OSError, ValueError) as error:
        raise BadRun(f"{file}: cannot be read ({error})") from error
    return file
