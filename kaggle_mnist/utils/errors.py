"""What can be wrong with what a user gives us. Each message is one line: what, where, and what to do."""

from __future__ import annotations

LONGEST = 1000  # signs of a message


class UserError(Exception):
    """Something that the user can put right. The command line prints the message and exits with status 2."""

    def __init__(self, message: str):
        super().__init__(shortened(one_line(message)))


class DataNotFound(UserError):
    """No data set where one was named, or only half of one."""


class AmbiguousData(UserError):
    """Two different data sets where one was expected."""


class BadData(UserError):
    """A file of a data set cannot be used as it is."""


class BadRecipe(UserError):
    """An unknown recipe, or a field or value that a recipe cannot have."""


class BadFolds(UserError):
    """The labels cannot be split into that many folds."""


class BadRun(UserError):
    """A run that does not exist, did not finish, or was changed since."""


class BadOption(UserError):
    """An option whose value cannot be used on this machine."""


class OutputError(UserError):
    """A place that cannot be written to."""


class MissingPackage(UserError):
    """A package that only one command needs, and that is not installed."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while a run was at work; the message says what was kept."""


class NotEnoughMemory(UserError):
    """A training that cannot fit into the memory at hand."""


class Diverged(UserError):
    """Training left the finite numbers."""


class KaggleRefused(UserError):
    """Something that Kaggle would not do, could not be asked for, or has not done yet."""


def shortened(text: str, most: int = LONGEST) -> str:
    """`text` without its middle where it is longer than a person would read."""
    return text if len(text) <= most else f"{text[: most * 2 // 3]} … {text[-(most // 3 - 3) :]}"


def one_line(text: str) -> str:
    """`text` with every character that could break the line or drive the terminal escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
