"""Say how much of the planted truth Facette found, from what its last run published.

python examples/boutique/score.py --project examples/boutique
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
from sklearn.metrics import adjusted_rand_score, roc_auc_score

from facette.warehouse.published import Store

GROUPS = 5  # of equal number, by score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path(__file__).parent)
    db = connect(parser.parse_args().project)
    who, behaviour, score, said = identity(db), clusters(db), propensity(db), comments(db)
    print(f"identity     pairs of identifiers: precision {who.precision:.4f}, recall {who.recall:.4f}")
    print(f"             B-cubed: precision {who.bcubed_precision:.4f}, recall {who.bcubed_recall:.4f}")
    print(f"             {who.mixed} of {who.profiles} profiles are several people, {who.split} people are several")
    print(
        f"clusters     adjusted Rand index {behaviour.everybody:.3f}, of those who ever bought {behaviour.buyers:.3f}"
    )
    print(f"propensity   AUC {score.auc:.3f}; the planted probability itself has {score.best_auc:.3f}")
    print(f"             mean distance from the planted probability {score.distance:.3f}")
    for number, group in enumerate(score.groups, 1):
        print(f"             fifth {number}: predicted {group.predicted:.3f}, happened {group.happened:.3f}")
    print(f"comments     {said.n}: theme right of {said.theme:.1%}, feeling right of {said.feeling:.1%}")


def connect(project: Path) -> duckdb.DuckDBPyConnection:
    """The published tables of a project, and besides:

    true_identities, true_people, true_survey : the truth
    whose    : kind, value, profile_id, true_person     identifiers found; without those that two people share
    resolved : profile_id, true_person                  profiles that hold the identifiers of one person only
    perfect  : profile_id, true_person                  of these, the ones that hold all that was found of the person
    """
    store = Store(project)
    db = duckdb.connect()
    db.sql("SET TimeZone = 'UTC'")
    for table, files in store.must_be_published().tables.items():
        db.read_parquet([str(store.folder / file) for file in files]).create_view(table)
    for table in ("identities", "people"):
        db.read_parquet(str(project / f"data/truth/{table}.parquet")).create_view(f"true_{table}")
    db.read_parquet(str(project / "data/truth/survey/*.parquet")).create_view("true_survey")
    db.sql("""
        CREATE TABLE whose AS
        SELECT kind, value, any_value(profile_id) AS profile_id, any_value(true_person) AS true_person
        FROM identities JOIN true_identities USING (kind, value) GROUP BY kind, value HAVING count(*) = 1
    """)
    db.sql("""
        CREATE TABLE resolved AS
        SELECT profile_id, any_value(true_person) AS true_person
        FROM whose GROUP BY profile_id HAVING count(DISTINCT true_person) = 1
    """)
    db.sql("""
        CREATE TABLE perfect AS
        SELECT any_value(profile_id) AS profile_id, true_person
        FROM whose GROUP BY true_person HAVING count(DISTINCT profile_id) = 1
        INTERSECT FROM resolved
    """)
    return db


class IdentityScore(NamedTuple):
    """Shares of pairs, and B-cubed (Bagga and Baldwin 1998); of accounts, cards, e-mail addresses and phones.

    profiles, mixed : profiles with such an identifier, and those that hold several people's
    split           : people whose identifiers are in several profiles
    """

    precision: float
    recall: float
    bcubed_precision: float
    bcubed_recall: float
    profiles: int
    mixed: int
    split: int


def identity(db: duckdb.DuckDBPyConnection) -> IdentityScore:
    """How well profiles are people. Cookies are left out: most are never seen with anything else."""
    [figures] = db.sql("""
        WITH cells AS (
            SELECT profile_id, true_person, count(*) AS n FROM whose WHERE kind <> 'cookie' GROUP BY ALL
        ), sized AS (
            SELECT *, sum(n) OVER (PARTITION BY profile_id) AS n_profile,
                   sum(n) OVER (PARTITION BY true_person) AS n_person
            FROM cells
        )
        SELECT sum(n * (n - 1)) / sum(n * (n_profile - 1)), sum(n * (n - 1)) / sum(n * (n_person - 1)),
               sum(n * n / n_profile) / sum(n), sum(n * n / n_person) / sum(n),
               count(DISTINCT profile_id), count(DISTINCT profile_id) FILTER (n < n_profile),
               count(DISTINCT true_person) FILTER (n < n_person)
        FROM sized
    """).fetchall()
    return IdentityScore(*figures)


class ClusterScore(NamedTuple):
    """Adjusted Rand index (Hubert and Arabie 1985) between clusters and planted behaviours."""

    everybody: float
    buyers: float


def clusters(db: duckdb.DuckDBPyConnection) -> ClusterScore:
    """How well the published clustering ``behaviour`` tells the planted behaviours apart."""
    found = db.sql("""
        SELECT scored.behaviour AS cluster, true_people.behaviour AS behaviour, n_orders > 0 AS is_buyer
        FROM scored JOIN features USING (profile_id)
        JOIN resolved USING (profile_id) JOIN true_people USING (true_person)
    """).fetchnumpy()
    buyers = found["is_buyer"]
    return ClusterScore(
        adjusted_rand_score(found["behaviour"], found["cluster"]),
        adjusted_rand_score(found["behaviour"][buyers], found["cluster"][buyers]),
    )


class ScoreGroup(NamedTuple):
    """A fifth of the profiles: mean score as a probability, share of those who then bought."""

    predicted: float
    happened: float


class PropensityScore(NamedTuple):
    """auc, best_auc : of the score and of the planted probability, against what happens in the 60 days to come
    distance      : mean of |score − planted probability|, 0–1
    groups        : fifths, lowest scores first
    """

    auc: float
    best_auc: float
    distance: float
    groups: tuple[ScoreGroup, ...]


def propensity(db: duckdb.DuckDBPyConnection) -> PropensityScore:
    """How well the published ``score`` says who is going to buy."""
    found = db.sql("""
        SELECT score / 100 AS score, buys, buys_probability AS planted
        FROM scored JOIN resolved USING (profile_id) JOIN true_people USING (true_person) ORDER BY score, profile_id
    """).fetchnumpy()
    groups = np.array_split(np.arange(len(found["score"])), GROUPS)
    return PropensityScore(
        roc_auc_score(found["buys"], found["score"]),
        roc_auc_score(found["buys"], found["planted"]),
        float(np.abs(found["score"] - found["planted"]).mean()),
        tuple(ScoreGroup(float(found["score"][rows].mean()), float(found["buys"][rows].mean())) for rows in groups),
    )


class CommentScore(NamedTuple):
    """Comments, and the shares whose theme and whose feeling (negative, neutral, positive) were read right."""

    n: int
    theme: float
    feeling: float


def comments(db: duckdb.DuckDBPyConnection) -> CommentScore:
    """How well the comments of the survey were read."""
    [figures] = db.sql("""
        WITH said AS (
            SELECT theme, event_id[length('survey_answers:') + 1 :] AS answer_id,
                   CASE WHEN feeling < -1 / 3 THEN 'négatif' WHEN feeling < 1 / 3 THEN 'neutre' ELSE 'positif' END
                   AS feeling
            FROM events_survey WHERE comment IS NOT NULL
        )
        SELECT count(*), avg((said.theme IS NOT DISTINCT FROM strip_accents(true_survey.theme))::INT),
               avg((feeling = sentiment)::INT)
        FROM said JOIN true_survey USING (answer_id)
    """).fetchall()
    return CommentScore(*figures)


if __name__ == "__main__":
    main()
