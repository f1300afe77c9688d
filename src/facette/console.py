"""What the terminal shows: live progress of a run, tables, trees, and errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from facette.console_explanations import show_explanation, show_origin, show_warning
from facette.console_models import show_choice, show_composites, show_models, show_pushes
from facette.console_values import value_of, when
from facette.console_worth import show_merged, show_worth
from facette.errors import DefinitionError, FacetteError, RuleError

if TYPE_CHECKING:
    from facette.live.figures import Figures as StreamFigures

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
SHOWN_NOTES = 3
SHOWN_EVENTS = 5
SHOWN_BYTES = 500  # of what was sent, in texts


def to_json(answer: Any) -> str:
    """An answer for machines: dataclasses as objects, instants in ISO 8601."""
    return json.dumps(answer, default=_plain, ensure_ascii=False, indent=2)


def show(what: str, answer: Any) -> None:
    """An answer for people."""
    SHOWN[what](answer)


def show_error(error: FacetteError, *, is_json: bool) -> None:
    """An error on standard error; as JSON on standard output if machines read it."""
    if is_json:
        problems = [asdict(problem) for problem in error.problems] if isinstance(error, DefinitionError) else []
        remedy = getattr(error, "remedy", "")
        out.print_json(to_json({"error": error.message, "remedy": remedy, "problems": problems}))
    elif isinstance(error, DefinitionError | RuleError):
        err.print(escape(str(error)), style="red", soft_wrap=True)
    else:
        err.print(f"[red]{escape(error.message)}[/]", soft_wrap=True)
        if error.remedy:
            err.print(f"  → {escape(error.remedy)}", soft_wrap=True)


class RunDisplay:
    """Live progress of a run: a line per stage with rows, seconds and what it does; the last one counts its seconds.

    Without a terminal each stage is printed once, when it has ended.
    """

    def __init__(self, *, is_quiet: bool = False) -> None:
        self.is_quiet = is_quiet
        self.ended: list[tuple[str, str, str, str]] = []
        self.current: tuple[str, str, float] | None = None
        self.live = Live(console=out, get_renderable=self._table, refresh_per_second=8) if self._is_live() else None

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.current = None
        if self.live:
            self.live.stop()

    @contextmanager
    def stage(self, name: str, detail: str) -> Iterator[None]:
        """Show something that is done after the run as one more stage of it."""
        self.start(name, detail)
        began = time.monotonic()
        yield
        self.end(name, detail, None, time.monotonic() - began)

    def start(self, stage: str, detail: str) -> None:
        self.current = (stage, detail, time.monotonic())

    def end(self, stage: str, detail: str, rows: int | None, seconds: float) -> None:
        figures = (stage, "" if rows is None else f"{rows:,}", f"{seconds:.1f}", escape(detail))
        self.ended.append(figures)
        self.current = None
        if not self.live and not self.is_quiet:
            out.print("{:<11}{:>12}{:>9} s  {}".format(*figures), soft_wrap=True)

    def _is_live(self) -> bool:
        return out.is_terminal and not self.is_quiet

    def _table(self) -> Table:
        table = Table("stage", box=None, pad_edge=False)
        table.add_column("rows", justify="right")
        table.add_column("seconds", justify="right")
        table.add_column("what and why", style="dim")
        for figures in self.ended:
            table.add_row(*figures)
        if self.current:
            stage, detail, began = self.current
            table.add_row(f"[bold]{stage}[/]", "…", f"{time.monotonic() - began:.1f}", escape(detail))
        return table


SHOWN_BEHIND = 60.0  # seconds


def _duration(seconds: float) -> str:
    days, hours, minutes = int(seconds // 86_400), int(seconds // 3_600), int(seconds // 60)
    return f"{days} d" if days else f"{hours} h" if hours else f"{minutes} min"


class StreamDisplay:
    """What a worker does, on one line that changes; without a terminal a line now and then."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        self.is_quiet = is_quiet
        self.shown = time.monotonic()
        self.n_warnings = 0
        self.line = self.printed = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (out.is_terminal or self.line != self.printed) and not self.is_quiet:
            out.print(self.line, soft_wrap=True)

    def show(self, figures: StreamFigures) -> None:
        for warning in figures.warnings[self.n_warnings :]:
            err.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
        self.n_warnings = len(figures.warnings)
        per_second = figures.records / figures.seconds if figures.seconds else 0.0
        waiting = "?" if figures.waiting is None else f"{figures.waiting:,}"
        self.line = (
            f"{figures.records:,} records  {waiting} waiting  {figures.changes:,} changes  {per_second:,.0f} records/s"
            + (f"  {figures.refused:,} refused" if figures.refused else "")
            + (f"  {_duration(figures.behind)} behind" if figures.behind >= SHOWN_BEHIND else "")
        )
        every = 0.2 if out.is_terminal else 10.0
        if self.is_quiet or self.line == self.printed or time.monotonic() - self.shown < every:
            return
        self.shown, self.printed = time.monotonic(), self.line
        out.print(self.line, end="\r" if out.is_terminal else "\n", soft_wrap=True)


