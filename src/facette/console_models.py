"""What the terminal shows of models: their versions, and what they say of somebody."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facette.console_values import value_of, when
from facette.definitions.model import Language
from facette.segments.sentences import say, value_text

SHOWN_PUSHES = 8
COMPOSITE_HEADS = {
    "en": ("part", "value", "points", "weight", "adds"),
    "fr": ("composante", "valeur", "points", "poids", "apport"),
}


def show_models(out: Console, answer: list[dict[str, Any]]) -> None:
    """Models with their versions, newest first; an arrow before the one that applies."""
    if not answer:
        out.print("This project has no models.")
    for item in answer:
        title = f"{item['model']} ({item['kind']})"
        if item["chosen"]:
            title += f": version {item['chosen']['version']} was chosen on {item['chosen']['chosen_at'][:10]}"
        heads = ("", "version", "fitted at", "rows", "figures", "")
        table = Table(*heads, title=title, title_justify="left", box=None)
        for version in item["versions"]:
            figures = ", ".join(f"{name} {value:.4g}" for name, value in version["figures"].items())
            table.add_row(
                "→" if version["version"] == item["applied"] else "",
                str(version["version"]),
                when(version["fitted_at"]),
                f"{version['rows']:,}" if version["rows"] is not None else "",
                escape(figures),
                "" if version["is_usable"] else "by another definition",
            )
        out.print(table)


def show_choice(out: Console, answer: dict[str, Any]) -> None:
    what = f"version {answer['version']}" if answer["version"] else "the newest version"
    out.print(f"{answer['model']}: {what} applies {answer['applies']}.", soft_wrap=True)


def show_composites(out: Console, answer: dict[str, Any]) -> None:
    """What the parts of composites add up to."""
    for name, parts in answer["composites"].items():
        total = sum(part["contribution"] for part in parts)
        heads = COMPOSITE_HEADS[answer.get("language", "en")]
        table = Table(*heads, title=f"{name}: {total:.1f}", title_justify="left", box=None)
        for part in parts:
            figures = (f"{part['points']:.1f}", f"{part['share']:.0%}", f"{part['contribution']:.1f}")
            table.add_row(escape(part["of"]), escape(value_of(part["value"])), *figures)
        out.print(table)


def show_pushes(out: Console, score: dict[str, Any], language: Language) -> None:
    """The features that move a score most, of the log-odds before calibration."""
    told = say("pushed", language, score=score["label"], value=value_text(round(score["value"], 1), language))
    out.print(escape(told), soft_wrap=True)
    for part in score["contributions"][:SHOWN_PUSHES]:
        seen = f"{part['label']} = {value_text(part['value'], language)}"
        sign, style = ("+", "green") if part["contribution"] >= 0 else ("−", "red")
        out.print(f"  [{style}]{sign}{abs(part['contribution']):.2f}[/]  {escape(seen)}", soft_wrap=True)
    if len(score["contributions"]) > SHOWN_PUSHES:
        out.print(f"  {say('pushed_more', language, n=len(score['contributions']) - SHOWN_PUSHES)}")
