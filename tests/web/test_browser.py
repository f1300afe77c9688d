"""The report in a real browser that can reach nothing: are its pictures drawn, and does it leave the network alone?"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from facette.web.report import write_report
from tests.web.snapshots import publish

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--disable-quic", "--proxy-server=127.0.0.1:9")  # nobody listens there
SLOW = re.compile("^Canvas2D: Multiple readback|GPU stall due to ReadPixels")
"""What Chromium says of the speed of pictures in three dimensions where there is no graphics card."""
NOT_DRAWN = """.picture:not([data-state="drawn"])"""


@dataclass(frozen=True)
class Visit:
    """What a page became: its elements as text, what it said on the console, and what it asked of the network."""

    dom: str
    console: list[str]
    requests: list[str]


def visit(page: Path, *, width: int = 1280) -> Visit:
    """Open a file in headless Chromium and wait until every picture of it is drawn."""
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if browser is None:
        pytest.fail("This test needs a browser: apt-get install --yes chromium", pytrace=False)
    console: list[str] = []
    asked: list[str] = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS, chromium_sandbox=False)
        tab = chromium.new_page(viewport={"width": width, "height": 800})
        tab.on("console", lambda message: None if SLOW.search(message.text) else console.append(message.text))
        tab.on("pageerror", lambda error: console.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(page.as_uri())
        expect(tab.locator(NOT_DRAWN)).to_have_count(0, timeout=120_000)
        dom = tab.content()
        chromium.close()
    return Visit(dom, console, [url for url in asked if url != page.as_uri()])


@pytest.mark.browser
def test_pictures_are_drawn_and_nothing_is_asked_of_the_network(tmp_path: Path) -> None:
    page = write_report(publish(tmp_path / "shop").published, path=tmp_path / "report.html")
    seen = visit(page)
    assert seen.console == []
    assert seen.requests == []
    drawn = seen.dom.count('data-state="drawn"')
    assert drawn == seen.dom.count('type="application/json"') == 16
    assert seen.dom.count('class="main-svg"') >= drawn
    assert "NaN" not in seen.dom.partition("<main")[2].partition("</main>")[0]


@pytest.mark.browser
def test_bars_have_room_on_a_phone(tmp_path: Path) -> None:
    """The longest bar is as wide as what its number leaves, with the whole name above it."""
    page = write_report(publish(tmp_path / "shop").published, path=tmp_path / "report.html")
    seen = visit(page, width=390)
    sizes = seen.dom.partition("<figure>")[2].partition("</figure>")[0]
    bars = [float(width) for width in re.findall(r'<path d="M0,[\d.]+V[\d.]+H([\d.]+)V', sizes)]
    assert max(bars) > 150
    assert re.search(r'<g class="annotation".*?Actifs', sizes)


@pytest.mark.browser
def test_the_visit_would_notice(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<img src="http://example.invalid/a.png"><script>console.error("ouch")</script>', encoding="utf-8")
    seen = visit(page)
    assert seen.requests == ["http://example.invalid/a.png"]
    assert "ouch" in seen.console
