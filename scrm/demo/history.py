"""What the members did: activity with a weekly and a daily rhythm, and what they bought.

Pure and deterministic; yields the rows that an outside system would report.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from random import Random

from members.rules.activity import ActivityKind, RawEvent
from members.rules.purchases import RawPurchase
from scrm.demo.people import Belonging, Person, Persona

ACTIVITY_DAYS = 120
PURCHASE_DAYS = 365

# How likely somebody shows up on a day, and how much they then do.
RATE = {
    Persona.CORE: 0.8, Persona.STEADY: 0.48, Persona.CASUAL: 0.26, Persona.LURKER: 0.12,
    Persona.FADING: 0.5, Persona.GONE: 0.3,
}  # fmt: skip
VOLUME = {Persona.CORE: 3.2, Persona.STEADY: 1.8, Persona.LURKER: 0.4}
WEEK = (0.92, 0.86, 0.9, 0.96, 1.1, 1.36, 1.3)  # Monday first
FADES_WITHIN = 7.0  # days until a fading one shows up a third as often
DAY = {
    7: 4, 8: 7, 9: 6, 10: 5, 11: 6, 12: 10, 13: 8, 14: 4, 15: 4, 16: 4, 17: 5, 18: 8, 19: 11,
    20: 15, 21: 16, 22: 11, 23: 5,
}  # fmt: skip
TALKS = {
    ActivityKind.MESSAGE: 38, ActivityKind.COMMENT: 17, ActivityKind.LIKE: 17,
    ActivityKind.CLICK: 12, ActivityKind.POST: 8, ActivityKind.CHECKIN: 6, ActivityKind.SHARE: 2,
}  # fmt: skip
READS = {ActivityKind.CLICK: 60, ActivityKind.LIKE: 40}
SPEAKING = frozenset({ActivityKind.MESSAGE, ActivityKind.COMMENT, ActivityKind.POST})
TOPICS_A_WEEK = 12

# Orders a month, and what one costs, in minor units.
ORDERS = {
    Persona.CORE: 1.5, Persona.STEADY: 0.75, Persona.CASUAL: 0.4, Persona.LURKER: 0.2,
    Persona.FADING: 1.2, Persona.GONE: 0.45,
}  # fmt: skip
PRICES = {3900: 10, 5900: 14, 8900: 18, 12900: 20, 16900: 16, 23900: 12, 36900: 7, 59900: 3}
REFUNDED = 0.04


def activity_of(person: Person, *, now: datetime, seed: int) -> Iterator[RawEvent]:
    """Until ``now``, whose time zone is the enterprise's."""
    random = Random(f"{seed}:activity:{person.number}")
    for belonging in person.belongings:
        last = -1 if belonging.left is None else belonging.left
        for ago in range(min(ACTIVITY_DAYS, belonging.joined), last, -1):
            day = now.date() - timedelta(days=ago)
            if random.random() < chance(person, belonging, ago, day):
                yield from day_of(person, belonging, day, now, random)


def chance(person: Person, belonging: Belonging, ago: int, day: date) -> float:
    rate = RATE[person.persona] * WEEK[day.weekday()]
    rate /= math.pow(len(person.belongings), 0.6)  # who is in many places is in each less often
    if belonging.joined - ago < 7:
        rate = max(rate, 0.45)  # newcomers look around
    if person.persona is Persona.GONE and ago < person.turned:
        return 0
    if person.persona is Persona.FADING and ago < person.turned:
        rate *= math.exp((ago - person.turned) / FADES_WITHIN)
    return rate


def day_of(
    person: Person, belonging: Belonging, day: date, now: datetime, random: Random
) -> Iterator[RawEvent]:
    volume = VOLUME.get(person.persona, 1.0)
    kinds = READS if person.persona is Persona.LURKER else TALKS
    hour = random.choices(list(DAY), weights=list(DAY.values()))[0]
    for number in range(1 + int(random.expovariate(1 / volume))):
        kind = random.choices(list(kinds), weights=list(kinds.values()))[0]
        minute, second = random.randrange(60), random.randrange(60)
        at = datetime.combine(day, time(min(hour + number // 6, 23), minute, second), now.tzinfo)
        if at > now:
            return
        key = f"{person.external_id}-{belonging.community}-{day:%y%m%d}-{number}"
        topic = f"{belonging.community}-{day:%G%V}-{random.randrange(TOPICS_A_WEEK)}"
        thread = topic if kind in SPEAKING else ""
        yield RawEvent(
            person.external_id, belonging.community, kind.value, at.isoformat(), key, thread
        )


def purchases_of(person: Person, *, now: datetime, seed: int) -> Iterator[RawPurchase]:
    random = Random(f"{seed}:purchases:{person.number}")
    ago, number = min(PURCHASE_DAYS, person.known + 30), 0
    while True:
        ago -= 1 + int(random.expovariate(ORDERS[person.persona] / 30))
        lost_interest = person.persona in {Persona.FADING, Persona.GONE} and ago < person.turned
        if ago < 0 or lost_interest:
            return
        number += 1
        paid = random.choices(list(PRICES), weights=list(PRICES.values()))[0]
        paid = paid * random.choice((1, 1, 1, 2)) - random.choice((0, 0, 500, 1000))
        day = now.date() - timedelta(days=ago)
        at = datetime.combine(
            day, time(random.randint(9, 22), random.randrange(60)), tzinfo=now.tzinfo
        )
        if at > now:
            return
        refund = paid if random.random() < REFUNDED else 0
        order_number = f"ZZ{at:%y%m%d}{person.number:06d}{number:02d}"
        yield RawPurchase(person.external_id, order_number, at.isoformat(), paid, refund)
