"""The true people: numbers only, one array per attribute, made in chunks so that any number of them fits.

What is text (names, addresses, e-mail) follows from the numbers and is made where it is written.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shop import french
from shop.behaviours import DORMANT, NEVER, NEW, PROSPECTS, REFERENCE, VISITORS, each

CHUNK = 50_000
MIXER = 2_654_435_761  # odd and no multiple of 5: multiplying by it modulo a power of ten repeats nothing


@dataclass(frozen=True)
class People:
    """person is the true person's number; days are numbers, NEVER when it does not happen."""

    person: np.ndarray
    behaviour: np.ndarray
    eagerness: np.ndarray  # around 1: multiplies the behaviour's orders and visits
    joined: np.ndarray
    stopped: np.ndarray  # from this day on neither buys nor visits nor opens
    in_crm: np.ndarray  # everybody but visitors is in the CRM, in the web shop, or in both
    in_shop: np.ndarray
    second_client: np.ndarray  # day on which a duplicate CRM card is made
    second_account: np.ndarray
    has_email: np.ndarray  # the address is known to the CRM or the web shop
    is_subscribed: np.ndarray
    unsubscribed: np.ndarray
    is_tracked: np.ndarray  # consents to ads and profiling
    renewed: np.ndarray  # day on which the browser's cookies are cleared
    first_name: np.ndarray
    last_name: np.ndarray
    domain: np.ndarray
    phone_owner: np.ndarray  # whose phone it is: one in a hundred shares the previous person's

    def __len__(self) -> int:
        return len(self.person)

    def take(self, rows: np.ndarray) -> People:
        return People(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    def chunks(self) -> list[People]:
        return [self.take(np.arange(at, min(at + CHUNK, len(self)))) for at in range(0, len(self), CHUNK)]


def populate(seed: int, n_people: int) -> People:
    """All people of a seed, n_people of them (about 2 % join after the reference day)."""
    seeds = np.random.SeedSequence([seed, 0]).spawn(-(-n_people // CHUNK))
    parts = [
        _chunk(np.random.default_rng(own), np.arange(at * CHUNK, min((at + 1) * CHUNK, n_people)))
        for at, own in enumerate(seeds)
    ]
    return People(
        **{item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(People)}
    )


def _chunk(rng: np.random.Generator, person: np.ndarray) -> People:
    size = len(person)
    shares = each("share")
    behaviour = rng.choice(len(shares), size, p=shares / shares.sum()).astype(np.int8)
    joined = np.where(
        np.isin(behaviour, (NEW, PROSPECTS)),
        rng.integers(REFERENCE - 74, REFERENCE + 14, size),
        rng.integers(-300, REFERENCE - 390, size),
    ).astype(np.int16)
    stopped = np.where(behaviour == DORMANT, rng.integers(REFERENCE - 360, REFERENCE - 270, size), NEVER)
    known = behaviour != VISITORS
    in_shop = known & (rng.random(size) < 0.75)
    in_crm = known & (~in_shop | (rng.random(size) < 0.5))
    is_subscribed = known & (rng.random(size) < each("subscribed")[behaviour])
    return People(
        person=person,
        behaviour=behaviour,
        eagerness=rng.lognormal(-0.0113, 0.15, size).astype(np.float32),
        joined=joined,
        stopped=stopped.astype(np.int16),
        in_crm=in_crm,
        in_shop=in_shop,
        second_client=_some_day_later(rng, joined, in_crm, 0.06),
        second_account=_some_day_later(rng, joined, in_shop, 0.04),
        has_email=in_shop | is_subscribed | (known & (rng.random(size) < 0.6)),
        is_subscribed=is_subscribed,
        unsubscribed=_some_day_later(rng, joined, is_subscribed, 0.08),
        is_tracked=rng.random(size) < 0.6,
        renewed=rng.integers(0, REFERENCE + 300, size).astype(np.int16),
        first_name=rng.integers(0, len(french.FIRST_NAMES), size).astype(np.int16),
        last_name=rng.integers(0, len(french.LAST_NAMES), size).astype(np.int16),
        domain=rng.integers(0, len(french.DOMAINS), size).astype(np.int8),
        phone_owner=np.where(rng.random(size) < 0.01, np.maximum(person - 1, person[0]), person),
    )


def _some_day_later(rng: np.random.Generator, joined: np.ndarray, possible: np.ndarray, share: float) -> np.ndarray:
    happens = possible & (rng.random(len(joined)) < share)
    later = rng.integers(np.maximum(joined, -60) + 5, REFERENCE + 90)
    return np.where(happens, later, NEVER).astype(np.int16)


# ── what identifies them; copy 0 is the first of a person's cards, accounts, addresses or phones, 1 the second ──────


def joined_text(*parts: pa.Array | str) -> pa.Array:
    """Texts put together row by row."""
    return pc.binary_join_element_wise(*parts, "")


def client_id(person: np.ndarray, copy: np.ndarray) -> pa.Array:
    return joined_text("C", _shuffled(person * 2 + copy, 10**8))


def account_id(person: np.ndarray, copy: np.ndarray) -> pa.Array:
    return joined_text("A", _shuffled(person * 2 + copy + 3_000_017, 10**8))


def cookie(person: np.ndarray, device: np.ndarray, is_renewed: np.ndarray) -> pa.Array:
    return joined_text("ck", _shuffled(person * 6 + device * 2 + is_renewed, 10**12))


def _shuffled(number: np.ndarray, size: int) -> pa.Array:
    return pa.array(size + number.astype(np.int64) * MIXER % size).cast(pa.string())


ASCII_NAMES = {
    "first": pc.ascii_lower(pc.utf8_normalize(pa.array(french.FIRST_NAMES), form="NFKD")),
    "last": pc.ascii_lower(pc.utf8_normalize(pa.array(french.LAST_NAMES), form="NFKD")),
}
ASCII_NAMES = {key: pc.replace_substring_regex(names, r"[^a-z]", "") for key, names in ASCII_NAMES.items()}


def email(people: People, copy: np.ndarray, domains: tuple[str, ...] = french.DOMAINS) -> pa.Array:
    """The person's own address (copy 0: prenom.nom…) or another one (copy 1: nom.prenom…)."""
    first = ASCII_NAMES["first"].take(pa.array(people.first_name))
    last = ASCII_NAMES["last"].take(pa.array(people.last_name))
    is_own = pa.array(copy == 0)
    number = pa.array(people.person).cast(pa.string())
    domain = pa.array(domains).take(pa.array(people.domain))
    return joined_text(pc.if_else(is_own, first, last), ".", pc.if_else(is_own, last, first), number, "@", domain)


def phone(owner: np.ndarray) -> pa.Array:
    """The nine national digits of a mobile number that nobody else has: 6, a digit other than 3 and 9, seven more."""
    number = owner.astype(np.int64) * 7_368_787 % 80_000_000
    leading = np.array([60, 61, 62, 64, 65, 66, 67, 68])[number // 10_000_000]
    return pa.array(leading * 10_000_000 + number % 10_000_000).cast(pa.string())
