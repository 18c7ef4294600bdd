"""Trains every member of the ensemble at once: k-fold cross-validation as one tensor program.

Each step draws as many images from every fold, and augments them. Laid out in a ring,

    fold 1 | fold 2 | … | fold k-1 | fold 0 | fold 1 | … | fold k-2

the images that member m may learn from, all but those of fold m, are k-1 neighbours: a window, which is a view and
costs nothing. The members' windows are one batched matrix product. No product is wasted on a held-out image, and none
can reach its member.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kaggle_mnist.data.digits import CLASSES, Digits
from kaggle_mnist.models.mlp import Members
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training.augmentation import augment
from kaggle_mnist.utils.errors import BadFolds, BadRun, Diverged
from kaggle_mnist.utils.files import Progress, quiet

WATCHED = (
    2000  # held-out images of each member that an epoch is judged by, as they are; a finished run, by all views of all
)


@dataclass(frozen=True)
class Trained:
    """The members, repeat by repeat and in each fold by fold, and what was seen of them after every epoch."""

    network: Members
    history: pd.DataFrame


@dataclass(frozen=True)
class State:
    """What training goes on from: the tensors of members and optimizer after `epoch` epochs, and the history so far."""

    epoch: int
    tensors: dict[str, Tensor]
    history: list[dict[str, Any]]


def train_members(
    digits: Digits,
    fold_of: NDArray[np.int64],
    recipe: Recipe,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dropped: Sequence[int] = (),
    start: State | None = None,
    keep: Callable[[State], None] | None = None,
    progress: Progress = quiet,
) -> Trained:
    """Train one member for every repeat and fold of `fold_of`, ``(repeats, n)``.

    Every random number comes from a generator keyed by the seed and what it is for, so the same arguments on the same
    device with the same number of threads give the same bits. No member learns from the images with the numbers in
    `dropped`; what is watched counts them. `keep` is called with the state after every epoch, whose tensors the next
    epoch changes; given such a state as `start`, the epochs that are left give the same bits as without a stop.

    Raises Diverged where a loss or a weight is no longer finite, BadFolds where a fold has no image left, and BadRun
    where `start` is not of such members.
    """
    # Short of memory, PyTorch would only warn, and go on with another product that rounds otherwise.
    warnings.filterwarnings("error", message=".*mkldnn_matmul failed")
    # A unit or pixel that falls silent lets Adam's averages decay below 1e-38, where the CPU is ten times slower.
    torch.set_flush_denormal(True)
    device = torch.device(device)
    repeats, k = len(fold_of), int(fold_of.max()) + 1
    network = new_network(recipe, repeats * k, seed).to(device)
    optimizer = _optimizer(network, recipe)
    images = torch.from_numpy(digits.train_images).to(device)  # (n, 28, 28)
    labels = torch.from_numpy(digits.train_labels).to(device)  # (n,)
    folds = torch.from_numpy(fold_of).to(device)  # (repeats, n)
    lesson = _without(dropped, images, labels, folds)
    watched = [torch.nonzero(row == fold).flatten()[:WATCHED] for row in folds for fold in range(k)]

    history: list[dict[str, Any]] = []
    if start is not None:
        _restore(network, optimizer, start)
        history += start.history
    begun = start.epoch if start is not None else 0
    progress("Training", begun, recipe.epochs)
    for epoch in range(begun, recipe.epochs):
        generator = generator_for(seed, 1, epoch, device=device)
        train_loss = _train_epoch(network, optimizer, *lesson, recipe, epoch, generator)
        scores = [_watch(network, m, images[rows], labels[rows], recipe) for m, rows in enumerate(watched)]
        finite = all(bool(parameter.isfinite().all()) for parameter in network.parameters())
        if not (finite and all(map(math.isfinite, (*train_loss, *(loss for loss, _ in scores))))):
            raise Diverged(
                f"recipe {recipe.name}: the loss of epoch {epoch + 1} is not finite;"
                f" try a learning_rate below {recipe.learning_rate:g}, or a longer warmup"
            )
        history += [
            {
                "epoch": epoch + 1,
                "repeat": member // k,
                "fold": member % k,
                "learning_rate": learning_rate(recipe, epoch),
                "train_loss": train_loss[member],
                "watched_loss": loss,
                "watched_accuracy": accuracy,
            }
            for member, (loss, accuracy) in enumerate(scores)
        ]
        if keep is not None:
            keep(State(epoch + 1, _tensors_of(network, optimizer), history))
        accuracy = sum(accuracy for _, accuracy in scores) / len(scores)
        progress("Training", epoch + 1, recipe.epochs, f"held-out accuracy {accuracy:.4f}")
    return Trained(network, pd.DataFrame(history))


def _train_epoch(
    network: Members,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    folds: Tensor,
    recipe: Recipe,
    epoch: int,
    generator: torch.Generator,
) -> list[float]:
    """One pass over the images; gives each member's mean loss. On a GPU, the host waits for nothing before the end."""
    shuffled = _shuffle_within_folds(folds, generator)  # (repeats, k, smallest fold)
    smallest = shuffled.shape[2]
    precision = precision_of(recipe, images.device)
    steps = max(1, min(round(len(images) / recipe.batch_size), smallest))
    edges = [smallest * step // steps for step in range(steps + 1)]
    total = torch.zeros(shuffled.shape[0] * shuffled.shape[1], device=images.device)  # (members,)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, epoch + step / steps)
        rows = shuffled[:, :, edges[step] : edges[step + 1]]  # (repeats, k, b)
        x = augment(images[rows.flatten()].float() / 255, recipe, generator)  # (repeats * k * b, 28, 28)
        x = leave_own_fold_out(scaled(x, recipe).to(precision).view(*rows.shape, -1))  # (members, (k - 1) * b, 784)
        y = leave_own_fold_out(labels[rows])  # (members, (k - 1) * b)
        with torch.autocast(x.device.type, precision, enabled=precision != torch.float32):
            logits = network(x, dropout=recipe.dropout, generator=generator).float()  # (members, (k - 1) * b, 10)
        losses = losses_of(logits, y, recipe)  # (members,)
        optimizer.zero_grad()
        losses.sum().backward()  # each member's gradient comes from its own loss alone
        optimizer.step()
        total += losses.detach()
    mean_losses: list[float] = (total / steps).tolist()
    return mean_losses


def _without(dropped: Sequence[int], images: Tensor, labels: Tensor, folds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The images, labels and folds that members learn from. Raises BadFolds where a fold has no image left."""
    if not len(dropped):
        return images, labels, folds
    kept = torch.ones(len(images), dtype=torch.bool, device=images.device)
    kept[list(dropped)] = False
    k = int(folds.max()) + 1
    if (F.one_hot(folds[:, kept], k).sum(1) == 0).any():
        raise BadFolds(f"without the {len(dropped):,} images dropped, a fold has none left; drop fewer")
    return images[kept], labels[kept], folds[:, kept]


def new_network(recipe: Recipe, members: int, seed: int) -> Members:
    """The members before training, each from a generator of its own."""
    units = (28 * 28, *recipe.hidden, CLASSES)
    return Members(units, [generator_for(seed, 0, member) for member in range(members)])


def precision_of(recipe: Recipe, device: torch.device) -> torch.dtype:
    """The type of products: bfloat16 if the recipe is one of mixed precision and the machine has units for it.

    On a CPU those are Intel's AMX, or AVX-512 BF16 (AMD's since Zen 4); on a GPU NVIDIA's since Ampere. An older
    PyTorch cannot tell what the CPU has: float32.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        native = any(capabilities.get(units) for units in ("amx_bf16", "avx512_bf16"))
    return torch.bfloat16 if recipe.mixed_precision and native else torch.float32


def generator_for(seed: int, *purpose: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A stream of random numbers of its own for every seed and purpose."""
    state = np.random.SeedSequence([seed, *purpose]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state))


def leave_own_fold_out(groups: Tensor) -> Tensor:
    """To each member the images of all folds but its own: ``(repeats, k, b, …)`` to ``(repeats * k, (k - 1) * b, …)``.

    Member ``m`` of a repeat gets the groups ``m + 1, …, m + k - 1``, modulo ``k``. With one repeat, a view of the ring.
    """
    k = groups.shape[1]
    ring = torch.cat([groups[:, 1:], groups[:, :-1]], 1)  # (repeats, 2k - 2, b, …)
    windows = ring.unfold(1, k - 1, 1).movedim(-1, 2)  # (repeats, k, k - 1, b, …)
    return windows.flatten(2, 3).flatten(0, 1)


def scaled(x: Tensor, recipe: Recipe) -> Tensor:
    """Pixels from 0 to 1 brought to the recipe's range."""
    low, high = recipe.pixels
    return x if (low, high) == (0, 1) else x * (high - low) + low


def losses_of(logits: Tensor, labels: Tensor, recipe: Recipe, *, smoothing: bool = True) -> Tensor:
    """Each member's mean loss, ``(members,)``, from ``(members, b, 10)`` logits and ``(members, b)`` labels."""
    if recipe.loss == "squared_error":
        wrong, right = recipe.targets
        targets = F.one_hot(labels, CLASSES) * (right - wrong) + wrong
        return (logits.sigmoid() - targets).square().mean((1, 2))
    each = F.cross_entropy(
        logits.flatten(0, 1),
        labels.flatten(),
        reduction="none",
        label_smoothing=recipe.label_smoothing if smoothing else 0.0,
    )
    return each.view_as(labels).mean(1)


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The rate at a moment, in epochs from the start."""
    if recipe.schedule == "steps":
        passed = [rate for start, rate in recipe.steps if start <= epoch]
        rate = passed[-1] if passed else recipe.learning_rate
    else:
        share = max(0.0, epoch - recipe.warmup) / max(recipe.epochs - recipe.warmup, 1e-9)
        rate = recipe.learning_rate * (1 + math.cos(math.pi * min(share, 1.0))) / 2
    warm = (epoch + 0.01) / recipe.warmup if recipe.warmup else 1.0  # the very first step is not wasted
    return rate * min(1.0, warm)


def _shuffle_within_folds(folds: Tensor, generator: torch.Generator) -> Tensor:
    """Image numbers, ``(repeats, k, smallest)``: those of each fold in random order, as many as the smallest has."""
    noise = torch.rand(folds.shape, generator=generator, device=folds.device, dtype=torch.float64)
    order = (folds + noise).argsort(1)  # by fold, and at random inside a fold
    sizes = F.one_hot(folds).sum(1)  # (repeats, k)
    starts = sizes.cumsum(1) - sizes
    picked = starts[:, :, None] + torch.arange(int(sizes.min()), device=folds.device)
    return order.gather(1, picked.flatten(1)).view_as(picked)


def _optimizer(network: Members, recipe: Recipe) -> torch.optim.Optimizer:
    """All of these work value by value, so that no member can see another's gradient."""
    parameters, rate, decay = network.parameters(), recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        nesterov = recipe.momentum > 0
        return torch.optim.SGD(parameters, rate, recipe.momentum, weight_decay=decay, nesterov=nesterov, fused=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, rate, weight_decay=decay, fused=True)


def _tensors_of(network: Members, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Members and optimizer as named tensors: `network.weights.0`, `optimizer.0.exp_avg`."""
    state = optimizer.state_dict()["state"]
    tensors = {f"optimizer.{i}.{key}": value for i, values in state.items() for key, value in values.items()}
    return {**{f"network.{name}": tensor for name, tensor in network.state_dict().items()}, **tensors}


def _restore(network: Members, optimizer: torch.optim.Optimizer, state: State) -> None:
    values: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            values.setdefault(int(number), {})[key] = tensor
    of_network = {name: t for name, t in state.tensors.items() if name.startswith("network.")}
    try:
        network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in of_network.items()})
        optimizer.load_state_dict({"state": values, "param_groups": optimizer.state_dict()["param_groups"]})
    except (RuntimeError, ValueError, KeyError) as error:
        raise BadRun(f"the checkpoint after epoch {state.epoch} is not of this recipe's members") from error


@torch.no_grad()
def _watch(network: Members, member: int, images: Tensor, labels: Tensor, recipe: Recipe) -> tuple[float, float]:
    logits = network.outputs_of(member, scaled(images.flatten(1).float() / 255, recipe))
    loss = losses_of(logits[None], labels[None], recipe, smoothing=False)
    return float(loss), float((logits.argmax(1) == labels).float().mean())
