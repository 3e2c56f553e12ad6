"""Ownership periods: whom a chat has belonged to from its first instant on, without a gap.

Only what the platform shows, and what a person writes of a chat that it does not show, opens and
closes periods. Call these verbs in the transaction that changes the chats.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

from django.db import connection as database

from communities.models import GroupChat, OwnerChange, TransferItem
from communities.rules.status import ChatState
from communities.rules.transfers import ItemState, OwnershipCause
from communities.services.ownership.history import ChatHistory, histories_of, write_histories
from communities.services.ownership.violations import judge_changes
from scrm.shared.clock import database_now

#: A hand-over may have made this owner, if it was under way.
NOT_FROM_BEFORE = frozenset({OwnershipCause.OBSERVED, OwnershipCause.FIRST_SEEN})

# The periods of chats that have just been inserted, and of chats that somebody has ended here.
FIRST = """
INSERT INTO communities_ownershipperiod
    (enterprise_id, chat_id, staff_id, userid, began_at, seen_at, ended_at, cause)
SELECT chat.enterprise_id, chat.id, chat.owner_id, chat.owner_userid, chat.began_at, chat.read_at,
       CASE WHEN chat.state = 'dissolved'
            THEN greatest(chat.began_at, coalesce(chat.dissolved_at, chat.began_at)) END,
       CASE WHEN chat.read_at IS NOT NULL THEN 'first_seen'
            WHEN chat.owner_id IS NOT NULL THEN 'registered' ELSE 'unread' END
FROM (
    SELECT *, coalesce(founded_at, created_at) AS began_at FROM communities_groupchat
    WHERE id = ANY(%(chats)s)
) chat
WHERE NOT EXISTS (SELECT FROM communities_ownershipperiod known WHERE known.chat_id = chat.id)
"""
ENDED = """
UPDATE communities_ownershipperiod period
SET ended_at = greatest(period.began_at, statement_timestamp())
WHERE period.ended_at IS NULL AND period.chat_id = ANY(%(chats)s)
"""


# Whoever looks at an item has it locked and asks for the reading that we have: no waiting here.
LOOK_NOW = """
WITH waiting AS MATERIALIZED (
    SELECT id FROM communities_transferitem
    WHERE id = ANY(%(items)s) AND state IN ('accepted', 'unknown') AND token IS NULL
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE communities_transferitem item SET due_at = statement_timestamp()
FROM waiting
WHERE item.id = waiting.id
"""


def own_new_chats(chats: Iterable[GroupChat]) -> None:
    """The first period of chats that have just been inserted; of others nothing changes."""
    _execute(FIRST, [chat.pk for chat in chats])


def follow_owners(
    chats: Sequence[GroupChat],
    *,
    read_at: datetime,
    formerly_read: Mapping[int, datetime | None],
) -> None:
    """Bring the periods up to the owners that a reading at ``read_at`` has just written into these
    locked chats. ``formerly_read``: when each was read the last time before."""
    if not chats:
        return
    histories = histories_of(chats)
    for chat in chats:
        history = histories[chat.pk]
        if chat.state != ChatState.DISSOLVED:  # it may only have been out of sight
            history.last.ended_at = None
        history.show(read_at=read_at, formerly_read=formerly_read[chat.pk])
    handed_over = _note_transfers(histories.values())
    new = write_histories(histories.values())
    changed = [
        row for row in new if row.cause in {OwnershipCause.OBSERVED, OwnershipCause.TRANSFER}
    ]
    judge_changes(changed, handed_over)


def name_owner(chat: GroupChat) -> None:
    """The owner of a locked chat has just been written by hand."""
    history = histories_of([chat])[chat.pk]
    history.name(at=database_now())
    write_histories([history])


def note_owner_changes(chats: Sequence[GroupChat], changes: Mapping[int, set[datetime]]) -> None:
    """Events told when the owners of these locked chats changed, by their keys, but not to whom.
    Boundaries that readings have inferred, or will infer, become exact; the order of both does not
    matter."""
    OwnerChange.objects.bulk_create(
        (
            OwnerChange(enterprise_id=chat.enterprise_id, chat=chat, at=at)
            for chat in chats
            for at in sorted(changes.get(chat.pk, ()))
        ),
        ignore_conflicts=True,
    )
    histories = histories_of([chat for chat in chats if changes.get(chat.pk)])
    for history in histories.values():
        history.settle()
    write_histories(histories.values())


def end_ownership(chat: GroupChat, *, at: datetime) -> None:
    """A locked chat ended at ``at``; said again with another instant, that one holds."""
    history = histories_of([chat])[chat.pk]
    history.end(at=at)
    write_histories([history])


def end_ownerships(chat_ids: Collection[int]) -> None:
    """We ended these chats ourselves, now."""
    _execute(ENDED, list(chat_ids))


def _execute(statement: str, chat_ids: list[int]) -> None:
    if chat_ids:
        with database.cursor() as cursor:
            cursor.execute(statement, {"chats": chat_ids})


def _note_transfers(histories: Iterable[ChatHistory]) -> dict[int, TransferItem]:
    """Which of the new owners have got their chat by a hand-over of ours; returns the hand-overs
    that hold these chats, by chat."""
    new = {
        history.chat.pk: history
        for history in histories
        if history.last._state.adding and history.last.cause in NOT_FROM_BEFORE
    }
    if not new:
        return {}
    items = {
        cast(int, item.chat_id): item
        for item in TransferItem.objects.holding().filter(chat__in=new)
    }
    for chat_id, item in items.items():
        history = new[chat_id]
        used = {row.transfer_item_id for row in history.rows}
        if (
            item.receiver_id is not None
            and item.receiver_id == history.last.staff_id
            and item.state != ItemState.PENDING
            and item.pk not in used
        ):
            history.last.cause, history.last.transfer_item = OwnershipCause.TRANSFER, item
    _look_now(items.values())
    return items


def _look_now(items: Iterable[TransferItem]) -> None:
    """The reading that these items wait for has come: their next look need not wait any longer."""
    with database.cursor() as cursor:
        cursor.execute(LOOK_NOW, {"items": [item.pk for item in items]})
