"""The tables of the grammar are kept in the user's cache, and whatever is there instead does no harm."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

READ = "from facette.definitions.language import parse_rule; print(parse_rule('recency < 20 ET x > 3'))"


def read_a_rule(home: Path) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", READ], env=environment, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: None,
        lambda kept: kept.write_bytes(b""),
        lambda kept: kept.write_bytes(kept.read_bytes()[:20_000]),
        lambda kept: (kept.unlink(), kept.mkdir()),
        lambda kept: (kept.unlink(), kept.parent.rmdir(), kept.parent.write_text("a file")),
    ],
    ids=["kept", "empty", "torn", "a folder in its place", "a file in place of the folder"],
)
def test_a_rule_is_read_whatever_is_in_the_cache(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    first = read_a_rule(tmp_path)
    kept = tmp_path / "facette" / "grammar"
    assert kept.stat().st_size > 50_000
    assert kept.parent.stat().st_mode & 0o077 == 0
    spoil(kept)
    assert read_a_rule(tmp_path) == first
