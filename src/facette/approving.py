"""Let through what the gate holds back until somebody approves."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from facette.definitions.findings import suggestion
from facette.definitions.project import Definitions
from facette.errors import NotFoundError, RunError
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Store


def approve(definitions: Definitions, name: str) -> dict[str, Any]:
    """Record that the version of a segment or model that the published run held back may be published by the next.

    Another definition, or a model fitted anew, is another version, and is judged again.
    Raises NotFoundError if nothing of that name is held, RunError if the project says to hold it whoever approves.
    """
    store = Store(definitions.folder)
    held = store.must_be_published().held
    item = held.get(name)
    if item is None:
        raise NotFoundError(
            f"Nothing called {name} is held back.", remedy=suggestion(name, held) if held else "Nothing is held back."
        )
    if item["policy"] != "ask":
        raise RunError(
            f"{name} is held back by the policy `{item['policy']}`, which nobody's approval changes.",
            remedy=f"Improve it, or set `validation.gate` to `ask` for {item['what']}s, and run again.",
        )
    with closing(Ledger(store.folder)) as ledger:
        ledger.approve(name, item["version"])
    return {"name": name, "what": item["what"], "version": item["version"]}
