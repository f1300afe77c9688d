"""Can the sinks be used as they are declared?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from facette.definitions.findings import Findings, KeyPath, suggestion
from facette.definitions.model import KafkaSink, Project, RabbitSink, RedisSink, WebhookSink

SCHEMES: dict[str, tuple[str, ...]] = {
    "rabbitmq": ("amqp", "amqps"),
    "redis": ("redis", "rediss", "unix"),
    "webhook": ("http", "https"),
}
HERE = ("localhost", "127.0.0.1", "::1")
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
SEGMENT = "{segment}"


def check_sinks(project: Project, findings: Findings) -> None:
    """Names that two sinks have, addresses of another kind, topics that cannot be, secrets that everybody can read."""
    names: set[str] = set()
    for i, sink in enumerate(project.sinks):
        path: KeyPath = ("sinks", i)
        if sink.name in names:
            remedy = "give each its own name: by it the worker knows how far the sink has come"
            findings.error((*path, "name"), f"two sinks are called `{sink.name}`", remedy)
        names.add(sink.name)
        if isinstance(sink, RabbitSink | RedisSink | WebhookSink):
            _check_url(sink, path, findings)
        if isinstance(sink, KafkaSink):
            _check_topic(sink, path, findings)
        if isinstance(sink, WebhookSink) and "${" not in sink.secret:
            remedy = "write `secret: ${NAME}`, and give NAME in the environment"
            findings.warning((*path, "secret"), f"the secret of sink `{sink.name}` stands in the file", remedy)
    _check_prefixes(project, findings)
    for i, key in enumerate(project.answers.keys):
        if "${" not in key:
            remedy = "write ${NAME}, and give NAME in the environment"
            findings.warning(("answers", "keys", i), "a key for the answers stands in the file", remedy)


def check_traits_kept(project: Project, known: Iterable[str], findings: Findings) -> None:
    """Columns that a sink is to keep and that there are not."""
    columns = set(known)
    for i, sink in enumerate(project.sinks):
        for j, name in enumerate(sink.traits if isinstance(sink, RedisSink) else ()):
            if name not in columns and name not in findings.broken:
                message = f"there is no trait, feature or model `{name}`"
                findings.error(("sinks", i, "traits", j), message, suggestion(name, columns))


def _check_url(sink: RabbitSink | RedisSink | WebhookSink, path: KeyPath, findings: Findings) -> None:
    wanted = SCHEMES[sink.kind]
    if sink.url.startswith("${"):
        return  # known only where it runs
    url = urlsplit(sink.url)
    if url.scheme not in wanted:
        remedy = f"begin it with {' or '.join(f'{scheme}://' for scheme in wanted)}"
        findings.error((*path, "url"), f"`{sink.url}` is no address for a sink of kind {sink.kind}", remedy)
    elif url.scheme == "http" and (url.hostname or "") not in HERE:
        message = f"what goes to sink `{sink.name}` can be read on its way"
        findings.warning((*path, "url"), message, "use https://")


def _check_prefixes(project: Project, findings: Findings) -> None:
    """Two sinks in one Redis whose keys are not apart: filling one would empty the other."""
    found = [(i, sink) for i, sink in enumerate(project.sinks) if isinstance(sink, RedisSink)]
    for place, (i, sink) in enumerate(found):
        for _, other in found[:place]:
            if sink.url == other.url and (sink.prefix.startswith(other.prefix) or other.prefix.startswith(sink.prefix)):
                message = f"the keys of sinks `{other.name}` and `{sink.name}` are not apart"
                findings.error(("sinks", i, "prefix"), message, "give each a prefix that the other does not begin with")


def _check_topic(sink: KafkaSink, path: KeyPath, findings: Findings) -> None:
    if not TOPIC.fullmatch(sink.topic.replace(SEGMENT, "segment")):
        remedy = f"use letters, digits, `.`, `-` and `_`, and {SEGMENT} where the segment's name shall stand"
        findings.error((*path, "topic"), f"`{sink.topic}` cannot be a topic of Kafka", remedy)
