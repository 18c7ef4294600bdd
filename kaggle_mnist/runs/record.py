"""The content of `run.json`: how a run was made, on which digits, and how good it is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from kaggle_mnist.data.digits import SUBMISSION, Digits
from kaggle_mnist.data.inspection import Look, inspect
from kaggle_mnist.data.practice import is_practice
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.utils.errors import BadData, BadRun, in_plain_words, one_line

FORMAT = 3  # of run.json and the other files; raised whenever older versions cannot read the new ones
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MAX_IMAGES = 10_000_000  # readers of a record may allocate memory for them
Count = Annotated[int, Field(ge=0, le=MAX_IMAGES)]
Images = Annotated[int, Field(ge=1, le=MAX_IMAGES)]
Accuracy = Annotated[float, Field(ge=0, le=1)]


def _is_folder_name(name: str) -> str:
    if name in (".", ".."):
        raise ValueError("must be a folder name")
    return name


def _is_moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("must be a date and time with a time zone")
    return text


def _unless_built(recipe: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Do not validate a `Recipe` again: one read from an old run may break newer rules."""
    return recipe if isinstance(recipe, Recipe) else validate(recipe)


RecordedRecipe = Annotated[Recipe, WrapValidator(_unless_built)]
Moment = Annotated[str, AfterValidator(_is_moment)]  # ISO 8601
Name = Annotated[str, Field(pattern=r"^[\w.-]{1,120}$")]  # of a recipe
Folder = Annotated[str, Field(pattern=r"^[^/\\\x00]{1,255}$"), AfterValidator(_is_folder_name)]  # of a run
ColumnName = Annotated[str, Field(pattern=r'^[^\x00-\x1f,;"]{1,60}$')]
CompetitionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,99}$")]
Readable = Annotated[str, AfterValidator(one_line)]  # a path; what is not printable text is escaped


