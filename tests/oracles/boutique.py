"""What examples/boutique must give, by hand-written SQL on the shop's own files: nothing of Facette takes part.

Everything speaks of the end of a local day in Paris. Who is who comes from the truth, except in :func:`people_joined`.
"""

from __future__ import annotations

import csv
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import networkx as nx
import pyarrow as pa

BLOCKED = ("test@test.com", "null", "+33000000000")
"""Values of the exports, made uniform by hand, that stand for nobody."""

FILES = """
    CREATE MACRO uniform_email(text) AS lower(trim(text));
    CREATE MACRO uniform_phone(text) AS
        '+33' || regexp_replace(regexp_replace(text, '[ .]', '', 'g'), '^(\\+33|0033|0)', '');
    CREATE MACRO local_day(instant) AS timezone('Europe/Paris', instant)::DATE;

    CREATE VIEW accounts AS FROM read_csv($data || '/accounts/*.csv', header = true, all_varchar = true);
    CREATE VIEW contacts AS SELECT * REPLACE (mis_a_jour_le::TIMESTAMPTZ AS mis_a_jour_le)
        FROM read_csv($data || '/contacts/*.csv', delim = ';', header = true, all_varchar = true);
    CREATE VIEW survey AS SELECT * REPLACE (answered_at::TIMESTAMPTZ AS answered_at)
        FROM read_csv($data || '/survey/*.csv', header = true, all_varchar = true);
    CREATE VIEW consents AS FROM read_json($data || '/consents/*.jsonl', format = 'newline_delimited',
        columns = {email: 'VARCHAR', purpose: 'VARCHAR', granted: 'BOOLEAN', "at": 'TIMESTAMPTZ'});
    CREATE VIEW mail AS FROM read_json($data || '/email/*.jsonl', format = 'newline_delimited',
        columns = {type: 'VARCHAR', email: 'VARCHAR', campaign: 'VARCHAR', "at": 'TIMESTAMPTZ'});
    CREATE VIEW orders AS FROM read_parquet($data || '/orders/*.parquet');
    CREATE VIEW web AS FROM read_parquet($data || '/web/*.parquet');
    CREATE VIEW ads AS FROM read_parquet($data || '/ads/*.parquet');
    CREATE VIEW products AS FROM read_csv($data || '/products.csv', header = true);
    CREATE VIEW comments AS FROM read_parquet($data || '/truth/survey/*.parquet');
    CREATE VIEW people AS FROM read_parquet($data || '/truth/people.parquet');
    CREATE VIEW owners AS SELECT kind, value, any_value(true_person) AS true_person
        FROM read_parquet($data || '/truth/identities.parquet') GROUP BY ALL HAVING count(*) = 1;
"""

EVENTS = """
    CREATE TABLE lines AS
    SELECT true_person, ordered_at AS at, local_day(ordered_at) AS day, line, orders.category, family,
           CASE WHEN amount <= 10000 THEN amount END AS amount, discount
    FROM (SELECT DISTINCT ON (order_id, line) * FROM orders WHERE received_at < $until) AS orders
    LEFT JOIN products USING (product)
    JOIN owners ON kind IN ('account_id', 'client_id') AND value = coalesce(account_id, client_id);

    CREATE TABLE visits AS
    SELECT true_person, started_at AS at, local_day(started_at) AS day, device, page_views, category,
           hour(timezone('Europe/Paris', started_at)) AS hour
    FROM (SELECT DISTINCT ON (session_id) * FROM web WHERE started_at < $until)
    JOIN owners ON kind = 'cookie' AND value = cookie;

    CREATE TABLE mails AS
    SELECT true_person, type, local_day("at") AS day
    FROM (SELECT DISTINCT * FROM mail WHERE "at" < $until) AS mail JOIN owners ON kind = 'email' AND value = mail.email;

    CREATE TABLE answers AS
    SELECT true_person, answered_at AS at, local_day(answered_at) AS day, satisfaction::DOUBLE AS satisfaction, motive,
           comment, theme, sentiment
    FROM survey JOIN comments USING (answer_id) JOIN owners ON kind = 'email' AND value = survey.email
    WHERE answered_at < $until;

    CREATE TABLE clicks AS
    SELECT true_person, local_day(clicked_at) AS day, cost
    FROM (SELECT DISTINCT * FROM ads WHERE clicked_at < $until) JOIN owners ON kind = 'cookie' AND value = cookie;

    CREATE TABLE given AS
    SELECT true_person, purpose, granted, "at", local_day("at") AS day
    FROM (SELECT DISTINCT * FROM consents WHERE "at" < $until) AS consents
    JOIN owners ON kind = 'email' AND value = consents.email;
"""

