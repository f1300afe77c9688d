"""E-mails, survey answers and consents of one day, known by the e-mail address."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from shop import french
from shop.behaviours import NEVER, date_of, each
from shop.days import LAST_SECOND, Shop, instants, iso
from shop.orders import Orders
from shop.people import People, email

MAILING_DAYS = 28  # everybody who subscribed gets a newsletter that often, each on a day of their own
ENGAGED_DAYS = 30
ANSWERING = 0.03  # of orders
PURPOSES = ("newsletter", "ads", "profiling")


class Mail(NamedTuple):
    """Rows of people and local seconds, per kind of e-mail event; a click is also an open."""

    sent: tuple[np.ndarray, np.ndarray]
    opened: tuple[np.ndarray, np.ndarray]
    clicked: tuple[np.ndarray, np.ndarray]
    unsubscribed: tuple[np.ndarray, np.ndarray]


def mail(shop: Shop, day: int) -> Mail:
    """Who was sent the newsletter that day and what they did with it before midnight."""
    rng, people = shop.random("emails", day), shop.people
    period = max(1, round(MAILING_DAYS / shop.intensity))
    subscribes = people.is_subscribed & (people.joined <= day) & (day < people.unsubscribed)
    sent = np.flatnonzero(subscribes & ((people.person + day) % period == 0))
    sent_at = rng.integers(8 * 3600, 10 * 3600, len(sent))
    chance = each("opens")[people.behaviour[sent]] * (people.stopped[sent] > day)
    opens = rng.random(len(sent)) < chance
    opened_at = sent_at + 60 + rng.exponential(3 * 3600, len(sent)).astype(int)
    clicks = opens & (rng.random(len(sent)) < each("clicks")[people.behaviour[sent]])
    clicked_at = opened_at + rng.integers(5, 300, len(sent))
    leavers = np.flatnonzero((people.unsubscribed == day) & (people.joined <= day))
    left_at = rng.integers(8 * 3600, 22 * 3600, len(leavers))
    return Mail(
        (sent, sent_at),
        (sent[opens], np.minimum(opened_at[opens], LAST_SECOND)),
        (sent[clicks], np.minimum(clicked_at[clicks], LAST_SECOND)),
        (leavers, left_at),
    )


def mail_events(shop: Shop, day: int, mail: Mail) -> pa.Table:
    """One row per e-mail event: type, email, campaign, at."""
    rows = np.concatenate([who for who, _ in mail])
    seconds = np.concatenate([seconds for _, seconds in mail])
    kind = np.repeat(np.arange(len(mail)), [len(who) for who, _ in mail])
    by_time = np.argsort(seconds, kind="stable")
    rows, seconds, kind = rows[by_time], seconds[by_time], kind[by_time]
    return pa.table(
        {
            "type": pa.array(Mail._fields).take(pa.array(kind)),
            "email": email(shop.people.take(rows), np.zeros(len(rows))),
            "campaign": pa.repeat(f"newsletter-{date_of(day):%Y-%m}", len(rows)),
            "at": iso(instants(day, seconds)),
        }
    )


class Engagement:
    """Who opened an e-mail within the last 30 days, as the e-mail tool sees it each evening."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._openers: dict[int, np.ndarray] = {}

    def is_engaged(self, day: int) -> np.ndarray:
        engaged = np.zeros(len(self.shop.people), bool)
        self._openers = {past: rows for past, rows in self._openers.items() if day - past <= ENGAGED_DAYS}
        for past in range(day - ENGAGED_DAYS + 1, day + 1):
            if past not in self._openers:
                self._openers[past] = mail(self.shop, past).opened[0]
            engaged[self._openers[past]] = True
        return engaged

    def export(self, day: int, *, only_changes: bool) -> pa.Table:
        """The tool's contacts at the end of ``day``: all of them, or those that changed since the evening before."""
        people = self.shop.people
        before, now = self.is_engaged(day - 1), self.is_engaged(day)
        is_contact = people.is_subscribed & (people.joined <= day)
        changed = (before != now) | (people.unsubscribed == day) | (people.joined == day)
        rows = np.flatnonzero(is_contact & (changed if only_changes else True))
        evening = iso(instants(day, np.array([23 * 3600 + 1800])))[0].as_py()
        return pa.table(
            {
                "email": email(people.take(rows), np.zeros(len(rows))),
                "engagement_recent": yes_no(now[rows]),
                "desabonne": yes_no(people.unsubscribed[rows] <= day),
                "mis_a_jour_le": pa.repeat(evening, len(rows)),
            }
        )


