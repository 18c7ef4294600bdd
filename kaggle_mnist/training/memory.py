"""The memory that a cross-validation will need, estimated before it starts, against what the machine has left."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from kaggle_mnist.data.digits import CLASSES, SIDE, Digits
from kaggle_mnist.models.registry import network_class
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.recipes.variants import member_shapes
from kaggle_mnist.training.device import precision_of
from kaggle_mnist.training.inference import BATCH
from kaggle_mnist.utils.errors import NotEnoughMemory

FLOAT = 4  # bytes of a float32
LIBRARIES = 60 << 20  # what PyTorch, oneDNN and the allocator take once products are computed; measured
MOMENTS = {"adam": 2, "adamw": 2, "sgd": 1}  # values that each optimizer keeps for a parameter
CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
UNLIMITED = 1 << 60  # cgroup v1 writes no limit as a number near 2⁶³


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a cross-validation adds to what the process holds already.

    Attributes
    ----------
    fixed : whatever the number of repeats: one repeat's batch, activations and gradients, and the libraries
    per_repeat : parameters, optimizer state and outputs of a repeat, also as they are copied to be written; if the
        recipe varies from repeat to repeat, their mean
    repeats : how many
    """

    fixed: int
    per_repeat: int
    repeats: int

    @property
    def total(self) -> int:
        """Bytes in all."""
        return self.fixed + self.per_repeat * self.repeats

    def repeats_within(self, available: int) -> int:
        """The most repeats that fit into `available` bytes; 0 if not even one does."""
        return max(0, (available - self.fixed) // self.per_repeat)


def estimate_memory(
    recipe: Recipe, *, images: int, test_images: int, folds: int, repeats: int, device: torch.device
) -> MemoryEstimate:
    """The memory for `folds` × `repeats` members on that many labeled and unlabeled images.

    >>> from kaggle_mnist import find_recipe
    >>> mlp, cpu = find_recipe("mlp"), torch.device("cpu")
    >>> estimate = estimate_memory(mlp, images=42_000, test_images=28_000, folds=5, repeats=10, device=cpu)
    >>> estimate.total == estimate.fixed + 10 * estimate.per_repeat
    True
    >>> estimate.repeats_within(estimate.total)
    10
    """
    trained = recipe.variants[:repeats]
    kinds = [(network_class(variant.network), variant.network_settings) for variant in trained]
    of_variants = [folds * network.values_per_member(**settings) * FLOAT for network, settings in kinds]
    shapes = member_shapes(recipe, folds=folds, repeats=repeats).values()
    parameters = sum(map(math.prod, shapes)) * FLOAT // repeats  # mean of a repeat
    state = parameters * (1 + MOMENTS[recipe.optimizer])
    # the last epoch's copy, and two of safetensors; several repeats of one variant are joined first
    copies = 3 * state if repeats == len(trained) else 4 * state
    outputs = (images + folds * test_images) * CLASSES * FLOAT

    batch = min(recipe.batch_size, images)  # images of a step, of all folds
    number = 2 if precision_of(recipe, device) == torch.bfloat16 else FLOAT
    pixels = SIDE * SIDE * FLOAT
    kept = max(network.activations_per_image(**settings) for network, settings in kinds)
    activations = folds * batch * (folds - 1) // folds * kept
    deformed = batch * pixels * 6  # displacements, sampled pixels, their ring and windows
    inputs = max(SIDE * SIDE, *(math.prod(settings["shape"]) for _, settings in kinds))
    judged = min(BATCH, images) * inputs * FLOAT * 3
    fixed = LIBRARIES + 2 * max(of_variants) + activations * number + deformed + judged
    return MemoryEstimate(fixed, state + copies + 2 * outputs, repeats)


def require_memory(recipe: Recipe, digits: Digits, *, folds: int, repeats: int, device: torch.device) -> MemoryEstimate:
    """The estimate, once it is known to fit. Raises NotEnoughMemory, with the numbers and what to change."""
    estimate = estimate_memory(
        recipe,
        images=len(digits.train_images),
        test_images=len(digits.test_images),
        folds=folds,
        repeats=repeats,
        device=device,
    )
    available = available_memory(device)
    if estimate.total <= available:
        return estimate
    fitting = estimate.repeats_within(available)
    advice = (
        f"use at most --repeats {fitting}"
        if fitting
        else "use fewer --folds, a smaller batch_size or a smaller network"
    )
    times = f" × {repeats} repeats" if repeats > 1 else ""
    raise NotEnoughMemory(
        f"{folds} folds{times} of recipe {recipe.name} need about {gigabytes(estimate.total)} of memory,"
        f" and {gigabytes(available)} is available; {advice}"
    )


def available_memory(device: torch.device) -> int:
    """Bytes that this process can still take: of the GPU's memory, or of what the machine has left, the limits of the
    process's cgroups and its own (``ulimit -v``)."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return max(0, min([int(psutil.virtual_memory().available), *_cgroup_rooms(), *_own_room()]))


def _cgroup_rooms() -> Iterator[int]:
    """What each cgroup of this process has left, from its own up to the root (versions 2 and 1)."""
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, limit, used = CGROUPS, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root, limit, used = CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        place = root / path.lstrip("/")
        for folder in (place, *place.parents):
            if root != folder and root not in folder.parents:
                break
            try:
                most, taken = (folder / limit).read_text().strip(), int((folder / used).read_text())
                stat = dict(entry.split() for entry in (folder / "memory.stat").read_text().splitlines())
            except (OSError, ValueError):
                continue
            if most != "max" and int(most) < UNLIMITED:
                yield int(most) - taken + int(stat.get("inactive_file", 0))  # the page cache gives way


def _own_room() -> Iterator[int]:
    """What the process's own limit on its address space leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit - int(psutil.Process().memory_info().vms)


def gigabytes(size: int) -> str:
    """A number of bytes in words.

    >>> gigabytes(1_234_000_000)
    '1.2 GB'
    """
    return f"{size / 1e9:.1f} GB"
