"""Errors that the user can fix. Each message is one line: what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path

MAX_LENGTH = 1000  # characters in a message

PLAIN_WORDS = {  # for pydantic's names of types
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "tuple": "a list, such as [512, 256]",
    "dictionary": "a table, such as {grid = 7}",
}


class UserError(Exception):
    r"""An error that the user can fix. The command line prints the message and exits with status 2.

    Control characters in the message are escaped, and a long message loses its middle.

    Attributes
    ----------
    run : the folder of the new run that the error ended, which is gone if nothing was kept; None without one

    Examples
    --------
    >>> str(UserError("a\nb.csv: is empty"))
    'a\\nb.csv: is empty'
    """

    run: Path | None = None

    def __init__(self, message: str):
        super().__init__(shortened(one_line(message)))


class DataNotFound(UserError):
    """There is no data set at the given place, or only half of one."""


class AmbiguousData(UserError):
    """There are two different data sets where one is expected."""


class BadData(UserError):
    """A data file is invalid."""


class BadRecipe(UserError):
    """A recipe is unknown, or has an invalid field or value."""


class BadFolds(UserError):
    """The labels cannot be split into the requested number of folds."""


class BadRun(UserError):
    """A run does not exist, is unfinished, or has been changed."""


class BadOption(UserError):
    """An option has a value that this machine does not support."""


class OutputError(UserError):
    """A file or folder cannot be written."""


class MissingPackage(UserError):
    """An optional package that a command needs is not installed."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; the message says what was saved. `run` is as in `UserError`."""

    run: Path | None = None


class ClusterError(UserError):
    """A cluster cannot be reached or used, or was lost."""


class NotEnoughMemory(UserError):
    """Training does not fit into the available memory."""


class Diverged(UserError):
    """Training produced NaN or infinite values."""


class KaggleRefused(UserError):
    """Kaggle refused a request, could not be reached, or has not finished yet."""


def shortened(text: str, most: int = MAX_LENGTH) -> str:
    """Cut the middle out of a text of more than `most` characters.

    Examples
    --------
    >>> shortened("0123456789" * 3, 12)
    '01234567 … 9'
    """
    return text if len(text) <= most else f"{text[: most * 2 // 3]} … {text[-(most // 3 - 3) :]}"


def in_plain_words(message: str) -> str:
    """What pydantic says of an invalid value, as a user of TOML would say it.

    Examples
    --------
    >>> in_plain_words("Input should be a valid integer, unable to parse string as an integer")
    'must be a whole number'
    """
    words = message.removeprefix("Value error, ").replace("Input should be", "must be")
    for theirs, ours in PLAIN_WORDS.items():
        if words.startswith(f"must be a valid {theirs}"):
            return f"must be {ours}"
    return words


def one_line(text: str) -> str:
    r"""Escape every character that could break the line or control the terminal.

    Examples
    --------
    >>> one_line("digit\n7\x1b[31m") == r"digit\n7\x1b[31m"
    True
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