def _show_run(answer: dict[str, Any]) -> None:
    outcome = answer["outcome"]
    if not outcome.is_published:
        told = f"\nNothing new: the published run {outcome.run} stands (as of {when(outcome.as_of)})."
        out.print(told, soft_wrap=True)
    for warning in outcome.warnings:
        out.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    for note in outcome.notes[:SHOWN_NOTES]:
        out.print(f"note: {escape(note)}", soft_wrap=True)
    if len(outcome.notes) > SHOWN_NOTES:
        out.print(f"… and {len(outcome.notes) - SHOWN_NOTES} more notes (all with --json)")
    out.print()
    _show_segments(answer["segments"])
    _show_redefined(outcome.redefined, {row["segment"]: row for row in answer["segments"]})
    if outcome.is_published:
        seconds = sum(figures.seconds for figures in outcome.stages)
        out.print(f"\nPublished run {outcome.run} as of {when(outcome.as_of)} in {seconds:.1f} s.", soft_wrap=True)
    out.print(f"Report: {answer['report']}", soft_wrap=True)


def _show_redefined(reasons: dict[str, str], rows: dict[str, dict[str, Any]]) -> None:
    if reasons:
        out.print("\nRedefined segments, who entered (+) and left (−) by that, and who by events and time:")
    for name, reason in reasons.items():
        row = rows[name]
        by = {
            cause: f"+{row[f'entered_by_{cause}']:,} −{row[f'left_by_{cause}']:,}" for cause in ("definition", "events")
        }
        told = f"by definition {by['definition']}, by events and time {by['events']}"
        out.print(f"  {name}: {escape(reason)}; {told}", soft_wrap=True)


