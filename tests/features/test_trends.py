"""Trends, fixed cuts, the most frequent value and what follows about the same thing, from a run of a project."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.run.projects import published, rows, run, starter

TODAY = date(2026, 9, 30)
MORE = """\
features:
  - {name: spend_90d, unit: EUR, value: SUM(amount) OF purchase IN THE LAST 90 DAYS}
  - {name: spend_trend, label: {fr: tendance}, trend: {of: spend_90d}}
  - {name: spend_change, unit: EUR, trend: {of: spend_90d, as: difference}}
  - {name: recency_band, cuts: {of: recency_days, at: [30, 90, 180], reverse: true}}
  - {name: spend_band, cuts: {of: spend_1y, at: [50, 120.5]}, default: 0}
  - {name: usual_category, value: PLUS_FRÉQUENT(rayon) DE achat}
segments:
  - {name: rising, label: {en: rising}, rule: tendance > 0.5}
  - name: once_per_category
    label: {en: once}
    rule: DID purchase THEN NOT purchase ON category WITHIN 60 DAYS
  - {name: again, label: {en: again}, rule: A FAIT achat PUIS achat SUR rayon = category SOUS 60 JOURS}
  - {name: bought_before, label: {en: before}, rule: DID purchase IN THE 3 MONTHS BEFORE THE LAST 3 MONTHS}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = starter(tmp_path_factory.mktemp("trends") / "shop", has_models=False)
    (folder / "more.yml").write_text(MORE, encoding="utf-8")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def people(shop: Path) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Everybody's features and segments, with their purchases, earliest first."""
    wide = {row["profile_id"]: row for row in rows(shop, "wide")}
    bought = sorted(rows(shop, "events_purchase"), key=lambda row: (row["at"], row["event_id"]))
    return [
        (row | wide[row["profile_id"]], [one for one in bought if one["profile_id"] == row["profile_id"]])
        for row in rows(shop, "features")
    ]


def test_trends(people: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
    for row, bought in people:
        now = sum(one["amount"] or 0 for one in bought if one["day"] >= TODAY - timedelta(days=90))
        days = (TODAY - timedelta(days=180), TODAY - timedelta(days=90))
        before = sum(one["amount"] or 0 for one in bought if days[0] <= one["day"] < days[1])
        trend = (now - before) / before if before else None
        assert row["spend_trend"] == (None if trend is None else pytest.approx(trend))
        assert row["spend_change"] == pytest.approx(now - before)
        assert row["rising"] is (trend is not None and trend > 0.5)
        window = (date(2026, 3, 30), date(2026, 6, 30))
        assert row["bought_before"] is any(window[0] <= one["day"] < window[1] for one in bought)
    assert len({row["spend_trend"] for row, _ in people}) > 5


def test_fixed_cuts(people: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
    for row, _ in people:
        days = row["recency_days"]
        assert row["recency_band"] == (None if days is None else 4 - sum(days > cut for cut in (30, 90, 180)))
        assert row["spend_band"] == 1 + sum(row["spend_1y"] > cut for cut in (50, 120.5))


def test_the_most_frequent_category(people: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
    for row, bought in people:
        known = [(one["category"].lower(), one["at"]) for one in bought if one["category"] is not None]
        kinds = sorted({kind for kind, _ in known})
        kinds.sort(
            key=lambda kind: (sum(one == kind for one, _ in known), max(at for one, at in known if one == kind)),
            reverse=True,
        )
        assert (row["usual_category"] or "").lower() == (kinds[0] if kinds else "")


def test_what_follows_must_be_of_the_same_category(people: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
    for row, bought in people:

        def follows(n: int, bought: list[dict[str, Any]] = bought) -> bool:
            first = bought[n]
            return any(
                other["at"] >= first["at"]
                and (other["day"] - first["day"]).days <= 60
                and None not in (first["category"], other["category"])
                and other["category"].lower() == first["category"].lower()
                for i, other in enumerate(bought)
                if i != n
            )

        assert row["again"] is any(follows(n) for n in range(len(bought)))
        is_over = [(TODAY - one["day"]).days > 60 for one in bought]
        assert row["once_per_category"] is any(is_over[n] and not follows(n) for n in range(len(bought)))
    assert {row["again"] for row, _ in people} == {row["once_per_category"] for row, _ in people} == {True, False}


def test_they_are_explained(shop: Path, people: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
    answers = published(shop)
    for row, _ in people[:3]:
        for segment in ("rising", "again", "once_per_category", "bought_before"):
            answer = answers.explain(f"profile_id:{row['profile_id']}", segment)
            assert answer["is_member"] is row[segment]
    assert "SUR" in answers.explain("C001", "again")["rule"]
