"""What the terminal shows of the worth of segments."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facette.definitions.model import Language


def show_worth(out: Console, answer: dict[str, Any]) -> None:
    table = Table("segment", box=None, pad_edge=False)
    for column in ("members", "verdict", "stable", "stays", "A/B days", "merge into"):
        table.add_column(column, justify="left" if column in ("verdict", "merge into") else "right")
    for row in answer["segments"]:
        days = {"days": str(row["days"]), "never": "never", "unknown": "?"}.get(row["experiment"], "")
        stable = "fixed" if row["kind"] == "fixed" else _share(row["stability"])
        stays = _share(row["stayed"])
        size, into = f"{row['members']:,}", row["merge_into"] or ""
        table.add_row(row["segment"], size, row["verdict"], stable, stays, days, into)
    if answer["segments"]:
        out.print(table)
    elif not answer["clusters"]:  # a clustering was asked for
        out.print("No merge of its groups is proposed.")
    for row in answer["segments"]:
        if "effects" in row:  # of the one that was asked for
            _show_one(out, row, answer["language"])
    for row in answer["clusters"]:
        out.print(f"{row['cluster']}: {escape(row['remark'])}", soft_wrap=True)
    edits = [(row["edit"], f"{row['segment']} → {row['merge_into']}") for row in answer["segments"] if row["edit"]]
    edits += [(row["edit"], f"{row['cluster']} → {row['into']}") for row in answer["clusters"]]
    for edit, told in edits:
        _show_edit(out, edit, told)
    if edits:
        out.print("Nothing is written yet: `facette worth NAME --apply` does.")
    for name, item in answer["held"].items():
        told = escape(item[f"reason_{answer['language']}"])
        out.print(f"[yellow]held back ({item['policy']}):[/] {name}: {told}", soft_wrap=True)


def _show_one(out: Console, row: dict[str, Any], language: Language) -> None:
    for told in (row["reason"], *row["remarks"]):
        out.print(f"• {escape(told or '')}", soft_wrap=True)
    table = Table("beside", "KPI", box=None, pad_edge=False)
    for column in ("n", "p adjusted", "effect size (95 %)", "effect (95 %)"):
        table.add_column(column, justify="right")
    for effect in row["effects"]:
        beside = effect["relation"] if effect["against"] is None else f"{effect['relation']} {effect['against']}"
        beside = f"{effect['segment']}'s {beside}" if effect["segment"] != row["segment"] else beside
        p = "" if effect["p_adjusted"] is None else f"{effect['p_adjusted']:.2g}"
        intervals = [_interval(effect, name) for name in ("effect_size", "effect")]
        table.add_row(beside, effect["kpi"], f"{effect['n_in']:,} / {effect['n_out']:,}", p, *intervals)
    out.print(table)


def _show_edit(out: Console, edit: dict[str, Any], told: str) -> None:
    if "problem" in edit:
        out.print(f"{told}: {escape(edit['problem'])} {escape(edit['remedy'])}", soft_wrap=True)
    else:
        out.print(f"{told}: {edit['file']}:{edit['line']}: + {escape(edit['text'].strip())}", soft_wrap=True)


def show_merged(out: Console, answer: dict[str, Any]) -> None:
    for row in answer["merged"]:
        _show_edit(out, row, f"{row['segment']} → {row['into']}")
    out.print("Written; `facette run` makes it so.")


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _interval(row: dict[str, Any], name: str) -> str:
    if row[name] is None:
        return ""
    ends = "" if row[f"{name}_low"] is None else f" ({row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})"
    return f"{row[name]:.3f}{ends}"