FEATURES = """
    WITH bought AS (
        SELECT true_person, $today - max(day) AS recency_purchase, min(day) AS first_purchase_on,
               count(*) FILTER (line = 1) AS n_orders,
               count(*) FILTER (line = 1 AND day >= $today - 30) AS n_orders_30d,
               count(*) FILTER (line = 1 AND day >= $today - 90) AS n_orders_90d,
               count(*) FILTER (line = 1 AND day >= $today - 365) AS n_orders_365d,
               coalesce(sum(amount), 0) AS spend,
               coalesce(sum(amount) FILTER (day >= $today - 90), 0) AS spend_90d,
               coalesce(sum(amount) FILTER (day >= $today - 90), 0)
                   / nullif(coalesce(sum(amount) FILTER (day >= $today - 180 AND day < $today - 90), 0), 0) - 1
                   AS spend_trend,
               coalesce(sum(amount) FILTER (day >= $today - 365), 0) AS spend_365d,
               coalesce(sum(amount) FILTER (family = 'luxe' AND day >= $today - 365), 0) AS luxury_spend_365d,
               sum(discount) AS discounts,
               count(DISTINCT category) FILTER (day >= $today - 365) AS n_categories_365d,
               count(*) FILTER (day >= $today - 90) AS lines_90d,
               count(*) FILTER (day >= $today - INTERVAL 12 MONTH) AS lines_12m,
               count(*) FILTER (day >= $today - INTERVAL 8 MONTH) AS lines_8m,
               count(*) FILTER (day >= $today - 30) AS lines_30d
        FROM lines GROUP BY true_person
    ), visited AS (
        SELECT true_person, max("at") AS last_interaction,
               count(*) FILTER (day >= $today - 30) AS n_visits_30d,
               count(*) FILTER (day >= $today - 90) AS n_visits_90d,
               count(DISTINCT day) FILTER (day >= $today - 90) AS n_visit_days_90d,
               coalesce(sum(page_views) FILTER (day >= $today - 30), 0) AS page_views_30d,
               count(*) FILTER (day >= $today - 365) AS n_visits_365d,
               count(*) FILTER (day >= $today - 365 AND device = 'mobile') AS n_mobile_visits_365d,
               count(*) FILTER (day >= $today - 90 AND hour >= 19) AS n_evening_visits_90d
        FROM visits GROUP BY true_person
    ), mailed AS (
        SELECT true_person, count(*) FILTER (type = 'sent' AND day >= $today - 90) AS n_emails_90d,
               count(*) FILTER (type = 'opened' AND day >= $today - 90) AS n_opens_90d,
               count(*) FILTER (type = 'opened' AND day >= $today - 60) AS opens_60d,
               count(*) FILTER (type = 'clicked' AND day >= $today - 60) AS clicks_60d,
               count(*) FILTER (type = 'clicked') AS clicks
        FROM mails GROUP BY true_person
    ), answered AS (
        SELECT true_person, arg_max(satisfaction, "at") AS satisfaction, arg_max(motive, "at") AS motive
        FROM answers GROUP BY true_person
    ), advertised AS (
        SELECT true_person, count(*) FILTER (day >= $today - 90) AS n_ad_clicks_90d,
               sum(cost) FILTER (day >= $today - 365) AS ad_cost_365d
        FROM clicks GROUP BY true_person
    ), consented AS (
        SELECT true_person, arg_max(granted, "at") FILTER (purpose = 'ads') AS ads_consent, min(day) AS first_consent
        FROM given GROUP BY true_person
    ), contacted AS (
        SELECT true_person, arg_max(engagement_recent, mis_a_jour_le) = 'oui' AS recent_engagement,
               arg_max(desabonne, mis_a_jour_le) = 'oui' AS unsubscribed
        FROM contacts JOIN owners ON kind = 'email' AND value = email GROUP BY true_person
    ), housed AS (
        SELECT true_person, arg_max(code_postal, modifie_le) AS postcode
        FROM crm JOIN owners ON kind = 'client_id' AND value = client_id GROUP BY true_person
    )
    SELECT true_person, * EXCLUDE (true_person), n_orders_90d / nullif(n_orders, 0) AS recent_order_share,
           spend / nullif(n_orders, 0) AS average_basket, discounts / nullif(spend + discounts, 0) AS discount_share,
           n_mobile_visits_365d / nullif(n_visits_365d, 0) AS mobile_share_365d,
           n_opens_90d / nullif(n_emails_90d, 0) AS open_rate_90d
    FROM people LEFT JOIN bought USING (true_person) LEFT JOIN visited USING (true_person)
    LEFT JOIN mailed USING (true_person) LEFT JOIN answered USING (true_person)
    LEFT JOIN advertised USING (true_person) LEFT JOIN consented USING (true_person)
    LEFT JOIN contacted USING (true_person) LEFT JOIN housed USING (true_person)
"""

