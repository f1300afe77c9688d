"""What a sink is, and how it gets what it lacks.

Changes are saved before anybody is told of them, so a sink that is slow or away lacks nothing: it comes later. A worker
that is killed between sending and noting what was sent sends again: at least once, with the same ids. A sink that can
tell what it has is asked instead, and has every change exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from facette.definitions import model
from facette.errors import RunError
from facette.live.changes import Change, Numbered
from facette.live.reading import Member, Place, Told

Filled = tuple[int, Place]
"""The number of the last change when filling began, and the last membership that was taken."""

MERGED = "_merged"
"""Stands where a segment would, of changes that are about none; no segment can have this name."""


class Sink(Protocol):
    """Takes changes. It connects when it has to, and again when it must."""

    name: str
    """By which the state knows how far it has come; the same for the life of the sink."""

    portion: int
    """So many changes it takes at once, at most."""

    filled: Filled | None
    """How far it has been filled where that failed; None if it is not to be gone on with."""

    def last(self, told: Told) -> int | None:
        """The number of the last change that it has; None if it has nothing of this state, and must be filled first."""
        ...

    def fill(self, told: Told) -> int:
        """Take in everybody who is a member; the number of the last change that is in it."""
        ...

    def send(self, changes: Sequence[Numbered]) -> None:
        """Take changes with their numbers, in order; they are where they belong when it returns.

        SinkError if they are not, SinkRefusedError if they never will be.
        """
        ...

    def follow(self, told: Told) -> None:
        """Bring up to date what it holds of profiles besides their memberships, if it holds anything."""
        ...

    def retain(self, segments: set[str]) -> None:
        """Forget what it holds of other segments than these, if it holds anything."""
        ...

    def close(self) -> None: ...


class Telling:
    """What sinks have in common that pass on changes, and cannot tell what they have."""

    name: str
    portion: int = 1_000
    filled: Filled | None = None

    def last(self, told: Told) -> int | None:
        return told.sent(self.name)

    def fill(self, told: Told) -> int:
        """Members are told as if they entered, ``why`` being ``filling``; the number is that of the last change.

        Where it failed it goes on, by those who are members by then, and the number stays: the changes after that one
        are told next, and lead to what is true whatever they find.
        """
        seq, after = self.filled or (told.last_seq(), ("", 0))
        for members in told.members(self.portion, after):
            self.filled = seq, after
            self.send([(seq, entered(told.token, member)) for member in members])
            after = members[-1].segment, members[-1].profile_id
        self.filled = None
        return seq

    def send(self, changes: Sequence[Numbered]) -> None:
        raise NotImplementedError

    def follow(self, told: Told) -> None:
        """It passes on changes only."""

    def retain(self, segments: set[str]) -> None:
        """What was passed on stays."""

    def close(self) -> None:
        pass


def deliver(told: Told, sink: Sink, go_on: Callable[[], bool] = lambda: True) -> int:
    """Send a sink what it lacks; how many changes that was.

    go_on : asked before every portion
    """
    after = sink.last(told)
    if after is None:
        with told.at_once():
            after = sink.fill(told)
        told.mark_sent(sink.name, after)
    elif after != told.sent(sink.name):
        told.mark_sent(sink.name, after)
    n_sent = 0
    while go_on() and (changes := told.changes(after, sink.portion)):
        sink.send(changes)
        after = changes[-1][0]
        told.mark_sent(sink.name, after)
        n_sent += len(changes)
    if go_on():
        sink.follow(told)
    return n_sent


def entered(token: str, member: Member) -> Change:
    """A membership that was there before the sink was, as a change; its id is the same whenever it is told again."""
    digest = blake2b(f"{token}\n{member.profile_id}\n{member.segment}\n{member.since}".encode(), digest_size=12)
    return Change(digest.hexdigest(), member.profile_id, member.segment, "entered", member.since, "filling")


def place_of(change: Change) -> str:
    """What routing goes by: the segment, or ``_merged``."""
    return change.segment or MERGED


KINDS = {
    "file": "facette.live.sinks.jsonlines:open_file",
    "kafka": "facette.live.sinks.kafka:KafkaSink",
    "rabbitmq": "facette.live.sinks.rabbitmq:RabbitSink",
    "redis": "facette.live.sinks.redis:RedisSink",
    "webhook": "facette.live.sinks.webhook:open_webhook",
}
"""Kind of sink → what opens it, from its definition, and the project's name and folder."""


def open_sinks(sinks: Sequence[model.Sink], project: str, folder: Path) -> Iterator[Sink]:
    """The sinks of a project, by its name and folder; none of them is connected yet.

    RunError if a library is missing, SourceError if a variable of the environment is not set.
    """
    for definition in sinks:
        module, _, name = KINDS[definition.kind].partition(":")
        try:
            opens: Callable[[Any, str, Path], Sink] = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            raise RunError(
                f"A sink of kind {definition.kind} needs {error.name}, which is missing.",
                remedy="Install it: pip install 'facette[live]'.",
            ) from error
        yield opens(definition, project, folder)


def named(definition: model.Sink) -> str:
    return f"{definition.kind}:{definition.name}"
