"""Who takes changes to the sinks: a thread for each, so that none waits for another, and the worker for none.

A sink that fails is tried again, after a time that doubles up to a minute as long as it takes nothing; one that
refuses is left alone until the worker starts again. What it lacks is in the state meanwhile, however much that becomes.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from facette.errors import FacetteError, RunError, SinkError, SinkRefusedError
from facette.live.reading import Told
from facette.live.sinks.sink import Sink, deliver

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds until a sink that failed is tried again
LOOK = 10.0  # seconds after which a sink is asked what it has, even if nothing changed
LAST_WORDS = 5.0  # seconds that sinks have for what they lack when the worker ends

_turns: defaultdict[tuple[Path, str], threading.Lock] = defaultdict(threading.Lock)
"""Whose turn it is at a sink of a state: who comes after a courier that hangs waits until that one is done."""


class Couriers:
    """All sinks of a worker; nothing here raises what a sink did.

    warn : told once when a sink begins to fail, and when it is left alone
    """

    def __init__(self, store: Path, sinks: Iterable[Sink], warn: Callable[[str], None]) -> None:
        self._couriers = [_Courier(store, sink, warn) for sink in sinks]
        for courier in self._couriers:
            courier.start()

    @property
    def names(self) -> list[str]:
        return [courier.sink.name for courier in self._couriers]

    def wake(self) -> None:
        """There may be changes."""
        for courier in self._couriers:
            courier.awake.set()

    def end(self, *, is_whole: bool) -> None:
        """Deliver what is left, for some seconds; with ``is_whole`` until all sinks that work have everything."""
        until = None if is_whole else time.monotonic() + LAST_WORDS
        for courier in self._couriers:
            courier.end(until)
        for courier in self._couriers:
            courier.join(None if until is None else max(0.0, until - time.monotonic()) + 1.0)


class _Courier(threading.Thread):
    def __init__(self, store: Path, sink: Sink, warn: Callable[[str], None]) -> None:
        super().__init__(name=f"sink {sink.name}", daemon=True)
        self.store, self.sink, self.warn = store, sink, warn
        self.awake = threading.Event()
        self._ending = threading.Event()
        self._until: float | None = None
        self._retained: str | None = None

    def end(self, until: float | None) -> None:
        self._until = until
        self._ending.set()
        self.awake.set()

    def run(self) -> None:
        turn = _turns[self.store, self.sink.name]
        while not turn.acquire(timeout=0.1):
            if self._ending.is_set():
                return
        try:
            with closing(Told(self.store)) as told:
                self._follow(told)
        except Exception as error:  # whatever it is: the worker goes on, and somebody is told
            self.warn(f"Sink {self.sink.name} gets nothing more until the worker starts again: {error!r}.")
        finally:
            self.sink.close()
            turn.release()

    def _follow(self, told: Told) -> None:
        """Until the end, or until the sink refuses."""
        pause = 0.0
        while True:
            is_last = self._ending.is_set()
            before = self._reached(told)
            failure = self._deliver(told)
            if failure is not None and not pause:
                self.warn(str(failure))
            if is_last or isinstance(failure, SinkRefusedError):
                return
            has_moved = self._reached(told) != before
            pause = 0.0 if failure is None else _longer(0.0 if has_moved else pause, failure)
            if pause:
                self._ending.wait(pause)
            else:
                self.awake.wait(LOOK)
            self.awake.clear()

    def _reached(self, told: Told) -> object:
        """How far the sink has come."""
        return told.sent(self.sink.name), self.sink.filled

    def _deliver(self, told: Told) -> FacetteError | None:
        """What went wrong, if anything did."""
        try:
            deliver(told, self.sink, self._has_time)
            self._retain(told)
        except (SinkError, RunError) as error:
            return error
        return None

    def _retain(self, told: Told) -> None:
        """Once by each definition: a segment that is gone is gone without anybody being told as leaving it."""
        with told.at_once():
            definitions = told.meta().get("definitions", "")
            if definitions == self._retained or told.lag(self.sink.name):
                return
            segments = set(told.counts())
        self.sink.retain(segments)
        self._retained = definitions

    def _has_time(self) -> bool:
        return not self._ending.is_set() or self._until is None or time.monotonic() < self._until


def _longer(pause: float, failure: FacetteError) -> float:
    asked = failure.retry_after if isinstance(failure, SinkError) else 0.0
    return max(min(2 * pause or FIRST_PAUSE, LONGEST_PAUSE), min(asked, 60 * LONGEST_PAUSE))
