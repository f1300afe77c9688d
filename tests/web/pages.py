"""A report taken apart: its texts, its links, and the data of its pictures."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any


def spaced(text: str) -> str:
    """A text with plain single spaces only."""
    return " ".join(text.split())


class Page(HTMLParser):
    """What a browser would find.

    texts    : section → everything that is read in it, in order
    pictures : section → figures of plotly.js
    tags     : every tag with its attributes
    scripts  : the texts of executable scripts
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.pictures: dict[str, list[dict[str, Any]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._section = "header"
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "section":
            self._section = attributes["id"] or ""
        if tag in ("script", "style"):
            self._inside = attributes.get("type") or tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "application/json":
            self.pictures.setdefault(self._section, []).append(json.loads(data))
        elif self._inside == "script":
            self.scripts.append(data)
        elif not self._inside:
            self.texts[self._section] = f"{self.texts.get(self._section, '')} {' '.join(data.split(' '))}".strip()
