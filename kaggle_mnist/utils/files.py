"""Files written whole or not at all, and their checksums."""

from __future__ import annotations

import glob
import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from kaggle_mnist.utils.errors import BadRun, OutputError
from kaggle_mnist.utils.reading import open_regular, read_bounded

MAX_SUMS = 1 << 16  # bytes; a run's has under 1,000
SUMS = "SHA256SUMS"  # of a folder's files, as `sha256sum` writes and checks them
NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

WRITER = "kaggle-mnist"  # in the metadata of every picture that we write
OURS = {  # how a picture begins, and what it has near one of its ends if we wrote it
    b"\x89PNG": f"tEXtSoftware\0{WRITER}".encode(),
    b"<?xml": f"<dc:title>{WRITER}</dc:title>".encode(),
    b"%PDF": f"/Creator ({WRITER})".encode(),
}
END = 1 << 16  # bytes at either end of a file; a PDF's metadata stand before a table of up to 20 kB


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` beside `path`, then rename: readers see the old file or the new one, never a part.

    When it returns, the content is on the disk, whatever becomes of the machine. A new file has the permissions that
    the umask leaves it; one that is replaced keeps its own.
    """
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        mode = None
    part = path.parent / f".{path.name}.{secrets.token_urlsafe(6)}"  # as `leftovers` looks for it
    handle = os.open(part, NEW_FILE, 0o666 if mode is None else mode)
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None:
                part.chmod(mode)  # with the bits that the umask took
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def refuse_foreign(path: Path, *, header: bytes = b"", advice: str = "name another file") -> None:
    """Raise OutputError where there is something at `path` that we did not write, so that nobody's file is replaced.

    Ours is a CSV that begins with `header`; without one, a picture that names us in its metadata.
    """
    if not os.path.lexists(path):
        return
    try:
        with open_regular(path) as file:
            start = file.read(END)
            file.seek(max(len(start), os.fstat(file.fileno()).st_size - END))
            content = start + file.read(END)
    except OSError:
        content = b""
    marks = (mark for begin, mark in OURS.items() if content.startswith(begin))
    if not (content.startswith(header) if header else any(mark in content for mark in marks)):
        raise OutputError(f"{path}: exists and was not written by kaggle-mnist; {advice}")


def _sync_folder(folder: Path) -> None:
    """Have the names in `folder` on the disk too, where the system can be asked for it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def leftovers(folder: Path, names: Iterable[str]) -> list[Path]:
    """What `write_whole` left half written in `folder` for these names when its process was killed."""
    found = [path for name in names for path in folder.glob(f".{glob.escape(name)}.*")]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Write the checksums of these files of `folder`; whatever else lies there is not vouched for."""
    sums = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in sorted(names))
    write_whole(folder / SUMS, sums.encode())


def checked_sums(folder: Path) -> list[str]:
    """The files that the folder's checksums list, once each has the one that it was written with.

    Raises BadRun, naming the file, where one is missing, damaged or edited, or the list itself is.
    """
    sums = listed_sums(folder)
    for name in sums:
        check_sum(folder, name, sums)
    return list(sums)


def listed_sums(folder: Path) -> dict[str, str]:
    """The checksums by file name; no file is read but the list. Raises BadRun where it is missing or is none."""
    try:
        lines = read_bounded(folder / SUMS, MAX_SUMS).decode("ascii").splitlines()
        sums = {name: expected for expected, name in (line.split("  ", 1) for line in lines)}
    except FileNotFoundError as error:
        raise BadRun(f"{folder / SUMS}: is missing; the run did not finish or was taken apart") from error
    except (OSError, ValueError) as error:
        raise BadRun(f"{folder / SUMS}: is not as the run wrote it; the run cannot be trusted any more") from error
    if not sums or any(Path(name).name != name for name in sums):
        raise BadRun(f"{folder / SUMS}: is not as the run wrote it; the run cannot be trusted any more")
    return sums


def check_sum(folder: Path, name: str, sums: Mapping[str, str]) -> Path:
    """The path of a file of `folder`, once it has its checksum. Raises BadRun."""
    file = folder / name
    try:
        if name not in sums:
            raise BadRun(f"{folder / SUMS}: does not list {name}; the run cannot be trusted any more")
        if sha256_of(file) != sums[name]:
            raise BadRun(f"{file}: is not as the run wrote it; the run cannot be trusted any more")
    except FileNotFoundError as error:
        raise BadRun(f"{file}: is missing; the run did not finish or was taken apart") from error
    except (OSError, ValueError) as error:
        raise BadRun(f"{file}: cannot be read ({error})") from error
    return file
