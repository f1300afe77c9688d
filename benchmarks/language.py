"""How long a rule of 50 conditions takes to be read, checked, compiled and printed, beside a bare parse by lark.

python benchmarks/language.py [--scale 1.0] [--json]      (scale × 20 runs of each; the best one counts)

The bare parse, from the same run, builds lark's own tree and nothing of ours. Times are of the processor, so that a
busy machine changes little. What happens once in a process is told apart: importing lark, and the first rule, for which
the grammar's tables are read from the user's cache (and made, half a second, where they are not there yet).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

N_CONDITIONS = 50


def best(call: Callable[[], Any], runs: int) -> float:
    """Milliseconds of the best of some runs."""
    taken = []
    for _ in range(runs):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return 1000 * min(taken)


def rule() -> str:
    """Conditions of every kind on traits, half of them within alternatives."""
    kinds = (
        "city{n} IN (Nantes, 'Le Mans', Angers)",
        "score{n} BETWEEN 20 AND 50",
        "NOT city{n} STARTS WITH Saint",
        "seen{n} < 30 days",
        "score{n} >= 12.5",
    )
    conditions = [kinds[n % len(kinds)].format(n=n) for n in range(N_CONDITIONS)]
    pairs = [f"({one} OR {other})" for one, other in zip(conditions[::4], conditions[1::4], strict=False)]
    rest = [condition for n, condition in enumerate(conditions) if n % 4 > 1]
    return " AND ".join(pairs + rest)


def measured(runs: int) -> dict[str, float]:
    import ibis
    from lark import Lark

    from facette.clock import Moment
    from facette.definitions.language import Vocabulary, check_rule, parse_rule, parser, print_rule
    from facette.definitions.language.vocabulary import Property
    from facette.warehouse.compiler import compile_rule

    text = rule()
    columns = [("city", "text", "string"), ("score", "number", "float64"), ("seen", "instant", "timestamp('UTC')")]
    names = {f"{name}{n}": (kind, dtype) for n in range(N_CONDITIONS) for name, kind, dtype in columns}
    vocabulary = Vocabulary(columns={name: Property(name, kind) for name, (kind, _) in names.items()})
    table = ibis.table({name: dtype for name, (_, dtype) in names.items()}, name="wide")
    moment = Moment(datetime(2026, 3, 15, tzinfo=UTC), "Europe/Paris")
    grammar = Path(parser.__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    bare = Lark(grammar, parser="lalr", start=["rule", "formula"], g_regex_flags=2, maybe_placeholders=False)
    tree, checked = parse_rule(text), check_rule(text, vocabulary).rule
    expression = compile_rule(checked, table, moment)
    return {
        "bare_parse_ms": best(lambda: bare.parse(text, start="rule"), runs),
        "parse_ms": best(lambda: parse_rule(text), runs),
        "check_ms": best(lambda: check_rule(text, vocabulary), runs),
        "compile_ms": best(lambda: compile_rule(checked, table, moment), runs),
        "sql_ms": best(lambda: ibis.to_sql(table.select(it=expression), dialect="duckdb"), runs),
        "print_ms": best(lambda: print_rule(tree, "fr"), runs),
    }


def once(code: str, runs: int) -> float:
    """Milliseconds of something done first in a process of its own."""
    timed = f"import time; began = time.process_time(); {code}; print(time.process_time() - began)"
    command = [sys.executable, "-c", timed]
    return 1000 * min(float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    runs = max(3, int(20 * args.scale))
    figures = {"conditions": N_CONDITIONS, "characters": len(rule()), "runs": runs, **measured(runs)}
    figures["ratio"] = figures["parse_ms"] / figures["bare_parse_ms"]
    figures["import_lark_ms"] = once("import lark", 3)
    figures["first_rule_ms"] = once("from facette.definitions.language import parse_rule; parse_rule('a = 1')", 3)
    if args.json:
        print(json.dumps(figures, indent=1))
    else:
        print("\n".join(f"{name:<16}{value:>10.2f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
