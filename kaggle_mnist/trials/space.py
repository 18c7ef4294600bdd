"""The space of a search: which fields of a recipe vary, and between which values.

learning_rate=1e-3..1e-2:log            a range, here logarithmic
rotation=0..15                          whole numbers for a field of whole numbers
hidden=[[512, 256], [1024, 512]]        choices
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe, did_you_mean, format_value, parse_setting
from kaggle_mnist.utils.errors import BadRecipe
from kaggle_mnist.utils.reading import read_bounded

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
RANGE = re.compile(rf"\s*({NUMBER})\s*\.\.\s*({NUMBER})\s*(:\s*log)?\s*")
WORDS = re.compile(r"\[([\w. -]+(?:,[\w. -]+)+)\]")  # choices without quotes
MAX_BYTES = 1 << 14  # of a TOML file
NOT_SEARCHED = ("name", "vary")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `whole` ones only for a field of whole numbers."""

    field: str
    low: float
    high: float
    log: bool
    whole: bool

    def __str__(self) -> str:
        return f"{self.field}={_short(self.low)}..{_short(self.high)}{':log' if self.log else ''}"

    @property
    def tried(self) -> tuple[float, ...]:
        """The values that must be valid: the bounds."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    @property
    def size(self) -> float:
        """The number of different values."""
        return self.high - self.low + 1 if self.whole else math.inf

    @property
    def distribution(self) -> BaseDistribution:
        """The same as Optuna's distribution."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def parameter(self, value: Any) -> Any:
        """Optuna's parameter for a field's value; None if the value is not in the range."""
        return value if isinstance(value, (int, float)) and self.low <= value <= self.high else None

    def value(self, parameter: Any) -> Any:
        """The field's value for one of Optuna's parameters."""
        return parameter


@dataclass(frozen=True)
class Choices:
    """Different values for a field, as the recipe holds them."""

    field: str
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.field}={format_choices(self.values)}"

    @property
    def tried(self) -> tuple[Any, ...]:
        """The values that must be valid: all."""
        return self.values

    @property
    def size(self) -> float:
        """The number of different values."""
        return len(self.values)

    @property
    def distribution(self) -> BaseDistribution:
        """The same as Optuna's distribution, whose choices are texts."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution([format_value(value) for value in self.values])

    def parameter(self, value: Any) -> Any:
        """Optuna's parameter for a field's value; None if the value is not among the choices."""
        return format_value(value) if value in self.values else None

    def value(self, parameter: Any) -> Any:
        """The field's value for one of Optuna's parameters."""
        return next(value for value in self.values if format_value(value) == parameter)


@dataclass(frozen=True)
class Space:
    """The fields that a search varies, each in its own dimension, and the recipe that it starts from.

    >>> space = Space.of(find_recipe("fast"), ["rotation=0..15", "hidden=[[300], [512, 256]]"])
    >>> space.recipe_of({"rotation": 7.5, "hidden": "[300]"}).hidden
    (300,)
    """

    start: Recipe
    dimensions: tuple[Range | Choices, ...]

    @classmethod
    def of(cls, start: Recipe, texts: Iterable[str]) -> Space:
        """The space of these dimensions, as ``FIELD=LOW..HIGH``, ``FIELD=LOW..HIGH:log`` or ``FIELD=[…, …]``.

        Raises BadRecipe for a dimension that cannot be read, and for a field or value that the recipe does not take,
        whatever the other dimensions choose.
        """
        dimensions = [_parse(text, start) for text in texts]
        fields = [dimension.field for dimension in dimensions]
        if twice := {field for field in fields if fields.count(field) > 1}:
            raise BadRecipe(f"{min(twice)}: is given twice; name each field once")
        for dimension in dimensions:
            _check(dimension, dimensions, start)
        return cls(start, tuple(dimensions))

    @property
    def texts(self) -> tuple[str, ...]:
        """The dimensions in the form that `of` reads."""
        return tuple(map(str, self.dimensions))

    @property
    def size(self) -> float:
        """The number of different recipes; infinite with a range of real numbers."""
        return math.prod(dimension.size for dimension in self.dimensions)

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions by field."""
        return {dimension.field: dimension.distribution for dimension in self.dimensions}

    @property
    def start_parameters(self) -> dict[str, Any] | None:
        """Optuna's parameters for the recipe that the search starts from; None if it is outside the space."""
        found = {d.field: d.parameter(getattr(self.start, d.field)) for d in self.dimensions}
        return None if None in found.values() else found

    def recipe_of(self, parameters: Mapping[str, Any]) -> Recipe:
        """The recipe for Optuna's parameters; fields without effect beside them get their defaults.

        Raises BadRecipe if the values do not fit together.
        """
        values = {d.field: d.value(parameters[d.field]) for d in self.dimensions}
        return self.start.replaced(**{**values, **_idle(self.start, values)})


