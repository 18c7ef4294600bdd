"""What the recipes reach: CV accuracy and loss, withheld score, time and memory, a row for each recipe and seed.

    ./run.sh bench results [RECIPE …] [--seeds N]

The withheld labels are opened here, as for any finished run; nothing may be chosen by them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=["mlp", "article"])
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    rows = []
    for recipe in arguments.recipes:
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as output:
                command = [
                    "-m",
                    "kaggle_mnist",
                    "train",
                    "--input",
                    "practice",
                    "--recipe",
                    recipe,
                    "--seed",
                    f"{seed}",
                ]
                subprocess.run([sys.executable, *command, "--output", output], check=True)
                [record] = [json.loads(path.read_text()) for path in Path(output).glob("*/run.json")]
            rows.append({"recipe": recipe, "seed": seed, **record["scores"], **record["seconds"]})
    environment = record["environment"]
    print(pd.DataFrame(rows).round(5).to_string(index=False))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1 if sys.platform == "darwin" else 1024) / 1024
    print(f"peak memory of the largest run: {peak:.2f} {'MB' if sys.platform == 'darwin' else 'GB'}")
    print(", ".join(f"{key} {value}" for key, value in environment.items()))


if __name__ == "__main__":
    main()
