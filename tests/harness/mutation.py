"""Hostile inputs made by mutating valid ones: bytes, text, and trees such as JSON's."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from random import Random
from typing import Any, Literal, TypeVar

T = TypeVar("T")

NUMBERS = [
    *("1e400", "-1e400", "nan", "NaN", "Infinity", "-inf", "0x1F", "0b11", "0o17", "1_000", "٣", "１", "²", "1e-400"),
    *("", " 1", "+1", "-0", "-1", "1.0", "0.5", "00", "010", "1e3", "True", "256", "10", "9" * 25, "1" * 5000),
    *("2147483647", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551616"),
    *("1e19", "0x" + "f" * 5000, "1." + "1" * 400, "1e999999999", "-9223372036854775809", "0.1e", "--1", "1,1"),
]
ODD_STRINGS = [
    *("\0", "\n", "\r", "\r\n", "\t", "\x0b", "\x0c", "\x1a", "\x1b[31m", "\x1b]0;x\x07", "\x7f", "\x85", "\u2028"),
    *(
        "\u202e",
        "\u200f",
        "\ufeff",
        "\ud800",
        "\U0001f600",
        "é",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "[red]x[/red]",
    ),
    *(
        '"',
        '""',
        "'",
        "`",
        "\\",
        "\\u0000",
        "%s",
        "{0}",
        "$(x)",
        ",",
        ";",
        "=",
        ":",
        "#",
        "[",
        "]",
        "{",
        "}",
        "[[",
        '"""',
    ),
    *(
        "../../x",
        "/etc/passwd",
        "..",
        ".",
        "/",
        "CON",
        "a" * 300,
        "[" * 90,
        "{" * 90,
        "=cmd|'/c calc'!A0",
        "true",
        "null",
    ),
]
TOKENS = [text.encode("utf-8", "surrogatepass") for text in (*NUMBERS, *ODD_STRINGS)] + [
    b"\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
]
INTEGERS = [0, 1, 2, 3, 7, 8, 9, 16, 27, 28, 29, 64, 127, 128, 255, 256, 784, 785, 32767, 32768, 65535, 65536]
INTEGERS += [2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1]
RUN_OF_DIGITS = re.compile(rb"[0-9]+(\.[0-9]+)?")
LARGEST = 1 << 20  # bytes of an input


def pick(rng: Random, choices: Sequence[T]) -> T:
    """Like `Random.choice`, twice as fast."""
    return choices[int(rng.random() * len(choices))]


def mutated(rng: Random, data: bytes, other: bytes = b"", tokens: Sequence[bytes] = TOKENS) -> bytes:
    """`data` after one to eight changes; `other` is an input to splice from."""
    for _ in range(pick(rng, (1, 1, 1, 2, 2, 4, 8))):
        data = pick(rng, CHANGES)(rng, data, other, tokens)
    return data[:LARGEST]


