"""Small projects for the tests: a sound one, to which a test adds a file that breaks it."""

from __future__ import annotations

from pathlib import Path

from facette.definitions.project import Definitions, load
from facette.errors import DefinitionError

SOUND = """\
name: shop
identifiers:
  - {name: customer_id, label: {fr: client}}
  - {name: email, format: email}
sources:
  - name: customers
    kind: file
    path: data/customers.csv
    people:
      identifiers: {customer_id: id, email: mail}
      fields:
        city: {label: {fr: ville}}
        born_on: {type: date, format: "%d/%m/%Y"}
        is_subscribed: {type: boolean, label: {fr: abonné}}
        children: {type: number}
  - name: orders
    kind: file
    path: data/orders.csv
    events:
      - name: purchase
        label: {fr: achat}
        identifiers: {customer_id: id}
        at: date
        fields:
          amount: {type: number, label: {fr: montant}}
          category: {label: {fr: rayon}}
features:
  - {name: spend, label: {fr: dépense}, value: SUM(amount) OF purchase}
  - {name: orders_90d, value: COUNT OF purchase IN THE LAST 90 DAYS}
"""


def written(folder: Path, **files: str) -> Path:
    """Write ``name → text`` as YAML files, beside a sound ``facette.yml`` unless that is given too."""
    for name, text in {"facette": SOUND, **files}.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder


def loaded(folder: Path, **files: str) -> Definitions:
    return load(written(folder, **files))


def problems(folder: Path, **files: str) -> list[str]:
    """Every problem of a project as ``file:line message → remedy``; none if it is sound."""
    try:
        loaded(folder, **files)
    except DefinitionError as error:
        return [f"{item.file}:{item.line} {item.message} → {item.remedy}" for item in error.problems]
    return []
