from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training import memory
from kaggle_mnist.training.memory import MemoryEstimate, available_memory, estimate_memory, require_memory
from kaggle_mnist.utils.errors import NotEnoughMemory

CPU = torch.device("cpu")


def estimate(recipe: Recipe, **changed: int) -> MemoryEstimate:
    numbers = {"images": 42_000, "test_images": 28_000, "folds": 5, "repeats": 1, **changed}
    return estimate_memory(recipe, device=CPU, **numbers)


def test_more_members_parameters_and_images_need_more_memory() -> None:
    mlp = find_recipe("mlp")
    least = estimate(mlp).total
    for changed in ({"repeats": 2}, {"folds": 10}, {"images": 400_000}, {"test_images": 280_000}):
        assert estimate(mlp, **changed).total > least, changed
    assert estimate(mlp.replaced(hidden=(2048, 1024))).total > least
    assert estimate(mlp.replaced(batch_size=3200)).total > least
    assert estimate(mlp.replaced(optimizer="sgd")).total < least
    assert estimate(mlp.replaced(directions=32, grid=28)).fixed > estimate(mlp).fixed + (100 << 20)


def test_repeats_that_differ_need_the_memory_of_each() -> None:
    mlp, wide = find_recipe("mlp"), {"hidden": [2048, 1024]}
    both = estimate(mlp.replaced(vary=({}, wide)), repeats=2).total
    assert estimate(mlp, repeats=2).total < both < estimate(mlp.replaced(vary=(wide, wide)), repeats=2).total
    assert estimate(mlp.replaced(vary=({}, wide))).total == estimate(mlp).total  # the second is not trained


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
@pytest.mark.parametrize(("recipe", "repeats"), [("mlp", 1), ("mlp", 2), ("cnn", 1)])
def test_the_estimate_is_near_the_measured_peak(recipe: str, repeats: int, practice: Digits) -> None:
    script = r"""
import re, sys, psutil
from pathlib import Path
from kaggle_mnist import find_recipe, load_digits, train
from kaggle_mnist import prepare
from kaggle_mnist.runs import checkpoint

checkpoint.PRICE, estimates = 0, []
require = prepare.require_memory

def required(*arguments, **named):
    estimates.append(require(*arguments, **named).total + psutil.Process().memory_info().rss)

prepare.require_memory = required
digits = load_digits("practice").head(3000, 1000)
train(find_recipe(sys.argv[1], epochs=1), input=digits, repeats=int(sys.argv[2]), score=False)
peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]  # ru_maxrss counts the parent's too
print(estimates[0] / (int(peak) * 1024))
"""
    command = [sys.executable, "-c", script, recipe, f"{repeats}"]
    ratio = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 0.75 < ratio < 1.25


def test_what_cannot_fit_is_refused_with_the_numbers_and_what_would_fit(
    few: Digits, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = estimate_memory(tiny, images=1500, test_images=300, folds=5, repeats=3, device=CPU)
    monkeypatch.setattr(memory, "available_memory", lambda device: needed.total)
    assert require_memory(tiny, few, folds=5, repeats=3, device=CPU) == needed
    with pytest.raises(
        NotEnoughMemory, match=r"^5 folds × 4 repeats of recipe tiny need about 0\.1 GB of memory, and 0"
    ):
        require_memory(tiny, few, folds=5, repeats=4, device=CPU)
    with pytest.raises(NotEnoughMemory, match=r"is available; use at most --repeats 3$"):
        require_memory(tiny, few, folds=5, repeats=200, device=CPU)
    monkeypatch.setattr(memory, "available_memory", lambda device: 1 << 20)
    with pytest.raises(NotEnoughMemory, match=r"use fewer --folds, a smaller batch_size or a smaller network"):
        require_memory(tiny, few, folds=5, repeats=1, device=CPU)


@pytest.mark.slow
def test_train_refuses_before_it_makes_a_folder(few: Digits) -> None:
    command = [sys.executable, "-m", "kaggle_mnist", "train", "--input", "practice", "--folds", "20"]
    done = subprocess.run([*command, "--repeats", "20000"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("kaggle-mnist: 20 folds × 20000 repeats of recipe mlp need about ")
    assert done.stderr.count("\n") == 1
    assert list(Path("submissions").iterdir()) == []


def test_a_limit_on_the_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    room = 300 << 20
    limit = int(psutil.Process().memory_info().vms) + room
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, limit))
    assert room * 0.8 < available_memory(CPU) <= room * 1.2


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/user/job\n", {"user/memory.max": "9000", "user/memory.current": "2500"}, 6500),
        (
            "0::/user/job\n",
            {
                "user/job/memory.max": "max",
                "user/job/memory.current": "100",
                "user/memory.max": "900",
                "user/memory.current": "400",
            },
            500,
        ),
        (
            "4:cpu,memory:/job\n0::/\n",
            {"memory/job/memory.limit_in_bytes": "700", "memory/job/memory.usage_in_bytes": "600"},
            100,
        ),
        ("3:memory:/elsewhere\n", {"memory/memory.limit_in_bytes": "800", "memory/memory.usage_in_bytes": "600"}, 200),
        (
            "3:memory:/\n",
            {"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "600"},
            None,
        ),
    ],
    ids=["of a parent", "none of its own", "version 1", "seen from inside a container", "no limit"],
)
def test_the_limit_of_a_cgroup_counts(
    own: str, files: dict[str, str], expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(memory, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    for name, content in files.items():
        file = tmp_path / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content + "\n")
        (file.parent / "memory.stat").write_text("anon 5\ninactive_file 0\n")
    if expected is None:
        assert available_memory(CPU) > 1 << 20
    else:
        assert available_memory(CPU) == expected


def test_the_page_cache_of_a_cgroup_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").write_text("0::/\n")
    monkeypatch.setattr(memory, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    for name, content in {"max": "1000", "current": "900", "stat": "inactive_file 300"}.items():
        (tmp_path / f"memory.{name}").write_text(content)
    assert available_memory(CPU) == 400
