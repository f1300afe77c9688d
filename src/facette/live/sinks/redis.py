"""Redis or Valkey as a store of who is where now, for pages that ask at every view.

For a prefix ``facette:`` its keys are

    facette:profile:<id>        hash: segment → since when, in milliseconds of Unix time
    facette:traits:<id>         hash: trait, feature or model → its value, of those that the sink names
    facette:segment:<name>      sorted set: profile ids by the same
    facette:merged              hash: profile → what it became part of
    facette:segments            set: the segments that there is something of
    facette:position            hash: `state` and `seq`, what the above is true of; missing while it is being filled;
                                `traits`, as far as they have come
    facette:owner               the project's name, and by what it is known from others of that name; the keys of others
                                are left alone

Changes and the number of the last of them are one MULTI: it has all of them or none, and says how far it has come.
What a change does is the same if it is done again. One instance, or a master with replicas; no cluster.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import redis

from facette.definitions import model
from facette.definitions.error_texts import said
from facette.errors import SinkError, SinkRefusedError
from facette.live.changes import Change, Numbered
from facette.live.reading import Told
from facette.live.sinks.sink import Filled, named
from facette.sources.environment import from_environment
from facette.warehouse.published import Store

PATIENCE = 10.0  # seconds for an answer
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
IDENTITY = re.compile(r" [0-9a-f]{16}$")

MERGE = """
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  local members = ARGV[1] .. held[i]
  redis.call('ZREM', members, ARGV[2])
  redis.call('ZADD', members, 'LT', held[i + 1], ARGV[3])
  redis.call('HSET', KEYS[2], held[i], redis.call('ZSCORE', members, ARGV[3]))
