"""The recipe: everything that determines a result except the digits, the folds and the seed, as one frozen object."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from kaggle_mnist.models.registry import FEATURES, KINDS, input_shape
from kaggle_mnist.utils.errors import BadRecipe, in_plain_words, shortened

CLOSE = 0.55  # similarity of names, from 0 to 1, from which a typing error is likely
MAX_VALUE = 1 << 14  # characters of a setting's value
MAX_VARIANTS = 64  # of one recipe
# Fields that are the same for all repeats of a run.
SHARED = {"name", "loss", "targets", "optimizer", "epochs", "batch_size", "mixed_precision", "vary"}
LONGEST_VALUE = 60  # characters of a value in a message

Epoch = Annotated[int, Field(ge=0)]
Units = Annotated[int, Field(ge=1, le=65_536)]
Rate = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Stage = Annotated[tuple[Units, ...], Field(min_length=1)]


class Recipe(BaseModel):
    """Everything that determines a result except the digits, the folds and the seed.

    A frozen pydantic model. Fields that cannot change the result, such as those of other kinds of network or features,
    must keep their defaults.

    >>> Recipe(hidden=(300,), epochs=5).replaced(epochs=10).epochs
    10
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field("custom", pattern=r"^[\w.-]{1,60}$", description="name in its runs' folders")

    network: str = Field("mlp", description="kind of network")
    hidden: tuple[Units, ...] = Field((1024, 512), min_length=1, description="units of each hidden layer")
    stages: tuple[Stage, ...] = Field(((32, 32), (64, 64)), min_length=1, description="planes of convolutions")
    dropout: float = Field(0.0, ge=0, lt=1, description="probability, of hidden units")

    deslant: Share = Field(0.0, description="share of the slant removed")
    equalize_width: Share = Field(0.0, description="share of the deviation in width removed")
    features: str = Field("pixels", description="what the network is given: pixels or gradients")
    pixels: tuple[float, float] = Field((0.0, 1.0), description="values of background and ink")
    directions: int = Field(8, ge=4, le=32, multiple_of=2, description="of the gradient")
    grid: int = Field(9, ge=2, le=28, description="samples of each direction along each side")
    smoothing: float = Field(1.1, ge=0.5, le=14, description="SD of the Gaussian that is sampled, pixels")

    loss: Literal["cross_entropy", "squared_error"] = Field("cross_entropy", description="of softmax, or of sigmoids")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share spread over all classes")
    targets: tuple[Share, Share] = Field((0.0, 1.0), description="of wrong and right classes")

    optimizer: Literal["adam", "adamw", "sgd"] = Field("adamw", description="as in torch.optim")
    learning_rate: float = Field(1e-3, ge=0, description="peak")
    schedule: Literal["cosine", "steps"] = Field("cosine", description="cosine to zero, or steps")
    steps: tuple[tuple[Epoch, Rate], ...] = Field((), description="[epoch from 0, new rate]")
    warmup: float = Field(0.0, ge=0, description="epochs to the peak rate")
    weight_decay: float = Field(0.0, ge=0, description="as in torch.optim")
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov, of sgd")
    epochs: int = Field(40, ge=1, le=100_000, description="passes over the images")
    batch_size: int = Field(320, ge=1, le=1_000_000, description="images per step, all folds")
    mixed_precision: bool = Field(False, description="bfloat16 where native")

    views: Literal[1, 5, 9] = Field(1, description="shifted views averaged")

    rotation: float = Field(0.0, ge=0, le=180, description="maximum, degrees")
    scaling: float = Field(0.0, ge=0, lt=1, description="maximum, share of each axis")
    shear: float = Field(0.0, ge=0, le=2, description="maximum, pixels per pixel")
    shift: float = Field(0.0, ge=0, le=28, description="maximum, pixels")
    elastic: float = Field(0.0, ge=0, le=28, description="SD of displacement, pixels")
    elastic_sigma: float = Field(5.0, ge=1.5, le=28, description="SD of its smoothing, pixels")

    vary: tuple[dict[str, Any], ...] = Field(
        (), max_length=MAX_VARIANTS, description="fields that each repeat in turn overrides"
    )

    @field_validator("name")
    @classmethod
    def _fits_a_folders_name(cls, name: str) -> str:
        if len(name.encode()) > 180:  # a folder's name has at most 255 bytes, date and time included
            raise ValueError("too long for a folder's name")
        return name

    @field_validator("hidden", mode="before")
    @classmethod
    def _one_layer_needs_no_list(cls, hidden: Any) -> Any:
        return (hidden,) if isinstance(hidden, int) and not isinstance(hidden, bool) else hidden

    @field_validator("network")
    @classmethod
    def _is_a_kind(cls, network: str) -> str:
        if network not in KINDS:
            raise ValueError(f"no such kind of network; use {' or '.join(KINDS)}")
        return network

    @field_validator("features")
    @classmethod
    def _are_features(cls, features: str) -> str:
        if features not in FEATURES:
            raise ValueError(f"no such features; use {' or '.join(FEATURES)}")
        return features

    @field_validator("vary")
    @classmethod
    def _lists_are_tuples(cls, vary: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        return tuple({name: _as_tuple(value) for name, value in fields.items()} for fields in vary)

    @model_validator(mode="after")
    def _settings_have_an_effect(self, info: ValidationInfo) -> Self:
        if not (info.context or {}).get("recorded"):  # a run made before a rule stays readable
            _refuse_settings_without_effect(self)
        for number, fields in enumerate(self.vary):
            if fixed := SHARED & fields.keys():
                raise ValueError(f"vary: {min(fixed)} is the same for all repeats")
            try:
                self._variant(fields)
            except BadRecipe as error:
                raise ValueError(f"vary: repeat {number}: {error}") from error
        return self

    @property
    def variants(self) -> tuple[Self, ...]:
        """The recipe of each repeat in turn, starting again after the last; the recipe itself if nothing varies."""
        return tuple(map(self._variant, self.vary)) or (self,)

    def _variant(self, fields: dict[str, Any]) -> Self:
        return self._with(self.model_dump(exclude={"vary"}), fields)

    @property
    def network_settings(self) -> dict[str, Any]:
        """What shapes the network, by name: what `models.registry.build_network` takes."""
        fields = {name: getattr(self, name) for name in KINDS[self.network].fields}
        return {"shape": input_shape(self.features, self.feature_settings), **fields}

    @property
    def feature_settings(self) -> dict[str, Any]:
        """The fields that shape the features, by name: what `models.features.compute_features` takes."""
        return {name: getattr(self, name) for name in FEATURES[self.features]}

    def in_use(self) -> dict[str, Any]:
        """All fields that can change the result, and `name`, with their values."""
        unused = self.without_effect()
        return {name: getattr(self, name) for name in type(self).model_fields if name not in unused}

    def without_effect(self) -> set[str]:
        """The fields that cannot change the result beside the values of the others.

        >>> sorted(Recipe().without_effect())
        ['directions', 'elastic_sigma', 'grid', 'momentum', 'smoothing', 'stages', 'steps', 'targets']
        """
        return {name for name, (_, met) in _conditions(self).items() if not met}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """The recipe with these fields, and defaults for the others.

        Raises BadRecipe for an unknown field, an invalid value, or a setting without effect.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = str(first["loc"][0]) if first["loc"] else ""
            if place and place not in cls.model_fields:
                known = ", ".join(cls.model_fields)
                raise BadRecipe(
                    f"{place}: no such field{did_you_mean(place, cls.model_fields)}; use one of {known}"
                ) from error
            message = in_plain_words(first["msg"])
            raise BadRecipe(f"{place}: {shown_value(first['input'])}: {message}" if place else message) from error

    def checked(self, field: str, value: Any) -> Any:
        """The value as this recipe would hold it in that field. Raises BadRecipe if it cannot, whatever the others."""
        fields = {**self.model_dump(), field: value}
        try:
            return getattr(type(self).model_validate(fields, context={"recorded": True}), field)
        except ValidationError:
            self.of(fields)  # raises, with a line for the user
            raise

    def replaced(self, /, **fields: Any) -> Self:
        """A copy with other values for `fields`. Raises BadRecipe as `of` does.

        With another kind of network or features, the fields that only shape the previous one get their defaults.
        """
        return self._with(self.model_dump(), fields)

    def _with(self, kept: dict[str, Any], fields: dict[str, Any]) -> Self:
        for choice, fields_of in _choices().items():
            new = fields_of.get(str(fields.get(choice)), ())
            if choice in fields and fields[choice] != getattr(self, choice):
                for name in set(fields_of[getattr(self, choice)]) - set(new):
                    kept.pop(name)
        return self.of({**kept, **fields})


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, (list, tuple)) else value


def _choices() -> dict[str, dict[str, tuple[str, ...]]]:
    """For each field that chooses a kind: the kinds, and the fields that shape each."""
    return {"network": {kind: entry.fields for kind, entry in KINDS.items()}, "features": FEATURES}


def _shaping(recipe: Recipe) -> dict[str, tuple[str, bool]]:
    """For each field that shapes some kind of network or features: which, and whether the recipe names one of them."""
    found = {}
    for choice, fields_of in _choices().items():
        for name in {name for fields in fields_of.values() for name in fields}:
            kinds = " or ".join(f'"{kind}"' for kind, fields in fields_of.items() if name in fields)
            found[name] = (f"{choice} = {kinds}", name in fields_of[getattr(recipe, choice)])
    return found


def _conditions(recipe: Recipe) -> dict[str, tuple[str, bool]]:
    """For each field that has an effect only beside some values of others: which, and whether the recipe has them."""
    return {
        "label_smoothing": ('loss = "cross_entropy"', recipe.loss == "cross_entropy"),
        "targets": ('loss = "squared_error"', recipe.loss == "squared_error"),
        "steps": ('schedule = "steps"', recipe.schedule == "steps"),
        "momentum": ('optimizer = "sgd"', recipe.optimizer == "sgd"),
        "elastic_sigma": ("elastic is above 0", recipe.elastic > 0),
        **_shaping(recipe),
    }


def _refuse_settings_without_effect(recipe: Recipe) -> None:
    """Raise ValueError for a field that differs from its default where it cannot change the result."""
    for name, (condition, met) in _conditions(recipe).items():
        if not met and getattr(recipe, name) != type(recipe).model_fields[name].default:
            raise ValueError(f"{name} has no effect unless {condition}")
    if list(recipe.steps) != sorted(recipe.steps, key=lambda step: step[0]):
        raise ValueError("steps must be in ascending order of epoch")
    if recipe.warmup > recipe.epochs:
        raise ValueError(
            f"warmup of {recipe.warmup:g} epochs is longer than the run of {recipe.epochs};"
            " the learning rate would never come down"
        )


def parse_setting(setting: str) -> tuple[str, Any]:
    """Field and value of a `FIELD=VALUE`. The value is TOML; a word needs no quotes.

    Raises BadRecipe for a setting without `=`, and for a value that is too long.

    >>> parse_setting("hidden=[300, 100]"), parse_setting("loss=squared_error")
    (('hidden', [300, 100]), ('loss', 'squared_error'))
    """
    name, equals, value = setting.partition("=")
    if not equals:
        raise BadRecipe(f"{setting}: expected FIELD=VALUE, such as learning_rate=0.002")
    if len(value) > MAX_VALUE:
        raise BadRecipe(f"{name}: value too long ({len(value):,} characters)")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return name.strip(), value.strip()


def format_value(value: object) -> str:
    """A field's value as TOML, but without quotes around words.

    >>> format_value((300, 100)), format_value(1e-3), format_value(True)
    ('[300, 100]', '0.001', 'true')
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {format_value(field)}" for name, field in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(format_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else f"{value}"


def shown_value(value: object) -> str:
    """A value as Python writes it, shortened for a message."""
    try:
        return shortened(repr(value), LONGEST_VALUE)
    except ValueError:  # Python does not print integers of more than 4,300 digits
        return "a number"


def did_you_mean(name: str, names: Iterable[str], synonyms: Mapping[str, str] | None = None) -> str:
    """A hint at the most similar name, or at that for which the most similar synonym stands, or nothing.

    >>> did_you_mean("gud", ["good", "slow"]), did_you_mean("acuracy", ["cv"], {"accuracy": "cv"})
    (' (did you mean good?)', ' (did you mean cv?)')
    """
    known = {**(synonyms or {}), **{name: name for name in names}}
    close = difflib.get_close_matches(name, known, n=1, cutoff=CLOSE)
    return f" (did you mean {known[close[0]]}?)" if close else ""
