"""What the tests of the pages need."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Chromium (apt-get install --yes chromium)")
