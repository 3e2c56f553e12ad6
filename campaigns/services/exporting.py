"""The recipients of a run as a file for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db import connection, transaction
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from campaigns.models import Run
from campaigns.rules.csv_cells import harmless
from campaigns.rules.reasons import reason_words
from campaigns.rules.status import BroadcastTarget, DeliveryStatus
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit

ROWS_AT_ONCE = 5000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # or a spreadsheet takes the Chinese for something else

PIECE = {
    BroadcastTarget.MEMBERS: """
SELECT delivery.recipient_id, member.external_id, member.nickname,
       delivery.status, delivery.reason,
       to_char(delivery.settled_at AT TIME ZONE %(zone)s, 'YYYY-MM-DD HH24:MI:SS')
FROM campaigns_delivery delivery LEFT JOIN members_member member ON member.id = recipient_id
WHERE delivery.run_id = %(run)s AND delivery.recipient_id > %(after)s
ORDER BY delivery.recipient_id LIMIT %(limit)s
""",
    BroadcastTarget.CHATS: """
SELECT delivery.recipient_id, chat.external_id, chat.name,
       delivery.status, delivery.reason,
       to_char(delivery.settled_at AT TIME ZONE %(zone)s, 'YYYY-MM-DD HH24:MI:SS')
FROM campaigns_delivery delivery LEFT JOIN communities_groupchat chat ON chat.id = recipient_id
WHERE delivery.run_id = %(run)s AND delivery.recipient_id > %(after)s
ORDER BY delivery.recipient_id LIMIT %(limit)s
""",
}


class Line(NamedTuple):
    recipient_id: int
    external_id: str | None
    name: str | None
    status: str
    reason: str
    settled_at: str | None


def export_recipients(run_id: int, *, actor: User) -> Iterator[bytes]:
    """CSV in UTF-8 with a byte order mark, read from the database piece by piece, so that a
    million recipients take no more memory than a thousand. Audited before the first piece."""
    run = _audited(run_id, actor=actor)
    return _pieces(run, language=get_language())


@transaction.atomic
def _audited(run_id: int, *, actor: User) -> Run:
    runs = Run.objects.visible_to(actor).select_related("broadcast__enterprise")
    run = runs.get(pk=run_id)
    record_audit(
        actor,
        verb="export_recipients",
        subject=run.broadcast,
        after={"run": run.pk, "recipient_count": run.recipient_count},
    )
    return run


def _pieces(run: Run, *, language: str | None) -> Iterator[bytes]:
    """Read while they are sent, when the request's language is no longer in force."""
    with override(language):
        words = {status.value: str(status.label) for status in DeliveryStatus}
        yield BYTE_ORDER_MARK + _written([_heading()])
    after = 0
    while lines := _lines(run, after=after):
        with override(language):
            piece = _written(_cells(line, words) for line in lines)
        yield piece
        after = lines[-1].recipient_id


def _heading() -> list[str]:
    return [_("收件人编号"), _("平台编号"), _("名称"), _("状态"), _("原因"), _("结果时间")]


def _lines(run: Run, *, after: int) -> list[Line]:
    with connection.cursor() as cursor:
        cursor.execute(
            PIECE[BroadcastTarget(run.broadcast.target)],
            {
                "run": run.pk,
                "after": after,
                "limit": ROWS_AT_ONCE,
                "zone": run.broadcast.enterprise.zone.key,
            },
        )
        return [Line(*row) for row in cursor.fetchall()]


def _cells(line: Line, words: dict[str, str]) -> list[str]:
    reason = str(reason_words(line.reason)) if line.reason else ""
    texts = (line.external_id or "", line.name or "", words[line.status], reason)
    return [str(line.recipient_id), *map(harmless, texts), line.settled_at or ""]


def _written(rows: Iterable[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
