"""A process that writes to a log until it is told how much, or killed: tells what was acknowledged.

arguments: the log's definition (JSON), the project's folder, the writer's name, records per append, appends
output: after each append, the number of records acknowledged so far
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import TypeAdapter

from facette.definitions.model import LogKind
from facette.sources.log import open_log

definition, folder, name, size, n_appends = sys.argv[1:]
log = open_log(TypeAdapter(LogKind).validate_json(definition), Path(folder))
for i in range(int(n_appends)):
    numbers = range(i * int(size), (i + 1) * int(size))
    log.append([json.dumps({"writer": name, "number": number, "pad": "é" * 100}).encode() for number in numbers])
    sys.stdout.write(f"{numbers.stop}\n")
    sys.stdout.flush()
log.close()
