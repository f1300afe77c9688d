"""Tells at the end of a run how many answers were compared, by all its processes together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cases import COMPARED
from tests.warehouses import duckdb, engine, postgres

__all__ = ["duckdb", "engine", "postgres"]  # fixtures


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--real-runs", action="store_true", help="tell every story of tests/timelines through real runs")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Chromium (apt-get install --yes chromium)")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist: what it hands over must be plain data
        session.config.workeroutput["compared"] = dict(COMPARED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    COMPARED.update(getattr(node, "workeroutput", {}).get("compared", {}))  # nothing from a worker that crashed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, number in sorted(COMPARED.items()):
        terminalreporter.write_line(f"compared {number:,} {what}")
