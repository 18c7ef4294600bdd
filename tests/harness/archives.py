"""Hostile zip, `.npz`, IDX and safetensors files: structurally plausible, with changed contents and claims."""

from __future__ import annotations

import ast
import bz2
import io
import lzma
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.harness.mutation import INTEGERS, ODD_STRINGS, mutated, mutated_json, mutated_lines, pick

STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
Mutator = Callable[[Random, bytes, bytes], bytes]


class Payload:
    """Unpickling it would run a program, which the watch reports."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


PICKLES = [pickle.dumps(Payload(), protocol) for protocol in (0, 2, 4, 5)]


@dataclass(frozen=True)
class Member:
    """A member of a zip file. Fields that are None are written truthfully."""

    name: bytes
    content: bytes
    method: int = DEFLATED
    flags: int = 0
    declared_method: int | None = None
    declared_size: int | None = None
    declared_packed: int | None = None
    declared_crc: int | None = None
    local_name: bytes | None = None
    extra: bytes = b""
    offset: int = 0  # added to its true position

    def packed(self) -> bytes:
        """The content, compressed with `method`."""
        if self.method == DEFLATED:
            packer = zlib.compressobj(1, zlib.DEFLATED, -15)
            return packer.compress(self.content) + packer.flush()
        if self.method == BZIP2:
            return bz2.compress(self.content, 1)
        if self.method == LZMA:
            filters = [{"id": lzma.FILTER_LZMA1, "preset": 0}]
            body = lzma.compress(self.content, lzma.FORMAT_RAW, filters=filters)
            return struct.pack("<BBHBI", 9, 4, 5, 0x5D, 1 << 18) + body
        return self.content


def zip_bytes(members: list[Member], count: int | None = None, comment: bytes = b"") -> bytes:
    """A zip file whose directory has the declared values of its members; `count` overrides their number."""
    out, directory = io.BytesIO(), io.BytesIO()
    for member in members:
        packed, at = member.packed(), out.tell()
        method = member.method if member.declared_method is None else member.declared_method
        crc = zlib.crc32(member.content) if member.declared_crc is None else member.declared_crc
        size = len(member.content) if member.declared_size is None else member.declared_size
        packed_size = len(packed) if member.declared_packed is None else member.declared_packed
        extra = member.extra
        if max(size, packed_size) >= 2**32:
            extra = struct.pack("<HHQQ", 1, 16, size % 2**64, packed_size % 2**64) + extra
            size = packed_size = 2**32 - 1
        shared = struct.pack("<HHHHIII", 20, member.flags, method, 0, crc % 2**32, packed_size, size)
        local = member.name if member.local_name is None else member.local_name
        out.write(b"PK\3\4" + shared[:6] + shared[6:8] + b"\0\0" + shared[8:] + struct.pack("<HH", len(local), 0))
        out.write(local + packed)
        start = (at + member.offset) % 2**32
        directory.write(b"PK\1\2" + struct.pack("<H", 20) + shared[:6] + shared[6:8] + b"\0\0" + shared[8:])
        directory.write(struct.pack("<HHHHHII", len(member.name), len(extra), 0, 0, 0, 0, start) + member.name + extra)
    at, content = out.tell(), directory.getvalue()
    n = len(members) if count is None else count
    end = struct.pack("<HHHHIIH", 0, 0, n % 65536, n % 65536, len(content), at, len(comment))
    return out.getvalue() + content + b"PK\5\6" + end + comment


def members_of(data: bytes) -> list[Member] | None:
    """The members of a zip file; None if it cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [
                Member(info.filename.encode("utf-8", "replace"), archive.open(info).read(1 << 20), info.compress_type)
                for info in archive.infolist()[:20]
            ]
    except Exception:  # zipfile raises many kinds
        return None


