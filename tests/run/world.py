"""A shop that lives: random deliveries, corrections and changes of mind, from one seed.

Customers arrive as CSV, purchases as Parquet, visits as JSON lines, products as a table to look things up in. Records
and visits tie identifiers together, so that people merge as time goes by; some e-mail addresses are shared, some
identifiers are rubbish, some events come late, twice, or from a clock that runs ahead.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

START = datetime(2026, 3, 20, 9, 2, tzinfo=UTC)  # days before the clocks change in Paris

FEATURES = [
    "SUM(amount) OF purchase",
    "SUM(amount) OF purchase IN THE LAST 7 DAYS",
    "COUNT OF purchase IN THE LAST 1 MONTHS",
    "COUNT OF visit IN THE LAST 6 HOURS",
    "AVG(amount) OF purchase WHERE category = bio",
    "MAX(amount) OF purchase WHERE amount < 40 IN THE LAST 2 WEEKS",
    "FIRST(shop) OF purchase",
    "LAST(shop) OF purchase IN THE LAST 10 DAYS",
    "LAST(page) OF visit",
    "DISTINCT(page) OF visit IN THE LAST 3 DAYS",
    "DISTINCT(category) OF purchase",
    "RECENCY OF purchase",
    "RECENCY OF visit WHERE page = cart",
    "LAST(at) OF visit",
    "COUNT OF visit BEFORE yesterday",
    "COUNT OF visit SINCE 2026-03-22",
    "COUNT OF visit WHERE at < 90 MINUTES",
    "MIN(hour) OF visit WHERE weekday >= 6",
    "points + 1",
]
RULES = [
    "DID purchase AT LEAST 2 TIMES IN THE LAST 7 DAYS",
    "DID NOT purchase IN THE LAST 3 DAYS",
    "FIRST DID purchase IN THE LAST 5 DAYS",
    "DID visit IN THE LAST 2 HOURS",
    "DID visit THEN purchase WITHIN 2 DAYS",
    "DID visit THEN NOT purchase WHERE amount > 20 WITHIN 3 DAYS IN THE LAST 14 DAYS",
    "DID purchase WHERE category = bio AND amount > 20",
    "city = nantes OR points >= 50",
    "city IS UNKNOWN",
    "born_on < 40 YEARS",
    "is_subscribed AND NOT DID visit IN THE LAST 1 DAYS",
    "LAST(at) OF visit < 20 HOURS",
    "RECENCY OF purchase BETWEEN 2 AND 6",
    "f0 IS KNOWN AND NOT IN SEGMENT s0",
    "IN SEGMENT s0 AND DID visit",
]
CITIES = ["Nantes", "nantes ", "ANGERS", "", "N/C"]


class World:
    """Writes deliveries and definitions into a folder; ``now`` is the instant to run at."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.now = START
        self.n = 0
        self.names: list[str] = []  # of the files delivered
        self.order = 0
        self.told: list[dict[str, Any]] = []  # rows about customers
        self.settings = {
            "survivorship": self.random.choice(["recent", "trusted", "frequent"]),
            "limit": self.random.choice([1, 2, 3]),
            "population": self.random.choice(["[]", "[customer]", "[customer, email]"]),
            "field": self.random.choice(["city", "town"]),
            "known_at": self.random.choice(["updated", "updated", "null"]),
        }
        self.features = self.random.sample(FEATURES, 6)
        self.rules = [self.random.choice(RULES[:5]), *self.random.sample(RULES, 5)]
        self.label = "first"
        folder.mkdir(parents=True)
        self.products()
        for deliver in (self.customers, self.purchases, self.visits):
            deliver()
        self.define()

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────

    def live(self) -> list[str]:
        """Let something happen and time pass; what it was."""
        steps = self.random.choices(
            [
                self.customers,
                self.purchases,
                self.visits,
                self.correct,
                self.forget_rows,
                self.products,
                self.change_features,
                self.change_rules,
                self.change_label,
                self.change_settings,
            ],
            weights=[4, 5, 5, 1, 1, 0.5, 1, 1, 1, 0.7],
            k=self.random.choice([0, 0, 1, 1, 2, 3]),
        )
        for step in steps:
            step()
        self.define()
        minutes = self.random.choice([0, 3, 45, 130, 60 * 15, 60 * 24, 60 * 24 * 3, 60 * 24 * 30, -60 * 26])
        self.now += timedelta(minutes=minutes)
        return [step.__name__ for step in steps] + [f"{minutes} min"]

    def live_and(self, run: Callable[[Path, datetime], object]) -> list[str]:
        """Let something happen, and run; what it was."""
        happened = self.live()
        run(self.folder, self.now)
        return happened

    def customers(self) -> None:
        rows = [self.customer() for _ in range(self.random.randint(1, 6))]
        with self.file("customers", "csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
            writer.writeheader()
            writer.writerows(rows)

    def purchases(self) -> None:
        rows = [self.purchase() for _ in range(self.random.randint(1, 10))]
        pq.write_table(pa.Table.from_pylist(rows), self.file("purchases", "parquet"))

    def visits(self) -> None:
        visits = [self.visit() for _ in range(self.random.randint(1, 12))]
        if self.n > 3:  # a file may lack what nobody had that day
            visits = [{key: value for key, value in visit.items() if value is not None} for visit in visits]
        lines = [json.dumps(visit) for visit in visits]
        self.file("visits", "jsonl").write_text("\n".join(lines + lines[:1]), encoding="utf-8")

    def products(self) -> None:
        with (self.folder / "products.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["product", "category"])
            writer.writerows([f"p{i}", self.random.choice(["bio", "kids", "home"])] for i in (0, 1, 2, 3, 1))

    def correct(self) -> None:
        """A file that was delivered before has another row now."""
        name = self.random.choice(self.names)
        path = self.folder / name
        if path.suffix == ".jsonl":
            path.write_text(path.read_text() + "\n" + json.dumps(self.visit()), encoding="utf-8")
        elif path.suffix == ".parquet":
            self.order += 1  # not the number of a purchase in a later file
            pq.write_table(pa.Table.from_pylist([*pq.read_table(path).to_pylist(), self.purchase()]), path)

    def forget_rows(self) -> None:
        """A file that was delivered before has fewer rows now."""
        path = self.folder / self.random.choice(self.names)
        if path.suffix != ".parquet":
            lines = path.read_text(encoding="utf-8").splitlines()
            path.write_text("\n".join(lines[: max(2, len(lines) // 2)]) + "\n", encoding="utf-8")

    # ── one row ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def at(self) -> datetime:
        """Mostly lately, at times long ago, or still to come."""
        minutes = self.random.choice([-200, -50, 5, 30, 100, 300, 900, 1500, 3000, 9000, 30_000])
        return self.now - timedelta(minutes=minutes + self.random.randint(0, 20))

    def who(self, kind: str, n: int) -> str | None:
        return self.random.choice([f"{kind}{self.random.randrange(n)}"] * 8 + ["", "0000"])

    def mail(self) -> str | None:
        return self.random.choice([f"m{self.random.randrange(9)}@shop.fr", f"M{self.random.randrange(9)}@Shop.fr ", ""])

    def customer(self) -> dict[str, Any]:
        if self.told and self.random.random() < 0.2:
            return self.random.choice(self.told)  # word for word, in another file or in the same
        self.told.append(self.new_customer())
        return self.told[-1]

    def new_customer(self) -> dict[str, Any]:
        return {
            "id": self.who("c", 9),
            "mail": self.mail(),
            "city": self.random.choice(CITIES),
            "town": self.random.choice(CITIES),
            "points": self.random.choice(["10", "60,5", "absurd", "", "50"]),
            "born": self.random.choice(["09/07/1991", "29/02/1952", "20/03/1986", "21/03/1986", ""]),
            "news": self.random.choice(["oui", "non", ""]),
            "updated": self.at().isoformat(),
        }

    def purchase(self) -> dict[str, Any]:
        self.order += self.random.choice([0, 1, 1, 1, 1])  # at times two with one number: the first one stands
        return {
            "order": self.order,
            "id": self.who("c", 9),
            "at": self.at(),
            "product": self.random.choice(["p0", "p1", "p2", "p9"]),
            "amount": self.random.choice([9.99, 19.95, 25.0, 39.9, 120.5]),
            "shop": self.random.choice(["web", "Nantes", None]),
        }

    def visit(self) -> dict[str, Any]:
        at = self.at()
        received = at + timedelta(minutes=self.random.choice([0, 0, 1, 240, 3000, -30, -2000]))
        return {
            "device": self.who("d", 12),
            "mail": self.mail() if self.random.random() < 0.3 else None,
            "at": at.isoformat(),
            "received": received.isoformat(),
            "page": self.random.choice(["home", "cart", "Cart", "blog", None]),
        }

    def file(self, source: str, ending: str) -> Path:
        self.n += 1
        name = f"{source}/{self.n:03}.{ending}"
        (self.folder / source).mkdir(exist_ok=True)
        self.names.append(name)
        return self.folder / name

    # ── definitions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def change_features(self) -> None:
        self.features[self.random.randrange(1, 6)] = self.random.choice(FEATURES)

    def change_rules(self) -> None:
        self.rules[self.random.randrange(1, 6)] = self.random.choice(RULES)

    def change_label(self) -> None:
        self.label += " again"

    def change_settings(self) -> None:
        if self.random.random() < 0.5:
            self.settings["population"] = self.random.choice(["[]", "[customer]", "[customer, email]"])
        else:
            self.settings["field"] = self.random.choice(["city", "town"])

    def define(self) -> None:
        features = "\n".join(f"  - {{name: f{i}, value: {json.dumps(text)}}}" for i, text in enumerate(self.features))
        segments = "\n".join(
            f"  - {{name: s{i}, label: {{fr: {self.label} {i}}}, rule: {json.dumps(text)}}}"
            for i, text in enumerate(self.rules)
        )
        text = DEFINITIONS.format(features=features, segments=segments, **self.settings)
        (self.folder / "facette.yml").write_text(text, encoding="utf-8")


DEFINITIONS = """\
name: shop
time_zone: Europe/Paris
survivorship: {survivorship}
population: {population}
identifiers:
  - {{name: customer, limit: {limit}}}
  - {{name: email, format: email, limit: 2}}
  - {{name: device}}
sources:
  - name: customers
    kind: file
    path: customers/*.csv
    encoding: utf-8
    delimiter: ";"
    people:
      identifiers: {{customer: id, email: mail}}
      known_at: {known_at}
      fields:
        city: {{column: {field}, missing: [N/C]}}
        points: {{type: number, maximum: 60}}
        born_on: {{column: born, type: date, format: "%d/%m/%Y"}}
        is_subscribed: {{column: news, type: boolean}}
  - name: purchases
    kind: file
    path: purchases/*.parquet
    events:
      - name: purchase
        identifiers: {{customer: id}}
        id: [order]
        at: at
        lookups: [{{source: products, on: product}}]
        fields:
          amount: {{type: number}}
          category: {{}}
          shop: {{}}
  - name: visits
    kind: file
    path: visits/*.jsonl
    events:
      - name: visit
        identifiers: {{device: device, email: mail}}
        at: at
        known_at: received
        fields:
          page: {{}}
  - name: products
    kind: file
    path: products.csv
    table: {{key: product}}
features:
{features}
segments:
{segments}
validation: {{minimum_size: 2}}
"""
