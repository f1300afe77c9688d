"""The keywords that the printer writes, per language; ``grammar.lark`` reads these and more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from facette.definitions.language.tree import Comparison, Measure, Unit

Pair = tuple[str, str]  # indexed by a truth value: plain or negated, false or true, one or several


@dataclass(frozen=True, slots=True)
class Keywords:
    and_: str
    or_: str
    not_: str
    in_: Pair
    between: Pair
    match: Mapping[str, Pair]
    known: Pair
    in_segment: str
    did: Pair
    first_did: Pair
    where: str
    then: Pair
    on: str
    within: str
    of: str
    threshold: str
    functions: Mapping[Measure, str]
    how_often: Mapping[Comparison, str]
    times: str
    in_the_last: Mapping[Unit, str]
    in_the_last_one: Mapping[Unit, str]
    earlier: str
    since: str
    before: str
    truth: Pair
    days: Pair
    units: Mapping[Unit, Pair]


FRENCH = Keywords(
    and_="ET",
    or_="OU",
    not_="NON",
    in_=("DANS", "PAS DANS"),
    between=("ENTRE", "PAS ENTRE"),
    match={
        "contains": ("CONTIENT", "NE CONTIENT PAS"),
        "starts": ("COMMENCE PAR", "NE COMMENCE PAS PAR"),
        "ends": ("FINIT PAR", "NE FINIT PAS PAR"),
    },
    known=("EST CONNU", "EST INCONNU"),
    in_segment="DANS LE SEGMENT",
    did=("A FAIT", "N'A PAS FAIT"),
    first_did=("A FAIT POUR LA PREMIÈRE FOIS", "N'A PAS FAIT POUR LA PREMIÈRE FOIS"),
    where="OÙ",
    then=("PUIS", "SANS"),
    on="SUR",
    within="SOUS",
    of="DE",
    threshold="SEUIL",
    functions={
        "count": "NOMBRE",
        "sum": "SOMME",
        "avg": "MOYENNE",
        "min": "MIN",
        "max": "MAX",
        "first": "PREMIER",
        "last": "DERNIER",
        "mode": "PLUS_FRÉQUENT",
        "distinct": "NOMBRE DISTINCT",
        "recency": "RÉCENCE",
    },
    how_often={">=": "AU MOINS", "<=": "AU PLUS", "=": "EXACTEMENT", ">": "PLUS DE", "<": "MOINS DE"},
    times="FOIS",
    in_the_last={
        "minute": "DANS LES {} DERNIÈRES MINUTES",
        "hour": "DANS LES {} DERNIÈRES HEURES",
        "day": "DANS LES {} DERNIERS JOURS",
        "week": "DANS LES {} DERNIÈRES SEMAINES",
        "month": "DANS LES {} DERNIERS MOIS",
        "year": "DANS LES {} DERNIERS ANS",
    },
    in_the_last_one={
        "minute": "DANS LA DERNIÈRE MINUTE",
        "hour": "DANS LA DERNIÈRE HEURE",
        "day": "DANS LE DERNIER JOUR",
        "week": "DANS LA DERNIÈRE SEMAINE",
        "month": "DANS LE DERNIER MOIS",
        "year": "DANS LA DERNIÈRE ANNÉE",
    },
    earlier="DANS LES {} {} AVANT {}",
    since="DEPUIS",
    before="AVANT",
    truth=("non", "oui"),
    days=("aujourd'hui", "hier"),
    units={
        "minute": ("minute", "minutes"),
        "hour": ("heure", "heures"),
        "day": ("jour", "jours"),
        "week": ("semaine", "semaines"),
        "month": ("mois", "mois"),
        "year": ("an", "ans"),
    },
)

ENGLISH = Keywords(
    and_="AND",
    or_="OR",
    not_="NOT",
    in_=("IN", "NOT IN"),
    between=("BETWEEN", "NOT BETWEEN"),
    match={
        "contains": ("CONTAINS", "DOES NOT CONTAIN"),
        "starts": ("STARTS WITH", "DOES NOT START WITH"),
        "ends": ("ENDS WITH", "DOES NOT END WITH"),
    },
    known=("IS KNOWN", "IS UNKNOWN"),
    in_segment="IN SEGMENT",
    did=("DID", "DID NOT"),
    first_did=("FIRST DID", "NOT FIRST DID"),
    where="WHERE",
    then=("THEN", "THEN NOT"),
    on="ON",
    within="WITHIN",
    of="OF",
    threshold="THRESHOLD",
    functions={
        "count": "COUNT",
        "sum": "SUM",
        "avg": "AVG",
        "min": "MIN",
        "max": "MAX",
        "first": "FIRST",
        "last": "LAST",
        "mode": "MODE",
        "distinct": "DISTINCT",
        "recency": "RECENCY",
    },
    how_often={">=": "AT LEAST", "<=": "AT MOST", "=": "EXACTLY", ">": "MORE THAN", "<": "LESS THAN"},
    times="TIMES",
    in_the_last={
        "minute": "IN THE LAST {} MINUTES",
        "hour": "IN THE LAST {} HOURS",
        "day": "IN THE LAST {} DAYS",
        "week": "IN THE LAST {} WEEKS",
        "month": "IN THE LAST {} MONTHS",
        "year": "IN THE LAST {} YEARS",
    },
    in_the_last_one={
        "minute": "IN THE LAST MINUTE",
        "hour": "IN THE LAST HOUR",
        "day": "IN THE LAST DAY",
        "week": "IN THE LAST WEEK",
        "month": "IN THE LAST MONTH",
        "year": "IN THE LAST YEAR",
    },
    earlier="IN THE {} {} BEFORE {}",
    since="SINCE",
    before="BEFORE",
    truth=("no", "yes"),
    days=("today", "yesterday"),
    units={
        "minute": ("minute", "minutes"),
        "hour": ("hour", "hours"),
        "day": ("day", "days"),
        "week": ("week", "weeks"),
        "month": ("month", "months"),
        "year": ("year", "years"),
    },
)
