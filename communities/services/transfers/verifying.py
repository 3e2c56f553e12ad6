"""Whether chats have come to their receivers: told by fresh readings and by nothing else.

An item of unknown outcome is looked up in the same way before it is sent once more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection as database
from django.db import transaction

from communities.rules.transfer_readings import (
    Look,
    Seen,
    look_at_chat,
)
from communities.rules.transfer_verdicts import (
    Verdict,
)
from communities.rules.transfers import ItemState
from communities.services.transfers.claims import write_findings
from communities.services.transfers.quotas import give_back_quotas
from communities.services.transfers.settling import lock_transfers, settle_transfers
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.platform_clock import platform_day, platform_now
from scrm.wecom.services.reading import request_reads

AT_ONCE = 500

_DUE = """
item.state IN ('unknown', 'accepted') AND item.due_at <= statement_timestamp()
  AND item.subject = 'chat' AND item.channel_account_id = %(account)s
"""

WHOSE = f"""
SELECT DISTINCT transfer_id FROM (
    SELECT item.transfer_id FROM communities_transferitem item
    WHERE {_DUE} ORDER BY item.due_at LIMIT %(most)s
) due
"""  # noqa: S608 - nothing of it comes from outside

# Both ways of knowing an owner: as a colleague, and by the account that the platform names.
LOOK = f"""
SELECT item.id, item.transfer_id, item.giver_id, item.state, item.reason, item.attempt_count,
    item.platform_code, item.sent_at, item.accepted_at,
    CASE WHEN chat.owner_id = item.receiver_id
              OR lower(chat.owner_userid) = lower(nullif(receiver.external_id, ''))
         THEN 'receiver'
         WHEN chat.owner_id = item.giver_id
              OR lower(chat.owner_userid) = lower(nullif(giver.external_id, ''))
         THEN 'giver'
         WHEN chat.owner_id IS NULL AND chat.owner_userid = '' THEN ''
         ELSE 'other' END,
    chat.read_at, chat.dissolved_at IS NOT NULL, chat.external_id
FROM communities_transferitem item
JOIN communities_groupchat chat ON chat.id = item.chat_id
JOIN accounts_staff giver ON giver.id = item.giver_id
JOIN accounts_staff receiver ON receiver.id = item.receiver_id
WHERE {_DUE} AND item.transfer_id = ANY(%(transfers)s)
ORDER BY item.id
LIMIT %(most)s
FOR NO KEY UPDATE OF item SKIP LOCKED
"""  # noqa: S608 - likewise

LATER = """
UPDATE communities_transferitem item SET
    due_at = statement_timestamp() + make_interval(secs => given.wait)
FROM unnest(%(ids)s::bigint[], %(waits)s::float8[]) AS given (id, wait)
WHERE item.id = given.id
"""


class Row(NamedTuple):
    id: int
    transfer_id: int
    giver_id: int
    state: str
    reason: str
    attempt_count: int
    code: int | None
    sent_at: datetime
    accepted_at: datetime | None
    owner: str
    read_at: datetime | None
    is_dissolved: bool
    ref: str


@transaction.atomic
def look_at_chats(connection: WecomConnection) -> int:
    """Settle what readings tell about items that are due, have chats read where they tell nothing
    yet, and queue again what certainly was not done. Returns how many were looked at."""
    rows = _due_rows(connection)
    if not rows:
        return 0
    now = platform_now(connection)
    looks = {row.id: look_at_chat(_seen(row), now=now) for row in rows}
    verdicts = {id_: look.verdict for id_, look in looks.items() if look.verdict is not None}
    written = write_findings(verdicts)
    _give_back(connection, [row for row in rows if row.id in written], verdicts)
    _look_later(connection, rows, looks)
    settle_transfers({row.transfer_id for row in rows if row.id in written})
    return len(rows)


def _due_rows(connection: WecomConnection) -> list[Row]:
    named: dict[str, Any] = {"account": connection.account_id, "most": AT_ONCE}
    with database.cursor() as cursor:
        cursor.execute(WHOSE, named)
        transfer_ids = [transfer_id for (transfer_id,) in cursor.fetchall()]
        if not transfer_ids:
            return []
        lock_transfers(transfer_ids)
        cursor.execute(LOOK, {**named, "transfers": transfer_ids})
        return [Row(*row) for row in cursor.fetchall()]


def _seen(row: Row) -> Seen:
    return Seen(
        state=row.state,
        reason=row.reason,
        attempt_count=row.attempt_count,
        code=row.code,
        sent_at=row.sent_at,
        accepted_at=row.accepted_at if row.state == ItemState.ACCEPTED else None,
        owner=row.owner,
        read_at=row.read_at,
        is_dissolved=row.is_dissolved,
    )


def _give_back(
    connection: WecomConnection, rows: Sequence[Row], verdicts: dict[int, Verdict]
) -> None:
    """What was lost with its answer and certainly not done counts for no day."""
    unused: dict[date, Counter[int]] = defaultdict(Counter)
    for row in rows:
        if verdicts[row.id].state == ItemState.QUEUED:
            unused[platform_day(row.sent_at)][row.giver_id] += 1
    for day in sorted(unused):
        give_back_quotas(connection.account_id, unused[day], day=day)


def _look_later(connection: WecomConnection, rows: Sequence[Row], looks: dict[int, Look]) -> None:
    open_rows = [row for row in rows if looks[row.id].verdict is None]
    with database.cursor() as cursor:
        cursor.execute(
            LATER,
            {
                "ids": [row.id for row in open_rows],
                "waits": [looks[row.id].wait for row in open_rows],
            },
        )
    soon: dict[float, list[str]] = defaultdict(list)
    for row in rows:
        if (read_in := looks[row.id].read_in) is not None:
            soon[round(read_in)].append(row.ref)
    for read_in in sorted(soon):
        request_reads(connection, ReadKind.CHAT, soon[read_in], delay=timedelta(seconds=read_in))
