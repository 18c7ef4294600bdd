"""Trains the members of one repeat, all at once: an epoch is a loop over batches laid out as a ring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.models.features import compute_features
from kaggle_mnist.models.network import StackedNetwork
from kaggle_mnist.models.registry import build_network
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.augmentation import augment
from kaggle_mnist.training.device import precision_of
from kaggle_mnist.training.losses import member_losses
from kaggle_mnist.training.normalization import normalize
from kaggle_mnist.training.ring import leave_own_fold_out, shuffle_within_folds
from kaggle_mnist.training.schedule import learning_rate
from kaggle_mnist.utils.errors import BadFolds, BadOption
from kaggle_mnist.utils.seeding import EPOCH, INITIAL_WEIGHTS, generator_for
from kaggle_mnist.utils.words import plural

WATCHED = 2000  # held-out images per member that every epoch is judged by, unshifted; a finished run is judged by all


@dataclass(frozen=True)
class TrainingSet:
    """The labeled images on the device, and which of them are excluded from training.

    Attributes
    ----------
    images : uint8 ``(n, 28, 28)``
    labels : int64 ``(n,)``
    kept : bool ``(n,)``, False for an image that no member is trained on; None if all are kept
    """

    images: Tensor
    labels: Tensor
    kept: Tensor | None

    @classmethod
    def of(cls, digits: Digits, dropped: Sequence[int], device: torch.device) -> TrainingSet:
        """The labeled images of `digits`; those numbered in `dropped` are excluded from training."""
        check_dropped(dropped, len(digits.train_images))
        images = torch.from_numpy(digits.train_images).to(device)
        labels = torch.from_numpy(digits.train_labels).to(device)
        kept = None
        if len(dropped):
            kept = torch.ones(len(images), dtype=torch.bool, device=device)
            kept[list(dropped)] = False
        return cls(images, labels, kept)


class RepeatTrainer:
    """The members of one repeat, their optimizer, and the images they are trained on and watched by.

    Parameters
    ----------
    training_set : the labeled images
    fold_of : int64 ``(n,)``, the fold in which each image is held out; the member of that fold never sees it
    recipe, seed, repeat : with the epoch, the key of every random number
    """

    def __init__(self, training_set: TrainingSet, fold_of: Tensor, recipe: Recipe, *, seed: int, repeat: int):
        self.recipe, self.seed, self.repeat = recipe, seed, repeat
        self.all, k = training_set, int(fold_of.max()) + 1
        generators = [generator_for(seed, INITIAL_WEIGHTS, fold, repeat) for fold in range(k)]
        self.network = build_network(recipe.network, recipe.network_settings, generators).to(fold_of.device)
        self.optimizer = _optimizer(self.network, recipe)
        self.images, self.labels, self.folds = training_set.images, training_set.labels, fold_of
        if (kept := training_set.kept) is not None:
            self.images, self.labels, self.folds = self.images[kept], self.labels[kept], fold_of[kept]
            if (F.one_hot(self.folds, k).sum(0) == 0).any():
                dropped = len(kept) - int(kept.sum())
                raise BadFolds(f"without the {plural(dropped, 'image')} dropped, a fold has none left; drop fewer")
        self.watched = [torch.nonzero(fold_of == fold).flatten()[:WATCHED] for fold in range(k)]

    def train_epoch(self, epoch: int) -> list[float]:
        """Train for one epoch, counted from 0: as many images of every fold as the smallest fold has.

        Returns each member's mean loss. On a GPU, the host does not wait inside the loop over steps.
        """
        total = torch.zeros(self.network.members, device=self.images.device)
        for losses in self.steps(epoch):
            total += losses
        means: list[float] = (total / self.steps_per_epoch).tolist()
        return means

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch: batches of about `batch_size` images, with at least one of every fold."""
        smallest = int(torch.bincount(self.folds).min())
        return max(1, min(round(len(self.images) / self.recipe.batch_size), smallest))

    def steps(self, epoch: int) -> Iterator[Tensor]:
        """The steps of one epoch, carried out one by one; yields each member's loss, ``(k,)``, after a step."""
        recipe, device = self.recipe, self.images.device
        generator = generator_for(self.seed, EPOCH, epoch, self.repeat, device=device)
        shuffled = shuffle_within_folds(self.folds, generator)  # (k, smallest fold)
        smallest = shuffled.shape[1]
        precision = precision_of(recipe, device)
        steps = self.steps_per_epoch
        edges = [smallest * step // steps for step in range(steps + 1)]
        for step in range(steps):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(recipe, epoch + step / steps)
            rows = shuffled[:, edges[step] : edges[step + 1]]  # (k, b)
            x = augment(self.images[rows.flatten()].float() / 255, recipe, generator).to(precision)  # (k * b, 28, 28)
            x = compute_features(x, recipe.features, **recipe.feature_settings)  # (k * b, inputs)
            x = x.view(*rows.shape, -1)  # (k, b, inputs)
            x, y = leave_own_fold_out(x), leave_own_fold_out(self.labels[rows])  # (k, (k - 1) * b, …)
            with torch.autocast(device.type, precision, enabled=precision != torch.float32):
                logits = self.network(x, generator=generator).float()  # (k, (k - 1) * b, 10)
            losses = member_losses(logits, y, recipe)  # (k,)
            losses.sum().backward()  # each member's gradient comes from its own loss alone
            self.optimizer.step()
            self.optimizer.zero_grad()
            yield losses.detach()

    @torch.no_grad()
    def watch(self, member: int) -> tuple[float, float]:
        """A member's loss and accuracy on the first `WATCHED` images that it holds out."""
        rows = self.watched[member]
        images, labels = self.all.images[rows], self.all.labels[rows]
        upright = normalize(images.float() / 255, self.recipe)
        x = compute_features(upright, self.recipe.features, **self.recipe.feature_settings)
        logits = self.network.member_logits(member, x)
        loss = member_losses(logits[None], labels[None], self.recipe, smoothing=False)
        return float(loss), float((logits.argmax(1) == labels).float().mean())

    def is_finite(self) -> bool:
        """Whether every parameter is a finite number."""
        return all(bool(parameter.isfinite().all()) for parameter in self.network.parameters())

    def tensors(self) -> dict[str, Tensor]:
        """Members and optimizer as named tensors, such as ``network.weights.0`` and ``optimizer.0.exp_avg``.

        All but the optimizer's step counts have a leading members axis. They are not copies: training changes them.
        """
        state = self.optimizer.state_dict()["state"]
        tensors = {f"optimizer.{i}.{key}": value for i, values in state.items() for key, value in values.items()}
        return {**{f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}, **tensors}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Continue from what `tensors` gave. Raises KeyError, RuntimeError or ValueError for those of other members."""
        expected = {
            f"optimizer.{i}.{key}": parameter.shape
            for i, parameter in enumerate(self.network.parameters())
            for key in _moments(self.recipe)
        }
        if any(tensors[name].shape != shape for name, shape in expected.items()):
            raise ValueError("the optimizer's state has other shapes")
        values: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, number, key = name.split(".", 2)
                values.setdefault(int(number), {})[key] = tensor
        of_network = {name: tensor for name, tensor in tensors.items() if name.startswith("network.")}
        self.network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in of_network.items()})
        self.optimizer.load_state_dict({"state": values, "param_groups": self.optimizer.state_dict()["param_groups"]})


def check_dropped(dropped: Sequence[int], images: int) -> None:
    """Raise BadOption unless every number in `dropped` is that of one of `images` labeled images, from 0."""
    strangers = [image for image in dropped if not 0 <= image < images]
    if strangers:
        raise BadOption(f"dropped image {strangers[0]}: there are only the images 0 to {images - 1}")


def _moments(recipe: Recipe) -> tuple[str, ...]:
    """What the optimizer keeps for each parameter, in its shape, by PyTorch's names."""
    if recipe.optimizer == "sgd":
        return ("momentum_buffer",) if recipe.momentum else ()
    return ("exp_avg", "exp_avg_sq")


def _optimizer(network: StackedNetwork, recipe: Recipe) -> torch.optim.Optimizer:
    """All of these work value by value, so that no member can see another's gradient."""
    parameters, rate, decay = network.parameters(), recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        nesterov = recipe.momentum > 0
        return torch.optim.SGD(parameters, rate, recipe.momentum, weight_decay=decay, nesterov=nesterov, fused=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, rate, weight_decay=decay, fused=True)
