"""Appending to a log for many requests at once: who waits while a batch is written goes into the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from facette.errors import LogFullError
from facette.sources.aside import Aside, RefusedEvent
from facette.sources.log import Log

WAITING = 32 << 20
"""Bytes of records that may wait to be written; beyond, requests are told to come again."""

AT_ONCE = 8 << 20
"""Bytes of records written in one append, at most (and at least one request's)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    records: Sequence[bytes]
    refused: Sequence[RefusedEvent]
    size: int
    done: asyncio.Future[None]


class Committer:
    """Writes to one log, from a thread of its own, for all requests of an event loop.

    opens_log, opens_aside : called in that thread, which alone uses what they return
    is_grouped             : whether waiting requests share an append; without, each has its own
    """

    def __init__(
        self, opens_log: Callable[[], Log], opens_aside: Callable[[], Aside], *, is_grouped: bool = True
    ) -> None:
        self._opens_log, self._opens_aside, self._is_grouped = opens_log, opens_aside, is_grouped
        self._thread = ThreadPoolExecutor(1, "committer")
        self._opened: tuple[Log, Aside] | None = None
        self._jobs: list[_Job] = []
        self._size = 0
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Open the log; LogError if it cannot be."""
        self._thread.submit(self._open).result()

    async def add(self, records: Sequence[bytes], refused: Sequence[RefusedEvent]) -> None:
        """Returns when the records are on disk and the refused events are kept aside.

        LogFullError if the log holds no more or too many wait; LogError if it cannot be written.
        """
        size = sum(map(len, records)) + sum(len(event.raw) for event in refused)
        if self._size + size > WAITING and self._jobs:
            raise LogFullError(f"{self._size:,} bytes wait to be written.", remedy="Come again.")
        done = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(records, refused, size, done))
        self._size += size
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        await done

    async def close(self) -> None:
        """Write what waits, then close the log."""
        if self._task is not None:
            await self._task
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._jobs:
            jobs = self._next()
            error: BaseException | None = None
            try:
                await loop.run_in_executor(self._thread, self._write, jobs)
            except Exception as failure:  # handed to those who wait
                error = failure
            for job in jobs:
                self._size -= job.size
                if not job.done.done():
                    job.done.set_exception(error) if error else job.done.set_result(None)

    def _next(self) -> list[_Job]:
        """The first requests that wait, as many as are written at once."""
        n, size = 1, self._jobs[0].size
        while self._is_grouped and n < len(self._jobs) and size + self._jobs[n].size <= AT_ONCE:
            size += self._jobs[n].size
            n += 1
        jobs, self._jobs = self._jobs[:n], self._jobs[n:]
        return jobs

    def _open(self) -> tuple[Log, Aside]:
        self._opened = self._opens_log(), self._opens_aside()
        return self._opened

    def _write(self, jobs: Sequence[_Job]) -> None:
        log, aside = self._opened or self._open()
        records = [record for job in jobs for record in job.records]
        refused = [event for job in jobs for event in job.refused]
        if records:
            log.append(records)
        if refused:
            aside.add(refused)

    def _close(self) -> None:
        for one in self._opened or ():
            one.close()