def _parse(text: str, start: Recipe) -> Range | Choices:
    field, equals, written = (part.strip() for part in text.partition("="))
    if not equals or not written:
        raise BadRecipe(f"{text}: expected FIELD=LOW..HIGH, FIELD=LOW..HIGH:log or FIELD=[A, B, …]")
    if field not in Recipe.model_fields or field in NOT_SEARCHED:
        fields = [name for name in Recipe.model_fields if name not in NOT_SEARCHED]
        raise BadRecipe(f"{field}: no such field{did_you_mean(field, fields)}; use one of {', '.join(fields)}")
    if start.vary and all(field in entry for entry in start.vary):
        raise BadRecipe(f"{field}: every entry of vary overrides it; vary another field")
    if match := RANGE.fullmatch(written):
        return _range(field, match)
    _, values = parse_setting(text)
    if isinstance(values, str) and (words := WORDS.fullmatch(written)):
        values = words[1].replace(" ", "").split(",")
    if not isinstance(values, list) or len(values) < 2:
        raise BadRecipe(
            f"{field}: {written}: expected at least two choices, as {field}=[A, B], or a range, as {field}=LOW..HIGH"
        )
    return Choices(field, tuple(dict.fromkeys(_as_in_a_recipe(value) for value in values)))


def _range(field: str, match: re.Match[str]) -> Range:
    kind = Recipe.model_fields[field].annotation
    if kind not in (int, float):
        raise BadRecipe(f"{field}: takes no range of numbers; list the choices, as {field}=[A, B]")
    low, high, log = float(match[1]), float(match[2]), match[3] is not None
    if not low < high:
        raise BadRecipe(f"{field}: {low:g}..{high:g}: the first number must be the lower one")
    if log and low <= 0:
        raise BadRecipe(f"{field}: a logarithmic range must begin above 0")
    if kind is int and not (low.is_integer() and high.is_integer()):
        raise BadRecipe(f"{field}: {low:g}..{high:g}: the field takes whole numbers")
    return Range(field, low, high, log, whole=kind is int)


def _short(number: float) -> str:
    short = f"{number:g}"
    return short if float(short) == number else f"{number!r}"


def _as_in_a_recipe(value: Any) -> Any:
    return tuple(map(_as_in_a_recipe, value)) if isinstance(value, list) else value


def _check(dimension: Range | Choices, dimensions: Sequence[Range | Choices], start: Recipe) -> None:
    """Raise BadRecipe for a value that the recipe takes neither as it is nor with any one choice of another field."""
    for value in dimension.tried:
        refused: BadRecipe | None = None
        for others in _surroundings(dimension, dimensions):
            values = {**others, dimension.field: value}
            idle = _idle(start, values)
            try:
                start.replaced(**{**values, **{field: idle[field] for field in idle.keys() - {dimension.field}}})
            except BadRecipe as error:
                refused = refused or error
            else:
                if dimension.field not in idle:
                    break
        else:
            raise refused or BadRecipe(f"{dimension.field}: has no effect in this recipe; vary another field")


def _idle(start: Recipe, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without effect once the recipe has these values, with their defaults."""
    names = start.model_copy(update=values).without_effect()
    return {name: Recipe.model_fields[name].default for name in names}


def _surroundings(dimension: Range | Choices, dimensions: Sequence[Range | Choices]) -> Iterator[dict[str, Any]]:
    yield {}
    for other in dimensions:
        if isinstance(other, Choices) and other is not dimension:
            yield from ({other.field: value} for value in other.values)


def read_space(path: Path) -> tuple[Recipe, list[str]]:
    """Recipe and dimensions of a TOML file: ``base`` names the recipe, a text with ``..`` is a range, a list of choices
    has two or more entries, and any other value is the field's in all trials.

    Raises BadRecipe if the file cannot be read.
    """
    try:
        fields = tomllib.loads(read_bounded(path, MAX_BYTES).decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise BadRecipe(f"{path.absolute()}: no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadRecipe(f"{path}: cannot be read as TOML ({reason})") from error
    base, texts, fixed = fields.pop("base", "mlp"), [], {}
    for field, value in fields.items():
        if isinstance(value, str) and RANGE.fullmatch(value):
            texts.append(f"{field}={value}")
        elif isinstance(value, list):
            texts.append(f"{field}={format_choices(value)}")
        else:
            fixed[field] = value
    try:
        return find_recipe(f"{base}").replaced(**fixed), texts
    except BadRecipe as error:
        raise BadRecipe(f"{path}: {error}") from error


def format_choices(values: Sequence[Any]) -> str:
    """Choices as a TOML list, words in quotes.

    >>> format_choices(["pixels", (300, 100), True])
    '["pixels", [300, 100], true]'
    """
    return "[" + ", ".join(f'"{value}"' if isinstance(value, str) else format_value(value) for value in values) + "]"


def default_space(recipe: Recipe) -> list[str]:
    """The dimensions of a search for which the user named none: rates and regularization, and how images are deformed.

    The learning rate ranges from a third of the recipe's own to three times as much; the other ranges are the same for
    all recipes. Deformations that the recipe does not use stay off.
    """
    texts = [f"learning_rate={recipe.learning_rate / 3:.3g}..{recipe.learning_rate * 3:.3g}:log"]
    if recipe.optimizer == "adamw":
        texts.append("weight_decay=0.001..0.1:log")
    if recipe.loss == "cross_entropy":
        texts.append("label_smoothing=0..0.15")
    texts.append("dropout=0..0.6")
    deformation = {"rotation": 20, "scaling": 0.2, "shift": 2, "elastic": 2}
    return texts + [f"{field}=0..{most:g}" for field, most in deformation.items() if getattr(recipe, field) > 0]
