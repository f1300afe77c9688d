"""The cards of the CRM and the accounts of the web shop, as untidy as such exports are.

``PLANTED`` says what share of the rows has which defect: missing of all, absurd or mistyped of those that have a value.
The identifiers of twins (two cards or accounts of one person) are spared, so that their link stays. Each row's versions
carry the day numbers ``_day`` (the export that first holds it) and ``_until`` (the one in which a later version
replaces it).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shop import french
from shop.behaviours import NEVER, OPENING, REFERENCE
from shop.days import instants, iso
from shop.people import People, account_id, client_id, cookie, email, joined_text, phone

PLANTED = {
    "second_client": 0.06,  # of the people in the CRM: another card, sharing the e-mail address or the phone
    "second_account": 0.04,  # of the people in the shop: another account, likewise
    "crm_other_email": 0.08,  # of the cards of people who are in the shop under their own address
    "crm_missing_phone": 0.15,
    "crm_absurd_phone": 0.01,  # 0000000000
    "crm_absurd_email": 0.01,  # test@test.com or null
    "crm_mistyped_email": 0.015,
    "crm_missing_birth": 0.10,
    "crm_absurd_birth": 0.01,  # 1850
    "crm_missing_income": 0.40,
    "crm_absurd_income": 0.005,  # 9999999
    "crm_mistyped_name": 0.02,
    "crm_upper_name": 0.10,
    "moved": 0.15,  # a second version of the card, with another address
    "shop_missing_phone": 0.30,  # until, for half of them, it is given later
    "shop_upper_email": 0.05,
}
FRENCH_DATE = "%d/%m/%Y"


class _Dice:
    """Draws of one chunk: a flag per row at a planted share."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng, self.size = rng, size

    def __call__(self, share: float | str) -> np.ndarray:
        return self.rng.random(self.size) < (PLANTED[share] if isinstance(share, str) else share)

    def pick(self, values: list[str] | tuple[str, ...]) -> pa.Array:
        return pa.array(values).take(pa.array(self.rng.integers(0, len(values), self.size)))


def cards(rng: np.random.Generator, people: People) -> tuple[pa.Table, pa.Table]:
    """CRM cards of these people in all their versions, and whose each identifier on them is (see ``_owners``)."""
    rows, copy = _with_copies(people.in_crm, people.second_client)
    own, dice = people.take(rows), _Dice(rng, len(rows))
    created = np.where(copy == 1, own.second_client, own.joined)
    shown_email, true_email = _crm_email(dice, own, copy)
    shown_phone, true_phone = _crm_phone(dice, own)
    number = client_id(own.person, copy)
    sexes = rng.integers(0, 3, dice.size) + np.where(own.first_name < len(french.WOMEN), 0, 3)
    steady = pa.table(
        {
            "client_id": number,
            "prenom": _name(dice, french.FIRST_NAMES, own.first_name),
            "nom": _name(dice, french.LAST_NAMES, own.last_name),
            "email": shown_email,
            "telephone": shown_phone,
            "naissance": _births(dice),
            "sexe": pa.array(["F", "f", "Mme", "H", "M", "M."]).take(pa.array(sexes)),
            "revenu": _incomes(dice),
            "cree_le": pc.strftime(_dates(created), format=FRENCH_DATE),
        }
    )
    changed = _some_time_after(rng, created, dice("moved"))
    table = _versions(steady, (_places(dice), _places(dice)), created, changed, "modifie_le")
    return table, _owners(own.person, client_id=number, email=true_email, phone=true_phone)


