"""A collector in a process of its own, beside the worker: what it accepts never waits for a step."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from facette.definitions.project import load
from facette.errors import FacetteError, RunError
from facette.live.figures import Figures
from facette.web.collect import collect_app
from facette.web.serving import LAST_ANSWERS, serve


class Watcher(Protocol):
    def show(self, figures: Figures) -> None: ...


@dataclass(frozen=True)
class Collecting:
    """A collector that runs.

    url : where it listens
    """

    url: str
    process: BaseProcess

    def watched(self, watcher: Watcher) -> Watcher:
        """The same watcher, which also looks whether the collector is still there. RunError if it is not."""
        return _Both(watcher, self.process)


@dataclass(frozen=True)
class _Both:
    watcher: Watcher
    process: BaseProcess

    def show(self, figures: Figures) -> None:
        self.watcher.show(figures)
        if not self.process.is_alive():
            raise RunError(
                f"The collector ended (status {self.process.exitcode}).",
                remedy="See what it said. What it accepted is in the log.",
            )


@contextmanager
def collecting(folder: Path, host: str, port: int) -> Iterator[Collecting]:
    """Run the collector of a project until the end of the block; it ends too when this process is killed.

    RunError if it cannot start.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_collect, args=(folder, host, port, theirs), name="collector", daemon=True)
    process.start()
    theirs.close()
    try:
        try:
            url, message, remedy = ours.recv()
        except EOFError:
            process.join()
            raise RunError(f"The collector did not start (status {process.exitcode}).") from None
        if not url:
            raise RunError(message, remedy=remedy)
        yield Collecting(url, process)
    finally:
        ours.close()
        process.terminate()
        process.join(LAST_ANSWERS + 5)
        if process.is_alive():
            process.kill()


def _collect(folder: Path, host: str, port: int, answer: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        serve(collect_app(load(folder)), host=host, port=port, on_ready=lambda url: answer.send((url, "", "")))
    except FacetteError as error:
        answer.send(("", error.message, error.remedy))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
