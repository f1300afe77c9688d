"""What readings have learned, as rows of the table ``text_models``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import ValidationError

from facette.definitions.project import Definitions
from facette.definitions.text_checks import reads_of
from facette.errors import RunError
from facette.text.fitting import encoder_of, method_of
from facette.text.readers import FittedText, TextReader

if TYPE_CHECKING:
    import ibis.expr.types as ir

TEXT_MODELS = pa.schema(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("method", pa.string()),
        ("fitted_at", pa.timestamp("us", "UTC")),
        ("fingerprint", pa.string()),
        ("encoder", pa.string()),
        ("metrics", pa.string()),
        ("parameters", pa.string()),
    ]
)


def stored_texts(table: ir.Table | None) -> dict[str, FittedText]:
    """Reading → what it has learned, from the table ``text_models``.

    RunError if another version of Facette learned it, and this one cannot read it.
    """
    found = {}
    for row in table.to_pyarrow().to_pylist() if table is not None else []:
        try:
            found[row["name"]] = FittedText.model_validate_json(row["parameters"])
        except ValidationError as error:
            raise RunError(
                f"The text `{row['name']}` was learned by another version of Facette, and cannot be read.",
                remedy="Run `facette run --full`, which learns it anew and reads all texts by it.",
            ) from error
    return found


def stored_readers(definitions: Definitions, table: ir.Table | None) -> dict[str, TextReader]:
    """The readers of all readings that fields name.

    RunError if one of them has not learned what it needs, or learned it with another encoder than there is now.
    """
    known = stored_texts(table)
    found = {}
    for name in reads_of(definitions.project):
        reading, fitted = definitions.text_reading(name), known.get(name)
        if method_of(reading) != "words":
            if fitted is None or fitted.fingerprint != definitions.text_fingerprint(name):
                raise RunError(f"The text `{name}` has not been learned.", remedy="Run `facette run --full`.")
            encoder = encoder_of(reading, definitions.folder)
            if fitted.encoder != encoder:
                raise RunError(
                    f"The text `{name}` was learned with {fitted.encoder}, and there is {encoder} now.",
                    remedy="Read all texts anew with `facette run --full`, or go back to that encoder.",
                )
        found[name] = TextReader(reading, fitted, definitions.folder)
    return found