def accounts(rng: np.random.Generator, people: People) -> tuple[pa.Table, pa.Table]:
    """Shop accounts of these people in all their versions, and whose each identifier on them is."""
    rows, copy = _with_copies(people.in_shop, people.second_account)
    own, dice = people.take(rows), _Dice(rng, len(rows))
    created = np.where(copy == 1, own.second_account, own.joined)
    is_twin = own.second_account < NEVER
    number = account_id(own.person, copy)
    address = email(own, (copy == 1) & dice(0.5))  # a second account under the same address differs in case
    is_upper = (copy == 1) | dice("shop_upper_email")
    digits = phone(own.phone_owner)
    no_phone = dice("shop_missing_phone") & ~is_twin
    given = _some_time_after(rng, created, no_phone & dice(0.5))
    steady = pa.table(
        {
            "account_id": number,
            "email": _where(is_upper, pc.utf8_upper(address), address),
            "first_name": pa.array(french.FIRST_NAMES).take(pa.array(own.first_name)),
            "last_name": pa.array(french.LAST_NAMES).take(pa.array(own.last_name)),
            "newsletter": pa.array(own.is_subscribed),
            "created_at": _noon(created),
        }
    )
    written = _written(dice, digits)
    before, after = pa.table({"phone": _where(no_phone, None, written)}), pa.table({"phone": written})
    table = _versions(steady, (before, after), created, given, "updated_at")
    true_phone = _where(no_phone & (given == NEVER), None, joined_text("+33", digits))
    return table, _owners(own.person, account_id=number, email=address, phone=true_phone)


def addresses(people: People) -> pa.Table:
    """Whose each person's own e-mail address is, to which newsletters and surveys go."""
    known = people.take(np.flatnonzero(people.has_email))
    return _owners(known.person, email=email(known, np.zeros(len(known))))


