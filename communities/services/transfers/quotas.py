"""How many chats may be handed over from one person today: the platform's day, under a row lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, NamedTuple

from django.db import connection as database
from django.db import transaction
from django.db.models import Q

from communities.models import TransferQuota
from scrm.shared.clock import database_now
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.limits import CHATS_HANDED_OVER_A_DAY
from scrm.wecom.services.platform_clock import clock_ahead, platform_day

OPEN = """
INSERT INTO communities_transferquota (channel_account_id, giver_id, day)
SELECT %(account)s, given.giver, %(day)s FROM unnest(%(givers)s::bigint[]) AS given (giver)
ORDER BY given.giver
ON CONFLICT (channel_account_id, giver_id, day) DO NOTHING
"""

LOCK = """
SELECT giver_id, CASE WHEN is_exhausted THEN 0 ELSE greatest(%(most)s - used, 0) END
FROM communities_transferquota
WHERE channel_account_id = %(account)s AND day = %(day)s AND giver_id = ANY(%(givers)s)
ORDER BY giver_id
FOR NO KEY UPDATE
"""

ADD = """
UPDATE communities_transferquota quota SET used = greatest(quota.used + given.count, 0)
FROM unnest(%(givers)s::bigint[], %(counts)s::int[]) AS given (giver, count)
WHERE quota.channel_account_id = %(account)s AND quota.day = %(day)s
  AND quota.giver_id = given.giver
"""


class QuotaLeft(NamedTuple):
    """Of one giver in one company, on one day of the platform."""

    used: int
    left: int
    is_exhausted: bool


UNUSED = QuotaLeft(0, CHATS_HANDED_OVER_A_DAY, is_exhausted=False)

type Giver = tuple[int, int]
"""The channel account and the member of staff."""


def quotas_left(enterprise_id: int, giver_ids: Collection[int]) -> dict[Giver, QuotaLeft]:
    """What each of them has used and may still hand over today, by (channel account, giver).
    Whoever is not named has used nothing."""
    now = database_now()
    days = {
        connection.account_id: platform_day(now + clock_ahead(connection))
        for connection in WecomConnection.objects.filter(enterprise=enterprise_id)
    }
    quotas = TransferQuota.objects.filter(
        channel_account__in=days, giver__in=giver_ids, day__in=set(days.values())
    )
    return {
        (quota.channel_account_id, quota.giver_id): QuotaLeft(
            quota.used,
            0 if quota.is_exhausted else max(CHATS_HANDED_OVER_A_DAY - quota.used, 0),
            quota.is_exhausted,
        )
        for quota in quotas
        if quota.day == days[quota.channel_account_id]
    }


def spent_givers(account_id: int, *, day: date) -> list[int]:
    """Those from whom nothing more can be handed over on this day."""
    spent = Q(is_exhausted=True) | Q(used__gte=CHATS_HANDED_OVER_A_DAY)
    quotas = TransferQuota.objects.filter(spent, channel_account=account_id, day=day)
    return list(quotas.values_list("giver", flat=True))


@transaction.atomic
def take_quotas(account_id: int, wanted: Mapping[int, int], *, day: date) -> dict[int, int]:
    """Take from each giver's share of the day up to what is wanted; how many were granted to each.
    The rows are held until the end of the caller's transaction."""
    named: dict[str, Any] = {"account": account_id, "day": day, "givers": sorted(wanted)}
    with database.cursor() as cursor:
        cursor.execute(OPEN, named)
        cursor.execute(LOCK, {**named, "most": CHATS_HANDED_OVER_A_DAY})
        left: dict[int, int] = dict(cursor.fetchall())
    granted = {giver: min(count, left[giver]) for giver, count in wanted.items()}
    _add(account_id, granted, day=day)
    return granted


@transaction.atomic
def give_back_quotas(account_id: int, unused: Mapping[int, int], *, day: date) -> None:
    """What was taken and the platform did not count, by giver."""
    if unused:
        with database.cursor() as cursor:
            named: dict[str, Any] = {"account": account_id, "day": day, "givers": sorted(unused)}
            cursor.execute(LOCK, {**named, "most": CHATS_HANDED_OVER_A_DAY})
        _add(account_id, {giver: -count for giver, count in unused.items()}, day=day)


def count_quotas(account_id: int, used: Mapping[int, int], *, day: date) -> None:
    """What the platform counts on this day though it was taken from another's share."""
    if used:
        with database.cursor() as cursor:
            named: dict[str, Any] = {"account": account_id, "day": day, "givers": sorted(used)}
            cursor.execute(OPEN, named)
        _add(account_id, used, day=day)


def exhaust_quotas(account_id: int, giver_ids: Collection[int], *, day: date) -> None:
    """The platform says that there are no more from these people today, whoever used them."""
    if giver_ids:
        with database.cursor() as cursor:
            named: dict[str, Any] = {"account": account_id, "day": day, "givers": sorted(giver_ids)}
            cursor.execute(OPEN, named)
        TransferQuota.objects.filter(
            channel_account=account_id, giver__in=giver_ids, day=day
        ).update(is_exhausted=True)


def _add(account_id: int, counts: Mapping[int, int], *, day: date) -> None:
    givers = sorted(giver for giver, count in counts.items() if count)
    if not givers:
        return
    named: dict[str, Any] = {
        "account": account_id,
        "day": day,
        "givers": givers,
        "counts": [counts[giver] for giver in givers],
    }
    with database.cursor() as cursor:
        cursor.execute(ADD, named)
