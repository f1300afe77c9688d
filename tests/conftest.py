"""Tells at the end of a run how many answers were compared, by all its processes together."""

from __future__ import annotations

import os
from typing import Any

for _library in ("OMP", "OPENBLAS", "NUMBA"):  # read when first imported; the tests themselves run on every core
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import pytest  # noqa: E402

from tests.brokers import kafka, rabbitmq, redis_url  # noqa: E402
from tests.cases import COMPARED, More  # noqa: E402
from tests.warehouses import duckdb, engine, postgres, spark  # noqa: E402

__all__ = ["duckdb", "engine", "kafka", "postgres", "rabbitmq", "redis_url", "spark"]  # fixtures


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cases", type=int, default=0, help="more random cases of every comparison; seeds: --hypothesis-seed"
    )
    parser.addoption("--kills", type=int, default=4, help="how often the live worker is killed")
    parser.addoption("--all-live", action="store_true", help="tell every story of tests/timelines to the live worker")
    parser.addoption("--real-runs", action="store_true", help="tell every story of tests/timelines through real runs")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Chromium (apt-get install --yes chromium)")
    More.cases = config.getoption("--cases")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist: what it hands over must be plain data
        session.config.workeroutput["compared"] = dict(COMPARED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    COMPARED.update(getattr(node, "workeroutput", {}).get("compared", {}))  # nothing from a worker that crashed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if More.cases:
        seed = terminalreporter.config.getoption("--hypothesis-seed")
        terminalreporter.write_line(f"again: make soak CASES={More.cases} SEED={seed}")
    for what, number in sorted(COMPARED.items()):
        terminalreporter.write_line(f"compared {number:,} {what}")
