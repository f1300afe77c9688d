"""Sinks are declared with everything else, and what cannot work is found by lint."""

from __future__ import annotations

from pathlib import Path

import pytest

from facette.definitions.project import load
from facette.errors import DefinitionError
from facette.plan import fingerprints
from tests.run.projects import edit, starter

PROBLEMS = {
    "unknown kind": ("[{kind: kafk, name: a}]", "unknown kind `kafk`", "did you mean `kafka`?"),
    "no kind": ("[{name: a}]", "`kind` is missing in sink `a`", "`webhook`"),
    "unknown key": ("[{kind: redis, name: a, url: 'redis://h', ttl: 3}]", "unknown key `ttl` in sink `a`", ""),
    "no url": ("[{kind: redis, name: a}]", "`url` is missing in sink `a`", "redis://"),
    "another scheme": ("[{kind: redis, name: a, url: 'http://h'}]", "no address for a sink of kind redis", "rediss://"),
    "no scheme": ("[{kind: webhook, name: a, url: shop.example, secret: '${S}'}]", "no address", "https://"),
    "twice": (
        "[{kind: file, name: a, path: x}, {kind: file, name: a, path: y}]",
        "two sinks are called `a`",
        "by it the worker knows",
    ),
    "a topic": ("[{kind: kafka, name: a, servers: h, topic: 'a b'}]", "`a b` cannot be a topic", "{segment}"),
    "another placeholder": ("[{kind: kafka, name: a, servers: h, topic: '{name}'}]", "cannot be a topic", "{segment}"),
    "keys not apart": (
        "[{kind: redis, name: a, url: 'redis://h', prefix: 'x:'}, {kind: redis, name: b, url: 'redis://h', prefix: x}]",
        "the keys of sinks `a` and `b` are not apart",
        "a prefix that the other does not begin with",
    ),
}


def test_traits_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as found:
        load(with_sinks(tmp_path, "[{kind: redis, name: a, url: 'redis://h/0', traits: [nothing_such]}]"))
    assert [problem.message for problem in found.value.problems] == [
        "there is no trait, feature or model `nothing_such`"
    ]


def with_sinks(folder: Path, sinks: str) -> Path:
    project = starter(folder)
    (project / "sinks.yml").write_text(f"\nsinks: {sinks}\n", encoding="utf-8")
    return project


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_cannot_work_is_found(tmp_path: Path, problem: str) -> None:
    sinks, message, remedy = PROBLEMS[problem]
    with pytest.raises(DefinitionError) as found:
        load(with_sinks(tmp_path, sinks))
    [told] = found.value.problems
    assert (told.file, told.line) == ("sinks.yml", 2)
    assert message in told.message
    assert remedy in told.remedy


def test_secrets_that_everybody_can_read_are_a_warning(tmp_path: Path) -> None:
    sinks = "[{kind: webhook, name: a, url: 'http://shop.example/in', secret: plain}]\nanswers: {keys: [plain]}"
    told = [f"{each.line}: {each.message}" for each in load(with_sinks(tmp_path, sinks)).warnings]
    assert told[-3:] == [
        "2: what goes to sink `a` can be read on its way",
        "2: the secret of sink `a` stands in the file",
        "3: a key for the answers stands in the file",
    ]


def test_sinks_decide_nothing_that_a_run_makes(tmp_path: Path) -> None:
    project = with_sinks(tmp_path, "[{kind: file, name: a, path: x}]")
    before = fingerprints(load(project))
    edit(project / "sinks.yml", "path: x", "path: y")
    assert fingerprints(load(project)) == before
    (project / "sinks.yml").unlink()
    assert fingerprints(load(project)) == before
