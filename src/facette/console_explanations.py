"""What the terminal shows of why somebody is in a segment or not, and of what would change it."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from facette.console_models import show_composites, show_pushes
from facette.console_values import minute_of, read_value, when
from facette.definitions.model import Language
from facette.segments.sentences import say, value_text

SHOWN_EVENTS = 5
SHOWN_WAYS = 5


def show_explanation(out: Console, answer: dict[str, Any]) -> None:
    language = answer["language"]
    verdict = "member" if answer["is_member"] else "no_member"
    as_of = value_text(answer["as_of"], language)
    out.print(
        escape(say(verdict, language, profile=answer["profile_id"], segment=answer["label"], as_of=as_of)),
        soft_wrap=True,
    )
    show_origin(out, answer)
    show_warning(out, answer)
    out.print(_tree(answer["reason"], language, set()))
    for key, at in (("changes", answer["changes_at"]), ("looked", answer["looked_until"]), ("stays", "")):
        if at is not None:
            out.print(say(key, language, at=at and value_text(at, language)))
            break
    show_composites(out, answer)
    _show_ways(out, answer["to_flip"], answer["is_member"], language)
    for score in answer["scores"]:
        show_pushes(out, score, language)


def _show_ways(out: Console, flips: dict[str, Any], is_member: bool, language: Language) -> None:
    ways = flips["ways"]
    if ways:
        out.print(say("leave" if is_member else "enter", language))
    elif flips["is_complete"]:
        out.print(say("no_way", language))
    for number, way in enumerate(ways[:SHOWN_WAYS]):
        if number:
            out.print(f"  {say('other_way', language)}")
        for change in way:
            out.print(f"  • {escape(change['text'])}", soft_wrap=True)
    if len(ways) > SHOWN_WAYS:
        out.print(f"  {say('ways_more', language, n=len(ways) - SHOWN_WAYS)}")
    if not flips["is_complete"]:
        out.print(f"  {say('ways_unsure', language)}")


def _tree(reason: dict[str, Any], language: Language, told: set[str], parent: Tree | None = None) -> Tree:
    """The rule with what each condition saw; the events behind an aggregate only the first time.

    told : the aggregates whose events have been shown
    """
    mark = "[green]✔[/]" if reason["is_met"] else "[red]✘[/]"
    text = say(reason["kind"], language) if reason["kind"] in ("and", "or", "not") else escape(reason["text"])
    is_condition = reason["kind"] == "condition"
    seen = (
        f"  [dim]{escape(say('saw', language, value=read_value(reason['value'], language)))}[/]" if is_condition else ""
    )
    flips = f"  [yellow]{say('until', language, at=when(reason['changes_at']))}[/]" if reason["changes_at"] else ""
    line = f"{mark} {text}{seen}{flips}"
    node = Tree(line) if parent is None else parent.add(line)
    for decisive in reason["decided_by"]:
        if decisive["events"]:
            _add_events(node, decisive, reason, language, is_known=decisive["aggregate"] in told)
            told.add(decisive["aggregate"])
    for item in reason["items"]:
        _tree(item, language, told, node)
    return node


def _add_events(
    node: Tree, decisive: dict[str, Any], reason: dict[str, Any], language: Language, *, is_known: bool
) -> None:
    """The first of the events that decided an aggregate; under its name, if that is not the condition's."""
    if is_known:
        node.add(f"[dim]{escape(say('above', language, aggregate=decisive['aggregate']))}[/]")
        return
    if len(reason["decided_by"]) > 1 or not reason["text"].startswith(decisive["aggregate"]):
        value = read_value(decisive["value"], language)
        key = "events" if decisive["n_events"] > 1 else "one_event"
        told = say(key, language, aggregate=decisive["aggregate"], value=value, n=decisive["n_events"])
        node = node.add(f"[dim]{escape(told)}[/]")
    for event in decisive["events"][:SHOWN_EVENTS]:
        told = f"{minute_of(event['at'])} {decisive['event']} {event['event_id']}"
        if decisive["property"] and decisive["property"] != "at":
            told += f" {decisive['property']}={read_value(event['value'], language)}"
        after = event["followed_by"]
        if after:
            told += f" {say('then', language)} {minute_of(after['at'])} {after['event']} {after['event_id']}"
        node.add(f"[dim]{escape(told)}[/]")
    if decisive["n_events"] > SHOWN_EVENTS:
        node.add(f"[dim]{say('more', language, n=decisive['n_events'] - SHOWN_EVENTS)}[/]")


def show_origin(out: Console, answer: dict[str, Any]) -> None:
    """Whether a run or the live worker knows it."""
    language = answer["language"]
    at = value_text(answer["as_of"], language)
    out.print(escape(say(f"told_by_{answer['told_by']}", language, run=answer["run"], at=at)), soft_wrap=True)


def show_warning(out: Console, answer: dict[str, Any]) -> None:
    if answer["warning"]:
        out.print(escape(answer["warning"]), style="yellow", soft_wrap=True)
