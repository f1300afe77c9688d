"""What a definition leaves to the environment: ``${NAME}`` in URLs, settings and keys."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

from facette.errors import SourceError


def from_environment(text: str, what: str, *, in_url: bool = False, environment: Mapping[str, str] = os.environ) -> str:
    """The text with each ``${NAME}`` replaced by the variable; SourceError if one is not set.

    what   : what needs it, for the error
    in_url : a user name or password in a URL may have any characters
    """

    def value_of(reference: re.Match[str]) -> str:
        name = reference[1]
        if name not in environment:
            message = f"{what} needs the environment variable {name}, which is not set."
            raise SourceError(message, remedy=f"Set it first: export {name}=…")
        is_credential = in_url and reference.start() > 0 and "@" in text[reference.end() :]
        return quote(environment[name], safe="") if is_credential else environment[name]

    return re.sub(r"\$\{(\w+)\}", value_of, text)
