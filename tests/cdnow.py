"""CDNOW: what 2,357 people who first bought in early 1997 bought in 18 months, as a project."""

from __future__ import annotations

from datetime import date
from importlib.util import find_spec
from pathlib import Path

from facette.run import Outcome
from tests.run.projects import run

CALIBRATED = date(1997, 9, 30)
"""The end of the 39 weeks on which the published parameters are fitted."""
JUDGED = date(1998, 7, 1)
"""The day after the 39 weeks that follow them."""
HORIZON = 39 * 7
DEFINITIONS = f"""\
name: cdnow
language: en
currency: USD
identifiers: [{{name: id}}]
sources:
  - name: purchases
    kind: file
    path: purchases.csv
    events: [{{name: purchase, id: [line], identifiers: {{id: id}}, at: day, fields: {{amount: {{type: number}}}}}}]
features:
  - {{name: n_orders, value: COUNT OF purchase}}
models:
  - {{name: worth, kind: value, event: purchase, amount: amount, horizon_days: {HORIZON}, label: {{en: customer value}},
      bands: [{{name: low, below: 20}}, {{name: high}}]}}
  - name: priority
    kind: composite
    parts:
      - {{of: worth, weight: 2}}
      - {{of: worth_alive, scale: minmax, low: 0, high: 1}}
      - {{of: n_orders, scale: cuts, at: [1, 5]}}
    bands: [{{name: cold, below: 40}}, {{name: warm, below: 70}}, {{name: hot}}]
segments:
  - {{name: lost, label: {{en: lost}}, rule: worth_alive < 0.3}}
  - {{name: dear, label: {{en: dear}}, rule: worth = high AND worth_purchases > 0.5}}
  - {{name: first, label: {{en: first}}, rule: priority = hot}}
"""


def datasets() -> Path:
    spec = find_spec("lifetimes")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "datasets"


def transactions() -> list[tuple[str, str, str]]:
    """Customer, day, amount."""
    lines = (datasets() / "CDNOW_sample.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line.strip()]
    return [(row[1], f"{row[2][:4]}-{row[2][4:6]}-{row[2][6:]}", row[4]) for row in rows]


def project(folder: Path, definitions: str = DEFINITIONS) -> Path:
    folder.mkdir(parents=True)
    (folder / "facette.yml").write_text(definitions, encoding="utf-8")
    rows = [f"{line},{','.join(row)}" for line, row in enumerate(transactions())]  # some rows are the same twice
    (folder / "purchases.csv").write_text("\n".join(["line,id,day,amount", *rows]) + "\n", encoding="utf-8")
    return folder


def calculated(folder: Path, day: date) -> Outcome:
    return run(folder, day)
