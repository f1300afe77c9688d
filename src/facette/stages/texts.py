"""What readings of texts need to learn, before rows are cleaned."""

from __future__ import annotations

import pyarrow as pa

from facette.definitions.text_checks import reads_of
from facette.definitions.texts import AnyReading, ThemesText
from facette.errors import ModelError
from facette.profiles import formats
from facette.profiles.values import column_of
from facette.stages.work import Work
from facette.text.fitting import fit_text, method_of
from facette.text.stored import TEXT_MODELS, stored_texts


def learn_texts(work: Work) -> None:
    """Fit the readings that fields name and that are not in ``text_models`` as they are declared.

    They learn once, and again only when everything is cleaned anew: so a text says the same whenever it comes.
    """
    definitions = work.definitions
    known = stored_texts(work.optional("text_models"))
    rows = []
    for name in reads_of(definitions.project):
        reading, fingerprint = definitions.text_reading(name), definitions.text_fingerprint(name)
        if name in known and known[name].fingerprint == fingerprint:
            continue
        fitted = fit_text(reading, fingerprint, definitions.folder, _samples(reading, work))
        if fitted is not None:
            rows.append(
                {
                    "name": name,
                    "kind": reading.kind,
                    "method": method_of(reading),
                    "fitted_at": work.moment.as_of,
                    "fingerprint": fingerprint,
                    "encoder": fitted.encoder,
                    "metrics": fitted.metrics.model_dump_json(),
                    "parameters": fitted.model_dump_json(),
                }
            )
    if rows:
        work.draft.append(work.con, "text_models", pa.Table.from_pylist(rows, schema=TEXT_MODELS))


def _samples(reading: AnyReading, work: Work) -> list[tuple[str, str | None]]:
    """Uniform texts, and their labels if they have any, from the table that a reading learns from."""
    sample = reading.discover if isinstance(reading, ThemesText) and reading.discover else reading.learn
    if sample is None:
        return []
    landings = work.landings(sample.source)
    if not landings:
        raise ModelError(
            f"“{reading.name}” has nothing to learn from: source {sample.source} has no rows.",
            remedy="Check where its texts are.",
        )
    found: list[tuple[str, str | None]] = []
    for landing in landings:
        raw = work.raw([landing])
        columns = [sample.text, *([sample.label] if sample is reading.learn else [])]
        texts = [formats.tidy(formats.text_of(column_of(raw, name, sample.source))) for name in columns]
        named = {f"c{i}": text for i, text in enumerate(texts)}
        rows = raw.select("_row", **named).order_by("_row").to_pyarrow().to_pydict()
        labels = rows["c1"] if "c1" in rows else [None] * len(rows["c0"])
        found += [(text, label) for text, label in zip(rows["c0"], labels, strict=True) if text]
    return found
