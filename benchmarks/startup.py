"""How long `facette --help` takes, beside an empty Python process from the same run.

python benchmarks/startup.py [--scale 1.0] [--json]      (scale × 20 starts of each)
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time


def seconds(command: list[str], runs: int) -> float:
    """Median of some runs of a command."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    runs = max(3, int(20 * args.scale))
    bare = seconds([sys.executable, "-c", "pass"], runs)
    ours = seconds(
        [sys.executable, "-c", "import sys; sys.argv = ['facette', '--help']; import facette.cli as c; c.main()"], runs
    )
    figures = {"python_seconds": bare, "facette_help_seconds": ours, "ratio": ours / bare, "runs": runs}
    if args.json:
        print(json.dumps(figures, indent=1))
    else:
        print(f"facette --help {ours:.3f} s, empty Python {bare:.3f} s, ratio {ours / bare:.1f} (median of {runs})")


if __name__ == "__main__":
    main()
