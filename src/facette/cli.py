"""The command line: each command reads the project, calls one function, and shows what it returned."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from facette.errors import DefinitionError, FacetteError, RunError

if TYPE_CHECKING:
    from facette.definitions.language import Language
    from facette.definitions.project import Definitions
    from facette.stream import Desk

app = typer.Typer(
    help="Audience segmentation as code: one definition, one answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, without loading rich
)
models_app = typer.Typer(rich_markup_mode=None)
app.add_typer(models_app, name="models")
Folder = Annotated[Path, typer.Option("--project", help="Folder with the project's facette.yml.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Evaluate at this instant (ISO 8601), or at the end of this day.")
]
Full = Annotated[bool, typer.Option("--full", help="Compute everything anew.")]
Spoken = Annotated[str | None, typer.Option("--language", help="fr or en; the project's unless given.")]
HERE = Path()


def main() -> None:
    """Run a command; errors meant for the user are shown without a traceback and end with status 1."""
    gc.disable()  # until definitions are loaded: what they and modules make stays, and to look through it takes long
    gc.set_threshold(20_000, 20, 20)  # expressions are many small objects, and hardly any of them garbage
    try:
        app()
    except FacetteError as error:
        from facette.console import show_error

        show_error(error, is_json="--json" in sys.argv)
        raise SystemExit(1) from error


@app.command()
def init(folder: Annotated[Path | None, typer.Argument()] = None, project: Folder = HERE, json_: Json = False) -> None:
    """Write a small working project into FOLDER (or --project)."""
    from facette.definitions.project_starter import write_starter

    folder = folder or project
    files = write_starter(folder)
    _show(json_, {"folder": str(folder), "files": [str(file) for file in files]}, "starter")


@app.command()
def lint(project: Folder = HERE, json_: Json = False) -> None:
    """Check all definitions and report every problem at once; if there is none, what the features will cost."""
    from facette.definitions.cost import costs

    try:
        definitions = _load(project)
    except DefinitionError as error:
        if json_:
            _show(True, {"problems": [_problem(problem) for problem in error.problems], "cost": None}, "lint")
            raise typer.Exit(1) from None
        raise
    _show(json_, {"problems": [_problem(item) for item in definitions.warnings], "cost": costs(definitions)}, "lint")


@app.command()
def schema(project: Folder = HERE, json_: Json = False) -> None:
    """Write the JSON Schema of the definitions into the project, for editors; with --json print it instead."""
    from facette.definitions.schema import json_schema, write_schema

    if json_:
        typer.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))
    else:
        _show(False, {"schema": write_schema(project)}, "schema")


@app.command()
def plan(project: Folder = HERE, as_of: AsOf = None, full: Full = False, json_: Json = False) -> None:
    """Show what a run would do, and why."""
    from facette.run import planned

    _show(json_, planned(_load(project), as_of=_instant(as_of), is_full=full), "plan")


@app.command()
def run(
    project: Folder = HERE,
    as_of: AsOf = None,
    full: Full = False,
    json_: Json = False,
) -> None:
    """Bring the published segments up to date."""
    _show(json_, _run(_load(project), json_, as_of=as_of, full=full), "run")


def _run(
    definitions: Definitions,
    is_quiet: bool,
    *,
    as_of: str | None,
    full: bool = False,
    refit: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """A run with its progress, and the report of what it published."""
    from facette.console import RunDisplay
    from facette.queries import Published
    from facette.run import run as run_project
    from facette.web.report import is_report_current, report_path, write_report

    with RunDisplay(is_quiet=is_quiet) as display:
        outcome = run_project(definitions, display, as_of=_instant(as_of), is_full=full, refit=refit)
        published = Published(definitions)
        if not is_report_current(published):
            with display.stage("report", "what a marketer reads"):
                write_report(published)
    return {"outcome": outcome, "segments": published.segments(), "report": report_path(published)}


@app.command()
def stream(
    project: Folder = HERE,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Let the clock stand at this instant, to follow what was long ago.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when the logs are read to their end.")] = False,
    most: Annotated[int, typer.Option("--batch", min=1, help="Records in a step, at most.")] = 10_000,
    changes: Annotated[
        Path | None, typer.Option("--changes", help="Write every change into this file too, one JSON object a line.")
    ] = None,
    answers: Annotated[
        str | None, typer.Option("--answers", help="HOST:PORT at which to ask who is in which segment.")
    ] = None,
    json_: Json = False,
) -> None:
    """Follow the logs: keep memberships up to date, as a run would publish them, after every few records.

    It builds on the published run, and goes on where it was stopped, or killed: no record is lost, and no change told
    twice. A new run or a changed definition is taken over without a gap.
    """
    from facette.console import StreamDisplay
    from facette.live.sinks.jsonlines import JsonLines
    from facette.stream import Desk, follow

    definitions, desk = _load(project), Desk()
    sinks = [JsonLines(changes.absolute())] if changes else []
    with StreamDisplay(is_quiet=json_) as display, _answering(definitions, desk, answers) as url:
        if url:
            _tell(json_, {"answers": url}, f"Answering at {url}")
        figures = follow(definitions, display, sinks=sinks, as_of=_instant(as_of), is_once=once, most=most, desk=desk)
        display.show(figures)
    _show(json_, figures, "stream")


@app.command()
def serve(
    project: Folder = HERE,
    collect: Annotated[str, typer.Option("--collect", help="HOST:PORT at which trackers send.")] = "127.0.0.1:8100",
    answers: Annotated[str, typer.Option("--answers", help="HOST:PORT at which to ask.")] = "127.0.0.1:8101",
    json_: Json = False,
) -> None:
    """Collect what trackers send, follow it, and answer who is in which segment: collect and stream in one."""
    from facette.console import StreamDisplay
    from facette.stream import Desk, follow

    with _needing_web():
        from facette.web.serving import address
        from facette.web.together import collecting
    definitions, desk = _load(project), Desk()
    with (
        StreamDisplay(is_quiet=json_) as display,
        _answering(definitions, desk, answers) as url,
        collecting(project, *address(collect, "--collect")) as collector,
    ):
        told = f"Collecting at {collector.url}\nAnswering at {url}"
        _tell(json_, {"collect": collector.url, "answers": url}, told)
        figures = follow(definitions, collector.watched(display), desk=desk)
        display.show(figures)
    _show(json_, figures, "stream")


@app.command()
def segments(project: Folder = HERE, json_: Json = False) -> None:
    """List the published segments."""
    _show(json_, _published(project).segments(), "segments")


@app.command()
def worth(
    segment: Annotated[str | None, typer.Argument(help="Of this segment only, with all its comparisons.")] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the merges that are proposed into the project's files.")
    ] = False,
    project: Folder = HERE,
    json_: Json = False,
) -> None:
    """Show what segments are worth: effects, stability, what a child adds, A/B tests, and merges that are proposed.

    Without --apply nothing is written: what would be is shown.
    """
    from facette import worth_queries

    published = _published(project)
    if apply:
        _show(json_, {"merged": worth_queries.apply(published, segment)}, "merged")
    else:
        _show(json_, worth_queries.worth(published, segment), "worth")


@app.command()
def approve(name: str, project: Folder = HERE, json_: Json = False) -> None:
    """Let through the version of a segment or model that the gate holds back; the next run publishes it."""
    from facette.approving import approve as let_through

    _show(json_, let_through(_load(project), name), "approved")


@app.command()
def preview(rule: str, project: Folder = HERE, json_: Json = False) -> None:
    """Count the members of a RULE text against the published snapshot, without a run."""
    _show(json_, _published(project).preview(rule), "preview")


@app.command(name="what-if")
def what_if(
    segment: str,
    rule: Annotated[
        str | None, typer.Option("--rule", help="Another rule for it; without, the files against what is published.")
    ] = None,
    as_of: AsOf = None,
    known_at: Annotated[
        str | None, typer.Option("--known-at", help="From what was known at this instant; --as-of unless given.")
    ] = None,
    project: Folder = HERE,
    json_: Json = False,
) -> None:
    """Show who would enter and who would leave SEGMENT by another rule, now or at a past instant."""
    from facette.console import RunDisplay
    from facette.what_if import what_if as ask

    instants = {"as_of": _instant(as_of), "known_at": _instant(known_at, "--known-at")}
    with RunDisplay(is_quiet=json_) as display:
        answer = ask(_published(project), segment, display, rule=rule, **instants)
    _show(json_, answer, "what_if")


@app.command()
def import_condition(
    file: Annotated[Path, typer.Argument(help="JSON file with the condition; - for standard input.")],
    groups: Annotated[Path | None, typer.Option("--groups", help="JSON file with groups: name to values.")] = None,
    project: Folder = HERE,
    language: Annotated[str | None, typer.Option("--language", help="fr or en; the project's unless given.")] = None,
    json_: Json = False,
) -> None:
    """Print a MongoDB or GrowthBook condition as a rule of the project; with --json as the rule's tree."""
    from facette.definitions.language import check_rule, print_rule
    from facette.definitions.language.json_form import to_json
    from facette.definitions.language.mongo import condition_of, from_mongo

    definitions = _load(project)
    spoken = _language(language or definitions.project.language)
    known = condition_of(_text_of(groups), language=spoken) if groups else None
    rule = from_mongo(condition_of(_text_of(file), language=spoken), groups=known, language=spoken)
    text = print_rule(rule, spoken, definitions.vocabulary)
    check_rule(text, definitions.vocabulary)
    _show(json_, to_json(rule) if json_ else {"rule": text}, "rule")


