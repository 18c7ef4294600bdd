"""What `run.json` holds: how a run was made, on which digits, and how good it is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kaggle_mnist.errors import BadRun
from kaggle_mnist.recipes import Recipe

FORMAT = 1  # of run.json and the files beside it; one more whenever an older kaggle-mnist could not read them
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Accuracy = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[\w.-]{1,120}$")]  # of a recipe or a run: never a path


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Strict):
    """The digits: where they came from, and what they are known again by."""

    source: str
    path: str
    fingerprint: Sha256
    test_fingerprint: Sha256
    practice: bool
    train_images: Count
    test_images: Count


class Scores(Strict):
    """Accuracies from 0 to 1. `cv_*` are means over the members; `oof_*` of the outputs averaged over the repeats.

    `cv_loss` and `oof_loss` are what the recipe trains, `oof_log_loss` is the log loss whatever the recipe.
    """

    cv_accuracy: Accuracy
    cv_accuracy_std: float
    cv_loss: float
    oof_accuracy: Accuracy
    oof_loss: float
    oof_log_loss: float
    withheld_accuracy: Accuracy | None


class Parent(Strict):
    """A run that a blend was made of: its folder's name, the checksum of its SHA256SUMS, and its weight."""

    run: Name
    sha256: Sha256
    weight: Accuracy


class Record(Strict):
    """The content of `run.json`, which never changes once it is written.

    A trained run has a recipe; a blend has parents instead.
    """

    format: int = FORMAT
    created: str
    name: Name
    recipe: Recipe | None
    parents: tuple[Parent, ...] = ()
    weights: str | None = Field(None, description="how a blend's weights came about: equal or fit")
    folds: Annotated[int, Field(ge=2)]
    repeats: Annotated[int, Field(ge=1)]
    seed: int | None
    dropped: tuple[Count, ...] = Field((), description="labeled images, from 0, that no member learnt from")
    resumed: bool = Field(False, description="whether the run was stopped and gone on with")
    data: Data
    scores: Scores
    environment: dict[str, str | int]
    seconds: dict[str, float]


class Prediction(Strict):
    """A score that was expected, and the 95 % interval around it."""

    expected: Accuracy
    low: Accuracy
    high: Accuracy


class Submitted(Strict):
    """The content of `leaderboard.json`: what was sent to Kaggle, and what it answered."""

    competition: str
    submitted: str
    sha256: Sha256
    ref: int | None
    message: str
    status: str
    public_score: Accuracy | None
    prediction: Prediction | None

    @property
    def at(self) -> datetime:
        """When it was sent."""
        return datetime.fromisoformat(self.submitted)


def parse_record(content: str | bytes) -> Record:
    """The record in a `run.json`. Raises BadRun with what is wrong, the newer version's first."""
    try:
        return Record.model_validate_json(content)
    except ValidationError as error:
        if (found := _format_of(content)) > FORMAT:
            newer = f"was made by a newer kaggle-mnist (format {found}, this one reads {FORMAT}); update it"
            raise BadRun(newer) from error
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadRun(f"{place}: {first['msg']}" if place else first["msg"]) from error


class _Format(BaseModel):
    format: Any = None


def _format_of(content: str | bytes) -> int:
    try:
        found = _Format.model_validate_json(content).format
    except ValidationError:
        return 0
    return found if isinstance(found, int) else 0
