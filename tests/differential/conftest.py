"""Tells at the end of a run how many answers were compared."""

from __future__ import annotations

import pytest

from tests.differential.cases import COMPARED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, number in COMPARED.items():
        terminalreporter.write_line(f"compared {number:,} {what}")