def cookies(people: People) -> pa.Table:
    """Whose each cookie is: one per device, and another once the person has cleared them."""
    person = np.repeat(people.person, 6)
    slot = np.tile(np.arange(6), len(people))
    return _owners(person, cookie=cookie(person, slot // 2, slot % 2))


# ── what stands on a CRM card: as shown, and the value by which its person is meant ─────────────────────────────────


def _crm_email(dice: _Dice, own: People, copy: np.ndarray) -> tuple[pa.Array, pa.Array]:
    is_twin = own.second_client < NEVER  # the link between two cards is kept intact
    other = np.where(copy == 1, dice(0.5), dice("crm_other_email") & own.in_shop & ~is_twin)
    mistyped = dice("crm_mistyped_email") & ~is_twin
    missing, absurd = ~own.has_email & ~is_twin, dice("crm_absurd_email") & ~is_twin
    address = _where(mistyped, email(own, other, french.MISTYPED_DOMAINS), email(own, other))
    untidy = _where(dice(0.1), pc.utf8_capitalize(address), address)
    untidy = _where(dice(0.03), joined_text(untidy, " "), untidy)
    shown = _where(missing, None, _where(absurd, dice.pick(("test@test.com", "null")), untidy))
    return shown, _where(missing | absurd, None, address)


def _crm_phone(dice: _Dice, own: People) -> tuple[pa.Array, pa.Array]:
    is_twin = own.second_client < NEVER
    digits = phone(own.phone_owner)
    missing, absurd = dice("crm_missing_phone") & ~is_twin, dice("crm_absurd_phone") & ~is_twin
    shown = _where(missing, None, _where(absurd, pa.scalar("0000000000"), _written(dice, digits)))
    return shown, _where(missing | absurd, None, joined_text("+33", digits))


def _written(dice: _Dice, digits: pa.Array) -> pa.Array:
    """Nine national digits in one of the ways people write a French number."""
    way = dice.rng.integers(0, 6, dice.size)
    pairs = [pc.utf8_slice_codeunits(digits, at, at + 2) for at in (1, 3, 5, 7)]
    six = pc.utf8_slice_codeunits(digits, 0, 1)
    ways = (
        pc.binary_join_element_wise(joined_text("0", six), *pairs, " "),
        pc.binary_join_element_wise(joined_text("0", six), *pairs, "."),
        joined_text("0", digits),
        joined_text("+33", digits),
        pc.binary_join_element_wise("+33", six, *pairs, " "),
        joined_text("0033", digits),
    )
    return pc.choose(pa.array(way), *ways)


def _name(dice: _Dice, names: list[str], index: np.ndarray) -> pa.Array:
    name = pa.array(names).take(pa.array(index))
    name = _where(dice("crm_mistyped_name"), pc.utf8_replace_slice(name, 1, 2, ""), name)
    return _where(dice("crm_upper_name"), pc.utf8_upper(name), name)


def _births(dice: _Dice) -> pa.Array:
    age = (dice.rng.normal(46, 15, dice.size).clip(18, 92) * 365.25).astype("timedelta64[D]")
    born = np.where(dice("crm_absurd_birth"), np.datetime64("1850-01-01"), np.datetime64("2026-01-01") - age)
    return _where(dice("crm_missing_birth"), None, pc.strftime(pa.array(born), format=FRENCH_DATE))


def _incomes(dice: _Dice) -> pa.Array:
    income = np.round(dice.rng.lognormal(10.2, 0.45, dice.size), -2).astype(np.int64)
    income = np.where(dice("crm_absurd_income"), 9_999_999, income)
    return _where(dice("crm_missing_income"), None, pa.array(income))


def _places(dice: _Dice) -> pa.Table:
    number = pa.array(dice.rng.integers(1, 120, dice.size)).cast(pa.string())
    city = pa.array(dice.rng.integers(0, len(french.CITIES), dice.size))
    name = pa.array([name for _, name in french.CITIES]).take(city)
    return pa.table(
        {
            "adresse": pc.binary_join_element_wise(number, dice.pick(french.STREETS), " "),
            "code_postal": pa.array([code for code, _ in french.CITIES]).take(city),
            "ville": _where(dice(0.1), pc.utf8_upper(name), name),
        }
    )


# ── rows and versions ───────────────────────────────────────────────────────────────────────────────────────────────


def _with_copies(present: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of people, one per card: everybody's first, then the second ones; and which of the two it is."""
    first, again = np.flatnonzero(present), np.flatnonzero(second < NEVER)
    return np.concatenate([first, again]), np.repeat([0, 1], [len(first), len(again)])


def _some_time_after(rng: np.random.Generator, created: np.ndarray, happens: np.ndarray) -> np.ndarray:
    later = rng.integers(np.maximum(created, -60) + 10, REFERENCE + 120)
    return np.where(happens, later, NEVER)


def _versions(
    steady: pa.Table, changing: tuple[pa.Table, pa.Table], created: np.ndarray, changed: np.ndarray, stamp: str
) -> pa.Table:
    """Each row as it was made and, where it changes on a later day, as it is from then on."""
    again = np.flatnonzero(changed < NEVER)
    day = np.concatenate([created, changed[again]]).astype(np.int64)
    until = np.concatenate([changed, np.full(len(again), NEVER)]).astype(np.int64)
    before, after = (_beside(steady, part) for part in changing)
    table = pa.concat_tables([before, after.take(again)])
    return (
        table.append_column(stamp, _noon(day))
        .append_column("_day", pa.array(day))
        .append_column("_until", pa.array(until))
    )


def _beside(left: pa.Table, right: pa.Table) -> pa.Table:
    for name in right.column_names:
        left = left.append_column(name, right[name])
    return left


def _owners(person: np.ndarray, **values: pa.Array) -> pa.Table:
    """kind, value (as cleaning makes it uniform), true_person; without the values that are missing."""
    parts = [
        pa.table({"kind": pa.repeat(kind, len(value)), "value": value, "true_person": pa.array(person)})
        for kind, value in values.items()
    ]
    whole = pa.concat_tables(parts)
    return whole.filter(pc.is_valid(whole["value"]))


def _where(mask: np.ndarray, yes: pa.Array | pa.Scalar | None, no: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(mask), pa.scalar(None, no.type) if yes is None else yes, no)


def _dates(day: np.ndarray) -> pa.Array:
    return pa.array(np.datetime64(OPENING) + day.astype("timedelta64[D]"))


def _noon(day: np.ndarray) -> pa.Array:
    """ISO instants of noon in Paris on the days of these numbers."""
    days, place = np.unique(day, return_inverse=True)
    noons = np.array([instants(when, np.array([12 * 3600]))[0] for when in days], "datetime64[us]")
    return iso(noons[place])