FEATURE_NAMES = (
    "recency_purchase", "first_purchase_on", "n_orders", "n_orders_30d", "n_orders_90d", "n_orders_365d", "spend",
    "spend_90d", "spend_365d", "luxury_spend_365d", "discounts", "n_categories_365d", "recent_order_share",
    "average_basket", "spend_trend", "discount_share", "last_interaction", "n_visits_30d", "n_visits_90d",
    "n_visit_days_90d",
    "page_views_30d", "n_mobile_visits_365d", "mobile_share_365d", "n_evening_visits_90d", "n_emails_90d",
    "n_opens_90d", "open_rate_90d", "n_ad_clicks_90d", "ad_cost_365d", "satisfaction", "motive", "ads_consent",
    "recent_engagement", "unsubscribed", "postcode",
)  # fmt: skip
ADDED_UP = ("n_", "spend", "luxury_spend", "discounts", "page_views", "ad_cost")
"""Features that begin so are counts or sums: 0 over no event."""

SEGMENTS = {
    "engaged_high_score": "recent_engagement AND score >= 75 AND unsubscribed IS NOT TRUE",
    "to_contact_now": """
        (score > 80 AND local_day(last_interaction) > $today - 7)
        OR (first_consent >= $today - 90 AND recency_purchase IS NULL AND coalesce(clicks, 0) = 0)
    """,
    "new_prospects_without_clicks": """
        first_consent >= $today - 90 AND recency_purchase IS NULL AND coalesce(clicks, 0) = 0
    """,
    "active": "lines_90d > 0",
    "loyal": "lines_90d > 0 AND n_orders_365d >= 12",
    "premium": "average_basket >= 250 AND luxury_spend_365d > 500",
    "promotion_hunters": "discount_share >= 0.25 AND n_orders >= 2",
    "dormant": "lines_8m = 0",
    "newcomers": "first_purchase_on >= $today - 90",
    "lapsing": "lines_12m >= 3 AND lines_90d = 0",
    "browsing_without_buying": "n_visits_30d >= 2 AND coalesce(lines_30d, 0) = 0",
    "left_without": """
        true_person IN (
            SELECT true_person FROM visits
            WHERE day >= $today - 30 AND day < $today - 7 AND NOT EXISTS (
                FROM lines WHERE lines.true_person = visits.true_person AND lines.category = visits.category
                AND lines.at >= visits.at AND lines.day <= visits.day + 7
            )
        )
    """,
    "mobile_evening": "mobile_share_365d > 0.5 AND n_evening_visits_90d >= 3",
    "silent_readers": "opens_60d > 0 AND clicks_60d = 0",
    "at_risk_detractors": "satisfaction < 7 AND spend_365d > 200",
    "price_driven": "motive = 'prix' OR (discount_share >= 0.25 AND n_orders >= 2)",
    "unhappy_with_delivery": """
        true_person IN (
            SELECT true_person FROM answers
            WHERE comment IS NOT NULL AND theme = 'livraison' AND sentiment = 'négatif' AND day >= $today - 365
        )
    """,
    "paris": "postcode LIKE '75%'",
    "reachable_by_ads": "ads_consent AND unsubscribed IS NOT TRUE AND score >= 40",
}


