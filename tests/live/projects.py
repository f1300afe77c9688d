"""A small project that follows a log, and random records for it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from facette.definitions.model import EmbeddedLog
from facette.live.state import State
from facette.sources.log import open_log
from facette.sources.record import Record, encode, instant_text

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

PROJECT = """
name: site
time_zone: Europe/Paris
identifiers:
  - name: user
  - name: device
sources:
  - name: site
    kind: log
    people:
      only: {kind: identify}
      identifiers: {user: user_id, device: anonymous_id}
      known_at: received_at
      fields:
        city: {column: traits.city}
    events:
      - name: purchase
        only: {kind: track, event: purchase}
        identifiers: {user: user_id, device: anonymous_id}
        at: at
        known_at: received_at
        id: [message_id]
        fields:
          amount: {column: properties.amount, type: number}
      - name: visit
        only: {kind: page}
        identifiers: {user: user_id, device: anonymous_id}
        at: at
        known_at: received_at
        id: [message_id]
        fields:
          page: {column: properties.page}
segments:
  - {name: buyers, label: {en: Buyers}, rule: DID purchase IN THE LAST 7 DAYS}
  - {name: big, label: {en: Big}, rule: SUM(amount) OF purchase >= 100}
  - {name: nantais, label: {en: Nantais}, rule: city = Nantes}
  - {name: lookers, label: {en: Lookers}, rule: DID visit AT LEAST 2 TIMES IN THE LAST 30 DAYS AND DID NOT purchase}
  - {name: converted, label: {en: Converted}, rule: DID visit THEN purchase WITHIN 2 DAYS}
  - {name: just_now, label: {en: Just now}, rule: DID visit IN THE LAST 3 HOURS}
"""


def write_project(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facette.yml").write_text(PROJECT, encoding="utf-8")
    return folder


def random_records(rng: random.Random, n_records: int, n_people: int, until: datetime = NOW) -> list[bytes]:
    """Visits of devices, purchases of users, and identifications that join the two; late, early and twice."""
    records: list[bytes] = []
    while len(records) < n_records:
        number = rng.randrange(n_people)
        at = until - timedelta(seconds=rng.uniform(0, 40 * 86_400))
        received_at = at + timedelta(seconds=rng.choice((0, 0, 1, 3_600, 86_400)))
        kind = rng.choice(("page", "page", "track", "track", "identify"))
        records.append(
            encode(
                Record(
                    message_id=f"m{rng.randrange(10**12)}",
                    kind=kind,  # type: ignore[arg-type]
                    event="purchase" if kind == "track" else None,
                    at=instant_text(at),
                    received_at=instant_text(min(received_at, until)),
                    user_id=f"u{number}" if kind != "page" or rng.random() < 0.2 else None,
                    anonymous_id=f"d{number}-{rng.randrange(3)}" if kind != "track" else None,
                    properties={"amount": rng.choice((5, 19.99, 60))} if kind == "track" else {"page": "/"},
                    traits={"city": rng.choice(("Nantes", "Lyon", None))} if kind == "identify" else {},
                    protocol="segment",
                    source="site",
                )
            )
        )
        if rng.random() < 0.1:
            records.append(rng.choice(records))
    return records[:n_records]


def append(folder: Path, records: list[bytes]) -> None:
    log = open_log(EmbeddedLog(), folder)
    log.append(records)
    log.close()


def members_of(state: State) -> set[tuple[int, str, int]]:
    """profile_id, segment, instant of entering (µs) of everybody that a state holds as a member."""
    return {
        (profile_id, segment, since)
        for segment, ids, instants in state.members()
        for profile_id, since in zip(ids.tolist(), instants.tolist(), strict=True)
    }
