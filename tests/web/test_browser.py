"""The report in a real browser that can reach nothing: are its pictures drawn, and does it leave the network alone?"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from facette.web.report import write_report
from tests.web.snapshots import publish

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--proxy-server=127.0.0.1:9",  # nobody listens there
    "--enable-logging=stderr",
    "--virtual-time-budget=10000",
)


@dataclass(frozen=True)
class Visit:
    """What a page became: its elements as text, what it said on the console, and what it asked of the network."""

    dom: str
    console: list[str]
    requests: list[str]


def visit(page: Path, folder: Path, *, width: int = 1280) -> Visit:
    """Open a file in headless Chromium, in a window that shows the top of it."""
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if browser is None:
        pytest.fail("This test needs a browser: apt-get install --yes chromium", pytrace=False)
    log = folder / "net.json"
    command = [
        browser,
        *FLAGS,
        f"--window-size={width},800",
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={log}",
        "--dump-dom",
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in done.stderr.splitlines() if ":CONSOLE:" in line]
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    asked = [event["params"] for event in events if isinstance(event.get("params"), dict)]
    # A file's origin is “null”; what the browser asks for itself has another initiator.
    return Visit(done.stdout, console, [item["url"] for item in asked if item.get("initiator") == "null"])


@pytest.mark.browser
def test_pictures_are_drawn_and_nothing_is_asked_of_the_network(tmp_path: Path) -> None:
    page = write_report(publish(tmp_path / "shop").published, path=tmp_path / "report.html")
    seen = visit(page, tmp_path)
    assert seen.console == []
    assert seen.requests == []
    drawn = seen.dom.count('data-state="drawn"')
    assert drawn == seen.dom.count('type="application/json"') == 9
    assert seen.dom.count('class="main-svg"') >= drawn
    assert "NaN" not in seen.dom.partition("<main")[2].partition("</main>")[0]


@pytest.mark.browser
def test_bars_have_room_on_a_phone(tmp_path: Path) -> None:
    """The longest bar is as wide as what its number leaves, with the whole name above it."""
    page = write_report(publish(tmp_path / "shop").published, path=tmp_path / "report.html")
    seen = visit(page, tmp_path, width=390)
    sizes = seen.dom.partition("<figure>")[2].partition("</figure>")[0]
    bars = [float(width) for width in re.findall(r'<path d="M0,[\d.]+V[\d.]+H([\d.]+)V', sizes)]
    assert max(bars) > 150
    assert re.search(r'<g class="annotation".*?Actifs', sizes)


@pytest.mark.browser
def test_the_visit_would_notice(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<img src="http://example.invalid/a.png"><script>console.error("ouch")</script>', encoding="utf-8")
    seen = visit(page, tmp_path)
    assert seen.requests == ["http://example.invalid/a.png"]
    assert len(seen.console) == 1
