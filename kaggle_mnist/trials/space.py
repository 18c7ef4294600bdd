"""The space of a search: which fields of a recipe vary, and between which values.

learning_rate=1e-3..1e-2:log            a range, here logarithmic
rotation=0..15                          whole numbers for a field of whole numbers
hidden=[[512, 256], [1024, 512]]        choices
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaggle_mnist.recipes.named import find_recipe, read_toml, toml_value
from kaggle_mnist.recipes.recipe import Recipe, did_you_mean, parse_setting, shown_value
from kaggle_mnist.utils.errors import BadRecipe

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
RANGE = re.compile(rf"\s*({NUMBER})\s*\.\.\s*({NUMBER})\s*(:\s*log)?\s*")
WORDS = re.compile(r"\[([\w. -]+(?:,[\w. -]+)+)\]")  # choices without quotes
NOT_SEARCHED = ("name", "vary")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; for a field of whole numbers every `step`, otherwise all."""

    field: str
    low: float
    high: float
    log: bool
    step: int | None

    def __str__(self) -> str:
        return f"{self.field}={_short(self.low)}..{_short(self.high)}{':log' if self.log else ''}"

    @property
    def tried(self) -> tuple[float, ...]:
        """The values that must be valid: the bounds."""
        return (int(self.low), int(self.high)) if self.step else (self.low, self.high)

    @property
    def distribution(self) -> BaseDistribution:
        """The same as Optuna's distribution."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.step:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=self.step)
        return FloatDistribution(self.low, self.high, log=self.log)

    def parameter(self, value: Any) -> Any:
        """Optuna's parameter for a field's value; None if the value is not in the range."""
        inside = isinstance(value, (int, float)) and self.low <= value <= self.high
        return value if inside and not (self.step and (value - self.low) % self.step) else None

    def value(self, parameter: Any) -> Any:
        """The field's value for one of Optuna's parameters."""
        return parameter


@dataclass(frozen=True)
class Choices:
    """Different values for a field, as the recipe holds them."""

    field: str
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.field}={toml_value(self.values)}"

    @property
    def tried(self) -> tuple[Any, ...]:
        """The values that must be valid: all."""
        return self.values

    @property
    def distribution(self) -> BaseDistribution:
        """The same as Optuna's distribution, whose choices are texts."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(list(map(_text, self.values)))

    def parameter(self, value: Any) -> Any:
        """Optuna's parameter for a field's value; None if the value is not among the choices."""
        return _text(value) if value in self.values else None

    def value(self, parameter: Any) -> Any:
        """The field's value for one of Optuna's parameters."""
        return next(value for value in self.values if _text(value) == parameter)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else toml_value(value)


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
        raise BadRecipe(f"{text}: expected at least two choices, as {field}=[A, B], or a range, as {field}=LOW..HIGH")
    valid = [start.checked(field, value) for value in values]
    return Choices(field, tuple(value for i, value in enumerate(valid) if value not in valid[:i]))


def _range(field: str, match: re.Match[str]) -> Range:
    info = Recipe.model_fields[field]
    if info.annotation not in (int, float):
        raise BadRecipe(f"{field}: takes no range of numbers; list the choices, as {field}=[A, B]")
    low, high, log = float(match[1]), float(match[2]), match[3] is not None
    if not low < high:
        raise BadRecipe(f"{field}: {low:g}..{high:g}: the first number must be the lower one")
    if log and low <= 0:
        raise BadRecipe(f"{field}: a logarithmic range must begin above 0")
    if info.annotation is float:
        return Range(field, low, high, log, step=None)
    if not (low.is_integer() and high.is_integer()):
        raise BadRecipe(f"{field}: {low:g}..{high:g}: the field takes whole numbers")
    step = next((limit.multiple_of for limit in info.metadata if hasattr(limit, "multiple_of")), 1)
    return Range(field, low, high, log and step == 1, step=int(step))


def _short(number: float) -> str:
    short = f"{number:g}"
    return short if float(short) == number else f"{number!r}"


def _check(dimension: Range | Choices, dimensions: Sequence[Range | Choices], start: Recipe) -> None:
    """Raise BadRecipe for a value that the recipe takes neither as it is nor with any one value of another field."""
    for value in dimension.tried:
        start.checked(dimension.field, value)
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
        if other is not dimension:
            yield from ({other.field: value} for value in other.tried)


def read_space(path: Path) -> tuple[Recipe, list[str]]:
    """Recipe and dimensions of a TOML file: ``base`` names the recipe, a text with ``..`` is a range, and a list holds
    choices, unless it is itself a value of the field. Any other value is the field's in all trials.

    Raises BadRecipe if the file cannot be read.
    """
    fields = read_toml(path)
    try:
        base = fields.pop("base", "mlp")
        if not isinstance(base, str):
            raise BadRecipe(f"base: {shown_value(base)}: must be a recipe's name")
        start, texts, fixed = find_recipe(base), [], {}
        for field, value in fields.items():
            if isinstance(value, str) and RANGE.fullmatch(value):
                texts.append(f"{field}={value}")
            elif isinstance(value, list) and not _is_value(start, field, value):
                texts.append(f"{field}={toml_value(value)}")
            else:
                fixed[field] = value
        return start.replaced(**fixed), texts
    except BadRecipe as error:
        raise BadRecipe(f"{path}: {error}") from error
    except ValueError as error:  # Python does not print integers of more than 4,300 digits
        raise BadRecipe(f"{path}: a number is too long") from error


def _is_value(start: Recipe, field: str, value: list[Any]) -> bool:
    try:
        start.checked(field, value)
    except BadRecipe:
        return False
    return True


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
    texts += [f"{field}=0..{most:g}" for field, most in deformation.items() if getattr(recipe, field) > 0]
    overridden = set.intersection(*(set(entry) for entry in recipe.vary)) if recipe.vary else set()
    return [text for text in texts if text.partition("=")[0] not in overridden]