def forged(rng: Random, member: Member) -> Member:
    """A member with false declarations or an odd name."""
    number = pick(rng, (*INTEGERS, len(member.content) - 1, len(member.content) + 1))
    name = pick(rng, (b"../", b"/", b"a/b/", b"C:\\", b"", b"\\\\x\\")) + member.name
    odd = member.name + pick(rng, ODD_STRINGS).encode("utf-8", "surrogatepass")
    changes: list[dict[str, object]] = [
        {"declared_size": number},
        {"declared_packed": number},
        {"declared_crc": number},
        {"method": pick(rng, (STORED, DEFLATED, BZIP2, LZMA))},
        {"declared_method": pick(rng, (0, 1, 6, 8, 9, 12, 14, 93, 95, 99, 65535))},
        {"flags": pick(rng, (1, 8, 0x20, 0x40, 0x800, 0x2000, 0xFFFF))},
        {"local_name": pick(rng, (b"", b"\xff", odd, name))},
        {"local_name": b"\xff\xfe", "flags": 0x800},
        {
            "extra": pick(
                rng,
                (
                    b"\1",
                    b"\1\0\0\0",
                    b"\1\0\x08\0",
                    b"\1\0\xff\xff",
                    b"\1\0\x04\0abcd",
                    mutated(rng, b"\1\0\x10\0" * 4),
                ),
            )
        },
        {"offset": pick(rng, (-1, 1, 30, 2**31, 2**32 - 1))},
        {"name": name},
        {"name": odd},
        {"name": b"\xff" + member.name, "flags": 0x800},
    ]
    return replace(member, **pick(rng, changes))  # type: ignore[arg-type]


def mutated_zip(rng: Random, data: bytes, other: bytes, content: Mutator = mutated_lines) -> bytes:
    """A zip file with changed member contents, declarations or bytes; `content` mutates a member's content."""
    members = members_of(data)
    if not members or rng.random() < 0.1:
        return mutated(rng, data, other)
    for _ in range(pick(rng, (1, 1, 2, 3))):
        at, kind = rng.randrange(len(members)), rng.random()
        if kind < 0.5:
            changed = content(rng, members[at].content, members[rng.randrange(len(members))].content)
            members[at] = replace(members[at], content=changed)
        elif kind < 0.85:
            members[at] = forged(rng, members[at])
        elif kind < 0.9:
            members.insert(at, replace(members[at], content=mutated(rng, members[at].content)))
        elif kind < 0.95:
            members[at] = replace(members[at], content=pick(rng, PICKLES))
        elif len(members) > 1:
            del members[at]
    made = zip_bytes(members, pick(rng, (None, None, None, 0, 65535)), pick(rng, (b"", b"", b"x", b"PK\5\6")))
    return mutated(rng, made, other) if rng.random() < 0.1 else made


SHAPES = ["()", "(0,)", "(-1,)", "(6, 10)", "(2, 10)", "(10, 6)", "(6,)", "(2**3,)", "(6.0, 10)", "(True,)", "(1,)*3"]
SHAPES += ["(2147483648, 2147483648)", "(1000000000, 10)", "(9223372036854775808,)", "[6, 10]", "6", "None", "'6'"]
KINDS = [
    *("'<f4'", "'>f4'", "'<f8'", "'|O'", "'<i8'", "'>i8'", "'|u1'", "'<U1000000'", "'|V8'", "'<M8[s]'"),
    *("'<c8'", "''"),
]
KINDS += [
    *("[('a', '<f4')]", "[('a', '|O')]", "('<f4', (2,))", "{}", "None", "'f4,f4'", "'|S0'", "'<f2'"),
    *("'?'", "'<m8[25s]'"),
]
HEADERS = [
    *("{", "{}", "[]", "1", "{'a': 1}", "{[]: 1}", "'" * 3, "(" * 200, "-" * 5000, "{'descr'", "\\"),
    *("1" * 5000, "L" * 9, "1L"),
]


