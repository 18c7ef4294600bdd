from __future__ import annotations

import pytest

from kaggle_mnist.utils import errors
from kaggle_mnist.utils.errors import BadRun, Interrupted, UserError, one_line, shortened


def test_a_message_is_one_line_whatever_names_it_contains() -> None:
    assert str(UserError("a\nb\x1b[31m\u202ec")) == "a\\nb\\x1b[31m\\u202ec"


def test_a_long_message_keeps_its_start_and_its_end() -> None:
    message = str(BadRun("starts here " + "x" * 100_000 + " ends here"))
    assert len(message) <= errors.MAX_LENGTH
    assert message.startswith("starts here")
    assert message.endswith("ends here")


@pytest.mark.parametrize("length", [0, 59, 60, 61, 1000])
def test_only_a_text_over_the_limit_is_shortened(length: int) -> None:
    text = "0123456789" * 100
    short = shortened(text[:length], 60)
    assert len(short) <= 60
    assert (short == text[:length]) == (length <= 60)


@pytest.mark.parametrize("text", ["train.csv, row 7", "ünï ✓ 手", ""])
def test_printable_text_is_not_escaped(text: str) -> None:
    assert one_line(text) == text


@pytest.mark.parametrize("character", ["\r", "\t", "\0", "\x7f", "\u2028", "\udcff"])
def test_a_control_character_is_escaped(character: str) -> None:
    escaped = one_line(f"a{character}b")
    assert escaped.isprintable()
    assert escaped.startswith("a\\")


def test_an_interruption_is_not_caught_as_an_error() -> None:
    with pytest.raises(KeyboardInterrupt):
        try:
            raise Interrupted("interrupted; nothing was saved")
        except Exception:
            pytest.fail("a handler for errors caught Ctrl-C")