@app.command()
def profile(
    profile_: Annotated[str, typer.Argument(metavar="ID")], project: Folder = HERE, json_: Json = False
) -> None:
    """Show one person: identifiers, traits, features, memberships, timeline; live where that is newer than the run."""
    _show(json_, _asked(project, profile_).profile(profile_), "profile")


@app.command()
def explain(
    profile_: Annotated[str, typer.Argument(metavar="PROFILE")],
    segment: str,
    project: Folder = HERE,
    language: Spoken = None,
    json_: Json = False,
) -> None:
    """Say why PROFILE is or is not in SEGMENT: what decided it, when it changes by itself, what would change it."""
    _show(json_, _asked(project, profile_, segment).explain(profile_, segment, language), "explanation")


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, project: Folder = HERE, json_: Json = False) -> None:
    """List the models, their versions, and which one applies."""
    from facette.versions import versions

    context.obj = project
    if context.invoked_subcommand is None:
        _show(json_, versions(_load(project)), "models")


@models_app.command()
def rollback(
    context: typer.Context,
    name: str,
    to: Annotated[int | None, typer.Option("--to", help="The version; the one before unless given.")] = None,
    project: Folder = HERE,
    json_: Json = False,
) -> None:
    """Decide that an earlier version of model NAME applies from the next run on, until it is released."""
    from facette.versions import rollback

    _show(json_, rollback(_load(_given(project, context)), name, to), "choice")