def _show_segments(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("segment", no_wrap=True)
    table.add_column("label")
    for column in ("members", "share", "change"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for row in rows:
        change = f"+{row['entered']:,} −{row['left']:,}" if row["entered"] or row["left"] else "="
        table.add_row(
            row["segment"],
            escape(row["label"]),
            f"{row['members']:,}",
            f"{row['share']:.1%}",
            change,
            row["verdict"] or "",
        )
    out.print(table)


def _show_plan(answer: dict[str, Any]) -> None:
    published = answer["published"]
    out.print(
        f"as of {when(answer['as_of'])}; " + (f"published: {published}" if published else "nothing published yet")
    )
    table = Table("stage", "action", "why")
    for name, arrival in answer["sources"].items():
        new = "read to know" if arrival["new"] is None else f"{arrival['new']} new, {arrival['replaced']} changed"
        table.add_row("extract", "skip" if new == "0 new, 0 changed" else "add", f"{name}: {new}")
    for step in answer["steps"]:
        table.add_row(step["stage"], step["action"], escape(step["reason"]))
    out.print(table)
    for name, reason in answer["redefined"].items():
        out.print(f"redefined: {name}: {escape(reason)}", soft_wrap=True)
    _show_cost(answer["cost"])


def _show_lint(answer: dict[str, Any]) -> None:
    _show_problems(answer["problems"])
    _show_cost(answer["cost"])


def _show_cost(cost: dict[str, Any]) -> None:
    """What features cost, foretold: by kind of event once something is published of it, then by feature."""
    known = [row for row in cost["events"] if row["rows"] is not None]
    if known:
        table = Table("events", "rows read", "state in memory", "profiles made anew a day")
        for row in known:
            name = " and ".join([row["event"], *row["also_read"]])
            table.add_row(
                name, f"{row['rows']:,}", f"{row['memory_bytes'] / 1e6:,.1f} MB", f"{row['recomputed_share']:.1%}"
            )
        out.print(table)
    if cost["features"]:
        table = Table("feature", "from", "bytes per profile", "live")
        for row in cost["features"]:
            growing = f" + {row['bytes_per_event']} per event" if row["bytes_per_event"] else ""
            live = "yes" if row["is_live"] else f"no: {escape(row['reason'])}"
            events = ", ".join(row["events"]) or "traits"
            table.add_row(row["name"], events, f"{row['bytes_per_profile']}{growing}", live)
        out.print(table)


def _show_problems(problems: list[dict[str, Any]]) -> None:
    for problem in problems:
        out.print(
            f"{problem['file']}:{problem['line']}: {problem['severity']}: {escape(problem['message'])}", soft_wrap=True
        )
        if problem["remedy"]:
            out.print(f"  → {escape(problem['remedy'])}", soft_wrap=True)
    out.print(f"{len(problems)} warnings, no error." if problems else "No problem found.")


def _show_preview(answer: dict[str, Any]) -> None:
    out.print(f"fr: {escape(answer['rule']['fr'])}\nen: {escape(answer['rule']['en'])}", soft_wrap=True)
    share = f"{answer['members']:,} of {answer['population']:,} profiles ({answer['share']:.1%})"
    out.print(f"{share} as of {when(answer['as_of'])}")


def _show_what_if(answer: dict[str, Any]) -> None:
    language = answer["language"]
    words = WHAT_IF[language]
    at = when(answer["as_of"])
    known = "" if answer["known_at"] == answer["as_of"] else words["known"].format(at=when(answer["known_at"]))
    out.print(f"\n[bold]{escape(answer['label'])}[/] ({answer['segment']}), {at}{known}", soft_wrap=True)
    show_warning(out, answer)
    for key in ("before", "after"):
        rule = answer["rule"][key]
        told = escape(rule[language]) if rule else words["nobody"]
        out.print(f"{words[f'{key}_published' if answer['is_published'] else key]}{told}", soft_wrap=True)
    table = Table("", box=None, pad_edge=False)
    for kind in ("members", "would_be", "entering", "leaving", "staying"):
        table.add_column(words[kind], justify="right")
    for row in (answer, *answer["downstream"]):
        figures = [_count(row[kind], language) for kind in ("entering", "leaving", "staying")]
        shares = [
            f"{_count(row[kind], language)} ({_percent(row[share], language)})"
            for kind, share in (("members", "share"), ("would_be", "would_be_share"))
        ]
        table.add_row(escape(row["segment"]), *shares, *figures)
    out.print(table)
    if answer["downstream"]:
        out.print(words["downstream"].format(segments=", ".join(row["segment"] for row in answer["downstream"])))
    for side in ("entering", "leaving"):
        for person in answer["samples"][side]:
            pairs = {**person["identifiers"], **person["traits"], **person["read"]}
            told = ", ".join(f"{name}={value_of(value)}" for name, value in pairs.items() if value is not None)
            out.print(f"  {words['signs'][side]} {person['profile_id']}  [dim]{escape(told)}[/]", soft_wrap=True)
    for item in answer["models"]:
        later = words["later"] if item["is_later"] else ""
        told = words["model"].format(name=item["name"], version=item["version"], at=when(item["fitted_at"]))
        out.print(told + later, soft_wrap=True)
    cost = answer["cost"]
    held = words["memory"].format(n=_count(-(-cost["memory_bytes"] // 1_000_000), language))
    seconds = f"{cost['seconds']:.1f}".replace(".", "," if language == "fr" else ".")
    out.print(words["cost"].format(rows=_count(cost["rows"], language), seconds=seconds) + held, soft_wrap=True)


def _count(number: int, language: str) -> str:
    return f"{number:,}".replace(",", "\u202f") if language == "fr" else f"{number:,}"


def _percent(share: float, language: str) -> str:
    return f"{share * 100:.1f}\u202f%".replace(".", ",") if language == "fr" else f"{share:.1%}"


WHAT_IF: dict[str, dict[str, Any]] = {
    "fr": {
        "known": ", d'après ce qui était connu le {at}",
        "before": "règle actuelle : ",
        "after": "et si :          ",
        "before_published": "règle publiée :      ",
        "after_published": "règle des fichiers : ",
        "nobody": "aucune, le segment est nouveau",
        "members": "membres",
        "would_be": "deviendraient",
        "entering": "entreraient",
        "leaving": "sortiraient",
        "staying": "resteraient",
        "downstream": "D'autres segments changeraient aussi : {segments}.",
        "signs": {"entering": "[green]+[/]", "leaving": "[red]−[/]"},
        "model": "Modèle {name}, version {version}, appris le {at}",
        "later": " — donc après cet instant, d'un avenir qu'il ne pouvait pas connaître",
        "cost": "Coût : {rows} lignes lues, {seconds} s",
        "memory": ", environ {n} Mo de données en mémoire",
    },
    "en": {
        "known": ", from what was known at {at}",
        "before": "rule now: ",
        "after": "what if:  ",
        "before_published": "published rule:    ",
        "after_published": "rule of the files: ",
        "nobody": "none, the segment is new",
        "members": "members",
        "would_be": "would be",
        "entering": "would enter",
        "leaving": "would leave",
        "staying": "would stay",
        "downstream": "These segments would change too: {segments}.",
        "signs": {"entering": "[green]+[/]", "leaving": "[red]−[/]"},
        "model": "Model {name}, version {version}, fitted at {at}",
        "later": " — so after this instant, from a future that it could not know",
        "cost": "Cost: {rows} rows read, {seconds} s",
        "memory": ", about {n} MB of data in memory",
    },
}


def _show_profile(answer: dict[str, Any]) -> None:
    out.print(f"[bold]Profile {answer['profile_id']}[/]" + ("" if answer["is_counted"] else " (not in the population)"))
    show_origin(out, answer)
    show_warning(out, answer)
    for title, pairs in (
        ("identifiers", [(item["kind"], item["value"]) for item in answer["identifiers"]]),
        ("traits", answer["traits"].items()),
        ("features", answer["features"].items()),
        ("member of", [(item["label"], f"since {when(item['entered_at'])}") for item in answer["memberships"]]),
    ):
        table = Table(title=title, title_justify="left", box=None, show_header=False)
        for name, value in pairs:
            table.add_row(escape(str(name)), escape(value_of(value)))
        out.print(table)
    show_composites(out, answer)
    timeline = Table("at", "event", "properties", title="timeline, latest first", title_justify="left", box=None)
    for event in answer["timeline"]:
        told = ", ".join(f"{name}={value_of(value)}" for name, value in event["properties"].items())
        timeline.add_row(when(event["at"]), event["event"], escape(told))
    out.print(timeline)
    for score in answer["scores"]:
        show_pushes(out, score, answer["language"])


def _show_refit(answer: dict[str, Any]) -> None:
    """The run that fitted models anew, and what versions of them there are now."""
    _show_run(answer)
    out.print()
    show_models(out, answer["models"])


def _show_stream(figures: StreamFigures) -> None:
    for name, number in figures.sinks.items():
        if number:
            told = f"sink {escape(name)} lacks {number:,} changes; it gets them when the worker goes on."
            err.print(f"[yellow]warning:[/] {told}", soft_wrap=True)


def _show_changes(rows: list[dict[str, Any]]) -> None:
    if not rows:
        out.print("Nobody entered or left.")
        return
    table = Table("at", "profile", "change", "segment", "told by", "why", box=None, pad_edge=False)
    for row in rows:
        what = row["segment"] or f"into {row['into']}"
        events = f" ({', '.join(row['events'][:SHOWN_EVENTS])})" if row["events"] else ""
        told = (when(row["at"]), str(row["profile_id"]), row["change"], what, row["told_by"], row["why"] + events)
        table.add_row(*map(escape, told))
    out.print(table)


def _show_refused(answer: dict[str, Any]) -> None:
    if not answer["counts"]:
        out.print("Nothing was refused.")
    for count in answer["counts"]:
        out.print(f"{count.source}  {count.day}  {count.n:,} refused", soft_wrap=True)
    for event in answer["last"]:
        out.print(f"\n{event.received_at}  {event.source}  {event.protocol}: {escape(event.reason)}", soft_wrap=True)
        out.print(escape(event.raw[:SHOWN_BYTES]), style="dim", soft_wrap=True)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no JSON for {type(value)}")


SHOWN: dict[str, Callable[[Any], None]] = {
    "run": _show_run,
    "segments": _show_segments,
    "plan": _show_plan,
    "lint": _show_lint,
    "worth": partial(show_worth, out),
    "merged": partial(show_merged, out),
    "approved": lambda answer: out.print(f"Approved: {answer['name']}. `facette run` publishes it.", soft_wrap=True),
    "preview": _show_preview,
    "rule": lambda answer: out.print(escape(answer["rule"]), soft_wrap=True),
    "what_if": _show_what_if,
    "profile": _show_profile,
    "explanation": partial(show_explanation, out),
    "models": partial(show_models, out),
    "refit": _show_refit,
    "choice": partial(show_choice, out),
    "schema": lambda answer: out.print(
        f"Wrote {answer['schema']}.\n"
        f"For editors, as first line of a file: # yaml-language-server: $schema={answer['schema'].name}",
        soft_wrap=True,
    ),
    "refused": _show_refused,
    "changes": _show_changes,
    "stream": _show_stream,
    "report": lambda answer: out.print(f"Report: {answer['report']}", soft_wrap=True),
    "starter": lambda answer: out.print(
        f"Wrote {len(answer['files'])} files into {answer['folder']}.\nNext: facette run --project {answer['folder']}",
        soft_wrap=True,
    ),
}
