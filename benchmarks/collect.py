"""The collector on one core: requests and events a second, with and without sharing appends among requests.

python benchmarks/collect.py [--scale 1.0] [--json]      (scale × 4 seconds of each, three times in turn; the medians)

The collector runs on the first core, who sends on the second (Linux). Every answered event is on disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KEY = "key"
APPENDS = ("own", "shared")
PROJECT = f"""
name: shop
identifiers: [{{name: user}}]
sources: [{{name: web, kind: log, write_keys: [{KEY}], people: {{identifiers: {{user: user_id}}}}}}]
"""
SERVE = """
import sys
from pathlib import Path
from facette.definitions.project import load
from facette.web.collect import collect_app
from facette.web.serving import serve
app = collect_app(load(Path(sys.argv[1])), is_grouped=sys.argv[2] == "shared")
serve(app, host="127.0.0.1", port=0, on_ready=lambda url: print(url, flush=True))
"""
EVENT = {
    **{"type": "track", "userId": "user-12345", "event": "Order Completed"},
    "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
    "properties": {"order_id": "o-123456", "revenue": 39.95, "currency": "EUR", "category": "books", "quantity": 3},
}


def request(size: int) -> bytes:
    """A request with so many events, as it goes over the wire."""
    stamped = [{"messageId": f"{i:026}", "timestamp": f"2026-11-22T11:30:15.{i:03}Z"} for i in range(size)]
    content = {"batch": [EVENT | one for one in stamped], "sentAt": "2026-11-22T11:30:16Z", "writeKey": KEY}
    body = json.dumps(content).encode()
    return b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def send(port: int, wire: bytes, until: float, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (start := time.perf_counter()) < until:
        writer.write(wire)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - start)
    writer.close()


async def load(port: int, size: int, senders: int, seconds: float) -> list[float]:
    took: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(send(port, request(size), until, took) for _ in range(senders)))
    return sorted(took)


def measure(how: str, size: int, senders: int, seconds: float) -> dict[str, float]:
    """Requests a second, and milliseconds that half and 99 in 100 of them took at most."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "facette.yml").write_text(PROJECT)
        words = ["taskset", "-c", "0", sys.executable, "-c", SERVE, folder, how]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            port = int(process.stdout.readline().rpartition(":")[2])
            asyncio.run(load(port, size, senders, 0.5))
            took = asyncio.run(load(port, size, senders, seconds))
            process.terminate()
    p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
    return {"requests_per_second": len(took) / seconds, "p50_ms": p50 * 1000, "p99_ms": p99 * 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    os.sched_setaffinity(0, {1})
    found = []
    for size, senders in ((1, 1), (1, 64), (20, 16), (100, 16)):
        rounds = [[measure(how, size, senders, 4 * args.scale) for how in APPENDS] for _ in range(3)]
        for how, figures in zip(APPENDS, zip(*rounds, strict=True), strict=True):
            medians = {name: statistics.median(one[name] for one in figures) for name in figures[0]}
            events = medians["requests_per_second"] * size
            found.append({"appends": how, "events": size, "senders": senders, "events_per_second": events} | medians)
    if args.json:
        print(json.dumps(found, indent=1))
        return
    print("appends  events  senders  requests/s  events/s   p50 ms   p99 ms")
    for one in found:
        rates = f"{one['requests_per_second']:>12,.0f}{one['events_per_second']:>10,.0f}"
        times = f"{one['p50_ms']:>9.1f}{one['p99_ms']:>9.1f}"
        print(f"{one['appends']:<7}{one['events']:>8}{one['senders']:>9}{rates}{times}")


if __name__ == "__main__":
    main()