@models_app.command()
def release(context: typer.Context, name: str, project: Folder = HERE, json_: Json = False) -> None:
    """Let the newest version of model NAME apply again from the next run on, fitted anew if it is due."""
    from facette.versions import release

    _show(json_, release(_load(_given(project, context)), name), "choice")


@models_app.command()
def refit(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    project: Folder = HERE,
    as_of: AsOf = None,
    json_: Json = False,
) -> None:
    """Fit the models NAME anew now, however young they are, in a run; the gate judges what comes of it as ever."""
    from facette.versions import must_refit, versions

    definitions = _load(_given(project, context))
    answer = _run(definitions, json_, as_of=as_of, refit=must_refit(definitions, names))
    answer["models"] = [item for item in versions(definitions) if item["model"] in names]
    _show(json_, answer, "refit")


def _given(project: Path, context: typer.Context) -> Path:
    """The folder that was named, after the command or before it."""
    return cast(Path, context.obj) if project == HERE else project


@app.command()
def report(
    project: Folder = HERE,
    language: Spoken = None,
    json_: Json = False,
) -> None:
    """Write the HTML report of the published run again."""
    from facette.web.report import write_report

    _show(json_, {"report": str(write_report(_published(project), language=language))}, "report")


@app.command()
def collect(
    project: Folder = HERE,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at; 0 for any that is free.")] = 8100,
    json_: Json = False,
) -> None:
    """Receive what trackers send (Segment, RudderStack, Mixpanel, Matomo, GA4) into the logs of the project."""
    with _needing_web():
        from facette.web.collect import collect_app
        from facette.web.serving import serve

    def tell(url: str) -> None:
        _tell(json_, {"url": url}, f"Collecting at {url}")

    serve(collect_app(_load(project)), host=host, port=port, on_ready=tell)


