"""What is published of the worth of segments, and the merges that it proposes, shown and made on request."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from facette.definitions.edits import Edit, merging, merging_group, write
from facette.definitions.findings import suggestion
from facette.definitions.model import Label, Language
from facette.definitions.project import Definitions
from facette.errors import FacetteError, NotFoundError
from facette.queries import Published
from facette.validation.merging import cluster_proposals
from facette.validation.remarks import label_in, of_experiment, of_merge, of_place, of_stability, remark

OWN = ("segment", "members", "share", "verdict", "reason")


def worth(published: Published, segment: str | None = None) -> dict[str, Any]:
    """The worth of every published segment, largest first, or of one with all its effects.

    returns : language; segments: per segment its name, label, members, share, verdict and reason, all that the table
              ``worth`` says, the remarks in the project's language, the merge that is proposed with the edit that would
              make it (or why it cannot be made), and, if one is asked for, its ``effects``; clusters: merges that are
              proposed of clusters, with their edits; held: what the gate holds back
    segment : a segment, or a clustering whose groups are meant; None: all
    NotFoundError if there is neither, or no run that judged.
    """
    language = published.definitions.project.language
    rows = {row["segment"]: row for row in published.table("worth").to_pyarrow().to_pylist()}
    clusterings = {item.name for item in published.definitions.project.models if item.kind == "clusters"}
    if segment is not None and segment not in {*rows, *clusterings}:
        raise NotFoundError(f"There is no published segment {segment}.", remedy=suggestion(segment, rows))
    effects = published.table("effects").to_pyarrow().to_pylist()
    found = []
    for summary in published.segments():
        row = rows.get(summary["segment"])
        if row is None or segment not in (None, summary["segment"]):
            continue
        own = {name: summary[name] for name in OWN} | {"label": summary["label"]}
        item = (
            own
            | row
            | {
                "remarks": _remarks(published, row, language),
                "edit": _edit(published, row["segment"], row["merge_into"]),
            }
        )
        if segment is not None:
            item["effects"] = [effect for effect in effects if segment in (effect["segment"], effect["against"])]
        found.append(item)
    clusters = [
        item
        for item in _clusters(published, effects, language)
        if segment in (None, item["cluster"].rpartition(":")[0])
    ]
    held = {name: item for name, item in published.snapshot.held.items() if segment in (None, name)}
    return {"language": language, "segments": found, "clusters": clusters, "held": held}


def apply(published: Published, segment: str | None = None) -> list[dict[str, Any]]:
    """Write the proposed merges into the project's files: of one segment, of the groups of one clustering, or all.

    returns : segment (or ``clustering:number``), into, and file, line and text of what was written
    NotFoundError if none is proposed; FacetteError, with nothing written, if one cannot be.
    """
    answer = worth(published, segment)
    asked = [(item["segment"], item["merge_into"]) for item in answer["segments"] if item["merge_into"]]
    asked += [(item["cluster"], item["into"]) for item in answer["clusters"]]
    if not asked:
        raise NotFoundError("No merge is proposed." if segment is None else f"No merge is proposed of {segment}.")
    made: list[dict[str, Any]] = []
    for name, into in asked:
        definitions = published.definitions if not made else _again(published)
        edit = _merging(definitions, name, into)
        write(definitions.folder, edit)
        made.append({"segment": name, "into": into, **_shown(edit)})
    return made


def _merging(definitions: Definitions, name: str, into: str) -> Edit:
    """Of a segment, or of a group ``clustering:number``."""
    clustering, _, group = name.rpartition(":")
    if not clustering:
        return merging(definitions, name, into)
    return merging_group(definitions, clustering, int(group), int(into.rpartition(":")[2]))


def _again(published: Published) -> Definitions:
    from facette.definitions.project import load  # noqa: PLC0415

    return load(published.definitions.folder)


def _remarks(published: Published, row: dict[str, Any], language: Language) -> list[str]:
    project = published.definitions.project
    labels: dict[str, Label] = {}
    for item in (*project.features, *project.thresholds, *project.models, *project.segments):
        labels[item.name] = item.label
    parents = {item.name: item.parent for item in project.segments}

    def name_of(name: str) -> str:
        return label_in(language, labels.get(name, Label()), name)

    return [
        *of_stability(row, language, name_of),
        *of_place(row, language, name_of, parents.get(row["segment"])),
        *of_experiment(row, language, project.validation.experiment),
        *of_merge(row, language, name_of),
    ]


def _edit(published: Published, name: str, into: str | None) -> dict[str, Any] | None:
    """The edit that would make the merge proposed, or why it cannot be made."""
    if into is None:
        return None
    try:
        return _shown(_merging(published.definitions, name, into))
    except FacetteError as error:
        return {"problem": error.message, "remedy": getattr(error, "remedy", "")}


def _shown(edit: Edit) -> dict[str, Any]:
    return {key: value for key, value in asdict(edit).items() if key != "place"}


def _clusters(published: Published, effects: list[dict[str, Any]], language: Language) -> list[dict[str, Any]]:
    found = []
    for item in published.definitions.project.models:
        if not any(row["segment"] == item.name and row["relation"] == "clusters" for row in effects):
            continue
        scored = published.table("scored")
        counted = scored.group_by(number=scored[item.name]).agg(n=scored.count()).to_pyarrow().to_pylist()
        sizes = {int(row["number"]): row["n"] for row in counted if row["number"] is not None}
        for merge in cluster_proposals(item.name, sizes, effects, published.definitions.project.validation):
            into = f"{label_in(language, item.label, item.name)} {merge.into.rpartition(':')[2]}"
            told = remark(f"merge_{merge.why}", language, into=into)
            edit = _edit(published, merge.name, merge.into)
            found.append({"cluster": merge.name, "into": merge.into, "why": merge.why, "remark": told, "edit": edit})
    return found
