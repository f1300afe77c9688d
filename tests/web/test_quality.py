"""What the report says of cleaning, of tables as cleaning makes them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from facette.profiles.accounting import QUALITY
from facette.web.report.quality import quality
from facette.web.report.reading import Reading
from facette.web.report.words import Words
from tests.web.snapshots import SOURCES, publish

FAR = {"method": "iqr", "factor": 3}
STEPS = [
    # of the events sent and opened, which choose from the same rows
    ("mail", "m1", "only", 100, 60, 0, 0),
    ("mail", "m1", "only", 100, 30, 0, 0),
    ("mail", "m2", "only", 50, 40, 0, 0),
    ("mail", "m2", "only", 50, 5, 0, 0),
    ("mail", "m1", "refused", 90, 90, 0, 0),
    ("orders", "a", "duplicates", 900, 893, 0, 0),
    ("orders", "a", "refused", 900, 900, 0, 0),
    ("orders", "a", "blocked id_customer", 900, 900, 198, 0),
    ("orders", "a", "outlier kept", 900, 900, 36, 0),
    ("orders", "a", "outlier moved", 900, 900, 5, 0),
    ("orders", "a", "outlier gone", 900, 900, 7, 0),
    ("orders", "b", "range amount", 100, 100, 200, 0),
    ("orders", "a", "range amount", 900, 900, 63, 0),
    ("orders", "a", "lookup products", 900, 900, 880, 0),
    ("orders", "a", "text", 900, 900, 0, 0),
]


def sources() -> list[dict[str, Any]]:
    fields: dict[str, Any] = {"amount": {"type": "number", "column": "montant", "minimum": 0}}
    for name, action in {"kept": "flag", "moved": "clip", "gone": "drop"}.items():
        fields[name] = {"type": "number", "outliers": FAR | {"action": action}}
    orders = SOURCES[0] | {"events": [SOURCES[0]["events"][0] | {"fields": fields}]}
    mail = {"name": "mail", "kind": "file", "label": {"fr": "e-mails"}, "path": "mail.csv"}
    event = {"name": "sent", "identifiers": {"customer": "c"}, "at": "at", "only": {"type": "sent"}}
    return [orders, mail | {"events": [event]}]


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    names = QUALITY.names
    rows = [dict(zip(names, (source, landing, *rest), strict=True)) for source, landing, *rest in STEPS]
    instead = {"quality": pa.Table.from_pylist(rows, schema=QUALITY)}
    world = publish(tmp_path_factory.mktemp("shop"), instead=instead, sources=sources(), models=[])
    return quality(Reading(world.published, Words("fr", "Europe/Paris")))


def told(section: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (row["source"], row["step"].replace("\u00a0", " "), row["effect"].replace("\u00a0", " "))
        for row in section["steps"]
    ]


def test_steps_follow_the_sources_the_cleaning_and_the_fields(section: dict[str, Any]) -> None:
    assert told(section) == [
        ("commandes", "Rapprochement avec products", "rapprochées : 880, sans correspondance : 20"),
        ("commandes", "Valeurs absurdes : Amount", "valeurs rendues inconnues : 263"),
        ("commandes", "Valeurs extrêmes : Kept", "valeurs signalées, gardées telles quelles : 36"),
        ("commandes", "Valeurs extrêmes : Moved", "valeurs ramenées à la limite : 5"),
        ("commandes", "Valeurs extrêmes : Gone", "valeurs rendues inconnues : 7"),
        (
            "commandes",
            "Identifiants qui n'identifient personne : Numéro de client",
            "valeurs rendues inconnues : 198",
        ),
        ("commandes", "Lignes valables", "refusées : 0"),
        ("commandes", "Doublons retirés", "retirées : 7"),
        ("e-mails", "Choix des lignes", "laissées de côté : 15"),
        ("e-mails", "Lignes valables", "refusées : 0"),
    ]


def test_rows_that_several_events_choose_from_are_counted_once(section: dict[str, Any]) -> None:
    only = next(row for row in section["steps"] if row["step"] == "Choix des lignes")
    assert (only["rows_in"], only["rows_out"]) == ("150", "135")


def test_values_made_unknown_are_told_with_rows_put_aside(section: dict[str, Any]) -> None:
    """The snapshot refuses four rows; what was flagged or moved is not lost."""
    assert section["summary"].replace("\u00a0", " ") == "Lignes écartées : 4. Valeurs rendues inconnues : 468."
    rows = [(row["column"], row["reason"].replace("\u00a0", " "), row["n"]) for row in section["reasons"]]
    assert rows == [
        ("montant", "valeur inconnue : hors des bornes", "263"),
        ("customer", "valeur inconnue : n'identifie personne", "198"),
        ("gone", "valeur inconnue : trop loin des autres", "7"),
        ("at", "ligne refusée : pas un instant", "4"),
    ]
