"""A process that starts `facette stream` again and again, and kills it, until it ends by itself.

It imports what the command needs once and forks, so that a start takes no longer than it must; every child is a process
of its own that runs the command line from its first word, and is killed with SIGKILL.

arguments: seed, the shortest and the longest time to live in seconds, how many to kill at most, for how many seconds
    one that fails is started again, words of the command
output: a JSON object with `killed`, how many were killed before one ended, `failed`, how many failed before, and of
    that one `status` and `seconds`
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time

import facette.cli
import facette.console
import facette.stream

seed, shortest, longest, most, patience, *words = sys.argv[1:]
rng = random.Random(int(seed))
killed = failed = 0
started = time.monotonic()
while True:
    child = os.fork()
    if child == 0:
        sys.argv = ["facette", *words]
        code: object = 0
        try:
            facette.cli.main()
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 0)  # without what an interpreter that was forked does at its end
    born = time.monotonic()
    until = born + rng.uniform(float(shortest), float(longest))
    done, status = 0, 0
    while not done and (time.monotonic() < until or killed >= int(most)):
        time.sleep(0.002)
        done, status = os.waitpid(child, os.WNOHANG)
    if done and status and time.monotonic() < started + float(patience):
        failed += 1
        time.sleep(0.5)
        continue
    if done:
        break
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    killed += 1
told = {"killed": killed, "failed": failed, "status": os.waitstatus_to_exitcode(status)}
sys.stdout.write("\n" + json.dumps(told | {"seconds": time.monotonic() - born}))
