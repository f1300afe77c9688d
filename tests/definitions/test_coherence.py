"""Definitions that have the right shape and do not hold together."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import available_timezones

import duckdb
import pytest

from facette.definitions.source_checks import NO_ZONES
from tests.definitions.projects import SOUND, loaded, problems

TABLE = "  - name: shops\n    kind: file\n    path: shops.csv\n    table: {key: id}\n"


def source(reader: str) -> str:
    return f"sources:\n  - name: more\n    kind: file\n    path: x.csv\n{reader}"


LOG = (
    "sources:\n  - name: site\n    kind: log\n    events:\n      - name: order\n"
    "        label: {fr: commande, en: order}\n"
    "        identifiers: {customer_id: user_id}\n        at: at\n"
)
PEOPLE = "    people:\n      identifiers: {customer_id: id}\n"
EVENTS = "    events:\n      - name: purchase\n        identifiers: {customer_id: id}\n        at: t\n"

BROKEN = {
    # settings
    "time zone": ("time_zone: Europe/Pris", [":1 unknown time zone `Europe/Pris`", "`Europe/Paris`"]),
    "time zone of the machine": ("time_zone: localtime", [":1 unknown time zone `localtime`", "Europe/Paris"]),
    "time zone of nobody": ("time_zone: posixrules", [":1 unknown time zone `posixrules`"]),
    "time zone in lower case": ("time_zone: europe/paris", [":1 unknown time zone `europe/paris`", "`Europe/Paris`"]),
    "country": ("country: ZZ", [":1 nobody has phone numbers in a country `ZZ`", "FR"]),
    "as_of without offset": ("as_of: 2026-01-01T10:00:00", [":1 as_of is an instant without an offset"]),
    "as_of long ago": ("as_of: 0026-01-01", [":1 as_of lies in the year 26"]),
    "as_of without dashes": ("as_of: 20260930", [":1 `as_of` must be a date (2026-11-22) or", "write 2026-09-30"]),
    "as_of in seconds": ("as_of: '1790000000'", [":1 `as_of` must be a date (2026-11-22) or"]),
    "as_of yes": ("as_of: true", [":1 `as_of` must be a date (2026-11-22) or"]),
    "population": ("population: [email, phone]", [":1 unknown kind of identifier `phone`", "there are `customer_id`"]),
    "trait_survivorship": ("trait_survivorship:\n  vile: trusted", [":2 unknown trait `vile`", "`city`"]),
    # names
    "one name twice": (
        "features:\n  - {name: city, value: '1'}",
        [":2 feature `city` and trait `city` both", "facette.yml:12"],
    ),
    "segment and feature": ("segments:\n  - {name: spend, rule: abonné}", [":2 segment `spend` and feature `spend`"]),
    "event and model": (
        "models:\n  - {name: purchase, kind: clusters, features: [spend, orders_90d]}",
        [":2 model `purchase` and event `purchase`"],
    ),
    "label and label": (
        "segments:\n  - {name: a, rule: abonné, label: {fr: DEPENSE}}",
        [":2 segment `a` and feature `spend` both answer to `DEPENSE`"],
    ),
    "label and name": (
        "segments:\n  - {name: a, rule: abonné, label: {en: city}}",
        [":2 segment `a` and trait `city` both answer to `city`"],
    ),
    "identifier and trait": (
        source(PEOPLE + "      fields:\n        email: {}\n"),
        [":8 trait `email` and identifier `email` both answer to `email`"],
    ),
    "properties": (
        source(EVENTS + "        fields:\n          total: {label: {fr: a}}\n          sum: {label: {en: a}}\n"),
        [":11 property `sum` and property `total` both answer to `a`", "extra.yml:10"],
    ),
    "label that negates another": (
        "segments:\n  - {name: a, rule: abonné, label: {fr: Non abonné}}",
        [":2 segment `a` answers to `Non abonné`, which rules read as a condition on trait `is_subscribed`", "rename"],
    ),
    "label that joins two others": (
        "segments:\n  - {name: a, rule: abonné}\n  - {name: b, rule: abonné, label: {fr: abonné ou a}}",
        [":3 segment `b` answers to `abonné ou a`", "trait `is_subscribed` and segment `a`"],
    ),
    "label of a trait": (
        source(PEOPLE + "      fields:\n        z: {type: number, label: {fr: Pas dépense}}\n"),
        [":8 trait `z` answers to `Pas dépense`, which rules read as a condition on feature `spend`"],
    ),
    "label of an event": (
        source(EVENTS.replace("purchase", "visit") + "        label: {fr: achat et abonné}\n"),
        [":6 event `visit` answers to `achat et abonné`", "event `purchase` and trait `is_subscribed`"],
    ),
    "sources": (source(PEOPLE).replace("more", "orders"), [":2 source `orders` and source `orders`"]),
    "reserved": ("features:\n  - {name: profile_id, value: '1'}", [":2 feature `profile_id` has a name that Facette"]),
    "reserved start": ("segments:\n  - {name: id_a, rule: abonné}", [":2 segment `id_a` has a name that Facette"]),
    "reserved property": (
        source(EVENTS + "        fields:\n          source: {}\n"),
        [":10 property `source` has a name that Facette", "column: source"],
    ),
    # sources
    "nothing provided": (source("    encoding: utf-8\n"), [":2 source `more` provides nothing"]),
    "table and people": (source(PEOPLE + "    table: {key: k}\n"), [":2 source `more` is a table and something else"]),
    "table of a log": (
        "sources:\n  - name: site\n    kind: log\n    table: {key: user_id}\n",
        [":4 source `site` is a log, whose records are no table", "take tables from files or a database"],
    ),
    "column that no record has": (
        LOG.replace("user_id", "userid") + "        known_at: received_at\n        id: [message_id]\n",
        [":7 a record of a log has no column `userid`", "did you mean `user_id`"],
    ),
    "column of objects without their name": (
        LOG + "        known_at: received_at\n        id: [message_id]\n        only: {propertys.revenue: '1'}\n",
        [":11 a record of a log has no column `propertys.revenue`", "did you mean `properties.revenue`"],
    ),
    "write key of two sources": (
        LOG.replace("    kind: log\n", "    kind: log\n    write_keys:\n      - k1\n      - ${KEY}\n")
        + LOG.removeprefix("sources:\n")
        .replace("name: site", "name: app")
        .replace("    kind: log\n", "    kind: log\n    write_keys:\n      - k2\n      - ${KEY}\n"),
        [":16 sources `site` and `app` share a write key", "give each source its own"],
    ),
    "write key twice": (
        LOG.replace("    kind: log\n", "    kind: log\n    write_keys: [k1, k2, k1]\n"),
        [":4 source `site` has a write key twice", "keep one of the two"],
    ),
    "kind of log": (
        "sources:\n  - name: site\n    kind: log\n    log: {kind: redis}\n",
        [":4 unknown kind `redis`", "`embedded`"],
    ),
    "log without its kind": (
        "sources:\n  - name: site\n    kind: log\n    log: {topic: t}\n",
        [":4 `kind` is missing in source `site`", "`kafka`"],
    ),
    "log that lacks something": (
        "sources:\n  - name: site\n    kind: log\n    log:\n      kind: kafka\n      topic: t\n",
        [":4 `servers` is missing in source `site`", "host:port"],
    ),
    "key of a log": (
        "sources:\n  - name: site\n    kind: log\n    log:\n      kind: file\n      path: x\n      most_megabyte: 1\n",
        [":7 unknown key `most_megabyte`", "`most_megabytes`"],
    ),
    "identifier of people": (
        source("    people:\n      identifiers:\n        emial: m\n"),
        [":7 unknown kind of identifier `emial`", "did you mean `email`?"],
    ),
    "identifier of events": (source(EVENTS.replace("customer_id", "phone")), [":7 unknown kind of identifier `phone`"]),
    "lookup of nothing": (
        source(PEOPLE + "      lookups:\n        - {source: shop, on: s}\n") + TABLE,
        [":8 unknown source `shop`", "did you mean `shops`?"],
    ),
    "lookup twice": (
        source(PEOPLE + "      lookups:\n        - {source: shops, on: s}\n        - {source: shops, on: t}\n") + TABLE,
        [":9 `shops` is looked up twice", "keep one of the two"],
    ),
    "lookup of people": (
        source(PEOPLE + "      lookups:\n        - {source: customers, on: s}\n"),
        [":8 source `customers` is not a table"],
    ),
    "trait of two types": (
        source(PEOPLE + "      fields:\n        city: {type: number}\n"),
        [":8 `city` is number here and text"],
    ),
    "property of two types": (
        source(EVENTS + "        fields:\n          amount: {}\n"),
        [":10 `amount` is text here and number"],
    ),
    "bounds of text": (
        source(PEOPLE + "      fields:\n        a: {minimum: 3}\n"),
        [":8 `minimum` makes no sense for text"],
    ),
    "bounds exchanged": (
        source(PEOPLE + "      fields:\n        a: {type: number, minimum: 3, maximum: 2}\n"),
        [":8 the minimum of `a` is above its maximum"],
    ),
    "format of text": (
        source(PEOPLE + "      fields:\n        a: {format: '%d/%m'}\n"),
        [":8 `%d/%m` is not a format of text"],
    ),
    "format of dates": (
        source(PEOPLE + "      fields:\n        a: {type: date, format: dmy}\n"),
        [":8 `dmy` is not a format of"],
    ),
    "format of numbers": (
        source(PEOPLE + "      fields:\n        a: {type: number, format: '0'}\n"),
        [":8 `format` makes no sense"],
    ),
    "format of an event": (
        source(EVENTS + "        at_format: dmy\n"),
        [":9 `dmy` is not a format of dates", "%d/%m/%Y"],
    ),
    "delimiter of two": (source("    delimiter: ;;\n" + PEOPLE), [":5 ';;' cannot be a delimiter", "one character"]),
    "delimiter of none": (source("    delimiter: ''\n" + PEOPLE), [":5 '' cannot be a delimiter"]),
    "delimiter that ends lines": (source('    delimiter: "\\n"\n' + PEOPLE), [":5 '\\n' cannot be a delimiter"]),
    "delimiter that quotes": (source("    delimiter: '\"'\n" + PEOPLE), [":5 '\"' cannot be a delimiter"]),
    "delimiter of two bytes": (source("    delimiter: §\n" + PEOPLE), [":5 '§' cannot be a delimiter"]),
    "encoding of nobody": (source("    encoding: utf99\n" + PEOPLE), [":5 there is no encoding called `utf99`"]),
    "encoding of bytes": (source("    encoding: base64\n" + PEOPLE), [":5 there is no encoding called `base64`"]),
    "sql without query": (
        "sources:\n  - {name: s, kind: sql, url: u, people: {identifiers: {email: m}}}",
        [":2 source `s` does not say once what to read"],
    ),
    # features
    "value and quantiles": (
        "features:\n  - {name: a, value: '1', quantiles: {of: spend}}",
        [":2 feature `a` needs one of `value`, `quantiles`, `cuts` and `trend`"],
    ),
    "neither": ("features:\n  - name: a", [":2 feature `a` needs one of `value`, `quantiles`, `cuts` and `trend`"]),
    "value that is no text": ("features:\n  - name: a\n    value: SUM(amount OF purchase", [":3 feature `a`: ", "^"]),
    "unknown column": ("features:\n  - name: a\n    value: spent / 2", [":3 feature `a`: “spent”", "^^^^^", "dépense"]),
    "unknown event": ("features:\n  - name: a\n    value: COUNT OF purchases", [":3 feature `a`: “purchases”"]),
    "unknown property": ("features:\n  - name: a\n    value: SUM(amuont) OF purchase", [":3 feature `a`: “amuont”"]),
    "quantiles of nothing": (
        "features:\n  - name: a\n    quantiles:\n      of: spned",
        [":4 unknown feature or trait `spned`", "did you mean `spend`?"],
    ),
    "quantiles of text": (
        "features:\n  - name: a\n    quantiles:\n      of: city",
        [":4 `city` is text, and must be number"],
    ),
    "feature of a model": (
        "features:\n  - name: a\n    value: groups + 1\n"
        "models:\n  - {name: groups, kind: clusters, features: [spend, orders_90d]}",
        [":3 feature `a`: a feature cannot read a model or a segment"],
    ),
    "circle": (
        "features:\n  - {name: a, value: b + 1}\n  - {name: b, value: c * 2}\n  - {name: c, value: a}\n"
        "  - {name: d, value: c}",
        [":2 features that refer to each other in a circle: a → b → c → a"],
    ),
    "circle of one": ("features:\n  - {name: a, value: Le a + 1, label: {fr: le a}}", [":2 features that", "a → a"]),
    "circle through quantiles": (
        "features:\n  - {name: a, value: b}\n  - {name: b, quantiles: {of: a}}",
        [":2 features that refer to each other in a circle: a → b → a"],
    ),
    "default of text": (
        "features:\n  - name: a\n    value: LAST(category) OF purchase\n    default: 3",
        [":4 `default` is for numbers, and `a` is text"],
    ),
    "bands out of order": (
        "features:\n  - name: a\n    value: spend\n    bands:\n      - {name: x, below: 2}\n"
        "      - {name: y, below: 1}\n      - {name: z}",
        [":6 band `y` ends where or before the previous one does"],
    ),
    "open band within": (
        "features:\n  - name: a\n    value: spend\n    bands:\n      - {name: x}\n      - {name: y}",
        [":5 band `x` has the wrong end"],
    ),
    "last band closed": (
        "features:\n  - name: a\n    value: spend\n    bands:\n      - {name: x, below: 3}",
        [":5 band `x` has the wrong end", "leave out `below` of the last band"],
    ),
    "band twice": (
        "features:\n  - name: a\n    value: spend\n    bands:\n      - {name: x, below: 3}\n      - {name: x}",
        [":6 band `x` and band `x` both answer to `x`"],
    ),
    # models
    "model of nothing": (
        "models:\n  - name: m\n    kind: clusters\n    features:\n      - spend\n      - order_90d",
        [":6 unknown feature or trait `order_90d`", "`orders_90d`"],
    ),
    "model of dates": (
        "models:\n  - {name: m, kind: clusters, features: [spend, born_on]}",
        [":2 `born_on` is date, and must be number or boolean or text here", "`children`"],
    ),
    "gain without trees": (
        "models:\n  - {name: m, kind: propensity, target: purchase, horizon_days: 9, features: [spend], select: gain}",
        [":2 no algorithm of the model is made of trees", "use importance"],
    ),
    "groups merged in a circle": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, children]\n"
        "    merge: {1: 2, 2: 1, 3: 2, 4: 5}",
        [":5 groups 1, 2, 3 are merged in a circle", "let one of them be"],
    ),
    "outliers of a text": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, city]\n    outliers:\n"
        "      city: {method: iqr, factor: 3}",
        [":6 `city` must be number or boolean here", "`spend`"],
    ),
    "two ways out of skew": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, children]\n    log: [spend]\n"
        "    yeo_johnson: [spend]",
        [":6 `spend` is listed twice, in `log` or `yeo_johnson`"],
    ),
    "constant without value": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, children]\n    impute:\n"
        "      spend: {method: constant}",
        [":6 `value` belongs to `constant`"],
    ),
    "interpolation by itself": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, children]\n    impute:\n"
        "      spend: {method: interpolation, by: spend}",
        [":6 `spend` is no other number of the model"],
    ),
    "colour of a map": (
        "models:\n  - {name: m, kind: map, features: [spend, children], colour: cty}",
        [":2 unknown clustering or segment `cty`"],
    ),
    "target of a clustering": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, city]\n    categories: {city: target}",
        [":5 nothing is predicted here", "use one_hot or embedding"],
    ),
    "weights that do not add up": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, children]\n    weights:\n"
        "      city: {Nantes: 0.4, Paris: 0.4}",
        [":6 the shares add up to 0.8"],
    ),
    "group of numbers": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, children]\n    groups: [spend]",
        [":5 `spend` is number, and must be text or boolean here", "`city`"],
    ),
    "model of a model": (
        "models:\n  - {name: m, kind: clusters, features: [spend, orders_90d]}\n"
        "  - {name: n, kind: clusters, features: [m, spend]}",
        [":3 unknown feature or trait `m`"],
    ),
    "feature twice": (
        "models:\n  - {name: m, kind: clusters, features: [spend, spend]}",
        [":2 `spend` is listed twice"],
    ),
    "log of another": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, orders_90d]\n    log: [children]",
        [":5 `children` is not among the features of the model"],
    ),
    "parameter of another method": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, orders_90d]\n    methods:\n"
        "      - kmeans\n      - {method: kmeans, linkage: ward}",
        [":7 the method `kmeans` has no `linkage`", "it belongs to agglomerative"],
    ),
    "BIC without a mixture": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, orders_90d]\n    methods:\n"
        "      - {method: kmeans, choose: bic}",
        [":6 the method `kmeans` has no BIC"],
    ),
    "number and threshold": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, orders_90d]\n    methods:\n"
        "      - {method: agglomerative, clusters: 3, distance_threshold: 2}",
        [":6 `clusters` and `distance_threshold` say the same thing twice"],
    ),
    "effect on nothing": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, orders_90d]\n    search: {objective: effect}",
        [":5 the objective `effect` needs a KPI"],
    ),
    "stability without resamples": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, orders_90d]\n"
        "    search: {objective: stability, resamples: 0}",
        [":5 the objective `stability` needs resamples"],
    ),
    "clusters": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, orders_90d]\n    minimum_clusters: 9",
        [":5 minimum_clusters is above maximum_clusters"],
    ),
    "target": (
        "models:\n  - name: m\n    kind: propensity\n    target: purchse\n    horizon_days: 30\n    features: [spend]",
        [":4 unknown event `purchse`", "did you mean `purchase`?"],
    ),
    "condition of the target": (
        "models:\n  - name: m\n    kind: propensity\n    target: purchase\n    where: amuont > 3\n"
        "    horizon_days: 30\n    features: [spend]",
        [":5 model `m`: “amuont”", "^^^^^^"],
    ),
    "input called target": (
        "features:\n  - {name: target, value: spend}\n"
        "models:\n  - name: m\n    kind: propensity\n    target: purchase\n    horizon_days: 30\n"
        "    features: [target]",
        [":8 `target` cannot be an input of a propensity model", "the_target"],
    ),
    "kpi": ("validation: {kpi: spending}", [":1 unknown feature or trait `spending`", "`spend`"]),
    "kpi of text": ("validation: {kpi: city}", [":1 `city` is text, and must be number here"]),
    # segments
    "unknown name": (
        "segments:\n  - name: a\n    rule: villle = Nantes",
        [":3 segment `a`: “villle”", "^^^^^^", "ville"],
    ),
    "line of a block": (
        "segments:\n  - name: a\n    rule: |\n      abonné\n      ET villle = Nantes",
        [":5 segment `a`: « villle »", "ET villle = Nantes"],
    ),
    "line of folded text": (
        "segments:\n  - name: a\n    rule: >\n      abonné\n      ET (ville = Nantes\n\n      OU spned > 3)",
        [":7 segment `a`: « spned »"],
    ),
    "line of plain text": (
        "segments:\n  - name: a\n    rule: abonné\n      ET ville = Nantes\n      ET spned > 3",
        [":5 segment `a`: « spned »"],
    ),
    "types": ("segments:\n  - name: a\n    rule: spend = Nantes", [":3 segment `a`: “"]),
    "text that needs quotes": ("segments:\n  - name: a\n    rule: email = ann@example.org", [":3 segment `a`: "]),
    "unfinished": ("segments:\n  - name: a\n    rule: spend >", [":3 segment `a`: "]),
    "unknown parent": (
        "segments:\n  - name: vip\n    rule: abonné\n  - name: b\n    rule: abonné\n    parent: vpi",
        [":6 unknown segment `vpi`", "did you mean `vip`?"],
    ),
    "segments in a circle": (
        "segments:\n  - {name: a, rule: IN SEGMENT b}\n  - {name: b, rule: abonné, parent: c}\n"
        "  - {name: c, rule: NOT a}\n  - {name: d, rule: IN SEGMENT a}",
        [":2 segments that refer to each other in a circle: a → b → c → a"],
    ),
    "segment in itself": ("segments:\n  - {name: a, rule: abonné, parent: a}", [":2 segments that", "a → a"]),
    "live score": (
        "features:\n  - name: a\n    quantiles: {of: spend}\n    live: required",
        [":4 feature `a` cannot be kept live: its cuts are computed from the whole population"],
    ),
    "live feature of a score": (
        "features:\n  - {name: a, quantiles: {of: spend}}\n  - {name: b, live: required, value: a + 1}",
        [":3 feature `b` cannot be kept live: it reads a, which waits"],
    ),
    "trend of no window": (
        "features:\n  - name: a\n    trend: {of: spend}",
        [":3 `spend` is not one measure of the last days", "IN THE LAST 30 DAYS"],
    ),
    "cuts that fall": (
        "features:\n  - name: a\n    cuts:\n      of: spend\n      at: [3, 3]",
        [":5 the cuts of `a` do not ascend"],
    ),
    "circle through a trend": (
        "features:\n  - {name: a, value: b}\n  - {name: b, trend: {of: a}}",
        [":2 features that refer to each other in a circle: a → b → a"],
    ),
    # thresholds
    "threshold of no kind": ("thresholds:\n  - {name: big, of: spend}", [":2 threshold `big` needs one of"]),
    "threshold of two kinds": (
        "thresholds:\n  - {name: big, of: spend, cluster: {}, quantile: {q: 0.5}}",
        [":2 threshold `big` needs one of"],
    ),
    "threshold of text": (
        "thresholds:\n  - {name: big, of: city, cluster: {}}",
        [":2 `city` is text, and must be number here"],
    ),
    "threshold of nothing": (
        "thresholds:\n  - {name: big, of: spent, cluster: {}}",
        [":2 unknown feature or trait `spent`", "`spend`"],
    ),
    "threshold of a model": (
        "models:\n  - {name: groups, kind: clusters, features: [spend, orders_90d]}\n"
        "thresholds:\n  - {name: big, of: groups, cluster: {}}",
        [":4 unknown feature or trait `groups`"],
    ),
    "threshold of an unknown segment": (
        "thresholds:\n  - {name: big, of: spend, quantile: {q: 0.5, segment: activ}}\n"
        "segments:\n  - {name: active, label: {en: a}, rule: DID purchase}",
        [":2 unknown segment `activ`", "`active`"],
    ),
    "threshold beyond its cuts": (
        "thresholds:\n  - name: big\n    of: spend\n    cluster: {groups: 3, cut: 3}",
        [":4 3 groups have 2 cuts between them"],
    ),
    "threshold of a segment of a model": (
        "models:\n  - {name: groups, kind: clusters, features: [spend, orders_90d]}\n"
        "thresholds:\n  - {name: big, of: spend, quantile: {q: 0.5, segment: first}}\n"
        "segments:\n  - {name: first, label: {en: a}, rule: IN SEGMENT second}\n"
        "  - {name: second, label: {en: b}, rule: groups = 1}",
        [":4 threshold `big` needs a model (groups)"],
    ),
    "circle through a threshold and a segment": (
        "thresholds:\n  - {name: big, of: spend, quantile: {q: 0.5, segment: rich}}\n"
        "segments:\n  - {name: rich, label: {en: r}, rule: spend > THRESHOLD(big)}",
        [":2 features, thresholds and segments that refer to each other in a circle: big → rich → big"],
    ),
    "circle through a threshold and a feature": (
        "features:\n  - {name: above, value: spend - SEUIL(big)}\nthresholds:\n  - {name: big, of: above, cluster: {}}",
        [":2 features, thresholds and segments that refer to each other in a circle: above → big → above"],
    ),
    "moving average of a moving average": (
        "features:\n  - {name: above, value: spend - THRESHOLD(usual)}\nthresholds:\n"
        "  - {name: usual, of: spend, moving_average: {}}\n  - {name: big, of: above, moving_average: {}}",
        [":5 threshold `big` is a moving average of another one (usual)"],
    ),
    "threshold of another unit": (
        "features:\n  - {name: days, unit: days, value: RECENCY OF purchase}\n"
        "  - {name: euros, unit: EUR, value: spend}\n"
        "thresholds:\n  - {name: big, of: euros, cluster: {}}\n"
        "segments:\n  - {name: s, label: {en: s}, rule: days > THRESHOLD(big)}",
        [":7 segment `s`: “days” is in days, but the threshold “big” is in EUR"],
    ),
    "unknown threshold": (
        "thresholds:\n  - {name: big, of: spend, cluster: {}}\n"
        "segments:\n  - {name: s, label: {en: s}, rule: spend > THRESHOLD(bug)}",
        [":4 segment `s`: “bug” is not a threshold", "Nearest: big"],
    ),
    "threshold and feature": (
        "thresholds:\n  - {name: spend, of: orders_90d, cluster: {}}",
        [":2 threshold `spend` and feature `spend` both answer"],
    ),
}


def test_the_project_that_the_others_break_is_sound(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN)
def test_each_problem_has_its_place_and_words(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = problems(tmp_path, extra=text)
    assert len(found) == 1, found
    assert found[0].startswith(f"extra.yml{expected[0]}"), found[0]
    for part in expected[1:]:
        assert part in found[0]


@pytest.mark.parametrize("text", ["2026-09-30", "'2026-09-30'", "'20260930'"])
def test_a_day_in_quotes_is_a_day(tmp_path: Path, text: str) -> None:
    found = loaded(tmp_path, extra=f"as_of: {text}").project.as_of
    assert (found, type(found)) == (date(2026, 9, 30), date)


def test_an_instant_in_quotes_is_an_instant(tmp_path: Path) -> None:
    found = loaded(tmp_path, extra="as_of: '2026-09-30T08:30:00+01:00'").project.as_of
    assert found == datetime(2026, 9, 30, 7, 30, tzinfo=UTC)


def test_two_circles_are_both_reported(tmp_path: Path) -> None:
    rules = {"a": "b", "b": "a", "c": "d", "d": "c"}
    text = "segments:\n" + "".join(f"  - {{name: {name}, rule: IN SEGMENT {other}}}\n" for name, other in rules.items())
    assert [line.split(" →")[0][:11] for line in problems(tmp_path, extra=text)] == ["extra.yml:2", "extra.yml:4"]


def test_an_event_of_two_sources_has_the_properties_of_both(tmp_path: Path) -> None:
    text = source(EVENTS + "        label: {en: buy}\n        fields:\n          channel: {}\n")
    event = loaded(tmp_path, extra=text).vocabulary.events["purchase"]
    assert set(event.properties) == {"at", "day", "hour", "weekday", "amount", "category", "channel"}
    assert event.labels == {"fr": "achat", "en": "buy"}


WARNINGS = {
    "people always known": (
        "models:\n  - {name: m, kind: propensity, target: purchase, horizon_days: 30, features: [spend]}",
        "facette.yml:9 source `customers` does not say when its rows were known",
    ),
    "segment without label": ("segments:\n  - {name: a, rule: abonné}", "extra.yml:2 segment `a` has no label"),
    "label with a word of the language": (
        "segments:\n  - {name: a, rule: abonné, label: {fr: Achats et retours, en: Old}}",
        "extra.yml:2 segment `a` cannot be named in rules without quotes",
    ),
    "label with a sign": (
        "segments:\n  - {name: a, rule: spend > 80, label: {fr: dépense > 80}}",
        "extra.yml:2 segment `a` cannot be named in rules without quotes",
    ),
    "label like a count of events": (
        "features:\n  - {name: n, value: COUNT OF purchase, label: {fr: Nombre d'achat}}",
        "extra.yml:2 feature `n` cannot be named in rules without quotes",
    ),
    "event before between": (
        source(EVENTS.replace("purchase", "ignored") + "        label: {fr: Ne clique pas}\n"),
        "extra.yml:6 event `ignored` cannot be named in rules without quotes",
    ),
    "identifier of no source": (
        "identifiers:\n  - {name: phone}",
        "extra.yml:2 no source gives the identifier `phone`",
    ),
    "event of a log that may count twice": (
        LOG + "        known_at: received_at\n",
        "extra.yml:5 the event `order` counts twice when its sender sends it again",
    ),
    "event of a log known too early": (
        LOG + "        id: [message_id]\n",
        "extra.yml:5 the event `order` counts as known before it was received",
    ),
    "table that nobody reads": ("sources:\n" + TABLE, "extra.yml:2 nothing looks anything up in `shops`"),
}


@pytest.mark.parametrize(("text", "expected"), WARNINGS.values(), ids=WARNINGS)
def test_warnings_stop_nothing(tmp_path: Path, text: str, expected: str) -> None:
    (warning,) = loaded(tmp_path, extra=text).warnings
    assert f"{warning.file}:{warning.line} {warning.message}" == expected
    assert warning.severity == "warning"
    assert warning.remedy


@pytest.mark.parametrize("label", ["Nombre de visites", "Dépense dans les 90 derniers jours", "si", "L'été"])
def test_a_label_that_rules_can_read_is_no_problem(tmp_path: Path, label: str) -> None:
    text = f'features:\n  - {{name: a, value: COUNT OF purchase, label: {{fr: "{label}"}}}}'
    found = loaded(tmp_path, extra=text).warnings
    assert [warning.remedy for warning in found] == ([] if label[:2] != "si" else ['in rules it needs quotes: "si"'])


def test_problems_are_sorted_by_file_and_line(tmp_path: Path) -> None:
    text = SOUND.replace("COUNT OF purchase", "COUNT OF visit").replace("SUM(amount)", "SUM(price)")
    found = problems(tmp_path, facette=text, a="segments:\n  - {name: s, rule: nothing}\nvalidation: {kpi: x}\n")
    assert [line.split(" ")[0] for line in found] == ["a.yml:2", "a.yml:3", "facette.yml:28", "facette.yml:29"]


def test_every_time_zone_that_is_accepted_is_known_to_the_warehouse() -> None:
    known = {name for (name,) in duckdb.sql("SELECT name FROM pg_timezone_names()").fetchall()}
    assert available_timezones() - NO_ZONES <= known


@pytest.mark.parametrize("delimiter", [",", ";", "|", r"\t", " ", r"\x1f"])
def test_one_character_is_a_delimiter(tmp_path: Path, delimiter: str) -> None:
    assert problems(tmp_path, extra=source(f'    delimiter: "{delimiter}"\n' + PEOPLE)) == []