def is_added_up(name: str) -> bool:
    return name.startswith(ADDED_UP) and not name.endswith("_trend")


def opened(data: Path, today: date) -> duckdb.DuckDBPyConnection:
    """The shop's files as views, its events by true person as tables, and ``expected`` features of everybody."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    db.from_arrow(cards(data)).create("crm")
    for statement in filter(str.strip, FILES.split(";\n")):
        db.execute(statement.replace("$data", f"'{data}'"))
    for statement in filter(str.strip, EVENTS.split(";\n")):
        db.execute(statement.replace("$until", f"timezone('Europe/Paris', TIMESTAMP '{today}' + INTERVAL 1 DAY)"))
    zero = ", ".join(f"coalesce({name}, 0) AS {name}" for name in FEATURE_NAMES if is_added_up(name))
    db.execute(f"CREATE TABLE expected AS SELECT * REPLACE ({zero}) FROM ({FEATURES})".replace("$today", day(today)))
    return db


def cards(data: Path) -> pa.Table:
    """The rows of the CRM's files, as text, with the instant at which they were made; DuckDB knows no Windows-1252."""
    rows = []
    for file in sorted(data.glob("crm/*.csv")):
        with file.open(encoding="cp1252", newline="") as lines:
            rows += [{key: value or None for key, value in row.items()} for row in csv.DictReader(lines, delimiter=";")]
    return pa.Table.from_pylist([{**row, "modifie_le": datetime.fromisoformat(row["modifie_le"])} for row in rows])


def features(db: duckdb.DuckDBPyConnection) -> dict[int, dict[str, Any]]:
    """FEATURE_NAMES of every true person."""
    rows = db.sql(f"SELECT true_person, {', '.join(FEATURE_NAMES)} FROM expected").to_arrow_table().to_pylist()
    return {row.pop("true_person"): row for row in rows}


def members(db: duckdb.DuckDBPyConnection, segment: str, today: date, scores: pa.Table) -> set[int]:
    """The true people of whom a segment's rule holds; scores : true_person, score (0 to 100), of those asked about."""
    rule = SEGMENTS[segment].replace("$today", day(today))
    db.register("scores", scores)
    return {
        row[0]
        for row in db.sql(f"SELECT true_person FROM expected JOIN scores USING (true_person) WHERE {rule}").fetchall()
    }


def people_joined(db: duckdb.DuckDBPyConnection) -> set[frozenset[tuple[str, str]]]:
    """The groups of identifiers that rows of the exports connect, by networkx; limits are not looked at."""
    graph = nx.Graph()
    for row in db.execute("""
        SELECT 'client_id', client_id, 'email', uniform_email(email), 'phone', uniform_phone(telephone) FROM crm
        UNION SELECT 'account_id', account_id, 'email', uniform_email(email), 'phone', uniform_phone(phone)
              FROM accounts
        UNION SELECT 'account_id', account_id, 'cookie', cookie, NULL, NULL FROM web
        UNION SELECT 'account_id', account_id, 'client_id', client_id, NULL, NULL FROM orders
        UNION SELECT 'cookie', cookie, NULL, NULL, NULL, NULL FROM ads
        UNION SELECT 'email', uniform_email(email), NULL, NULL, NULL, NULL
              FROM (SELECT email FROM contacts UNION SELECT email FROM consents UNION SELECT email FROM mail
                    UNION SELECT email FROM survey)
    """).fetchall():
        known = [(kind, value) for kind, value in zip(row[::2], row[1::2], strict=True) if value]
        known = [node for node in known if node[1] not in BLOCKED]
        graph.add_nodes_from(known)
        graph.add_edges_from(pairwise(known))
    return {frozenset(group) for group in nx.connected_components(graph)}


def rows_exported(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The number of rows in the files of each source."""
    views = {"mail": "mail", "survey_answers": "survey", **{name: name for name in ALIKE}}
    counts: dict[str, Any] = {}
    for source, view in views.items():
        [[counts[source]]] = db.execute(f"SELECT count(*) FROM {view}").fetchall()
    return counts


ALIKE = ("crm", "accounts", "contacts", "consents", "orders", "web", "ads")
"""Sources that are called as their folders are."""


def day(value: date) -> str:
    """A date as SQL."""
    return f"DATE '{value}'"
