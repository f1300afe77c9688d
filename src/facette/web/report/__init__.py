"""The report: one HTML file that needs nothing but itself, in French or in English."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from uuid import uuid4

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from facette.definitions.model import Language
from facette.errors import FacetteError
from facette.queries import Published
from facette.validation.sentences import LANGUAGES
from facette.warehouse.connect import put_in_place, unwritable
from facette.web.report import chances, customers, facts, gaps, groups, maps, people, quality, said, standing, worth
from facette.web.report.reading import Reading
from facette.web.report.words import Words

PARTS = Path(__file__).parent


def report_path(published: Published) -> Path:
    """Where the report of a project is, unless somebody asks for it elsewhere."""
    return published.store.folder / "report.html"


def is_report_current(published: Published) -> bool:
    """Whether there is a report that is no older than what is published."""
    path, publication = report_path(published), published.store.folder / "published.json"
    return path.exists() and path.stat().st_mtime_ns >= publication.stat().st_mtime_ns


def write_report(published: Published, *, language: str | None = None, path: Path | None = None) -> Path:
    """Write what a published run found as one HTML file; the path written.

    language : of the texts, numbers and dates, fr or en; the project's unless given
    path     : :func:`report_path` unless given; its folder is created
    The file appears complete or not at all. It loads nothing from anywhere, and forbids the browser to.
    Raises NotFoundError before the first run, RunError if the file cannot be written.
    """
    language = language or published.definitions.project.language
    if language not in LANGUAGES:
        raise FacetteError(f"The report does not speak “{language}”.", remedy=f"Choose {' or '.join(LANGUAGES)}.")
    path = path or report_path(published)
    unfinished = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    text = render(published, language)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        put_in_place(unfinished, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def render(published: Published, language: Language) -> str:
    """The page as text."""
    words = Words(language, published.snapshot.zone)
    reading = Reading(published, words)
    scripts = [get_plotlyjs(), (PARTS / "report.js").read_text(encoding="utf-8")]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PARTS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(
        language=language,
        say=words.say,
        style=Markup((PARTS / "report.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        script_hashes=[_integrity(script) for script in scripts],
        header=facts.header(reading),
        glance=people.glance(reading),
        worth=worth.worth(reading),
        cards=people.cards(reading),
        rfm=groups.recency_frequency(reading),
        clusterings=groups.clusterings(reading),
        maps=maps.maps(reading),
        gaps=gaps.gaps(reading),
        scores=chances.scores(reading),
        values=customers.values(reading),
        composites=customers.composites(reading),
        texts=said.said(reading),
        overlaps=people.overlaps(reading),
        quality=quality.quality(reading),
        versions=standing.versions(reading),
        drift=standing.drift(reading),
        facts=facts.facts(reading),
    )


def _integrity(script: str) -> str:
    """What the content security policy calls a script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