end
redis.call('DEL', KEYS[1])
"""
"""Gives what one profile holds to another, since the earlier of two instants."""


class RedisSink:
    """One Redis; ``client`` is made from its URL."""

    portion = 1_000
    filled: Filled | None = None

    def __init__(self, definition: model.RedisSink, project: str, folder: Path) -> None:
        self.name, self.prefix, self.project = named(definition), definition.prefix, project
        self.store = Store(folder)
        self.traits = definition.traits
        url = from_environment(definition.url, f"Sink {definition.name}", in_url=True)
        self.client: Any = redis.Redis.from_url(
            url, decode_responses=True, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
        )
        self._token = ""

    def last(self, told: Told) -> int | None:
        self._token = told.token
        with self._errors():
            state, seq = self.client.hmget(self._key("position"), "state", "seq")
            if state is not None:
                self._own()
        return int(seq) if state == self._token and seq is not None else None

    def fill(self, told: Told) -> int:
        """Forget everything under the prefix, and take in the members; ``position`` comes last."""
        seq, self._token = told.last_seq(), told.token
        with self._errors():
            self._own()
            self.client.delete(self._key("position"))
            keys = (key for key in self._keys() if key != self._key("owner"))
            while some := list(islice(keys, 1_000)):
                self.client.unlink(*some)
            for members in told.members(self.portion):
                pipe = self.client.pipeline(transaction=False)
                for member in members:
                    self._enter(pipe, member.profile_id, member.segment, member.since)
                pipe.execute()
            self.client.hset(self._key("position"), mapping={"state": self._token, "seq": seq})
        return seq

    def send(self, changes: Sequence[Numbered]) -> None:
        with self._errors():
            pipe = self.client.pipeline(transaction=True)
            for _, change in changes:
                self._apply(pipe, change)
            pipe.hset(self._key("position"), mapping={"state": self._token, "seq": changes[-1][0]})
            pipe.execute()

    def follow(self, told: Told) -> None:
        """Traits as they are; as the run has published them first, where it holds those of another run, or others."""
        with self._errors():
            had = json.loads(self.client.hget(self._key("position"), "traits") or "{}")
            with told.at_once():
                base, kept = told.kept()
                if not self.traits and had:
                    self._keep_only(set())
                    self.client.hdel(self._key("position"), "traits")
                elif self.traits and {*self.traits} <= {*kept}:  # else the worker has not gone over to them yet
                    now = {"run": base, "names": [*self.traits]}
                    is_same = now == {key: value for key, value in had.items() if key != "step"}
                    step = self._follow(told, had["step"]) if is_same else self._fill_traits(told)
                    if not is_same or step != had["step"]:
                        self.client.hset(self._key("position"), "traits", json.dumps({**now, "step": step}))

    def _follow(self, told: Told, after: int, seen: set[int] | None = None) -> int:
        """Take over what changed after a step; returns the last one."""
        for portion in told.traits(after, self.portion):
            self._put([(profile_id, values) for profile_id, _, values in portion])
            after = portion[-1][1]
            if seen is not None:
                seen.update(profile_id for profile_id, _, values in portion if values)
                seen.difference_update(profile_id for profile_id, _, values in portion if not values)
        return after

    def _fill_traits(self, told: Told) -> int:
        """What there is stays until it is replaced; what nobody has any more goes at the end."""
        seen: set[int] = set()
        for portion in told.published_traits(self.traits, self.portion):
            self._put(portion)
            seen.update(profile_id for profile_id, _ in portion)
        step = self._follow(told, 0, seen)
        self._keep_only(seen)
        return step

    def _put(self, rows: Sequence[tuple[int, Mapping[str, str]]]) -> None:
        pipe = self.client.pipeline(transaction=True)
        for profile_id, values in rows:
            key = self._key("traits", profile_id)
            pipe.delete(key)
            mine = {name: values[name] for name in self.traits if name in values}
            if mine:
                pipe.hset(key, mapping=mine)
        pipe.execute()

    def _keep_only(self, profiles: set[int]) -> None:
        start = self._key("traits", "")
        for key in self.client.scan_iter(match=f"{_literal(start)}*", count=1_000):
            if int(key.removeprefix(start)) not in profiles:
                self.client.unlink(key)

    def retain(self, segments: set[str]) -> None:
        with self._errors():
            for gone in set(self.client.smembers(self._key("segments"))) - segments:
                members = self._key("segment", gone)
                while some := self.client.zrange(members, 0, 999):
                    pipe = self.client.pipeline(transaction=True)
                    for profile_id in some:
                        pipe.hdel(self._key("profile", profile_id), gone)
                    pipe.zrem(members, *some)
                    pipe.execute()
                self.client.srem(self._key("segments"), gone)

    def close(self) -> None:
        self.client.close()

    # ── what a change does ──────────────────────────────────────────────────────────────────────────────────────────

    def _apply(self, pipe: Any, change: Change) -> None:
        match change.change:
            case "entered":
                self._enter(pipe, change.profile_id, change.segment, change.at)
                pipe.hdel(self._key("merged"), change.profile_id)
            case "left":
                pipe.hdel(self._key("profile", change.profile_id), change.segment)
                pipe.zrem(self._key("segment", change.segment), change.profile_id)
            case "merged":
                keys = self._key("profile", change.profile_id), self._key("profile", change.into)
                pipe.eval(MERGE, 2, *keys, self._key("segment", ""), change.profile_id, change.into)
                pipe.hset(self._key("merged"), change.profile_id, change.into)
                pipe.delete(self._key("traits", change.profile_id))

    def _enter(self, pipe: Any, profile_id: int, segment: str, since: datetime) -> None:
        milliseconds = (since - EPOCH) // timedelta(milliseconds=1)
        pipe.hset(self._key("profile", profile_id), segment, milliseconds)
        pipe.zadd(self._key("segment", segment), {str(profile_id): milliseconds})
        pipe.sadd(self._key("segments"), segment)

    def _own(self) -> None:
        """SinkRefusedError if there are keys under the prefix that are not this project's."""
        key, mine = self._key("owner"), f"{self.project} {self.store.identity()}"
        owner = self.client.get(key)
        if owner is None and next(self._keys(), None) is None:
            self.client.set(key, mine, nx=True)  # of two at once one is the first
            owner = self.client.get(key)
        if owner == self.project:  # it was not told by more than its name once
            self.client.set(key, owner := mine)
        if owner != mine:
            which = "not_ours" if owner is None else "of_its_name" if self._is_named_so(owner) else "of_another"
            raise said(SinkRefusedError, which, sink=self.name, prefix=self.prefix, project=_name_of(owner or ""))

    def _is_named_so(self, owner: str) -> bool:
        return _name_of(owner) == self.project

    def _keys(self) -> Iterator[str]:
        keys: Iterator[str] = self.client.scan_iter(match=f"{_literal(self.prefix)}*", count=1_000)
        return keys

    def _key(self, *parts: object) -> str:
        return self.prefix + ":".join(map(str, parts))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except redis.AuthenticationError as error:
            raise SinkRefusedError(
                f"Redis does not let in sink {self.name}: {error}.", remedy="Check its url."
            ) from error
        except (redis.RedisError, OSError) as error:
            remedy = "Check that Redis is running and reachable, has memory left, and the sink's `url`."
            raise SinkError(
                f"Redis, sink {self.name}, cannot be used: {str(error).rstrip('.')}.", remedy=remedy
            ) from error


def _name_of(owner: str) -> str:
    """The project's name without by what it is known from others of that name."""
    return IDENTITY.sub("", owner)


def _literal(prefix: str) -> str:
    """A prefix as a pattern that means just it."""
    return "".join(f"\\{char}" if char in "*?[]\\^" else char for char in prefix)
