"""Hostile images: PNG with valid checksums, JPEG segment by segment, other formats byte by byte."""

from __future__ import annotations

import struct
import zlib
from random import Random

from tests.harness.mutation import INTEGERS, LARGEST, mutated, pick

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KINDS = [
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"tRNS", b"gAMA", b"cHRM"),
    *(b"sRGB", b"pHYs"),
]
KINDS += [b"eXIf", b"acTL", b"fcTL", b"fdAT", b"sBIT", b"bKGD", b"abcd", b"\0\0\0\0", b"CgBI", b"tIME"]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def mutated_picture(rng: Random, data: bytes, other: bytes) -> bytes:
    """An image file with changed chunks, segments or bytes."""
    if rng.random() < 0.15:
        return mutated(rng, data, other)
    if data.startswith(SIGNATURE):
        return _mutated_png(rng, data, other)
    if data.startswith(b"\xff\xd8"):
        return _mutated_jpeg(rng, data, other)
    return mutated(rng, data, other)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    at = len(SIGNATURE)
    while at + 8 <= len(data) and len(found) < 100:
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _mutated_png(rng: Random, data: bytes, other: bytes) -> bytes:
    chunks = _chunks(data)
    if not chunks:
        return mutated(rng, data, other)
    for _ in range(pick(rng, (1, 1, 2, 3))):
        at, change = rng.randrange(len(chunks)), rng.random()
        kind, content = chunks[at]
        if kind == b"IDAT" and change < 0.6:
            chunks[at] = (kind, _repacked(rng, content))
        elif kind == b"IHDR" and len(content) == 13 and change < 0.8:
            chunks[at] = (kind, _changed_header(rng, content))
        elif change < 0.6:
            chunks[at] = (kind, mutated(rng, content, other))
        elif change < 0.8:
            text = pick(
                rng, (b"", b"x\0", b"x\0\0" + zlib.compress(bytes(3 << 20), 1), b"x\0\1\0\0\0" + zlib.compress(b"y"))
            )
            chunks.insert(at, (pick(rng, KINDS), text if rng.random() < 0.5 else mutated(rng, content, other)))
        elif change < 0.9:
            chunks.insert(rng.randrange(len(chunks)), chunks.pop(at))
        elif len(chunks) > 1:
            del chunks[at]
    made = SIGNATURE + b"".join(chunk(kind, content) for kind, content in chunks)
    return made[:LARGEST]


def _repacked(rng: Random, content: bytes) -> bytes:
    try:
        rows = zlib.decompressobj().decompress(content, 1 << 20)
    except zlib.error:
        rows = b""
    return zlib.compress(mutated(rng, rows), 1)


def _changed_header(rng: Random, content: bytes) -> bytes:
    fields = list(struct.unpack(">IIBBBBB", content))
    for _ in range(pick(rng, (1, 2))):
        at = rng.randrange(7)
        fields[at] = pick(rng, INTEGERS) % 2**32 if at < 2 else pick(rng, (0, 1, 2, 3, 4, 6, 8, 16, 255))
    return struct.pack(">IIBBBBB", *fields)


def _mutated_jpeg(rng: Random, data: bytes, other: bytes) -> bytes:
    """Change the segments before the image data one by one, with valid lengths."""
    segments: list[tuple[int, bytes]] = []
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA and len(segments) < 100:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append((data[at + 1], data[at + 4 : at + 2 + size]))
        at += 2 + size
    scan = data[at:]
    if not segments:
        return mutated(rng, data, other)
    for _ in range(pick(rng, (1, 1, 2, 3))):
        number, change = rng.randrange(len(segments)), rng.random()
        marker, content = segments[number]
        if change < 0.15:
            scan = mutated(rng, scan, other)
        elif 0xC0 <= marker <= 0xC2 and len(content) > 5 and change < 0.8:
            height, width = (pick(rng, INTEGERS) % 65536 if rng.random() < 0.5 else 28 for _ in range(2))
            segments[number] = (marker, content[:1] + struct.pack(">HH", height, width) + mutated(rng, content[5:]))
        elif change < 0.6:
            segments[number] = (marker, mutated(rng, content, other))
        elif change < 0.7:
            segments[number] = (
                pick(rng, (0xC0, 0xC2, 0xC3, 0xC4, 0xC9, 0xDB, 0xDD, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE)),
                content,
            )
        elif change < 0.85:
            made = pick(
                rng,
                (
                    b"Exif\0\0",
                    b"Exif\0\0MM\0*\0\0\0\x08",
                    b"MPF\0II*\0",
                    b"ICC_PROFILE\0\1\1",
                    b"Adobe\0d\0\0\0\0\2",
                    b"Photoshop 3.0\x008BIM",
                ),
            )
            segments.insert(number, (pick(rng, (0xE0, 0xE1, 0xE2, 0xED, 0xEE)), made + mutated(rng, content, other)))
        elif len(segments) > 1:
            del segments[number]
    parts = (b"\xff" + bytes([marker]) + struct.pack(">H", (len(c) + 2) % 65536) + c for marker, c in segments)
    return (b"\xff\xd8" + b"".join(parts) + scan)[:LARGEST]
