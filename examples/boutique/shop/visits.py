"""Web sessions and ad clicks of one day, known by the browser's cookie and, once logged in, by the account."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shop import french
from shop.behaviours import DEVICES, PROMO_HUNTERS, cumulated, date_of
from shop.days import LAST_SECOND, Shop, chosen, drawn, instants, moments, sent_twice, wall_seconds
from shop.orders import Orders
from shop.people import account_id, cookie

LOGGED_IN = 0.4
FROM_EMAIL = french.SOURCES.index("e-mail")
FROM_COMPARISON = french.SOURCES.index("comparateur")
REPEATED_SHARE = 0.002


def sessions(shop: Shop, day: int, orders: Orders, clickers: np.ndarray, clicked: np.ndarray) -> pa.Table:
    """Browsing, the session in which each online order is placed (logged in), and one per click in an e-mail.

    clickers, clicked : rows of those who clicked, and the local second of the click
    """
    rng, people = shop.random("sessions", day), shop.people
    browsing = drawn(rng, shop.daily("visits") * people.eagerness * shop.is_active(day))
    times = wall_seconds(rng, cumulated("hours")[people.behaviour[browsing]])
    online = np.flatnonzero(orders.online)
    who = np.concatenate([browsing, orders.who[online], clickers])
    seconds = np.concatenate([times, np.maximum(0, orders.seconds[online] - 600), clicked])
    kind = np.repeat([0, 1, 2], [len(browsing), len(online), len(clickers)])
    copy = np.concatenate([np.zeros(len(browsing), int), orders.copy[online], np.zeros(len(clickers), int)])

    size, behaviour = len(who), people.behaviour[who]
    device = chosen(rng, cumulated("devices")[behaviour])
    is_logged_in = people.in_shop[who] & ((kind == 1) | (rng.random(size) < LOGGED_IN))
    source = rng.choice([0, 0, 1, 1, 1, 3, 5], size)
    source = np.where((behaviour == PROMO_HUNTERS) & (rng.random(size) < 0.6), FROM_COMPARISON, source)
    source = np.where(kind == 2, FROM_EMAIL, source)
    views = 1 + rng.poisson(np.where(kind == 1, 9, 4), size)
    by_time = np.argsort(seconds, kind="stable")
    table = pa.table(
        {
            "cookie": cookie(people.person[who], device, people.renewed[who] <= day),
            "account_id": pc.if_else(pa.array(is_logged_in), account_id(people.person[who], copy), None),
            "started_at": moments(instants(day, np.minimum(seconds, LAST_SECOND))),
            "device": pa.array(DEVICES).take(pa.array(device)),
            "page_views": pa.array(views),
            "category": pa.array(french.CATEGORIES).take(pa.array(chosen(rng, cumulated("categories")[behaviour]))),
            "source": pa.array(french.SOURCES).take(pa.array(source)),
        }
    ).take(by_time)
    number = pa.array(int(f"{date_of(day):%Y%m%d}") * 10**7 + np.arange(size)).cast(pa.string())
    return sent_twice(rng, table.add_column(0, "session_id", number), REPEATED_SHARE)


def ad_clicks(shop: Shop, day: int) -> pa.Table:
    """Clicks on advertisements, by those who consent to being tracked."""
    rng, people = shop.random("ads", day), shop.people
    who = drawn(rng, shop.daily("ads") * people.is_tracked * shop.is_active(day))
    seconds = np.sort(wall_seconds(rng, cumulated("hours")[people.behaviour[who]]))
    device = chosen(rng, cumulated("devices")[people.behaviour[who]])
    platform = pa.array(french.PLATFORMS).take(pa.array(rng.choice([0, 0, 1, 1, 2], len(who))))
    return pa.table(
        {
            "cookie": cookie(people.person[who], device, people.renewed[who] <= day),
            "platform": platform,
            "campaign": pc.binary_join_element_wise(platform, f"{date_of(day):%Y-%m}", "-"),
            "cost": pa.array(np.round(rng.gamma(4, 0.11, len(who)) + 0.05, 2)),
            "clicked_at": moments(instants(day, seconds)),
        }
    )
