"""Benchmarks run, on few rows: what they print on many is for docs, and nobody notices for long when one breaks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize(
    "command",
    [
        "batch.py --scale 0.001 --engines facette,sql --rules 1",
        "preview.py --scale 0.001 --repeat 1",
        "night.py --scale 0.001",
        "live.py --profiles 300 --records 1000 --batch 200",
        "live.py --profiles 300 --records 1000 --rate 2000",
        "log.py --scale 0.01",
        "language.py --scale 0.05",
        "models.py --rows 3000 --columns 5 --groups 3 --sample 1000",
    ],
)
def test_benchmarks(command: str) -> None:
    program, *options = command.split()
    done = subprocess.run(
        [sys.executable, BENCHMARKS / program, *options, "--json"], stdout=subprocess.PIPE, text=True, check=True
    )
    figures = json.loads(done.stdout)
    assert figures
