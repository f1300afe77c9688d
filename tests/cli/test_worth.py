"""`facette worth` shows what segments are worth, and writes the merges that it proposes; `approve` opens the gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_commands import Facette, facette
from tests.run.projects import edit, run, starter

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
