"""Write the exports of a French shop that never was, day after day, and the truth behind them.

    python examples/boutique/generate.py --people 20000 --until 2026-10-31

Days before October 2026 are exported by month, later ones day by day: with a later ``--until``, only files are added
(``truth/`` is always written anew, as of the last day). The same seed and number of people give the same bytes.
"""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from shop import mailing, orders, records, truth, visits
from shop.behaviours import DAILY_FROM, date_of, day_number
from shop.days import Shop
from shop.files import Files
from shop.people import populate

EVENTS_PER_PERSON = 65  # what the planted rates give in 730 days
BASE = day_number(DAILY_FROM) - 1  # the evening of the first full export of people
UNTIL = date(2026, 10, 31)
EVENINGS_AT_ONCE = 100  # three open files each
FRENCH_CSV = {"delimiter": ";", "encoding": "cp1252"}


def main() -> None:
    options = _options()
    usual = options.people * EVENTS_PER_PERSON
    shop = Shop(options.seed, populate(options.seed, options.people), (options.events or usual) / usual)
    last = day_number(options.until)
    month = (options.until - timedelta(days=options.days - 1)).replace(day=1)
    files = Files(options.out)
    files.must_be_of({"people": options.people, "seed": options.seed, "events": options.events})
    files.append("products.csv", orders.catalogue())
    n_events = write_events(files, shop, range(day_number(options.start or month), last + 1))
    evenings = range(day_number(options.start) if options.start else BASE, last + 1)
    write_contacts(files, shop, evenings)
    write_people(files, shop, evenings)
    files.append("truth/people.parquet", truth.people_as_of(shop, last))
    files.close()
    print(f"{options.out}: {files.n_written:,} files, {n_events:,} events, up to {options.until}")


def write_events(files: Files, shop: Shop, days: range) -> int:
    """Orders, web sessions, e-mails, survey answers and ad clicks; returns how many."""
    n_events, period = 0, ""
    for day in days:
        if period != (period := period_of(day)):
            files.close()
        placed, mail = orders.orders(shop, day), mailing.mail(shop, day)
        answers, themes = mailing.survey(shop, day, placed)
        tables = {
            "orders/orders-{}.parquet": orders.order_lines(shop, day, placed),
            "web/web-{}.parquet": visits.sessions(shop, day, placed, *mail.clicked),
            "email/email-{}.jsonl": mailing.mail_events(shop, day, mail),
            "survey/survey-{}.csv": answers,
            "ads/ads-{}.parquet": visits.ad_clicks(shop, day),
        }
        for path, table in tables.items():
            files.append(path.format(period), table)
            n_events += len(table)
        files.append(f"truth/survey/survey-{period}.parquet", themes)
    files.close()
    return n_events


def write_contacts(files: Files, shop: Shop, evenings: range) -> None:
    """The e-mail tool's contacts: all of them at first, then each evening those that changed."""
    engagement = mailing.Engagement(shop)
    for day in evenings:
        table = engagement.export(day, only_changes=day > BASE)
        files.append(f"contacts/contacts-{date_of(day)}.csv", table, delimiter=";")
        files.close()


def write_people(files: Files, shop: Shop, evenings: range) -> None:
    """CRM cards, shop accounts and consents: all at first, then each evening what changed; and who owns what in truth.

    Chunk by chunk of people, as they would not fit in memory; evenings in parts, as their files stay open meanwhile.
    """
    for first in range(0, max(len(evenings), 1), EVENINGS_AT_ONCE):
        for position, people in enumerate(shop.people.chunks()):
            rng = np.random.default_rng([shop.seed, 99, position])
            cards, card_owners = records.cards(rng, people)
            accounts, account_owners = records.accounts(rng, people)
            consents = mailing.consents(people)
            for day in evenings[first : first + EVENINGS_AT_ONCE]:
                files.append(f"crm/crm-{date_of(day)}.csv", exported(cards, day), **FRENCH_CSV)
                files.append(f"accounts/accounts-{date_of(day)}.csv", exported(accounts, day))
                files.append(f"consents/consents-{date_of(day)}.jsonl", exported(consents, day))
            if first == 0:
                owners = [card_owners, account_owners, records.addresses(people), records.cookies(people)]
                owned = pa.concat_tables(owners).group_by(["kind", "value", "true_person"]).aggregate([])
                files.append("truth/identities.parquet", owned)
        files.close()


def exported(versions: pa.Table, day: int) -> pa.Table:
    """The rows of one evening's export: at first the current version of each, later those made or changed that day."""
    if day > BASE:
        rows = pc.equal(versions["_day"], day)
    else:
        rows = pc.less_equal(versions["_day"], day)
        if "_until" in versions.column_names:
            rows = pc.and_(rows, pc.greater(versions["_until"], day))
    return versions.filter(rows).drop_columns([name for name in versions.column_names if name.startswith("_")])


def period_of(day: int) -> str:
    """Name of the export file that holds a day: its month, or from October 2026 on the day itself."""
    return f"{date_of(day):%Y-%m}" if day <= BASE else f"{date_of(day)}"


def positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return int(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=positive, default=20_000, help="how many true people (default: %(default)s)")
    parser.add_argument("--events", type=int, help="about how many events in 730 days (default: 65 per person)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--until", type=date.fromisoformat, default=UNTIL, help="last day (default: %(default)s)")
    parser.add_argument("--days", type=int, default=730, help="days of events, from the first of their month on")
    parser.add_argument("--from", dest="start", type=date.fromisoformat, help="write only days from this one on")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    options = parser.parse_args()
    if options.until < DAILY_FROM:
        parser.error(f"--until must be {DAILY_FROM} or later: that is when the shop begins to export people")
    if options.start and options.start < DAILY_FROM:
        parser.error(f"--from must be {DAILY_FROM} or later: earlier files hold whole months")
    return options


if __name__ == "__main__":
    main()
