"""What definitions leave to the environment."""

from __future__ import annotations

import pytest

from facette.errors import SourceError
from facette.sources.environment import from_environment


def test_variables_stand_for_what_they_hold() -> None:
    known = {"P": "p@:/s", "HOST": "h.example", "KEY": "k/1"}
    url = from_environment("amqp://ann:${P}@${HOST}/v", "The log", in_url=True, environment=known)
    assert url == "amqp://ann:p%40%3A%2Fs@h.example/v"
    assert from_environment("${KEY}", "Source site", environment=known) == "k/1"
    assert from_environment("no variable: $KEY {KEY}", "Source site", environment=known) == "no variable: $KEY {KEY}"


def test_a_variable_that_is_not_set() -> None:
    with pytest.raises(SourceError, match="Source site needs the environment variable KEY, which is not set"):
        from_environment("${KEY}", "Source site", environment={})
