"""Estimated against measured memory: whether a run needs what `train` says before it starts.

    ./run.sh bench memory [RECIPE …] [--repeats N …] [--epochs N]

Every run is a separate process on the practice set, with 5 folds and a checkpoint after every epoch, under the
allocator settings that `run.sh` exports. *Estimate* is what `kaggle_mnist.training.memory` adds to the resident size of
the process when the estimate is made, *peak* the largest resident size of the whole run, *ratio* estimate / peak.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile

RECIPES, REPEATS = ("fast", "mlp", "article", "best", "cnn"), (1, 4)

RUN = """
import json, resource, sys
import psutil
from kaggle_mnist import find_recipe, pipeline, prepare
from kaggle_mnist.runs import checkpoint

recipe, repeats, epochs, output = sys.argv[1:]
checkpoint.PRICE = 0  # a checkpoint after every epoch
require_memory, found = prepare.require_memory, {}

def measure(*arguments, **options):
    found["resident"] = psutil.Process().memory_info().rss
    estimate = require_memory(*arguments, **options)
    found["estimate"] = estimate.total
    return estimate

prepare.require_memory = measure
recipe = find_recipe(recipe, epochs=int(epochs))
pipeline.train(recipe, input="practice", repeats=int(repeats), score=False, output=output)
unit = 1 if sys.platform == "darwin" else 1024
found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(json.dumps(found))
"""


def measure(recipe: str, repeats: int, epochs: int) -> dict[str, object]:
    """Train in a separate process, and return its row."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-c", RUN, recipe, f"{repeats}", f"{epochs}", output]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, int] = json.loads(printed)
    expected = found["resident"] + found["estimate"]
    return {
        "recipe": recipe,
        "repeats": repeats,
        "resident before, GB": round(found["resident"] / 1e9, 2),
        "added, GB": round(found["estimate"] / 1e9, 2),
        "estimate, GB": round(expected / 1e9, 2),
        "peak, GB": round(found["peak"] / 1e9, 2),
        "ratio": round(expected / found["peak"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--repeats", type=int, nargs="+", default=REPEATS)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    rows = [measure(name, n, arguments.epochs) for name in arguments.recipes for n in arguments.repeats]
    from peak import show  # imports torch: on Linux, ru_maxrss of a child starts at its parent's size

    show(rows)


if __name__ == "__main__":
    main()
