"""What members bought and did before a day: the first step of their value, slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import connection, transaction

from members.metrics import CURRENCY
from members.rules.rfm import ACTIVITY_DAYS, MESSAGE_WEIGHT, OTHER_WEIGHT, POST_WEIGHT
from members.rules.values import Behaviour
from members.selectors.profiling import may_be_profiled
from members.services.staging import join_whole_slices
from scrm.accounts.models import Enterprise
from scrm.shared.sql import Sql, named_sql

BEHAVIOUR_DAYS = 28
YEAR_DAYS = 365

CURRENCIES = """
SELECT currency FROM members_purchaseday
WHERE enterprise_id = %s AND day < %s AND standing_count > 0
GROUP BY currency ORDER BY count(*) DESC, currency
"""
SLICE_END = """
SELECT max(id), count(*) FILTER (WHERE erased_at IS NULL) FROM (
    SELECT id, erased_at FROM members_member
    WHERE enterprise_id = %s AND id > %s ORDER BY id LIMIT %s
) slice
"""
FORGET = """
DELETE FROM members_membervalue value
WHERE value.enterprise_id = {enterprise}
  AND value.member_id > {after} AND value.member_id <= {upto}
  AND {allowed} IS NOT TRUE
"""
# Orders of one day are one purchase; what was refunded in full is none.
FACTS = """
WITH bought AS (
    SELECT member_id, count(*) AS days, min(day) AS first, max(day) AS last,
           sum(net_amount) AS spent,
           coalesce(sum(net_amount) FILTER (WHERE day >= {on}::date - {year}::int), 0) AS lately,
           sum(net_amount) - (array_agg(net_amount ORDER BY day))[1] AS again
    FROM members_purchaseday
    WHERE member_id > {after} AND member_id <= {upto} AND enterprise_id = {enterprise}
      AND currency = {currency} AND day < {on} AND standing_count > 0
    GROUP BY member_id
), seen AS (
    SELECT member_id, day, post_count AS posts, message_count + comment_count AS messages,
           checkin_count + click_count + other_count AS others
    FROM members_memberday
    WHERE member_id > {after} AND member_id <= {upto} AND enterprise_id = {enterprise}
      AND day >= {on}::date - {activity_days}::int AND day < {on}
), acted AS (
    SELECT member_id, max(day) AS last, count(DISTINCT day) AS days,
           sum(posts) * {post} + sum(messages) * {message} + sum(others) * {other} AS contribution,
           bool_or(day >= {on}::date - {days}::int) AS lately,
           bool_or(day >= {on}::date - {days}::int AND posts > 0) AS posted,
           bool_or(day >= {on}::date - {days}::int AND messages > 0) AS talked
    FROM seen GROUP BY member_id
), belongs AS (
    SELECT member_id, min(joined_at) AS since FROM members_membership
    WHERE member_id > {after} AND member_id <= {upto} AND enterprise_id = {enterprise}
      AND (left_at IS NULL OR left_at > {start}) AND joined_at < {start}
      AND community_id = ANY({measured}::bigint[])
    GROUP BY member_id
)
INSERT INTO members_membervalue AS value (
    member_id, enterprise_id, recency, frequency, monetary, segment, clv_band, model_version,
    purchase_days, first_purchase_on, last_purchase_on, spent_amount, spent_year_amount,
    repeat_amount, last_sign_on, active_days, contribution, behaviour, computed_on
)
SELECT member.id, {enterprise}, 0, 0, 0, '', 'none', '',
    coalesce(bought.days, 0), bought.first, bought.last, coalesce(bought.spent, 0),
    coalesce(bought.lately, 0), coalesce(bought.again, 0), acted.last, coalesce(acted.days, 0),
    least(coalesce(acted.contribution, 0), 2147483647),
    CASE WHEN acted.lately AND acted.posted THEN {creator}
         WHEN acted.lately AND acted.talked THEN {talker}
         WHEN acted.lately THEN {reactor}
         WHEN belongs.since IS NULL THEN {unmeasured}
         WHEN belongs.since >= {window} THEN {newcomer}
         ELSE {dormant} END,
    {on}
