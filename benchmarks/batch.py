"""Features plus rule segments in batch: Facette beside hand-written DuckDB SQL, Polars and pandas, in one run.

    python benchmarks/batch.py [--scale 1.0] [--repeat 1] [--engines facette,sql,polars,pandas] [--rules 1,50,300]
        [--json]

Scale 1 is 1,000,000 profiles and 50,000,000 events of two years. Every engine reads the same Parquet files in a process
of its own (its peak memory is that process's), writes the features and the memberships as Parquet, and must come to the
same members of every segment, or the benchmark fails. pandas runs on at most 10,000,000 events, its groupby.apply on at
most 2,000,000, and their ratios compare with the hand-written SQL on the same events. All sizes have 50 rules; other
numbers of rules are tried at a tenth of the scale, by Facette and SQL.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facette.definitions.project import Definitions

AS_OF = datetime(2026, 11, 1, 12, tzinfo=UTC)
TODAY = date(2026, 11, 1)
PROFILES, EVENTS, FILES = 1_000_000, 50_000_000, 10
CATEGORIES = ("bio", "vin", "fromage", "pain", "fruits", "poisson", "viande", "epicerie")
PANDAS_MOST, APPLY_MOST = 10_000_000, 2_000_000

# name, value in the rule language
FEATURES = (
    ("n_orders", "COUNT OF purchase"),
    ("n_orders_90d", "COUNT OF purchase IN THE LAST 90 DAYS"),
    ("spend", "SUM(amount) OF purchase"),
    ("spend_90d", "SUM(amount) OF purchase IN THE LAST 90 DAYS"),
    ("spend_bio", "SUM(amount) OF purchase WHERE category = 'bio'"),
    ("average_365d", "AVG(amount) OF purchase IN THE LAST 365 DAYS"),
    ("largest", "MAX(amount) OF purchase"),
    ("recency", "RECENCY OF purchase"),
    ("n_categories", "DISTINCT(category) OF purchase"),
    ("active_days_30d", "DISTINCT(day) OF purchase IN THE LAST 30 DAYS"),
)


def rules(count: int) -> list[tuple[str, str, str]]:
    """Segments: name, rule text, the same condition as SQL over the feature table (nulls are false)."""
    found: list[tuple[str, str, str]] = []
    for i in range(count // 5 + 1):
        low, high = 20 + 3 * i, 200 + 40 * i
        found += [
            (f"s{i}_0", f"recency < {low} AND spend_90d > {high}", f"recency < {low} AND spend_90d > {high}"),
            (
                f"s{i}_1",
                f"(n_orders >= {40 + i} OR spend > {20 * high}) AND NOT recency > {low}",
                f"(n_orders >= {40 + i} OR spend > {20 * high}) AND NOT coalesce(recency > {low}, false)",
            ),
            (
                f"s{i}_2",
                f"spend_bio BETWEEN {high} AND {3 * high} AND n_categories >= 6",
                f"spend_bio BETWEEN {high} AND {3 * high} AND n_categories >= 6",
            ),
            (
                f"s{i}_3",
                f"average_365d < {40 + i} AND n_orders_90d > 3 AND active_days_30d >= 2",
                f"average_365d < {40 + i} AND n_orders_90d > 3 AND active_days_30d >= 2",
            ),
            (
                f"s{i}_4",
                f"largest > {90 + i} OR (recency IS KNOWN AND recency != {i})",
                f"coalesce(largest > {90 + i}, false) OR (recency IS NOT NULL AND recency <> {i})",
            ),
        ]
    return found[:count]


# ── data ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def make_events(folder: Path, profiles: int, events: int) -> None:
    """Seeded events of two years in the order of days, as they arrive: one Parquet file per tenth of the time."""
    import duckdb

    con = duckdb.connect()
    names = ", ".join(f"'{name}'" for name in CATEGORIES)
    for part in range(FILES):
        con.sql(
            f"""
            COPY (
              WITH r AS (
                SELECT i, hash(i, 1) AS a, hash(i, 2) AS b, hash(i, 3) AS c, hash(i, 4) AS d
                FROM range({events * part // FILES}, {events * (part + 1) // FILES}) t(i)
              ), e AS (
                SELECT 1 + (a % {profiles})::BIGINT AS profile_id, 'e' || i AS event_id,
                  TIMESTAMPTZ '2024-11-01 12:00:00+00'
                    + to_microseconds((i * ({730 * 86_400_000_000} // {events}))::BIGINT) AS "at",
                  list_value({names})[1 + (b % {len(CATEGORIES)})::INT] AS category,
                  round(1 + 99 * power((c % 1000003) / 1000003.0, 2), 2) AS amount
                FROM r
              )
              SELECT profile_id, event_id, "at", "at" AS known_at, ("at" AT TIME ZONE 'UTC')::DATE AS day,
                hour("at" AT TIME ZONE 'UTC')::TINYINT AS hour, isodow("at" AT TIME ZONE 'UTC')::TINYINT AS weekday,
                'shop' AS source, category, amount
              FROM e
            ) TO '{folder}/events-{part}.parquet' (COMPRESSION zstd)
            """
        )


# ── engines ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def definitions(n_rules: int) -> Definitions:
    """The features and segments as a project."""
    from facette.definitions import model
    from facette.definitions.project import define

    events = {
        "name": "purchase",
        "at": "at",
        "identifiers": {"customer": "customer"},
        "fields": {"category": {}, "amount": {"type": "number"}},
    }
    return define(
        model.Project.model_validate(
            {
                "name": "benchmark",
                "identifiers": [{"name": "customer"}],
                "sources": [{"name": "shop", "kind": "file", "path": "events", "events": [events]}],
                "features": [{"name": name, "value": value} for name, value in FEATURES],
                "segments": [{"name": name, "rule": rule} for name, rule, _ in rules(n_rules)],
            }
        )
    )


def facette_engine(folder: Path, profiles: int, n_rules: int) -> None:
    """The same functions that `facette run` calls, from events to memberships."""
    import ibis

    from facette.clock import Moment
    from facette.features.partials import prepare, texts_in
    from facette.features.table import feature_plan, feature_table
    from facette.segments.membership import wide_memberships
    from facette.warehouse.connect import connect, read_parquet, write_parquet

    project = definitions(n_rules)
    con = connect()
    moment = Moment(AS_OF)
    plan = feature_plan(project)
    events = read_parquet(con, sorted(folder.glob("events-*.parquet")))
    partials = prepare(events, plan.aggregates, moment, texts=texts_in(events, plan.aggregates))
    write_parquet(partials, folder / "partials.parquet")
    everybody = ibis.range(1, profiles + 1).unnest().name("profile_id").as_table().mutate(is_counted=True)
    states = {"purchase": con.read_parquet(folder / "partials.parquet")}
    write_parquet(feature_table(everybody, states, plan, moment, {}), folder / "features.parquet")
    wide = wide_memberships(con.read_parquet(folder / "features.parquet"), project.rules, moment)
    write_parquet(wide, folder / "wide-facette.parquet")


def daily_engine(folder: Path, profiles: int, n_rules: int) -> None:
    """Only the state of the same aggregates, without windows, for each profile and day: what Facette does not keep."""
    from facette.clock import Moment
    from facette.features.partials import prepare
    from facette.features.table import feature_plan
    from facette.warehouse.connect import connect, read_parquet, write_parquet

    aggregates = {
        name: replace(item, window=None) for name, item in feature_plan(definitions(n_rules)).aggregates.items()
    }
    events = read_parquet(connect(), sorted(folder.glob("events-*.parquet")))
    per_day = events.mutate(profile_id=events.profile_id * 100_000 + events.day.epoch_seconds() // 86_400)
    write_parquet(prepare(per_day, aggregates, Moment(AS_OF)), folder / "daily.parquet")


def sql_engine(folder: Path, profiles: int, n_rules: int) -> None:
    """What an experienced analyst would write."""
    import duckdb

    con = duckdb.connect()
    con.sql("SET preserve_insertion_order = false")
    con.sql(
        f"""
        COPY (
          SELECT p.profile_id, coalesce(n_orders, 0) AS n_orders, coalesce(n_orders_90d, 0) AS n_orders_90d,
            coalesce(spend, 0) AS spend, coalesce(spend_90d, 0) AS spend_90d, coalesce(spend_bio, 0) AS spend_bio,
            average_365d, largest, DATE '{TODAY}' - last_day AS recency, coalesce(n_categories, 0) AS n_categories,
            coalesce(active_days_30d, 0) AS active_days_30d
          FROM (SELECT unnest(range(1, {profiles + 1})) AS profile_id) p LEFT JOIN (
            SELECT profile_id, count(*) AS n_orders,
              count(*) FILTER (day >= DATE '{TODAY - timedelta(days=90)}') AS n_orders_90d,
              round(sum(amount), 6) AS spend,
              round(sum(amount) FILTER (day >= DATE '{TODAY - timedelta(days=90)}'), 6) AS spend_90d,
              round(sum(amount) FILTER (lower(category) = 'bio'), 6) AS spend_bio,
              round(avg(amount) FILTER (day >= DATE '{TODAY - timedelta(days=365)}'), 6) AS average_365d,
              max(amount) AS largest, max(day) AS last_day, count(DISTINCT category) AS n_categories,
              count(DISTINCT day) FILTER (day >= DATE '{TODAY - timedelta(days=30)}') AS active_days_30d
            FROM '{folder}/events-*.parquet'
            WHERE "at" <= TIMESTAMPTZ '{AS_OF}' AND known_at <= TIMESTAMPTZ '{AS_OF}'
            GROUP BY profile_id
          ) e USING (profile_id)
        ) TO '{folder}/features-sql.parquet' (COMPRESSION zstd)
        """
    )
    columns = ", ".join(f"coalesce({condition}, false) AS {name}" for name, _, condition in rules(n_rules))
    con.sql(
        f"COPY (SELECT profile_id, {columns} FROM '{folder}/features-sql.parquet') TO '{folder}/wide-sql.parquet'"
        " (COMPRESSION zstd)"
    )


def polars_engine(folder: Path, profiles: int, n_rules: int) -> None:
    """A lazy Polars query over the same files."""
    import polars as pl

    at, amount, day, category = pl.col("at"), pl.col("amount"), pl.col("day"), pl.col("category")

    def since(days: int) -> pl.Expr:
        return day >= TODAY - timedelta(days=days)

    features = (
        pl.scan_parquet(f"{folder}/events-*.parquet")
        .filter((at <= AS_OF) & (pl.col("known_at") <= AS_OF))
        .group_by("profile_id")
        .agg(
            n_orders=pl.len(),
            n_orders_90d=since(90).sum(),
            spend=amount.sum().round(6),
            spend_90d=amount.filter(since(90)).sum().round(6),
            spend_bio=amount.filter(category.str.to_lowercase() == "bio").sum().round(6),
            average_365d=amount.filter(since(365)).mean().round(6),
            largest=amount.max(),
            recency=(pl.lit(TODAY) - day.max()).dt.total_days(),
            n_categories=category.n_unique(),
            active_days_30d=day.filter(since(30)).n_unique(),
        )
    )
    everybody = pl.LazyFrame({"profile_id": pl.int_range(1, profiles + 1, eager=True)})
    counted = ["n_orders", "n_orders_90d", "spend", "spend_90d", "spend_bio", "n_categories", "active_days_30d"]
    table = everybody.join(features, on="profile_id", how="left").with_columns(pl.col(counted).fill_null(0))
    table.collect(engine="streaming").write_parquet(folder / "features-polars.parquet")
    wide = pl.SQLContext(f=pl.scan_parquet(folder / "features-polars.parquet")).execute(
        "SELECT profile_id, "
        + ", ".join(f"coalesce({condition}, false) AS {name}" for name, _, condition in rules(n_rules))
        + " FROM f"
    )
    wide.collect(engine="streaming").write_parquet(folder / "wide-polars.parquet")


def pandas_engine(folder: Path, profiles: int, n_rules: int) -> None:
    """The usual vectorised script: one groupby per window or filter."""
    import pandas as pd

    events = pd.read_parquet(folder, columns=["profile_id", "at", "known_at", "day", "category", "amount"])
    events = events[(events["at"] <= AS_OF) & (events["known_at"] <= AS_OF)]
    events["day"] = pd.to_datetime(events["day"])
    today = pd.Timestamp(TODAY)

    def since(days: int) -> pd.DataFrame:
        return events[events["day"] >= today - pd.Timedelta(days=days)]

    everything = events.groupby("profile_id").agg(
        n_orders=("amount", "size"),
        spend=("amount", "sum"),
        largest=("amount", "max"),
        last_day=("day", "max"),
        n_categories=("category", "nunique"),
    )
    recent = since(90).groupby("profile_id").agg(n_orders_90d=("amount", "size"), spend_90d=("amount", "sum"))
    bio = events[events["category"].str.lower() == "bio"].groupby("profile_id").agg(spend_bio=("amount", "sum"))
    year = since(365).groupby("profile_id").agg(average_365d=("amount", "mean"))
    month = since(30).groupby("profile_id").agg(active_days_30d=("day", "nunique"))
    table = pd.DataFrame(index=pd.RangeIndex(1, profiles + 1, name="profile_id"))
    table = table.join([everything, recent, bio, year, month])
    counted = ["n_orders", "n_orders_90d", "spend", "spend_90d", "spend_bio", "n_categories", "active_days_30d"]
    table[counted] = table[counted].fillna(0)
    decimals = ["spend", "spend_90d", "spend_bio", "average_365d"]
    table[decimals] = table[decimals].round(6)  # sums of floats end in noise, which would decide ties
    table["recency"] = (today - table["last_day"]).dt.days
    table.to_parquet(folder / "features-pandas.parquet")
    wide = {}
    for i in range(n_rules // 5):
        low, high = 20 + 3 * i, 200 + 40 * i
        wide[f"s{i}_0"] = (table.recency < low) & (table.spend_90d > high)
        wide[f"s{i}_1"] = ((table.n_orders >= 40 + i) | (table.spend > 20 * high)) & ~(table.recency > low)
        wide[f"s{i}_2"] = table.spend_bio.between(high, 3 * high) & (table.n_categories >= 6)
        wide[f"s{i}_3"] = (table.average_365d < 40 + i) & (table.n_orders_90d > 3) & (table.active_days_30d >= 2)
        wide[f"s{i}_4"] = (table.largest > 90 + i) | (table.recency.notna() & (table.recency != i))
    pd.DataFrame(wide).reset_index().to_parquet(folder / "wide-pandas.parquet")


def apply_engine(folder: Path, profiles: int, n_rules: int) -> None:
    """A script that computes the features person by person with groupby.apply (features only)."""
    import pandas as pd

    events = pd.read_parquet(folder, columns=["profile_id", "at", "known_at", "day", "category", "amount"])
    events = events[(events["at"] <= AS_OF) & (events["known_at"] <= AS_OF)]
    events["day"] = pd.to_datetime(events["day"])
    today = pd.Timestamp(TODAY)

    def of_person(mine: pd.DataFrame) -> pd.Series:
        age = (today - mine["day"]).dt.days
        return pd.Series(
            {
                "n_orders": len(mine),
                "n_orders_90d": (age <= 90).sum(),
                "spend": mine["amount"].sum(),
                "spend_90d": mine.loc[age <= 90, "amount"].sum(),
                "spend_bio": mine.loc[mine["category"].str.lower() == "bio", "amount"].sum(),
                "average_365d": mine.loc[age <= 365, "amount"].mean(),
                "largest": mine["amount"].max(),
                "recency": age.min(),
                "n_categories": mine["category"].nunique(),
                "active_days_30d": mine.loc[age <= 30, "day"].nunique(),
            }
        )

    events.groupby("profile_id").apply(of_person).to_parquet(folder / "features-apply.parquet")


ENGINES = {
    "facette": facette_engine,
    "daily": daily_engine,
    "sql": sql_engine,
    "polars": polars_engine,
    "pandas": pandas_engine,
    "apply": apply_engine,
}


# ── the comparison ──────────────────────────────────────────────────────────────────────────────────────────────────


def measure(engine: str, folder: Path, profiles: int, n_rules: int, repeat: int) -> dict[str, float]:
    """Best of some runs of an engine, each in a new process: seconds (imports left out), peak GB."""
    runs = []
    for _ in range(repeat):
        command = [sys.executable, __file__, "--engine", engine, "--folder", str(folder)]
        command += ["--profiles", str(profiles), "--rules", str(n_rules)]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        runs.append(json.loads(answer.strip().splitlines()[-1]))
    return min(runs, key=lambda run: run["seconds"])


def run_engine(engine: str, folder: Path, profiles: int, n_rules: int) -> None:
    """In a process of its own: once on a few events, which loads what the engine needs, then timed on all."""
    with tempfile.TemporaryDirectory() as few:
        make_events(Path(few), 10, 1_000)
        ENGINES[engine](Path(few), 10, n_rules)
    gc.set_threshold(20_000, 20, 20)  # as the command line does
    began = time.perf_counter()
    ENGINES[engine](folder, profiles, n_rules)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": seconds, "peak_gb": peak}))


def members(folder: Path, engine: str, n_rules: int) -> dict[str, int]:
    import duckdb

    columns = ", ".join(f"count_if({name}) AS {name}" for name, _, _ in rules(n_rules))
    counted = duckdb.sql(f"SELECT {columns} FROM '{folder}/wide-{engine}.parquet'").fetchone()
    assert counted is not None
    return dict(zip((name for name, _, _ in rules(n_rules)), counted, strict=True))


def compare(profiles: int, events: int, n_rules: int, engines: list[str], repeat: int) -> list[dict[str, object]]:
    """Run the engines on the same events; every one must find the same members."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "events"
        data.mkdir()
        make_events(data, profiles, events)
        measured = {}
        for engine in engines:
            measured[engine] = measure(engine, data, profiles, n_rules, repeat)
            for file in data.glob("features-*.parquet"):
                file.unlink()
        reference = members(data, "sql", n_rules)
        for engine in set(engines) - {"apply", "daily"}:
            found = members(data, engine, n_rules)
            wrong = {key: (found[key], reference[key]) for key in reference if found[key] != reference[key]}
            if wrong:
                raise SystemExit(f"{engine} does not find the members that the SQL finds: {wrong}")
    base = measured["sql"]["seconds"]
    size = {"profiles": profiles, "events": events, "rules": n_rules}
    return [
        {"engine": engine, **size, **figures, "ratio_to_sql": figures["seconds"] / base}
        for engine, figures in measured.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--engines", default="facette,sql,polars,pandas,apply")
    parser.add_argument("--rules", default="1,50,300")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--profiles", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.engine:
        run_engine(args.engine, args.folder, args.profiles, int(args.rules))
        return
    wanted = [name for name in ENGINES if name in args.engines.split(",")]
    rows = []
    for scale in sorted({min(args.scale, size) for size in (0.01, 0.1, 0.2, args.scale)}):
        profiles, events = int(PROFILES * scale), int(EVENTS * scale)
        engines = ["sql", *(name for name in wanted if name in ("facette", "daily", "polars"))]
        if "pandas" in wanted and events <= PANDAS_MOST:
            engines.append("pandas")
        rows += compare(profiles, events, 50, engines, args.repeat)
    if "apply" in wanted:
        events = min(APPLY_MOST, int(EVENTS * args.scale))
        rows += compare(PROFILES * events // EVENTS, events, 50, ["sql", "facette", "apply"], args.repeat)
    for n_rules in sorted({int(count) for count in args.rules.split(",")} - {50}):
        size = int(PROFILES * args.scale / 10), int(EVENTS * args.scale / 10)
        rows += compare(*size, n_rules, ["sql", "facette"], args.repeat)
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'engine':<10}{'profiles':>12}{'events':>14}{'rules':>7}{'seconds':>10}{'peak GB':>9}{'× SQL':>8}")
    for row in rows:
        print(
            f"{row['engine']:<10}{row['profiles']:>12,}{row['events']:>14,}{row['rules']:>7}{row['seconds']:>10.2f}"
            f"{row['peak_gb']:>9.2f}{row['ratio_to_sql']:>8.2f}"
        )


if __name__ == "__main__":
    main()