def mutated_npy(rng: Random, data: bytes, other: bytes) -> bytes:
    """A `.npy` file with another header, of valid length, or other values."""
    size = int.from_bytes(data[8:10], "little")
    head, values, kind = data[10 : 10 + size].decode("latin-1"), data[10 + size :], rng.random()
    if not data.startswith(b"\x93NUMPY") or kind < 0.1:
        return mutated(rng, data, other)
    if kind < 0.3:
        return data[: 10 + size] + mutated(rng, values, other)
    try:
        header = ast.literal_eval(head)
        shape, descr, order = repr(header["shape"]), repr(header["descr"]), repr(header["fortran_order"])
    except Exception:
        return mutated(rng, data, other)
    if kind < 0.7:
        shape = pick(rng, SHAPES) if rng.random() < 0.5 else shape
        descr = pick(rng, KINDS) if rng.random() < 0.5 else descr
        order = pick(rng, ("True", "False", "1", "None", "'x'")) if rng.random() < 0.2 else order
        head = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    elif kind < 0.85:
        head = pick(rng, HEADERS)
    else:
        head = mutated(rng, head.encode("latin-1")).decode("latin-1")
    if rng.random() < 0.1:
        head += " " * pick(rng, (10_000, 60_000))
    version = pick(rng, (b"\1\0", b"\1\0", b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\0\0", b"\xff\xff"))
    packed = head.encode("latin-1", "replace") + b"\n"
    length = (
        len(packed).to_bytes(4 if version in (b"\2\0", b"\3\0") else 2, "little")
        if len(packed) < 65536
        else b"\xff\xff"
    )
    return b"\x93NUMPY" + version + length + packed + values


def mutated_npz(rng: Random, data: bytes, other: bytes) -> bytes:
    """A `.npz` file with mutated arrays or zip structure, or a pickle in its place."""
    return pick(rng, PICKLES) if rng.random() < 0.005 else mutated_zip(rng, data, other, mutated_npy)


def mutated_safetensors(rng: Random, data: bytes, other: bytes) -> bytes:
    """A safetensors file with a changed header, a false header length, or other values."""
    size, kind = int.from_bytes(data[:8], "little"), rng.random()
    header, values = data[8 : 8 + size], data[8 + size :]
    if kind < 0.1:
        return pick(rng, PICKLES) if kind < 0.005 else mutated(rng, data, other)
    if kind < 0.2:
        return pick(rng, INTEGERS).to_bytes(8, "little") + header + values
    if kind < 0.3:
        return data[: 8 + size] + mutated(rng, values, other)
    if kind < 0.5:
        names = [
            b"F64",
            b"F16",
            b"BF16",
            b"I64",
            b"U8",
            b"BOOL",
            b"F8_E4M3",
            b"F8_E5M2",
            b"C64",
            b"F4",
            b"I32",
            b"X",
            b"F8_E8M0",
            b"U64",
        ]
        header = header.replace(b"F32", pick(rng, names), pick(rng, (1, -1)))
        if rng.random() < 0.5:  # of the same shape, so with other offsets
            values = values * 2
    else:
        header = mutated_json(rng, header, other)
    return len(header).to_bytes(8, "little") + header + values


def mutated_idx(rng: Random, data: bytes, other: bytes) -> bytes:
    """An IDX file, compressed or not, with another header, other values, or damaged compression."""
    kind = rng.random()
    if not data.startswith(b"\x1f\x8b") or kind < 0.15:
        return mutated(rng, data, other)
    try:
        content = zlib.decompressobj(31).decompress(data, 1 << 20)
    except zlib.error:
        return mutated(rng, data, other)
    if kind < 0.6:
        rank = content[3] if len(content) > 3 else 0
        head = content[: 4 + 4 * rank]
        content = mutated(rng, head, other) + content[len(head) :]
    else:
        content = mutated(rng, content, other)
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush() if rng.random() < 0.9 else content


def npy_bytes(array: NDArray[Any]) -> bytes:
    """The array as a `.npy` file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue()