class Strict(BaseModel):
    """A frozen model without unknown fields, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Strict):
    """The digits: their source, and the fingerprints that identify them."""

    source: str
    path: Readable
    fingerprint: Sha256
    test_fingerprint: Sha256
    practice: bool
    train_images: Images
    test_images: Images
    header: tuple[ColumnName, ColumnName] = Field(SUBMISSION, description="of a submission")
    own_ids: bool = Field(False, description="whether the ids of a submission do not count from 1")
    test_labels: bool = Field(False, description="whether the test images came with labels, which are withheld")
    competition: CompetitionName | None = Field(None, description="that the digits were downloaded from")
    input: Readable | None = Field(None, description="where the digits were, as for --input; None if unknown")
    look: Look | None = Field(None, description="what was found in the images; None in format 1 and 2")

    @classmethod
    def of(cls, digits: Digits) -> Self:
        """The record of `digits`. Raises BadData if nothing can be learned from them."""
        return cls(
            source=digits.source,
            path=digits.path,
            fingerprint=digits.fingerprint,
            test_fingerprint=digits.test_fingerprint,
            practice=is_practice(digits),
            train_images=len(digits.train_images),
            test_images=len(digits.test_images),
            header=digits.header,
            own_ids=digits.ids is not None,
            test_labels=digits.withheld is not None,
            competition=digits.competition,
            input=digits.input,
            look=inspect(digits),
        )

    @property
    def independent_images(self) -> float:
        """Labeled images that would tell accuracy as well as all of them, of which some may be copies."""
        known = self.look and self.look.independent
        return known or float(self.train_images)

    def require_same(self, digits: Digits) -> None:
        """Raise BadData if `digits` are not these."""
        if digits.fingerprint == self.fingerprint and (digits.header, digits.ids is not None) == (
            self.header,
            self.own_ids,
        ):
            return
        then, now = (self.train_images, self.test_images), (len(digits.train_images), len(digits.test_images))
        if then != now:
            changed = f"{then[0]:,} labeled and {then[1]:,} unlabeled images then, {now[0]:,} and {now[1]:,} now"
        elif digits.fingerprint == self.fingerprint:
            changed = "sample_submission.csv has changed"
        else:
            same_test = digits.test_fingerprint == self.test_fingerprint
            changed = f"the {'labeled images or their labels' if same_test else 'unlabeled images'} have changed"
        raise BadData(f"{digits.path}: not the digits that it began with: {changed}; put those back, or start anew")


class Scores(Strict):
    """Accuracies (0 to 1) and losses.

    `cv_*` are means over the members; `oof_*` are computed from the outputs averaged over the repeats. `cv_loss` and
    `oof_loss` use the recipe's loss function, `oof_log_loss` is always the log loss. `ensemble_gain` is what
    `metrics.estimate_gain` found; None in runs of format 1 and 2, and in blends of such runs.
    """

    cv_accuracy: Accuracy
    cv_accuracy_std: float
    cv_loss: float
    oof_accuracy: Accuracy
    oof_loss: float
    oof_log_loss: float
    withheld_accuracy: Accuracy | None
    ensemble_gain: Annotated[float, Field(ge=-1, le=1)] | None = None


class Parent(Strict):
    """A run that is part of a blend: its folder name, the checksum of its SHA256SUMS, its weight, what it dropped."""

    run: Folder
    sha256: Sha256
    weight: Accuracy
    dropped: Count = Field(0, description="number of labeled images that the run, or one of its parents, dropped")


class Record(Strict):
    """The content of `run.json`, which is never changed after it is written.

    A trained run has a recipe; a blend has parents instead.
    """

    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    created: Moment
    name: Name
    recipe: RecordedRecipe | None
    parents: tuple[Parent, ...] = ()
    weights: str | None = Field(None, description="how a blend's weights were chosen: equal, fit, or top N")
    folds: Annotated[int, Field(ge=2, le=100_000)]
    repeats: Annotated[int, Field(ge=1, le=100_000)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None
    dropped: tuple[Count, ...] = Field((), description="labeled images, counted from 0, that no member was trained on")
    resumed: bool = Field(False, description="whether the run was interrupted and resumed")
    data: Data
    scores: Scores
    environment: dict[str, str | int]
    begun: dict[str, str | int] | None = Field(None, description="the environment of the start, if different")
    seconds: dict[str, float]

    @property
    def weighting(self) -> str:
        """How a blend's weights were chosen, in words; empty if that is not known."""
        in_words = {None: "", "equal": "equal weights", "fit": "fitted weights"}
        most = (self.weights or "").removeprefix("top ")
        return in_words.get(self.weights, f"runs selected by OOF log loss, at most {most}")

    @property
    def most_dropped(self) -> int:
        """The most images that the run, or one of its parents, was not trained on."""
        return max(len(self.dropped), *(parent.dropped for parent in self.parents), 0)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.recipe is None) != bool(self.parents):
            raise ValueError("must have either a recipe or parents")
        if missing := ({"train", "all"} if self.recipe else {"all"}) - self.seconds.keys():
            raise ValueError(f"seconds: {min(missing)} is missing")
        if max(self.dropped, default=0) >= self.data.train_images:
            raise ValueError("dropped: image number out of range")
        return self


class Prediction(Strict):
    """The expected score, with its 95 % interval."""

    expected: Accuracy
    low: Accuracy
    high: Accuracy


class Submitted(Strict):
    """The content of `leaderboard.json`: what was submitted to Kaggle, and its answer."""

    competition: str
    submitted: Moment
    sha256: Sha256
    ref: int | None
    message: str
    status: str
    public_score: Accuracy | None
    prediction: Prediction | None


def parse_record(content: str | bytes) -> Record:
    """Parse the content of a `run.json`.

    Raises
    ------
    BadRun
        The content is not a valid record, or a newer version wrote it.

    Examples
    --------
    >>> parse_record('{"format": 1}')
    Traceback (most recent call last):
        ...
    kaggle_mnist.utils.errors.BadRun: created: Field required
    """
    try:
        return Record.model_validate_json(content, context={"recorded": True})
    except ValidationError as error:
        if (found := _format_of(content)) > FORMAT:
            newer = f"was made by a newer kaggle-mnist (format {found}; this version reads up to {FORMAT}); update it"
            raise BadRun(newer) from error
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = in_plain_words(first["msg"])
        raise BadRun(f"{place}: {message}" if place else message) from error


class _Format(BaseModel):
    format: Any = None


def _format_of(content: str | bytes) -> int:
    try:
        found = _Format.model_validate_json(content).format
    except ValidationError:
        return 0
    return found if isinstance(found, int) else 0
