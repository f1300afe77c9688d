"""How fast the embedded log takes records and gives them back, and how fast runs land them.

python benchmarks/log.py [--scale 1.0] [--json]      (scale × 200,000 records)

Records are orders of about 300 bytes. An append is on disk when it returns, so small ones are as slow as the disk's
fsync, which is measured beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from facette.definitions.model import EmbeddedLog, Events, LogSource
from facette.sources.landing import land
from facette.sources.log import Log, open_log
from facette.sources.record import Record, encode, instant_text

SIZES = (1, 100, 10_000)
SYNCS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--writer", help=argparse.SUPPRESS)
    args = parser.parse_args()
    n_records = int(200_000 * args.scale)
    if args.writer:
        append(open_log(EmbeddedLog(), Path(args.writer)), some_records(100), n_records)
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = {"record_bytes": len(some_records(1)[0]), "fsync_ms": 1000 * seconds(lambda: synced(folder)) / SYNCS}
    for size in SIZES:
        figures |= measure(size, max(n_records if size > 1 else n_records // 100, size))
    figures["append_100_by_3_processes_per_second"] = several_writers(3, args.scale / 3)
    if args.json:
        print(json.dumps(figures, indent=1))
    else:
        print("\n".join(f"{name.replace('_', ' '):<40} {figure:>12,.2f}" for name, figure in figures.items()))


def measure(size: int, n_records: int) -> dict[str, float]:
    """Appends of one size, then reading all of it, then landing it: records per second."""
    records = some_records(size)
    event = Events(name="order", identifiers={"user": "user_id"}, at="at")
    source = LogSource(name="shop", kind="log", events=(event,))
    with tempfile.TemporaryDirectory() as folder:
        log = open_log(EmbeddedLog(), Path(folder))
        taken = {
            "append": seconds(lambda: append(log, records, n_records)),
            "read": seconds(lambda: read_all(log)),
            "land": seconds(lambda: land(source, folder=Path(folder), raw=Path(folder) / "raw")),
        }
        log.close()
    return {f"{what}_{size}_per_second": n_records / each for what, each in taken.items()}


def several_writers(n_writers: int, scale: float) -> float:
    """Processes that append 100 at a time to one log, their start included: records per second of all together."""
    command = [sys.executable, __file__, "--scale", str(scale), "--writer"]
    with tempfile.TemporaryDirectory() as folder:
        open_log(EmbeddedLog(), Path(folder)).close()

        def write() -> None:
            for process in [subprocess.Popen([*command, folder]) for _ in range(n_writers)]:
                process.wait()

        return n_writers * int(200_000 * scale) / seconds(write)


def append(log: Log, records: list[bytes], n_records: int) -> None:
    for _ in range(n_records // len(records)):
        log.append(records)


def read_all(log: Log) -> None:
    reader = log.reader("benchmark")
    while reader.read().bodies:
        pass
    reader.close()


def synced(folder: str) -> None:
    with (Path(folder) / "x").open("ab") as file:
        for _ in range(SYNCS):
            file.write(b"x" * 300)
            file.flush()
            os.fsync(file.fileno())


def seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def some_records(number: int) -> list[bytes]:
    at = instant_text(datetime(2026, 11, 22, 7, 30, tzinfo=UTC))
    return [
        encode(
            Record(
                message_id=f"message-{i:08}",
                kind="track",
                event="Order Completed",
                at=at,
                received_at=at,
                user_id=f"user-{i % 1000}",
                properties={"revenue": i / 8, "category": "organic"},
                protocol="segment",
                source="shop",
            )
        )
        for i in range(number)
    ]


if __name__ == "__main__":
    main()