FROM members_member member
    LEFT JOIN bought ON bought.member_id = member.id
    LEFT JOIN acted ON acted.member_id = member.id
    LEFT JOIN belongs ON belongs.member_id = member.id
WHERE member.enterprise_id = {enterprise} AND member.id > {after} AND member.id <= {upto}
  AND {allowed_member}
ORDER BY member.id
ON CONFLICT (member_id) DO UPDATE
SET purchase_days = EXCLUDED.purchase_days, first_purchase_on = EXCLUDED.first_purchase_on,
    last_purchase_on = EXCLUDED.last_purchase_on, spent_amount = EXCLUDED.spent_amount,
    spent_year_amount = EXCLUDED.spent_year_amount, repeat_amount = EXCLUDED.repeat_amount,
    last_sign_on = EXCLUDED.last_sign_on, active_days = EXCLUDED.active_days,
    contribution = EXCLUDED.contribution, behaviour = EXCLUDED.behaviour,
    computed_on = EXCLUDED.computed_on
WHERE (value.purchase_days, value.first_purchase_on, value.last_purchase_on, value.spent_amount,
       value.spent_year_amount, value.repeat_amount, value.last_sign_on, value.active_days,
       value.contribution, value.behaviour)
   IS DISTINCT FROM (EXCLUDED.purchase_days, EXCLUDED.first_purchase_on,
       EXCLUDED.last_purchase_on, EXCLUDED.spent_amount, EXCLUDED.spent_year_amount,
       EXCLUDED.repeat_amount, EXCLUDED.last_sign_on, EXCLUDED.active_days,
       EXCLUDED.contribution, EXCLUDED.behaviour)
"""
COUNT = """
SELECT count(*) FROM members_membervalue
WHERE enterprise_id = %s AND member_id > %s AND member_id <= %s
"""


@dataclass(frozen=True, slots=True)
class FactsSlice:
    """The members up to ``upto`` are looked at; None: there were no more. ``people`` are not
    erased, and of these ``valued`` may be profiled."""

    upto: int | None
    people: int = 0
    valued: int = 0


def currencies_of(enterprise: Enterprise, *, on: date) -> list[str]:
    """In which an enterprise has sold before a day, the most usual one first."""
    with connection.cursor() as cursor:
        cursor.execute(CURRENCIES, [enterprise.pk, on])
        return [currency for (currency,) in cursor.fetchall()]


@transaction.atomic
def write_facts(
    enterprise: Enterprise,
    *,
    on: date,
    after: int,
    size: int,
    currency: str = CURRENCY,
    measured: Sequence[int],
) -> FactsSlice:
    """Write what the next members bought and did before a day; who may not be profiled is
    forgotten."""
    with connection.cursor() as cursor:
        cursor.execute(SLICE_END, [enterprise.pk, after, size])
        upto, people = cursor.fetchone()
        if upto is None:
            return FactsSlice(None)
        join_whole_slices(cursor)
        known = _known(enterprise, on, range(after, upto), currency, measured)
        for template in (FORGET, FACTS):
            statement = named_sql(template, **known)
            cursor.execute(statement.text, statement.params)
        cursor.execute(COUNT, [enterprise.pk, after, upto])
        (valued,) = cursor.fetchone()
    return FactsSlice(int(upto), int(people), int(valued))


def _known(
    enterprise: Enterprise, on: date, ids: range, currency: str, measured: Sequence[int]
) -> dict[str, Sql | object]:
    start = datetime.combine(on, time.min, tzinfo=enterprise.zone)
    return {
        "enterprise": enterprise.pk,
        "after": ids.start,
        "upto": ids.stop,
        "on": on,
        "start": start,
        "window": start - timedelta(days=BEHAVIOUR_DAYS),
        "currency": currency,
        "measured": list(measured),
        "year": YEAR_DAYS,
        "days": BEHAVIOUR_DAYS,
        "activity_days": ACTIVITY_DAYS,
        "post": POST_WEIGHT,
        "message": MESSAGE_WEIGHT,
        "other": OTHER_WEIGHT,
        "allowed": may_be_profiled(enterprise, "value.member_id"),
        "allowed_member": may_be_profiled(enterprise, "member.id"),
        **{one.value: one.value for one in Behaviour},
    }