def _flip(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _set_byte(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _set_integer(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at, size = rng.randrange(len(data) + 1), pick(rng, (1, 2, 4, 8))
    order: Literal["little", "big"] = pick(rng, ("little", "big"))
    if rng.random() < 0.7:
        value = pick(rng, INTEGERS)
    else:
        value = int.from_bytes(data[at : at + size], order) + pick(rng, (-1, 1))
    replacement: bytes = (value % 256**size).to_bytes(size, order)
    return data[:at] + replacement + data[at + size :]


def _insert(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + pick(rng, tokens) + data[at:]


def _overwrite(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at, token = rng.randrange(len(data) + 1), pick(rng, tokens)
    return data[:at] + token + data[at + len(token) :]


def _number(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    found = RUN_OF_DIGITS.search(data, rng.randrange(len(data) + 1))
    if not found:
        return data
    new = pick(rng, NUMBERS).encode() if rng.random() < 0.7 else str(pick(rng, INTEGERS)).encode()
    return data[: found.start()] + new + data[found.end() :]


def _delete(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + pick(rng, (1, 1, 2, 4, 16, 64, 1024)) :]


def _cut(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _repeat(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at, size = rng.randrange(len(data) + 1), pick(rng, (1, 2, 8, 64, 512))
    return data[:at] + data[at : at + size] * pick(rng, (2, 2, 3, 10, 200)) + data[at + size :]


def _splice(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at, start = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    piece = other[start : start + pick(rng, (4, 16, 64, 512, 4096))]
    return data[:at] + piece + data[at + (len(piece) if rng.random() < 0.5 else 0) :]


CHANGES = (_flip, _set_byte, _set_integer, _insert, _overwrite, _number, _number, _delete, _cut, _repeat, _splice)


def mutated_lines(rng: Random, data: bytes, other: bytes, separator: bytes = b",") -> bytes:
    """A table or a list with a changed cell, row or byte."""
    if rng.random() < 0.3:
        return mutated(rng, data, other)
    lines = data.split(b"\n")
    for _ in range(pick(rng, (1, 1, 2, 3))):
        at, kind = rng.randrange(len(lines)), rng.random()
        if kind < 0.6:
            cells = lines[at].split(separator)
            cell = rng.randrange(len(cells))
            cells[cell] = mutated_text(rng, cells[cell])
            lines[at] = separator.join(cells)
        elif kind < 0.7:
            lines[at] = separator.join(sorted(lines[at].split(separator), key=lambda _: rng.random()))
        elif kind < 0.8:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif kind < 0.87 and len(lines) > 1:
            del lines[at]
        elif kind < 0.94:
            lines[at] = separator.join([lines[at]] * pick(rng, (2, 3, 40)))
        else:
            lines.insert(at, pick(rng, (b"", b" ", b"#", b'"', separator * 2000, b"\n" * 1000)))
    return pick(rng, (b"\n", b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\r")).join(lines)[:LARGEST]


def mutated_text(rng: Random, text: bytes) -> bytes:
    """A replacement for the cell, word or value `text`."""
    kind = rng.random()
    if kind < 0.4:
        return pick(rng, NUMBERS).encode()
    if kind < 0.7:
        return pick(rng, TOKENS)
    if kind < 0.8:
        return b'"' + text + b'"'
    return mutated(rng, text)


ODD_JSON = [
    *("null", "true", "-1", "0", "1", "[]", "{}", '""', '"x"', "1e999", "-0.0", "0.5", "[[[]]]"),
    *("[1,2,3]", '{"a":1}'),
]
ODD_JSON += [number for number in NUMBERS if number not in ("", "1,1")] + [json.dumps(text) for text in ODD_STRINGS]
ODD_JSON += [
    *("[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300, '"' + "x" * 5000 + '"', '"\\ud800"'),
    *('"\\x"', "1" * 5000),
]


def mutated_json(rng: Random, data: bytes, other: bytes) -> bytes:
    """JSON with changed nodes, keys or bytes; input that is not valid JSON is mutated as bytes."""
    if rng.random() < 0.2:
        return mutated(rng, data, other)
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return mutated(rng, data, other)
    raw: list[str] = []
    for _ in range(pick(rng, (1, 1, 1, 2, 3))):
        tree = _changed_node(rng, tree, raw)
    text = json.dumps(tree)
    for number, piece in enumerate(raw):
        text = text.replace(f'"@raw{number}@"', piece)
    return text.encode("utf-8", "surrogatepass")[:LARGEST]


def _changed_node(rng: Random, node: Any, raw: list[str]) -> Any:
    """`node` with one change in it or below it; invalid JSON goes to `raw`, and a placeholder into the tree."""
    if node and isinstance(node, dict | list) and rng.random() < 0.85:
        key = pick(rng, list(node) if isinstance(node, dict) else range(len(node)))
        kind = rng.random()
        if kind < 0.8:
            node[key] = _changed_node(rng, node[key], raw)
        elif kind < 0.9:
            del node[key]
        elif isinstance(node, dict):
            name = (
                pick(rng, ODD_STRINGS)
                if rng.random() < 0.5
                else pick(rng, ("self", "cls", "format", "__class__", "base", key))
            )
            node[name] = node.pop(key) if rng.random() < 0.5 else node[key]
        else:
            node[key:key] = [node[key]] * pick(rng, (1, 2, 1000))
        return node
    if isinstance(node, str) and rng.random() < 0.3:
        return mutated(rng, node.encode("utf-8", "surrogatepass")).decode("latin-1")
    if rng.random() < 0.1:
        return [node] if rng.random() < 0.5 else {"a": node}
    raw.append(pick(rng, ODD_JSON))
    return f"@raw{len(raw) - 1}@"
