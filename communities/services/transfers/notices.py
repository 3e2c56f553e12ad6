"""Planning what both owners are told, in the app, of what has changed hands.

A notice is planned in the transaction that verifies the items, and gathers what else is verified
shortly after. ``telling`` sends it, once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from communities.models import OwnershipTransfer, TransferNotice
from communities.rules.transfer_notice_words import NAMED, Counts, added
from communities.rules.transfers import NoticeRole, NoticeState
from scrm.shared.clock import database_now
from scrm.shared.rows import insert_rows, write_rows
from scrm.wecom.models import WecomConnection

#: What is verified so soon after is told together, but nobody waits longer than the second.
GATHERED = timedelta(seconds=60)
LONGEST_GATHERED = timedelta(minutes=10)

#: Still to be told: what could not be told goes with the next notice.
UNTOLD = [NoticeState.PLANNED, NoticeState.SKIPPED]

# A thing without a receiver has come to somebody whom nobody meant: that is nobody's news.
ANNOUNCE = """
WITH told AS (
    UPDATE communities_transferitem SET is_announced = true
    WHERE transfer_id = ANY(%(transfers)s) AND state = 'verified' AND NOT is_announced
    RETURNING transfer_id, channel_account_id, giver_id, receiver_id, subject,
        coalesce(chat_id, community_id) AS thing
)
SELECT transfer_id, channel_account_id, giver_id, receiver_id, subject, count(*),
    (array_agg(thing ORDER BY thing) FILTER (WHERE thing IS NOT NULL))[:%(named)s]
FROM told
WHERE receiver_id IS NOT NULL
GROUP BY transfer_id, channel_account_id, giver_id, receiver_id, subject
ORDER BY transfer_id, giver_id, receiver_id, subject
"""


class HandedOver(NamedTuple):
    """Things of one subject that went from one colleague to another."""

    transfer_id: int
    account_id: int | None
    giver_id: int
    receiver_id: int
    subject: str
    how_many: int
    first: list[int] | None


class Addressee(NamedTuple):
    transfer_id: int
    account_id: int
    staff_id: int
    role: str


@transaction.atomic
def plan_notices(transfer_ids: Iterable[int]) -> None:
    """Plan what both sides are told of items newly verified, in the caller's transaction, which
    holds the transfers. A second call plans nothing."""
    told = by_addressee(newly_verified(sorted(set(transfer_ids))))
    if not told:
        return
    now = database_now()
    untold = untold_notices({each.transfer_id for each in told})
    add_to_untold({untold[each]: told[each] for each in told if each in untold}, now=now)
    plan_new({each: told[each] for each in told if each not in untold}, now=now)


def newly_verified(transfer_ids: Sequence[int]) -> list[HandedOver]:
    """What nobody was told of so far, and from now on counts as told. Communities belong to no
    channel: their people are told over the first that is connected, and not at all without one."""
    with connection.cursor() as cursor:
        cursor.execute(ANNOUNCE, {"transfers": list(transfer_ids), "named": NAMED})
        shares = [HandedOver(*row) for row in cursor.fetchall()]
    without = {each.transfer_id for each in shares if each.account_id is None}
    accounts = first_accounts(without) if without else {}
    return [
        each._replace(account_id=each.account_id or accounts[each.transfer_id])
        for each in shares
        if each.account_id or each.transfer_id in accounts
    ]


def first_accounts(transfer_ids: Collection[int]) -> dict[int, int]:
    """The channel account over which the people of each transfer can be told."""
    enterprises = dict(
        OwnershipTransfer.objects.filter(pk__in=transfer_ids).values_list("pk", "enterprise_id")
    )
    connections = WecomConnection.objects.in_use().filter(enterprise__in=set(enterprises.values()))
    accounts = dict(connections.order_by("-pk").values_list("enterprise_id", "account_id"))
    return {
        transfer: accounts[enterprise]
        for transfer, enterprise in enterprises.items()
        if enterprise in accounts
    }


def by_addressee(shares: Iterable[HandedOver]) -> dict[Addressee, Counts]:
    told: dict[Addressee, Counts] = {}
    for share in shares:
        assert share.account_id is not None
        sides = (
            (NoticeRole.GIVER, share.giver_id, share.receiver_id),
            (NoticeRole.RECEIVER, share.receiver_id, share.giver_id),
        )
        for role, staff_id, other_id in sides:
            addressee = Addressee(share.transfer_id, share.account_id, staff_id, role.value)
            told[addressee] = added(
                told.get(addressee, {}),
                share.subject,
                {other_id: share.how_many},
                share.first or [],
            )
    return told


def untold_notices(transfer_ids: Collection[int]) -> dict[Addressee, TransferNotice]:
    """Those that nobody is sending yet, locked; of two for one person the newer."""
    rows = TransferNotice.objects.filter(transfer__in=transfer_ids, state__in=UNTOLD)
    return {
        Addressee(row.transfer_id, row.channel_account_id, row.staff_id, row.role): row
        for row in rows.order_by("pk").select_for_update(no_key=True)
    }


def add_to_untold(more: Mapping[TransferNotice, Counts], *, now: datetime) -> None:
    for notice, counts in more.items():
        for subject, share in counts.items():
            notice.counts = added(notice.counts, subject, share["people"], share["first"])
        if notice.state == NoticeState.SKIPPED:
            notice.state, notice.words, notice.attempt_count = NoticeState.PLANNED, "", 0
            notice.due_at = now + GATHERED
        elif not notice.attempt_count:  # one that was tried waits for the platform
            notice.due_at = min(now + GATHERED, notice.created_at + LONGEST_GATHERED)
    write_rows([*more], ["counts", "state", "words", "attempt_count", "due_at"])


def plan_new(told: Mapping[Addressee, Counts], *, now: datetime) -> None:
    notices = [
        TransferNotice(
            transfer_id=each.transfer_id,
            channel_account_id=each.account_id,
            staff_id=each.staff_id,
            role=each.role,
            counts=counts,
            due_at=now + GATHERED,
        )
        for each, counts in told.items()
    ]
    insert_rows(notices, ["transfer", "channel_account", "staff", "role", "counts", "due_at"])
