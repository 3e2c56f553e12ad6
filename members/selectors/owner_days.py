"""Our own counts beside the platform's, of the same owner and the same day of the platform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection

from communities.models import OwnerDay
from scrm.wecom.services.platform_clock import BEIJING

# Chats that were the owner's when the day ended; of messages only communities can tell, and only
# those whose live chats are all the owner's.
OURS = """
SELECT asked.id, own.chats, came.people, there.people, said.messages, said.speakers,
       asked.total - before.message_total
FROM unnest(%(ids)s::bigint[], %(accounts)s::bigint[], %(userids)s::text[], %(days)s::date[],
            %(begins)s::timestamptz[], %(ends)s::timestamptz[], %(totals)s::bigint[])
     asked (id, account_id, userid, day, begins, ends, total)
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT period.chat_id), '{}') AS ids,
           count(DISTINCT period.chat_id) AS chats
    FROM communities_ownershipperiod period
    JOIN communities_groupchat chat
      ON chat.id = period.chat_id AND chat.channel_account_id = asked.account_id
    LEFT JOIN accounts_staff staff ON staff.id = period.staff_id
    WHERE coalesce(nullif(period.userid, ''), staff.external_id) = asked.userid
      AND period.began_at < asked.ends
      AND (period.ended_at IS NULL OR period.ended_at >= asked.ends)
) own
CROSS JOIN LATERAL (
    SELECT count(*) AS people FROM members_stay stay
    WHERE stay.chat_id = ANY(own.ids) AND stay.joined_at >= asked.begins
      AND stay.joined_at < asked.ends
) came
CROSS JOIN LATERAL (
    SELECT count(*) AS people FROM members_stay stay
    WHERE stay.chat_id = ANY(own.ids) AND stay.joined_at < asked.ends
      AND (stay.left_at IS NULL OR stay.left_at >= asked.ends)
) there
CROSS JOIN LATERAL (
    SELECT array_agg(chat.community_id) AS ids FROM communities_groupchat chat
    WHERE chat.id = ANY(own.ids) AND chat.community_id IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM communities_groupchat other
          WHERE other.community_id = chat.community_id AND other.state <> 'dissolved'
            AND other.id <> ALL(own.ids)
      )
) homes
CROSS JOIN LATERAL (
    SELECT sum(message_count)::bigint AS messages, count(DISTINCT member_id) AS speakers
    FROM (
        SELECT message_count, member_id FROM members_memberday
        WHERE community_id = ANY(homes.ids) AND day = asked.day AND message_count > 0
        UNION ALL
        SELECT message_count, NULL FROM members_staffday
        WHERE community_id = ANY(homes.ids) AND day = asked.day
    ) day
) said
LEFT JOIN communities_ownerday before
  ON before.connection_id = (SELECT connection_id FROM communities_ownerday WHERE id = asked.id)
 AND before.userid = asked.userid AND before.day = asked.day - 1
"""


@dataclass(frozen=True, slots=True)
class OwnCounts:
    """What we know ourselves. Messages and speakers are None where nobody told us of any;
    ``platform_messages`` are the platform's of that day, None without the day before."""

    chat_count: int
    new_member_count: int
    member_count: int
    message_count: int | None
    speaker_count: int | None
    platform_messages: int | None


def own_counts(days: Sequence[OwnerDay]) -> dict[int, OwnCounts]:
    """By the ids of the rows; meant for one page of a list. The rows have their connections."""
    if not days:
        return {}
    values: dict[str, Any] = {
        "ids": [one.pk for one in days],
        "accounts": [one.connection.account_id for one in days],
        "userids": [one.userid for one in days],
        "days": [one.day for one in days],
        "begins": [midnight(one.day) for one in days],
        "ends": [midnight(one.day + timedelta(days=1)) for one in days],
        "totals": [one.message_total for one in days],
    }
    with connection.cursor() as cursor:
        cursor.execute(OURS, values)
        return {row[0]: _counts(*row[1:]) for row in cursor.fetchall()}


def _counts(
    chats: int,
    came: int,
    there: int,
    messages: int | None,
    speakers: int,
    platform_messages: int | None,
) -> OwnCounts:
    spoke = None if messages is None else speakers
    return OwnCounts(chats, came, there, messages, spoke, platform_messages)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=BEIJING)
