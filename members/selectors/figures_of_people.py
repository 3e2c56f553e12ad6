"""Figures of a community about those who are in it: who is still there, who buys, who may go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import connection

from communities.models import Community
from members.metrics.purchases import CURRENCY
from members.rules.insight import (
    NO_SCORES,
    NO_VALUES,
    NOBODY,
    ONLY_LATEST,
    UNMEASURED,
    noted,
    partly_measured,
    share_of,
    small_number,
)
from scrm.shared.figures import NO_NOTE, Figure

WINDOW = 28
AT_RISK = 0.5  # from this probability on

_PRESENT = """
    SELECT member_id, min(joined_at) AS joined_at FROM members_membership
    WHERE community_id = %(community)s AND joined_at < %(ends)s
      AND (left_at IS NULL OR left_at >= %(ends)s)
    GROUP BY member_id
"""
# Whole days without a sign of life, up to the end of the day.
PRESENCE = f"""
WITH present AS ({_PRESENT}), seen AS (
    SELECT member_id, %(on)s::date - max(day) AS silence FROM members_memberday
    WHERE community_id = %(community)s AND day > %(on)s::date - 28 AND day <= %(on)s
    GROUP BY member_id
), bought AS (
    SELECT DISTINCT member_id FROM present JOIN members_purchaseday USING (member_id)
    WHERE currency = %(currency)s AND day > %(on)s::date - 28 AND day <= %(on)s
      AND standing_count > 0
)
SELECT count(*), count(seen.member_id), count(bought.member_id),
    count(*) FILTER (WHERE seen.silence >= 14),
    count(*) FILTER (WHERE seen.member_id IS NULL AND present.joined_at < %(since)s)
FROM present LEFT JOIN seen USING (member_id) LEFT JOIN bought USING (member_id)
"""  # noqa: S608 - names of our own; every value is bound
MEASURED_DAYS = """
SELECT count(*) FROM members_communityday
WHERE community_id = %(community)s AND day > %(on)s::date - 28 AND day <= %(on)s AND is_measured
"""
RISKS = """
SELECT count(*), count(*) FILTER (
        WHERE probability >= %(threshold)s AND last_active_on > %(on)s::date - 14),
    max(scored_on)
FROM members_churnscore WHERE community_id = %(community)s
"""
VALUES = f"""
WITH present AS ({_PRESENT})
SELECT count(value.clv_amount), sum(value.clv_amount),
       max(value.computed_on) FILTER (WHERE value.clv_amount IS NOT NULL)
FROM present LEFT JOIN members_membervalue value USING (member_id)
"""  # noqa: S608 - names of our own; every value is bound


@dataclass(frozen=True, slots=True)
class Presence:
    """``silent`` are those who have been in for 28 days without a sign of life."""

    members: int
    active: int
    buyers: int
    dormant: int
    silent: int
    measured_days: int


def presence_of(community: Community, on: date) -> Presence:
    """Who is in the community at the end of ``on``, by what they did in the 28 days up to it."""
    with connection.cursor() as cursor:
        cursor.execute(PRESENCE, _values(community, on))
        counts = cursor.fetchone()
        cursor.execute(MEASURED_DAYS, _values(community, on))
        (measured,) = cursor.fetchone()
    members, active, buyers, dormant, silent = counts
    return Presence(members, active, buyers, dormant, silent, measured)


def presence_figures(community: Community, on: date) -> list[Figure]:
    """Activity beside conversion, and those who have gone quiet."""
    here = presence_of(community, on)
    few = small_number(here.members) if here.members else NOBODY
    buyers = Figure("buyer_share", share_of(here.buyers, here.members), note=few, n=here.members)
    if not here.measured_days:
        names = ("active_share", "dormant_count", "silent_count")
        return [*(Figure(name, None, note=UNMEASURED) for name in names), buyers]
    partly = partly_measured(here.measured_days, WINDOW)
    # Silence of 28 days can be told only where all of them were heard.
    silent = None if partly else here.silent
    return [
        noted(
            Figure("active_share", share_of(here.active, here.members), n=here.members),
            NO_NOTE if here.members else NOBODY,
            partly,
            few,
        ),
        buyers,
        Figure("dormant_count", here.dormant, note=partly, n=here.members),
        Figure("silent_count", silent, note=partly, n=here.members),
    ]


def risk_figure(community: Community, on: date) -> Figure:
    """Those whom the latest scores say to be about to fall silent."""
    with connection.cursor() as cursor:
        cursor.execute(RISKS, {**_values(community, on), "threshold": AT_RISK})
        scored, at_risk, scored_on = cursor.fetchone()
    if not scored:
        return Figure("at_risk_count", None, note=NO_SCORES)
    if not on <= scored_on <= on + timedelta(days=2):
        return Figure("at_risk_count", None, note=ONLY_LATEST)
    return Figure("at_risk_count", at_risk, n=scored, note=small_number(scored))


def value_figure(community: Community, on: date) -> Figure:
    """What those who are in the community are expected to buy within twelve months."""
    with connection.cursor() as cursor:
        cursor.execute(VALUES, _values(community, on))
        valued, amount, computed_on = cursor.fetchone()
    if not valued:
        return Figure("clv", None, note=NO_VALUES)
    if computed_on > on + timedelta(days=2):
        return Figure("clv", None, note=ONLY_LATEST)
    return Figure("clv", int(amount), n=valued, note=small_number(valued))


def _values(community: Community, on: date) -> dict[str, int | str | date]:
    zone = community.enterprise.zone
    day = timedelta(days=1)
    return {
        "community": community.pk,
        "currency": CURRENCY,
        "on": on,
        "since": datetime.combine(on - (WINDOW - 1) * day, time.min, tzinfo=zone),
        "ends": datetime.combine(on + day, time.min, tzinfo=zone),
    }
