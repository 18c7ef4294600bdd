"""What the recipes reach: CV accuracy and loss, withheld score, seconds, a row for each recipe and seed, and memory.

    ./run.sh bench results [RECIPE …] [--seeds N]

Beside the seconds stands the machine's matrix-product rate just before (GFLOP/s).
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
from peak import machine, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=["mlp", "article"])
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    rows = []
    for recipe in arguments.recipes:
        for seed in range(arguments.seeds):
            gflops = peak()
            with tempfile.TemporaryDirectory() as output:
                options = ["--input", "practice", "--recipe", recipe, "--seed", f"{seed}", "--output", output]
                subprocess.run([sys.executable, "-m", "kaggle_mnist", "train", *options], check=True)
                [record] = [json.loads(path.read_text()) for path in Path(output).glob("*/run.json")]
            rows.append({"recipe": recipe, "seed": seed, **record["scores"], **record["seconds"], "peak": gflops})
    print(pd.DataFrame(rows).round(5).to_string(index=False))
    unit = 1 << 30 if sys.platform == "darwin" else 1 << 20  # ru_maxrss is in bytes there, elsewhere in kB
    print(f"peak memory of the largest run: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit:.2f} GB")
    print(machine())


if __name__ == "__main__":
    main()
