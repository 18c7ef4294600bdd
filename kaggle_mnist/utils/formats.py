"""Files in forms that are not read: what they are, by their first bytes, and what to do with them."""

from __future__ import annotations

import re
from typing import NamedTuple

from kaggle_mnist.utils.dialect import GZIP, ZIP
from kaggle_mnist.utils.errors import BadData

START = 1 << 10  # bytes that tell what a file is
EXTRACT, SAVE = "extract it", "save it as CSV"
WEB_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype html|html)\b", re.IGNORECASE | re.DOTALL
)
TAR = b"ustar"  # at byte 257
WORKBOOK, DOCUMENT = b"xl/workbook.xml", b"opendocument"  # parts of zips


class Form(NamedTuple):
    """What a file is, in words that follow "is", and what to do about it."""

    what: str
    advice: str


SIGNATURES = {
    b"\xfd7zXZ\0": Form("compressed by xz", EXTRACT),
    b"BZh": Form("compressed by bzip2", EXTRACT),
    b"\x28\xb5\x2f\xfd": Form("compressed by Zstandard", EXTRACT),
    b"7z\xbc\xaf\x27\x1c": Form("a 7z archive", EXTRACT),
    b"Rar!": Form("a RAR archive", EXTRACT),
    b"\xd0\xcf\x11\xe0": Form("an Excel workbook", SAVE),
    b"PAR1": Form("a Parquet file", SAVE),
    b"\x93NUMPY": Form("a NumPy array", SAVE),
    b"\x89HDF": Form("an HDF5 file", SAVE),
    b"version https://git-lfs.": Form("only a pointer of Git LFS", "get the file itself with: git lfs pull"),
}


def form_of(start: bytes) -> Form | None:
    r"""What a file is instead of a text of its own, a zip or gzipped, by its first bytes; None if that is not known.

    Examples
    --------
    >>> form_of(b"\xfd7zXZ\0\0").what, form_of(b"<html>").what, form_of(b"label,pixel0")
    ('compressed by xz', 'a web page', None)
    """
    if WEB_PAGE.match(start[:START]):
        return Form("a web page", "download it again, signed in if it asks for that")
    if start[257:262] == TAR:
        return Form("a tar archive", EXTRACT)
    return next((form for first, form in SIGNATURES.items() if start.startswith(first)), None)


def require_csv(file: object, content: bytes, *, then: str = "") -> None:
    r"""Raise BadData if a file is known to be no CSV; `then` is what to do with one that was extracted.

    Examples
    --------
    >>> require_csv("train.csv", b"label,pixel0")
    >>> require_csv("train.csv", b"PK\3\4... xl/workbook.xml")
    Traceback (most recent call last):
    kaggle_mnist.utils.errors.BadData: train.csv: is an Excel workbook, not a CSV; save it as CSV
    """
    if form := _packed_form(content) or form_of(content):
        advice = f"{form.advice}{then}" if form.advice == EXTRACT else form.advice
        raise BadData(f"{file}: is {form.what}, not a CSV; {advice}")


def _packed_form(content: bytes) -> Form | None:
    """What a file is that is a zip or gzipped, by its content; None for any other."""
    if not content.startswith((ZIP, GZIP)):
        return None
    if WORKBOOK in content:
        return Form("an Excel workbook", SAVE)
    if DOCUMENT in content:
        return Form("an OpenDocument spreadsheet", SAVE)
    return Form("a zip" if content.startswith(ZIP) else "gzipped", EXTRACT)
