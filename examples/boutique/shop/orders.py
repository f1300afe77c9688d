"""Orders of one day, in the web shop and over the counter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shop import french
from shop.behaviours import OPEN_HOURS, PROMO_HUNTERS, cumulated, date_of, each, is_promotion
from shop.days import Shop, chosen, drawn, instants, moments, sent_twice, wall_seconds
from shop.people import account_id, client_id

PER_CATEGORY = 5
NAMES = pa.array([name for name, _ in french.PRODUCTS])
PRICES = np.array([price for _, price in french.PRODUCTS], dtype=np.float64)
ABSURD_AMOUNT = 999_999.0
ABSURD_SHARE = 0.0005
REPEATED_SHARE = 0.003


class Orders(NamedTuple):
    """Row of the buyer, whether it was placed online, with which of the buyer's cards or accounts, local second."""

    who: np.ndarray
    online: np.ndarray
    copy: np.ndarray
    seconds: np.ndarray


def orders(shop: Shop, day: int) -> Orders:
    rng = shop.random("orders", day)
    who = drawn(rng, shop.order_rates(day))
    people = shop.people.take(who)
    online = people.in_shop & (~people.in_crm | (rng.random(len(who)) < each("online")[people.behaviour]))
    doors = np.cumsum(OPEN_HOURS) / sum(OPEN_HOURS)
    times = np.where(online[:, None], cumulated("hours")[people.behaviour], doors)
    second = np.where(online, people.second_account, people.second_client)
    copy = (second <= day) & (rng.random(len(who)) < 0.5)
    seconds = wall_seconds(rng, times)
    by_time = np.argsort(seconds, kind="stable")
    return Orders(who[by_time], online[by_time], copy[by_time].astype(int), seconds[by_time])


def order_lines(shop: Shop, day: int, orders: Orders) -> pa.Table:
    """One row per line of an order. A few rows come twice, and a few amounts are absurd."""
    rng = shop.random("lines", day)
    behaviour = shop.people.behaviour[orders.who]
    n_lines = 1 + rng.poisson(each("lines")[behaviour])
    order = np.repeat(np.arange(len(n_lines)), n_lines)
    line = 1 + np.arange(len(order)) - np.repeat(np.cumsum(n_lines) - n_lines, n_lines)
    category, product, quantity, amount, discount = _basket(rng, behaviour[order], day)
    at = instants(day, orders.seconds)[order]
    tonight = instants(day, np.array([23.5 * 3600]))  # tills send their day in the evening
    online, copy = orders.online[order], orders.copy[order]
    person = shop.people.person[orders.who[order]]
    is_online = pa.array(online)
    table = pa.table(
        {
            "order_id": pa.array(int(f"{date_of(day):%Y%m%d}") * 10**6 + order).cast(pa.string()),
            "line": pa.array(line),
            "account_id": pc.if_else(is_online, account_id(person, copy), None),
            "client_id": pc.if_else(is_online, None, client_id(person, copy)),
            "ordered_at": moments(at),
            "received_at": moments(np.where(online, at + np.timedelta64(20, "s"), np.maximum(at, tonight))),
            "category": pa.array(french.CATEGORIES).take(pa.array(category)),
            "product": NAMES.take(pa.array(product)),
            "quantity": pa.array(quantity),
            "amount": pa.array(amount),
            "discount": pa.array(discount),
        }
    )
    return sent_twice(rng, table, REPEATED_SHARE)


def _basket(rng: np.random.Generator, behaviour: np.ndarray, day: int) -> tuple[np.ndarray, ...]:
    size = len(behaviour)
    category = chosen(rng, cumulated("categories")[behaviour])
    product = category * PER_CATEGORY + rng.integers(0, PER_CATEGORY, size)
    quantity = 1 + (rng.random(size) < 0.15)
    hunts = behaviour == PROMO_HUNTERS
    is_reduced = rng.random(size) < np.where(hunts, 0.95, 0.25 if is_promotion(day) else 0.04)
    rate = is_reduced * np.where(hunts, rng.choice([0.3, 0.4, 0.5], size), rng.choice([0.1, 0.2], size))
    full = PRICES[product] * quantity
    discount = np.round(full * rate, 2)
    amount = np.where(rng.random(size) < ABSURD_SHARE, ABSURD_AMOUNT, np.round(full - discount, 2))
    return category, product, quantity, amount, discount


def catalogue() -> pa.Table:
    """The plain table of products: category, family, price and margin (share of the price)."""
    category = np.repeat(np.arange(len(french.CATEGORIES)), PER_CATEGORY)
    return pa.table(
        {
            "product": NAMES,
            "category": pa.array(french.CATEGORIES).take(pa.array(category)),
            "family": pa.array(french.FAMILIES).take(pa.array(category)),
            "price": pa.array(PRICES),
            "margin": pa.array(french.MARGINS).take(pa.array(category)),
        }
    )
