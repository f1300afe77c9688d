"""What the processes of test_crash.py do: run a project and kill themselves, or report, at a chosen effect.

An effect is one thing that outlives the process: a file that appears under its name, a transaction of the ledger. They
are counted, so that a run can be killed right before the n-th. The processes are forked from a server that has
imported everything and opened nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import facette.sources.landing
import facette.warehouse.connect
import facette.warehouse.published
from facette.errors import FacetteError
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Store

from .projects import run

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def effects_of_a_run(folder: Path, day: date) -> list[str]:
    """Run to the end in a process of its own; the effects in order."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_run, args=(folder, day, None, there))
    process.start()
    effects = here.recv()
    process.join()
    assert process.exitcode == 0
    return effects


def killed_before(folder: Path, day: date, effect: int) -> None:
    """Run in a process that is killed (SIGKILL, by itself) right before its effect number ``effect``."""
    process = PROCESSES.Process(target=_run, args=(folder, day, effect, None))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def started(folder: Path, day: date) -> multiprocessing.process.BaseProcess:
    """A process that runs, for a test to kill when it likes."""
    process = PROCESSES.Process(target=_run, args=(folder, day, None, None))
    process.start()
    return process


def held(folder: Path) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """A process that holds the project's lock until it is told something, and has said so."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_hold, args=(folder, there))
    process.start()
    here.recv()
    return process, here


def told(folder: Path, day: date, prepare: Callable[[], None]) -> str:
    """What a run says that cannot go on, in a process that has called ``prepare``; empty if it can."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_tell, args=(folder, day, prepare, there))
    process.start()
    text = here.recv()
    process.join()
    return text


def _run(folder: Path, day: date, last: int | None, report: Connection | None) -> None:
    effects: list[str] = []

    def counted(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **settings: Any) -> Any:
            if len(effects) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            effects.append(args[1].relative_to(folder).parent.name + " " + args[1].name if name == "put" else name)
            return do(*args, **settings)

        return wrapped

    for module in (facette.sources.landing, facette.warehouse.connect, facette.warehouse.published):
        module.put_in_place = counted("put", module.put_in_place)  # type: ignore[attr-defined]
    for name in ("start", "land", "end"):
        setattr(Ledger, name, counted(f"ledger {name}", getattr(Ledger, name)))
    Store.sweep = counted("sweep", Store.sweep)  # type: ignore[method-assign]
    run(folder, day)
    if report:
        report.send(effects)


def _hold(folder: Path, channel: Connection) -> None:
    with Store(folder).lock():
        channel.send("held")
        channel.recv()


def _tell(folder: Path, day: date, prepare: Callable[[], None], channel: Connection) -> None:
    prepare()
    try:
        run(folder, day)
    except FacetteError as error:
        channel.send(str(error))
    else:
        channel.send("")
