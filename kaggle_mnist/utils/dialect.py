"""How a table of text was saved: its encoding and its separator, as Excel and pandas choose them."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Sequence
from typing import IO, Any

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
UTF_16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
INDEX = re.compile(r"|unnamed: 0|index", re.IGNORECASE)  # what pandas calls the column of its index
ZIP, GZIP = b"PK\x03\x04", b"\x1f\x8b"  # first bytes of a file


def encoding_of(start: bytes) -> str:
    """The encoding of a text by its first bytes: UTF-8 with or without a byte order mark, or UTF-16.

    Examples
    --------
    >>> encoding_of(b"label,pixel0"), encoding_of("label".encode("utf-16"))
    ('utf-8-sig', 'utf-16')
    """
    if start[:2] in UTF_16:
        return "utf-16"
    if re.match(rb"(?:[\x09-\x7e]\0){4}", start):
        return "utf-16-le"
    return "utf-16-be" if re.match(rb"(?:\0[\x09-\x7e]){4}", start) else "utf-8-sig"


def separator_of(line: str) -> str:
    """The commonest of comma, semicolon and tab in a table's first line; a comma if there are none.

    Examples
    --------
    >>> separator_of("ImageId;Label")
    ';'
    """
    return max(SEPARATORS, key=line.count)


def split_line(line: str, separator: str) -> list[str]:
    """The names in a table's first line, without quotes and spaces around them."""
    return [name.strip().strip('"').strip() for name in line.rstrip("\r\n").split(separator)]


def is_blank(row: Sequence[str]) -> bool:
    """Whether a row has no values: Excel keeps the separators of cells that were emptied."""
    return not any(cell.strip() for cell in row)


class AsUtf8(io.RawIOBase):
    r"""A stream of text in another encoding as a stream of UTF-8; what is not valid is replaced.

    Examples
    --------
    >>> io.BufferedReader(AsUtf8(io.BytesIO("0\n".encode("utf-16")), "utf-16")).read()
    b'0\n'
    """

    def __init__(self, stream: IO[bytes], encoding: str):
        self.stream, self.decoder = stream, codecs.getincrementaldecoder(encoding)(errors="replace")
        self.pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.pending and (content := self.stream.read(len(buffer))):
            self.pending = self.decoder.decode(content).encode("utf-8", "replace")
        part, self.pending = self.pending[: len(buffer)], self.pending[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
