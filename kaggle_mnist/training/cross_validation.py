"""Cross-validation as a pure function: no files, no console, and its arguments and result can be pickled."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.recipes.variants import prefix_of, weights_of
from kaggle_mnist.training.device import training_settings
from kaggle_mnist.training.inference import all_outputs, batches, out_of_fold_outputs
from kaggle_mnist.training.schedule import learning_rate
from kaggle_mnist.training.trainer import RepeatTrainer, TrainingSet
from kaggle_mnist.utils.errors import BadRun, Diverged
from kaggle_mnist.utils.progress import Counter, Progress, quiet

HISTORY = ["epoch", "repeat", "fold", "learning_rate", "train_loss", "watched_loss", "watched_accuracy"]


@dataclass(frozen=True)
class MemberEpoch:
    """One member after one epoch.

    Attributes
    ----------
    repeat, fold : which member, each from 0
    learning_rate : the one that the epoch began with
    train_loss : mean over the epoch's steps
    watched_loss, watched_accuracy : of the first `WATCHED` images that the member holds out; accuracy from 0 to 1
    """

    repeat: int
    fold: int
    learning_rate: float
    train_loss: float
    watched_loss: float
    watched_accuracy: float


@dataclass(frozen=True)
class EpochEnd:
    """The event after every epoch: `epoch` of `epochs` is done, and took `seconds`.

    `members` are those of all repeats that are trained together. Where repeats are trained one by one, they are those
    of one repeat: `epoch` and `epochs` count the epochs of all repeats then, and `repeat_epoch` those of this one.
    """

    epoch: int
    epochs: int
    members: tuple[MemberEpoch, ...]
    seconds: float
    repeat_epoch: int | None = None

    @property
    def accuracy(self) -> float:
        """Mean over the members of the accuracy on held-out images, from 0 to 1."""
        return sum(member.watched_accuracy for member in self.members) / len(self.members)


@dataclass(frozen=True)
class TrainingState:
    """What training continues from after `epoch` epochs.

    Attributes
    ----------
    tensors : members and optimizer, repeat after repeat along the members axis, as `RepeatTrainer.tensors` names them
    history : rows of `CrossValidation.history` so far
    """

    epoch: int
    tensors: dict[str, Tensor]
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class CrossValidation:
    """The trained members and their predictions. Outputs are sigmoid outputs, float32, from 0 to 1.

    Attributes
    ----------
    members : parameters by name, on the CPU, each with a leading members axis: fold by fold, repeat after repeat. If
        the recipe varies from repeat to repeat, names begin with the number of the variant, as in ``0.weights.1``
    oof_outputs : ``(repeats, n, 10)``, for each labeled image those of the member that held it out
    test_outputs : ``(repeats, k, m, 10)``, for each unlabeled image those of every member
    history : a row for each epoch and member: epoch, repeat, fold, learning_rate, train_loss, watched_loss and
        watched_accuracy
    """

    members: dict[str, Tensor]
    oof_outputs: NDArray[np.float32]
    test_outputs: NDArray[np.float32]
    history: pd.DataFrame


def cross_validate(
    digits: Digits,
    recipe: Recipe,
    folds: NDArray[np.int64],
    seed: int = 0,
    *,
    repeats: Sequence[int] | None = None,
    device: str | torch.device = "cpu",
    dropped: Sequence[int] = (),
    start: TrainingState | None = None,
    on_epoch: Callable[[EpochEnd], None] | None = None,
    on_state: Callable[[TrainingState], None] | None = None,
    progress: Progress = quiet,
) -> CrossValidation:
    """Train one member for every repeat and fold, and compute out-of-fold and test outputs.

    The result is a function of digits, recipe, folds, seed, repeats, `dropped`, device and number of threads: the same
    arguments give the same bytes, in any process and whatever is computed beside it.

    Parameters
    ----------
    digits : the labeled and unlabeled images
    recipe : how members are built and trained
    folds : int64 ``(repeats, n)``, the fold in which each labeled image is held out, as `assign_folds` draws them
    seed : from 0 to 2³¹ - 1
    repeats : the number of each row of `folds`, from 0; all rows in order by default. A repeat trained by itself under
        its own number gives the same members as among others
    device : ``"cpu"`` or ``"cuda"``
    dropped : numbers of labeled images that no member is trained on; scores and outputs include them
    start : a state that `on_state` was given in an earlier call with the same arguments; training continues from it,
        and gives the bytes of an uninterrupted call
    on_epoch : called after every epoch
    on_state : called after every epoch with the state to continue from; its tensors change in the next epoch
    progress : called while outputs are computed

    Raises
    ------
    Diverged
        A loss or a parameter is no longer a finite number.
    BadFolds
        Without the dropped images a fold is empty.
    BadRun
        `start` is not a state of such members.

    Examples
    --------
    >>> from kaggle_mnist import assign_folds, find_recipe, load_digits
    >>> digits = load_digits("practice").head(500, 100)
    >>> folds = assign_folds(digits.train_labels, n_splits=5)
    >>> result = cross_validate(digits, find_recipe("fast").replaced(epochs=1), folds)
    >>> result.oof_outputs.shape, result.test_outputs.shape
    ((1, 500, 10), (1, 5, 100, 10))
    """
    device = torch.device(device)
    with training_settings(device):
        training_set = TrainingSet.of(digits, dropped, device)
        numbers = range(len(folds)) if repeats is None else repeats
        variants = recipe.variants
        trainers = [
            RepeatTrainer(
                training_set,
                torch.from_numpy(row).to(device),
                variants[repeat % len(variants)],
                seed=seed,
                repeat=repeat,
            )
            for repeat, row in zip(numbers, folds, strict=True)
        ]
        history: list[dict[str, Any]] = []
        if start is not None:
            _restore(trainers, recipe, start)
            history += start.history
        for epoch in range(start.epoch if start else 0, recipe.epochs):
            event = _train_epoch(trainers, recipe, epoch)
            for member in event.members:
                row = {"epoch": event.epoch, **asdict(member)}
                history.append({column: row[column] for column in HISTORY})
            if on_state is not None:
                named = [(trainer.repeat, trainer.tensors()) for trainer in trainers]
                on_state(TrainingState(event.epoch, _stacked(recipe, named), list(history)))
            if on_epoch is not None:
                on_epoch(event)
        return _result(trainers, digits, folds, recipe, history, progress)


def _train_epoch(trainers: Sequence[RepeatTrainer], recipe: Recipe, epoch: int) -> EpochEnd:
    """One epoch of every repeat. Each repeat has its own products, so that its bytes do not depend on the others."""
    started, members = time.perf_counter(), []
    for trainer in trainers:
        rate, train_losses = learning_rate(trainer.recipe, epoch), trainer.train_epoch(epoch)
        watched = [trainer.watch(member) for member in range(len(train_losses))]
        if not (trainer.is_finite() and all(map(math.isfinite, (*train_losses, *(loss for loss, _ in watched))))):
            raise Diverged(
                f"recipe {recipe.name}: the loss of epoch {epoch + 1} is not finite;"
                f" try a learning_rate below {trainer.recipe.learning_rate:g}, or a longer warmup"
            )
        members += [
            MemberEpoch(trainer.repeat, fold, rate, train_loss, *judged)
            for fold, (train_loss, judged) in enumerate(zip(train_losses, watched, strict=True))
        ]
    seconds = time.perf_counter() - started
    return EpochEnd(epoch + 1, recipe.epochs, tuple(members), seconds)


def _result(
    trainers: Sequence[RepeatTrainer],
    digits: Digits,
    folds: NDArray[np.int64],
    recipe: Recipe,
    history: list[dict[str, Any]],
    progress: Progress,
) -> CrossValidation:
    """Outputs, repeat by repeat: they do not depend on which repeats are computed in one process."""
    for trainer in trainers:
        del trainer.optimizer  # two thirds of the memory
    counter = Counter("Out of fold", sum(trainer.network.members for trainer in trainers), progress)
    oof = [
        out_of_fold_outputs(trainer.network, digits.train_images, row, trainer.recipe, after_member=counter)
        for trainer, row in zip(trainers, folds, strict=True)
    ]
    counter = Counter("Predicting", batches(digits.test_images) * len(trainers), progress)
    test = [
        all_outputs(trainer.network, digits.test_images, trainer.recipe, after_batch=counter) for trainer in trainers
    ]
    stacked = _stacked(recipe, [(trainer.repeat, trainer.network.state_dict()) for trainer in trainers])
    return CrossValidation(
        members={name: tensor.cpu() for name, tensor in stacked.items()},
        oof_outputs=np.stack(oof),
        test_outputs=np.stack(test),
        history=pd.DataFrame(history, columns=HISTORY),
    )


def merge_repeats(recipe: Recipe, parts: Sequence[CrossValidation]) -> CrossValidation:
    """The result of a cross-validation whose repeats were computed one by one, in any processes.

    `parts` are in the order of their repeats; the bytes are those of one call of `cross_validate` for all of them.
    """
    history = pd.concat([part.history for part in parts])
    return CrossValidation(
        members=_joined([part.members for part in parts]),
        oof_outputs=np.concatenate([part.oof_outputs for part in parts]),
        test_outputs=np.concatenate([part.test_outputs for part in parts]),
        history=history.sort_values(["epoch", "repeat", "fold"], ignore_index=True),
    )


def _stacked(recipe: Recipe, of_repeats: Sequence[tuple[int, dict[str, Tensor]]]) -> dict[str, Tensor]:
    """Numbers and named tensors of every repeat as one set: those of each variant are joined along the members axis.

    Step counts are the same in all.
    """
    named = [(prefix_of(recipe, repeat), tensors) for repeat, tensors in of_repeats]
    return _joined([{prefix + name: tensor for name, tensor in tensors.items()} for prefix, tensors in named])


def _joined(of_repeats: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    parts: dict[str, list[Tensor]] = {}
    for tensors in of_repeats:
        for name, tensor in tensors.items():
            parts.setdefault(name, []).append(tensor)
    return {name: torch.cat(same) if len(same) > 1 and same[0].dim() else same[0] for name, same in parts.items()}


def _restore(trainers: Sequence[RepeatTrainer], recipe: Recipe, start: TrainingState) -> None:
    """Give every repeat its own part of a state."""
    prefixes = [prefix_of(recipe, trainer.repeat) for trainer in trainers]
    try:
        for i, (trainer, prefix) in enumerate(zip(trainers, prefixes, strict=True)):
            k, position = trainer.network.members, prefixes[:i].count(prefix)
            own = weights_of(recipe, trainer.repeat, start.tensors)
            if any(t.dim() and len(t) != k * prefixes.count(prefix) for t in own.values()):
                raise ValueError("another number of members")
            # Clones are aligned as what training allocates: vector and scalar code round differently.
            rows = slice(position * k, (position + 1) * k)
            trainer.restore({name: (t[rows] if t.dim() else t).clone() for name, t in own.items()})
    except (RuntimeError, ValueError, KeyError) as error:
        raise BadRun(f"the checkpoint after epoch {start.epoch} is not of this recipe's members") from error
