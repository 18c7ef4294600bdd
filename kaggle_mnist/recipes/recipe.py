"""The recipe: everything that decides a result but the digits, the folds and the seed, as one frozen object."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from kaggle_mnist.models.registry import KINDS
from kaggle_mnist.utils.errors import BadRecipe, shortened

MAX_VALUE = 1 << 14  # characters of a setting's value
LONGEST_VALUE = 60  # characters of a value in a message

Epoch = Annotated[int, Field(ge=0)]
Units = Annotated[int, Field(ge=1, le=65_536)]
Share = Annotated[float, Field(ge=0, le=1)]


class Recipe(BaseModel):
    """Everything that decides a result but the digits, the folds and the seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field("custom", pattern=r"^[\w.-]{1,60}$", description="what its runs are called")

    network: str = Field("mlp", description="kind of network")
    hidden: tuple[Units, ...] = Field((1024, 512), min_length=1, description="units of each hidden layer")
    dropout: float = Field(0.0, ge=0, lt=1, description="of hidden units, a probability")
    pixels: tuple[float, float] = Field((0.0, 1.0), description="what 0 and 255 are scaled to")

    loss: Literal["cross_entropy", "squared_error"] = Field("cross_entropy", description="of softmax, or of sigmoids")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share spread over all classes")
    targets: tuple[Share, Share] = Field((0.0, 1.0), description="of wrong classes, of right one")

    optimizer: Literal["adam", "adamw", "sgd"] = Field("adamw", description="as in torch.optim")
    learning_rate: float = Field(1e-3, ge=0, description="the highest")
    schedule: Literal["cosine", "steps"] = Field("cosine", description="cosine to zero, or steps")
    steps: tuple[tuple[Epoch, float], ...] = Field((), description="[from epoch (0 first), rate]")
    warmup: float = Field(0.0, ge=0, description="epochs until the full rate")
    weight_decay: float = Field(0.0, ge=0, description="as in torch.optim")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd, Nesterov's")
    epochs: int = Field(40, ge=1, le=100_000, description="passes over the images")
    batch_size: int = Field(320, ge=1, le=1_000_000, description="images a step, of all folds")
    mixed_precision: bool = Field(False, description="products in bfloat16 where native")

    views: Literal[1, 5, 9] = Field(1, description="shifts averaged when judging")

    rotation: float = Field(0.0, ge=0, le=180, description="degrees, at most")
    scaling: float = Field(0.0, ge=0, lt=1, description="share of each axis, at most")
    shear: float = Field(0.0, ge=0, le=2, description="pixels per pixel, at most")
    shift: float = Field(0.0, ge=0, le=28, description="pixels, at most")
    elastic: float = Field(0.0, ge=0, le=28, description="displacement's SD, pixels")
    elastic_sigma: float = Field(5.0, ge=1.5, le=28, description="its Gaussian's SD, pixels")

    @field_validator("name")
    @classmethod
    def _fits_a_folders_name(cls, name: str) -> str:
        if len(name.encode()) > 180:  # of the 255 bytes that a folder's name may have
            raise ValueError("is too long for a folder's name")
        return name

    @field_validator("network")
    @classmethod
    def _is_a_kind(cls, network: str) -> str:
        if network not in KINDS:
            raise ValueError(f"no such kind of network; use {' or '.join(KINDS)}")
        return network

    @model_validator(mode="after")
    def _settings_have_an_effect(self, info: ValidationInfo) -> Self:
        if not (info.context or {}).get("recorded"):  # a run made before a rule stays readable
            _refuse_settings_without_effect(self)
        return self

    @property
    def network_settings(self) -> dict[str, Any]:
        """The fields that shape the network, by name: what `models.registry.build_network` takes."""
        return {name: getattr(self, name) for name in KINDS[self.network].fields}

    def in_use(self) -> dict[str, Any]:
        """All fields but those that shape other kinds of network only, with their values."""
        unused = _of_any_network() - set(KINDS[self.network].fields)
        return {name: getattr(self, name) for name in type(self).model_fields if name not in unused}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """The recipe with these fields, and defaults for the rest.

        Raises BadRecipe for an unknown field or a value that it cannot have.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = str(first["loc"][0]) if first["loc"] else ""
            if place and place not in cls.model_fields:
                known = ", ".join(cls.model_fields)
                raise BadRecipe(
                    f"{place}: no such field{did_you_mean(place, cls.model_fields)}; there are {known}"
                ) from error
            message = first["msg"].removeprefix("Value error, ")
            raise BadRecipe(f"{place}: {shown_value(first['input'])}: {message}" if place else message) from error

    def replaced(self, /, **fields: Any) -> Self:
        """A copy with other values for `fields`; raises BadRecipe as `of` does."""
        return self.of({**self.model_dump(), **fields})


def _of_any_network() -> set[str]:
    return {field for kind in KINDS.values() for field in kind.fields}


def _refuse_settings_without_effect(recipe: Recipe) -> None:
    """Raise ValueError for a field that differs from its default where it cannot change the result."""
    conditions = {
        "label_smoothing": ('loss = "cross_entropy"', recipe.loss == "cross_entropy"),
        "targets": ('loss = "squared_error"', recipe.loss == "squared_error"),
        "steps": ('schedule = "steps"', recipe.schedule == "steps"),
        "momentum": ('optimizer = "sgd"', recipe.optimizer == "sgd"),
        "elastic_sigma": ("elastic is above 0", recipe.elastic > 0),
    }
    for name in _of_any_network():
        kinds = " or ".join(f'"{kind}"' for kind, entry in KINDS.items() if name in entry.fields)
        conditions[name] = (f"network = {kinds}", name in KINDS[recipe.network].fields)
    for name, (condition, met) in conditions.items():
        if not met and getattr(recipe, name) != type(recipe).model_fields[name].default:
            raise ValueError(f"{name} has no effect unless {condition}")
    if recipe.warmup > recipe.epochs:
        raise ValueError(
            f"warmup of {recipe.warmup:g} epochs is longer than the run of {recipe.epochs};"
            " the learning rate would never come down"
        )


def parse_setting(setting: str) -> tuple[str, Any]:
    """Field and value of a `FIELD=VALUE`, the value as TOML writes it; quotes around a word may be left out.

    Raises BadRecipe where there is no `=`, or a value too long for a recipe.
    """
    name, equals, value = setting.partition("=")
    if not equals:
        raise BadRecipe(f"{setting}: expected FIELD=VALUE, as learning_rate=0.002")
    if len(value) > MAX_VALUE:
        raise BadRecipe(f"{name}: value too long ({len(value):,} characters)")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return name.strip(), value.strip()


def format_value(value: object) -> str:
    """A field's value as a TOML file would have it, words without quotes."""
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(format_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else f"{value}"


def shown_value(value: object) -> str:
    """A value as Python writes it, shortened for a message."""
    try:
        return shortened(repr(value), LONGEST_VALUE)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint at the most similar name, or nothing."""
    close = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
