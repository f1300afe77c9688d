"""What was planted, as of a day: who is who, how they behave, and who is going to buy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shop.behaviours import NAMES, OPENING
from shop.days import Shop
from shop.orders import orders

HORIZON_DAYS = 60


def people_as_of(shop: Shop, day: int) -> pa.Table:
    """One row per person who has joined by the end of ``day``.

    true_person, behaviour, joined_on, in_crm, in_shop, has_email, buys_probability (of ordering at least once in the
    next 60 days, from the very rates that orders are drawn at), buys (whether that happens).
    """
    coming = range(day + 1, day + 1 + HORIZON_DAYS)
    expected = np.sum([shop.order_rates(when) for when in coming], axis=0)
    buys = np.zeros(len(shop.people), bool)
    for when in coming:
        buys[orders(shop, when).who] = True
    rows = np.flatnonzero(shop.people.joined <= day)
    people = shop.people.take(rows)
    return pa.table(
        {
            "true_person": pa.array(people.person),
            "behaviour": pa.array(NAMES).take(pa.array(people.behaviour)),
            "joined_on": pa.array(np.datetime64(OPENING) + people.joined.astype("timedelta64[D]")),
            "in_crm": pa.array(people.in_crm),
            "in_shop": pa.array(people.in_shop),
            "has_email": pa.array(people.has_email),
            "buys_probability": pa.array(1 - np.exp(-expected[rows])),
            "buys": pa.array(buys[rows]),
        }
    )