def yes_no(flags: np.ndarray) -> pa.Array:
    return pa.array(np.where(flags, "oui", "non").astype(object), pa.string())


def survey(shop: Shop, day: int, orders: Orders) -> tuple[pa.Table, pa.Table]:
    """Answers to the survey after a purchase, and what their texts are about in truth (answer_id, theme, sentiment)."""
    rng, people = shop.random("survey", day), shop.people
    picked = np.flatnonzero((rng.random(len(orders.who)) < ANSWERING) & people.has_email[orders.who])
    who, size = orders.who[picked], len(picked)
    mean = each("satisfaction")[people.behaviour[who]]
    satisfaction = np.clip(np.round(rng.normal(mean, 1.6)), 0, 10).astype(int)
    sentiment = np.digitize(satisfaction, [6, 9])
    theme = rng.integers(0, len(french.THEMES), size)
    texts = [
        french.OPENINGS[start] + french.ANSWERS[french.THEMES[about], french.SENTIMENTS[mood]][which]
        for start, about, mood, which in zip(
            rng.integers(0, 4, size), theme, sentiment, rng.integers(0, 2, size), strict=True
        )
    ]
    motive = np.where(rng.random(size) < 0.6, people.behaviour[who] % 5, rng.integers(0, 5, size))
    seconds = np.minimum(orders.seconds[picked] + rng.integers(600, 7200, size), LAST_SECOND)
    number = pa.array(int(f"{date_of(day):%Y%m%d}") * 10**5 + np.arange(size)).cast(pa.string())
    answers = pa.table(
        {
            "answer_id": number,
            "email": email(people.take(who), np.zeros(size)),
            "answered_at": iso(instants(day, seconds)),
            "satisfaction": pa.array(satisfaction),
            "motive": pa.array(french.MOTIVES).take(pa.array(motive)),
            "comment": pa.array(texts, pa.string()),
        }
    )
    truth = pa.table(
        {
            "answer_id": number,
            "theme": pa.array(french.THEMES).take(pa.array(theme)),
            "sentiment": pa.array(french.SENTIMENTS).take(pa.array(sentiment)),
        }
    )
    return answers, truth


def consents(people: People) -> pa.Table:
    """All consents that these people ever give and withdraw, with the day number on which the export holds them.

    Given when they join: the newsletter by subscribers, ads and profiling by those who may be tracked. The newsletter
    is withdrawn on unsubscribing.
    """
    rows = np.flatnonzero(people.has_email)
    leavers = np.flatnonzero(people.unsubscribed < NEVER)
    who = np.concatenate([rows, rows, rows, leavers])
    purpose = np.repeat([0, 1, 2, 0], [len(rows)] * 3 + [len(leavers)])
    granted = np.concatenate(
        [people.is_subscribed[rows], people.is_tracked[rows], people.is_tracked[rows], np.zeros(len(leavers), bool)]
    )
    day = np.concatenate([people.joined[rows]] * 3 + [people.unsubscribed[leavers]]).astype(int)
    days, place = np.unique(day, return_inverse=True)
    noons = np.array([instants(when, np.array([12 * 3600]))[0] for when in days])
    return pa.table(
        {
            "email": email(people.take(who), np.zeros(len(who))),
            "purpose": pa.array(PURPOSES).take(pa.array(purpose)),
            "granted": pa.array(granted),
            "at": iso(noons[place]),
            "_day": pa.array(day),
        }
    )
