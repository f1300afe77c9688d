"""What was found out of a published run is found again in its files, and no file is changed by who uses them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from facette.definitions.model import Identifier
from facette.errors import RunError
from facette.live import mapped
from facette.live.people import People
from facette.live.seen import Seen
from facette.profiles.identity import INSTANT

KINDS = (Identifier(name="user"), Identifier(name="device"))
AT = datetime(2026, 11, 1, tzinfo=UTC)


def people() -> People:
    made = People(KINDS, 100)
    identities = {
        "kind": ["user", "user", "device"],
        "value": ["ann", "zoé", "d1"],
        "profile_id": [101, 102, 101],
        "first_id": [101, 102, 101],
        "known_from": pa.array([AT, None, AT], INSTANT),
    }
    links = {
        "kind_a": ["user"],
        "value_a": ["ann"],
        "kind_b": ["device"],
        "value_b": ["d1"],
        "source": ["site"],
        "seen_at": pa.array([AT], INSTANT),
        "is_refused": [False],
        "reason": pa.array([None], pa.string()),
    }
    made.put(pa.table(identities), pa.table(links))
    return made


def kept(folder: Path) -> tuple[People, Seen]:
    arrays = mapped.read(folder)
    assert arrays is not None
    made = mapped.restored("people", People(KINDS, 100), arrays)
    made.group()
    return made, mapped.restored("seen", Seen(), arrays)


def test_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen = people(), Seen()
    seen.add(pa.array(["a", "b"]))
    assert mapped.read(tmp_path / "known-1") is None
    known = {"people": before, "seen": seen}
    mapped.write(tmp_path / "known-1", dict(pair for each in known.items() for pair in mapped.arrays_of(*each)))
    monkeypatch.setattr("facette.live.seen.KEYS", np.zeros_like(seen._keys))  # another process draws others

    for _ in range(2):  # whoever changes it changes it for nobody else
        after, again = kept(tmp_path / "known-1")
        codes, places = np.arange(len(before)), np.arange(1)
        assert after.identities(codes) == before.identities(codes)
        assert after.links(places) == before.links(places)
        assert (after.owner("device", "d1"), after.owner("user", "d1"), after.highest) == (101, None, 102)
        assert again.new(pa.array(["b", "c"])).tolist() == [1]
        news = pa.table(
            {
                "id_user": ["zoé"],
                "id_device": ["d1"],
                "known_at": pa.array([AT], INSTANT),
            }
        )
        rows = after.rows(news, "site")
        assert after.take([rows]).merged == {102: 101}
        assert after.owners(rows).tolist() == [101]


def test_one_of_a_kind(tmp_path: Path) -> None:
    (tmp_path / ".known-0.0badcafe").mkdir()  # somebody was killed
    for name in ("known-1", "known-2"):
        mapped.write(tmp_path / name, {"a": np.arange(3), "none": np.empty(0, np.int64)})
    assert [path.name for path in tmp_path.iterdir()] == ["known-2"]
    arrays = mapped.read(tmp_path / "known-2")
    assert arrays is not None and {name: array.tolist() for name, array in arrays.items()} == {
        "a": [0, 1, 2],
        "none": [],
    }
    (tmp_path / "known-2" / "a.npy").write_bytes(b"no array")
    assert mapped.read(tmp_path / "known-2") is None
    (tmp_path / "file").touch()
    with pytest.raises(RunError):
        mapped.write(tmp_path / "file" / "known-3", {"a": np.arange(3)})
