"""Who of which kind clicked, ordered and left after a run: what later forecasts learn from.

Only those who did something are looked at. How many there were of each kind is in the forecast.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

from campaigns.rules.breaker import WINDOWS
from campaigns.selectors.forecast_cells import Times, measured_among
from campaigns.selectors.funnels import GOT_BY_CHAT, GOT_BY_MEMBER, Measured
from campaigns.selectors.leaves import leavers_of
from scrm.shared.sql import named_sql, sql

DID = """
WITH did AS (
    SELECT act.member_id, TRUE AS clicked, FALSE AS ordered, FALSE AS has_left
    FROM members_activityevent act CROSS JOIN LATERAL ({got}) got
    WHERE act.enterprise_id = {enterprise} AND act.community_id = ANY({communities})
      AND act.kind = {click} AND act.occurred_at > {began} AND act.occurred_at <= {until}
      AND act.occurred_at > got.got_at AND act.occurred_at <= got.got_at + {window}
    UNION ALL
    SELECT act.member_id, FALSE, TRUE, FALSE
    FROM members_purchase act CROSS JOIN LATERAL ({got}) got
    WHERE act.enterprise_id = {enterprise} AND act.currency = {currency}
      AND act.paid_at > {began} AND act.paid_at <= {until}
      AND act.paid_at > got.got_at AND act.paid_at <= got.got_at + {window}
      AND act.refunded_amount < act.paid_amount
    UNION ALL
    SELECT gone.id, FALSE, FALSE, TRUE FROM unnest({leavers}::bigint[]) gone (id)
), person AS (
    SELECT member_id, bool_or(clicked) AS clicked, bool_or(ordered) AS ordered,
           bool_or(has_left) AS has_left
    FROM did GROUP BY member_id
)
SELECT coalesce(worth.segment, ''),
       worth.member_id IS NOT NULL AND here.is_measured AND NOT EXISTS (
           SELECT FROM members_memberday day
           WHERE day.member_id = person.member_id AND day.community_id = ANY({measured})
             AND day.day >= {dormant_since} AND day.day < {today}
       ),
       coalesce(here.joined_at > {new_since}, FALSE),
       count(*) FILTER (WHERE clicked), count(*) FILTER (WHERE ordered),
       count(*) FILTER (WHERE has_left)
FROM person
LEFT JOIN members_membervalue worth ON worth.member_id = person.member_id
CROSS JOIN LATERAL (
    SELECT min(place.joined_at) AS joined_at,
           coalesce(bool_or(place.community_id = ANY({measured})), FALSE) AS is_measured
    FROM members_membership place
    WHERE place.member_id = person.member_id AND place.community_id = ANY({communities})
      AND place.joined_at <= {as_of} AND (place.left_at IS NULL OR place.left_at > {as_of})
) here
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


def did_by_group(measured: Measured, times: Times) -> list[dict[str, Any]]:
    """By segment, dormant and new as of ``times``: how many clicked, ordered and left."""
    broadcast = measured.run.broadcast
    leavers = leavers_of(
        measured.run,
        community_ids=measured.community_ids,
        window_hours=max(WINDOWS),
        began_at=measured.began_at,
        until=measured.now,
        ahead=measured.ahead,
    )
    got = GOT_BY_CHAT if measured.to_chats else GOT_BY_MEMBER
    statement = named_sql(
        DID,
        **measured.values,
        got=sql(got, measured.ahead, measured.run.pk),
        leavers=[one.member_id for one in leavers],
        measured=sorted(measured_among(broadcast, times)),
        dormant_since=times.dormant_since,
        today=times.today,
        new_since=times.new_since,
        as_of=times.as_of,
    )
    names = ("segment", "is_dormant", "is_new", "clicked", "ordered", "left")
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