@app.command()
def changes(
    project: Folder = HERE,
    profile_: Annotated[
        str | None, typer.Option("--profile", help="Of this person: an identifier or a profile id.")
    ] = None,
    segment: Annotated[str | None, typer.Option("--segment", help="Of this segment only.")] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many of the last to show.")] = 20,
    json_: Json = False,
) -> None:
    """Show who entered and who left which segment, and when: what runs found, and what the live worker told."""
    from facette.live_queries import history

    _show(json_, history(_load(project), profile_, segment, last), "changes")


@app.command()
def refused(
    project: Folder = HERE,
    source: Annotated[str | None, typer.Option("--source", help="Of this source only.")] = None,
    last: Annotated[int, typer.Option("--last", help="How many of the last to show.")] = 20,
    json_: Json = False,
) -> None:
    """Show which events the collector refused, and why."""
    from facette.sources.aside import refused_of

    counts, events = refused_of(_load(project).folder, source, last)
    _show(json_, {"counts": counts, "last": events}, "refused")


@contextmanager
def _answering(definitions: Definitions, desk: Desk, where: str | None) -> Iterator[str | None]:
    """Answer at an address, if one is given, until the end of the block; its URL."""
    if where is None:
        yield None
        return
    with _needing_web():
        from facette.live_queries import Current
        from facette.web.answers import answers_app
        from facette.web.serving import address, serving
    host, port = address(where, "--answers")
    with serving(answers_app(Current(definitions, desk), host=host), host=host, port=port) as url:
        yield url


@contextmanager
def _needing_web() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        remedy = "Install it: pip install 'facette[web,live]'."
        raise RunError(f"This needs {error.name}, which is missing.", remedy=remedy) from error


def _tell(is_json: bool, answer: dict[str, Any], text: str) -> None:
    """Something to be known at once: a line of JSON, or text."""
    typer.echo(json.dumps(answer) if is_json else text)


def _load(project: Path) -> Definitions:
    from facette.definitions.project import load

    definitions = load(project)
    if not gc.isenabled():  # see main
        gc.freeze()
        gc.enable()
    return definitions


def _published(project: Path) -> Any:
    from facette.queries import Published

    return Published(_load(project))


def _asked(project: Path, person: str, segment: str | None = None) -> Any:
    """Who answers for a person: the live worker's state where it is newer than what is published."""
    published = _published(project)
    if not (published.store.folder / "live" / "state.db").is_file():
        return published  # nor need there be what live takes to be installed
    from facette.live_queries import Current

    return Current(published.definitions).person(person, segment) or published


def _instant(text: str | None, option: str = "--as-of") -> datetime | date | None:
    if text is None:
        return None
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    raise RunError(
        f"{option} {text} is neither a day nor an instant.", remedy="Write it as 2026-11-22 or 2026-11-22T08:00Z."
    )


def _language(name: str) -> Language:
    if name not in ("fr", "en"):
        raise FacetteError(f"--language {name} is not spoken.", remedy="Choose fr or en.")
    return cast("Language", name)


def _text_of(file: Path) -> str:
    """What a file holds, or what comes in where the file is called ``-``."""
    try:
        return (sys.stdin.buffer.read() if file == Path("-") else file.read_bytes()).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FacetteError(f"{file} cannot be read: {error}.", remedy="Give a JSON file in UTF-8.") from error


def _problem(problem: Any) -> dict[str, Any]:
    return {key: getattr(problem, key) for key in ("file", "line", "severity", "message", "remedy")}


def _show(is_json: bool, answer: Any, what: str) -> None:
    from facette import console

    if is_json:
        typer.echo(console.to_json(answer))
    else:
        console.show(what, answer)
