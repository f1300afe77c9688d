"""Why an event or a request is refused, and what would be taken: in English, then in French.

Both are in one text, because whoever reads it is not the client that hears it.
"""

from __future__ import annotations

from typing import Any

Both = tuple[str, str]
"""A text in English and in French."""

REASONS: dict[str, Both] = {
    # ── events ──
    "nobody": (
        "nobody is named: give a user id or an anonymous id",
        "personne n’est nommé : donnez un identifiant d’utilisateur ou un identifiant anonyme",
    ),
    "ahead": (
        "happened at {at}, more than 24 hours after it was received: set the clock",
        "s’est passé à {at}, plus de 24 heures après sa réception : réglez l’horloge",
    ),
    "before": (
        "happened at {at}, which is before {year}: set the clock",
        "s’est passé à {at}, avant {year} : réglez l’horloge",
    ),
    "apart": (
        "`timestamp` and `sentAt` lie thousands of years apart: set the clock",
        "`timestamp` et `sentAt` sont séparés de milliers d’années : réglez l’horloge",
    ),
    "no_instant": (
        "`{key}` is no instant: {shown}; write it as {example}",
        "`{key}` n’est pas un instant : {shown} ; écrivez-le comme {example}",
    ),
    "no_text": ("`{key}` is {found}: give a text", "`{key}` est {found} : donnez un texte"),
    "no_object": ("`{key}` is {found}: give an object", "`{key}` est {found} : donnez un objet"),
    "no_number": (
        "`{key}` is no number: {shown}; write it as 12.50",
        "`{key}` n’est pas un nombre : {shown} ; écrivez-le comme 12.50",
    ),
    "missing": ("`{key}` is missing: give a text", "`{key}` manque : donnez un texte"),
    "too_long": (
        "`{key}` is longer than {most} characters: shorten it",
        "`{key}` a plus de {most} caractères : raccourcissez-le",
    ),
    "no_event": (
        "an event is an object, and this is {found}: send an object",
        "un événement est un objet, et ceci est {found} : envoyez un objet",
    ),
    "no_kind": ("`type` is {found}: it is one of {kinds}", "`type` est {found} : c’est l’un de {kinds}"),
    "large_event": (
        "larger than {most} bytes: say less in one event",
        "plus de {most} octets : dites-en moins dans un événement",
    ),
    "large_record": (
        "larger than {most} bytes with what its batch says of all events: say less there",
        "plus de {most} octets avec ce que son lot dit de tous les événements : dites-en moins à cet endroit",
    ),
    "unwritable": (
        "cannot be written as JSON in UTF-8: send whole characters, and nest less deeply",
        "ne peut s’écrire en JSON UTF-8 : envoyez des caractères entiers, et imbriquez moins",
    ),
    # ── Google Analytics ──
    "no_micros": (
        "`timestamp_micros` is no number: {shown}; give microseconds since 1970",
        "`timestamp_micros` n’est pas un nombre : {shown} ; donnez des microsecondes depuis 1970",
    ),
    "no_user_property": (
        '`{key}` of `user_properties` is {found}: give {{"value": …}}',
        '`{key}` de `user_properties` est {found} : donnez {{"value": …}}',
    ),
    "no_events_list": (
        '`events` is not a list: send {{"events": [...]}}',
        '`events` n’est pas une liste : envoyez {{"events": [...]}}',
    ),
    "no_events": (
        "there are neither `events` nor `user_properties`: send one of them",
        "il n’y a ni `events` ni `user_properties` : envoyez l’un des deux",
    ),
    # ── Matomo ──
    "no_requests": (
        '`requests` is not a list of query strings: send {{"requests": ["?idsite=…"]}}',
        '`requests` n’est pas une liste de requêtes : envoyez {{"requests": ["?idsite=…"]}}',
    ),
    "no_request": (
        "a request of a bulk is a query string or an object, and this is {found}: send one of them",
        "une requête d’un lot est une chaîne ou un objet, et ceci est {found} : envoyez l’un des deux",
    ),
    "no_items": (
        "`ec_items` is not a list of lists in JSON: write [[sku, name, category, price, quantity], …]",
        "`ec_items` n’est pas une liste de listes en JSON : écrivez [[sku, name, category, price, quantity], …]",
    ),
    # ── Mixpanel ──
    "$append": (
        "`$append` adds to a list, and a trait has one value: send an event, or the whole list with `$set`",
        "`$append` ajoute à une liste, et un trait n’a qu’une valeur : envoyez un événement, "
        "ou toute la liste avec `$set`",
    ),
    "$union": (
        "`$union` adds to a list, and a trait has one value: send the whole list with `$set`",
        "`$union` ajoute à une liste, et un trait n’a qu’une valeur : envoyez toute la liste avec `$set`",
    ),
    "$remove": (
        "`$remove` removes from a list, and a trait has one value: send the whole list with `$set`",
        "`$remove` retire d’une liste, et un trait n’a qu’une valeur : envoyez toute la liste avec `$set`",
    ),
    "$delete": (
        "`$delete` deletes somebody, which a tracker may not: do it where your data is kept",
        "`$delete` supprime quelqu’un, ce qu’un traceur ne peut pas : faites-le là où vos données sont tenues",
    ),
    "which_update": (
        "the update says {said}: say one of them in each",
        "la mise à jour dit {said} : dites-en un seul dans chacune",
    ),
    "add_numbers": (
        "`$add` adds numbers only: give numbers",
        "`$add` n’ajoute que des nombres : donnez des nombres",
    ),
    "unset_names": ('`$unset` is a list of names: give ["name"]', '`$unset` est une liste de noms : donnez ["nom"]'),
    "two_ids": (
        "`$distinct_ids` is a list of two identifiers: give both",
        "`$distinct_ids` est une liste de deux identifiants : donnez les deux",
    ),
    "no_data": (
        "`data` is neither JSON nor JSON in base64: send one of them",
        "`data` n’est ni du JSON ni du JSON en base64 : envoyez l’un des deux",
    ),
    "no_form": (
        "there is neither JSON nor a form with `data`: send one of them",
        "il n’y a ni JSON ni formulaire avec `data` : envoyez l’un des deux",
    ),
    # ── bodies ──
    "no_batch": (
        '`batch` is not a list of events: send {{"batch": [...]}}',
        '`batch` n’est pas une liste d’événements : envoyez {{"batch": [...]}}',
    ),
    "body_no_object": (
        "the body is not an object: send {example}",
        "le corps n’est pas un objet : envoyez {example}",
    ),
    "not_json": (
        "the body is not JSON{place}: send JSON",
        "le corps n’est pas du JSON{place} : envoyez du JSON",
    ),
    "too_deep": (
        "the body nests too deeply: send flatter objects",
        "le corps est imbriqué trop profondément : envoyez des objets plus plats",
    ),
    "not_utf8": (
        "the body is not UTF-8 text (byte {place}): send UTF-8, as it is or as gzip or deflate",
        "le corps n’est pas du texte UTF-8 (octet {place}) : envoyez de l’UTF-8, tel quel, en gzip ou en deflate",
    ),
    "damaged": (
        "the compressed body is damaged: send it again",
        "le corps compressé est abîmé : renvoyez-le",
    ),
    "too_short": (
        "the compressed body ends too early: send it again as a whole",
        "le corps compressé finit trop tôt : renvoyez-le en entier",
    ),
    "inflates": (
        "the body inflates to more than {most} bytes: send fewer events at once",
        "le corps décompressé a plus de {most} octets : envoyez moins d’événements à la fois",
    ),
    "large_body": (
        "the body is larger than {most} bytes: send fewer events at once",
        "le corps a plus de {most} octets : envoyez moins d’événements à la fois",
    ),
    "large_request": (
        "the request is larger than {most} bytes: send fewer events at once",
        "la requête a plus de {most} octets : envoyez moins d’événements à la fois",
    ),
    "large_records": (
        "the records of the request are larger than {most} bytes together: send fewer events at once",
        "les enregistrements de la requête ont plus de {most} octets ensemble : envoyez moins d’événements à la fois",
    ),
    "slow_body": (
        "the body took longer than {seconds} seconds: send it again",
        "le corps a mis plus de {seconds} secondes : renvoyez-le",
    ),
    "form_not_utf8": (
        "a form or query string is not UTF-8 text: write it in UTF-8",
        "un formulaire ou une chaîne de requête n’est pas du texte UTF-8 : écrivez-le en UTF-8",
    ),
    "form_fields": (
        "a form or query string has more than {most} fields: send fewer",
        "un formulaire ou une chaîne de requête a plus de {most} champs : envoyez-en moins",
    ),
    # ── requests ──
    "unknown_key": (
        "unknown write key: use one of the `write_keys` of a source",
        "clé d’écriture inconnue : prenez l’une des `write_keys` d’une source",
    ),
    "rate_limit": (
        "too many events for this write key: send them again after {seconds} s",
        "trop d’événements pour cette clé d’écriture : renvoyez-les après {seconds} s",
    ),
    "not_found": (
        "nothing is collected at {path}: send to the address of your client's protocol, such as /v1/batch or /track",
        "rien n’est collecté à {path} : envoyez à l’adresse du protocole de votre client, comme /v1/batch ou /track",
    ),
    "method": ("this address takes {methods}: use that", "cette adresse accepte {methods} : employez-le"),
    "full": (
        "the log takes no more for now: send it again after {seconds} s",
        "le journal n’accepte plus rien pour l’instant : renvoyez après {seconds} s",
    ),
    "log": (
        "the log cannot be written for now: send it again after {seconds} s",
        "le journal ne peut s’écrire pour l’instant : renvoyez après {seconds} s",
    ),
}

FOUND: dict[str, Both] = {
    "truth": ("true or false", "vrai ou faux"),
    "text": ("a text", "un texte"),
    "number": ("a number", "un nombre"),
    "list": ("a list", "une liste"),
    "null": ("null", "null"),
    "object": ("an object", "un objet"),
}


def reason(key: str, /, **values: Any) -> str:
    """A reason in both languages; a value that is a pair is said in each."""
    return " / ".join(
        text.format(**{name: value[place] if isinstance(value, tuple) else value for name, value in values.items()})
        for place, text in enumerate(REASONS[key])
    )


def found(value: Any) -> Both:
    """What kind of JSON value it is."""
    match value:
        case bool():
            return FOUND["truth"]
        case str():
            return FOUND["text"]
        case int() | float():
            return FOUND["number"]
        case list():
            return FOUND["list"]
        case None:
            return FOUND["null"]
    return FOUND["object"]
