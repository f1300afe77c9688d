"""`facette worth` shows what segments are worth, and writes the merges that it proposes; `approve` opens the gate."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.cli.test_commands import Facette, facette
from tests.run.projects import edit, rows, run, starter

__all__ = ["facette"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The starter; of those who are lost some are subscribed, and buy no otherwise than the others did."""
    return starter(tmp_path / "shop", has_models=False)


def test_merges_are_shown_then_made(facette: Facette, shop: Path) -> None:
    early = facette("worth", "--project", shop)
    assert early.code == 1 and "facette run" in early.err
    run(shop)
    told = facette("worth", "--project", shop, "--json").json
    rows = {row["segment"]: row for row in told["segments"]}
    assert set(rows) == {"active", "loyal", "lapsed", "organic_lovers", "vip", "to_win_back"}
    child = rows["to_win_back"]
    assert (child["verdict"], child["merge_into"], child["merge_why"]) == ("weak", "lapsed", "weak")
    assert child["edit"] == {"file": "segments.yml", "line": 28, "text": "    merged_into: lapsed\n"}
    assert rows["vip"]["kind"] == "follows" and rows["vip"]["follows"] == ["spend_score"]
    assert rows["loyal"]["merge_into"] is None or rows["loyal"]["edit"]

    before = (shop / "segments.yml").read_text(encoding="utf-8")
    shown = facette("worth", "to_win_back", "--project", shop)
    assert "+ merged_into: lapsed" in shown.out and "others" in shown.out and "Nothing is written yet" in shown.out
    assert (shop / "segments.yml").read_text(encoding="utf-8") == before

    made = facette("worth", "to_win_back", "--apply", "--project", shop)
    assert made.code == 0 and "Written" in made.out
    after = (shop / "segments.yml").read_text(encoding="utf-8")
    assert after.replace("    merged_into: lapsed\n", "") == before
    run(shop)
    rows = {row["segment"] for row in facette("segments", "--project", shop, "--json").json}
    assert rows == {"active", "loyal", "lapsed", "organic_lovers", "vip"}


def test_groups_of_a_clustering_are_merged_too(
    facette: Facette, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facette.validation.effects.MINIMUM_KNOWN", 2)  # the starter's people are few
    shop = starter(tmp_path / "shop")
    edit(shop / "facette.yml", "    minimum_clusters: 2", "    minimum_clusters: 4")
    edit(shop / "facette.yml", "  minimum_size: 3", "  minimum_size: 5\n  gate: publish")
    run(shop)
    sizes = Counter(row["styles"] for row in rows(shop, "scored"))
    told = facette("worth", "styles", "--project", shop, "--json").json
    assert told["segments"] == []
    (merge,) = told["clusters"]
    assert (merge["cluster"], merge["why"], sizes[3]) == ("styles:3", "small", 4)
    into = int(merge["into"].removeprefix("styles:"))
    assert merge["edit"]["text"] == f"    merge: {{3: {into}}}\n"
    assert "Nothing is written yet" in facette("worth", "styles", "--project", shop).out
    made = facette("worth", "styles", "--apply", "--project", shop)
    assert made.code == 0 and f"+ merge: {{3: {into}}}" in made.out
    run(shop)
    after = Counter(row["styles"] for row in rows(shop, "scored"))
    assert after == Counter({**sizes, into: sizes[into] + 4, 3: 0})
    told = facette("worth", "styles", "--project", shop, "--json").json
    assert all("styles:3" not in (item["cluster"], item["into"]) for item in told["clusters"])


def test_what_cannot_be_merged_is_said(facette: Facette, shop: Path) -> None:
    run(shop)
    none = facette("worth", "organic_lovers", "--apply", "--project", shop)
    assert none.code == 1 and "No merge is proposed of organic_lovers" in none.err
    unknown = facette("worth", "organic_lover", "--project", shop)
    assert unknown.code == 1 and "organic_lovers" in unknown.err


def test_approving(facette: Facette, shop: Path) -> None:
    edit(shop / "facette.yml", "  minimum_size: 3", "  minimum_size: 8\n  gate: ask")
    run(shop)
    held = facette("worth", "--project", shop)
    assert "held back (ask)" in held.out and "vip" in held.out
    assert facette("approve", "vip", "--project", shop, "--json").json["name"] == "vip"
    nothing = facette("approve", "nobody", "--project", shop)
    assert nothing.code == 1 and "Nothing called nobody is held back" in nothing.err
