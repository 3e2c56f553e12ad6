"""Asking for single objects of the platform to be read again, once each however often asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.wecom.errors import ReadHasNotFailed
from scrm.wecom.models import ReadRequest, WecomConnection
from scrm.wecom.rules.status import ReadState

OBJECT = ("kind", "external_id", "state", "reason")
STATE = ("state", "reason", "attempt_count", "lost_count", "due_at", "requested_at", "number")

#: The platform tells of a change at once and shows it some moments later.
RIPE_AFTER = timedelta(seconds=2)
#: Whatever goes on with an object, it is read this soon after the first request.
LONGEST_WAIT = timedelta(seconds=10)
LONGEST_ID = 128  # none of the platform's is longer, so what is cannot be read

# One order of rows, so that two who ask for the same objects never wait for each other in a circle.
# A row that somebody is reading keeps the end of the lease; that reading does not answer this
# request, so the row stays and is due when it is ripe.
REQUEST = """
INSERT INTO wecom_readrequest AS kept
    (connection_id, kind, external_id, wanted_version, due_at, ripe_at)
SELECT %(connection)s, %(kind)s, given.external_id, given.wanted_version,
       statement_timestamp() + make_interval(secs => %(delay)s),
       statement_timestamp() + make_interval(secs => %(delay)s)
FROM unnest(%(ids)s::text[], %(versions)s::text[]) AS given (external_id, wanted_version)
ORDER BY given.external_id
ON CONFLICT (connection_id, kind, external_id) DO UPDATE SET
    number = kept.number + 1,
    wanted_version = CASE EXCLUDED.wanted_version WHEN '' THEN kept.wanted_version
                          ELSE EXCLUDED.wanted_version END,
    state = 'waiting',
    attempt_count = 0,
    reason = '',
    ripe_at = greatest(kept.ripe_at, EXCLUDED.ripe_at),
    requested_at = CASE kept.state WHEN 'failed' THEN statement_timestamp()
                        ELSE kept.requested_at END,
    due_at = CASE
        WHEN kept.token IS NOT NULL THEN kept.due_at
        WHEN kept.state = 'failed' OR kept.attempt_count > 0 THEN EXCLUDED.due_at
        ELSE least(EXCLUDED.due_at, kept.requested_at + make_interval(secs => %(longest)s))
    END
"""


def request_read(
    connection: WecomConnection,
    kind: str,
    external_id: str,
    *,
    delay: timedelta = RIPE_AFTER,
    wanted_version: str = "",
) -> None:
    """Have one object read, not before ``delay`` has passed.

    ``wanted_version`` is the version that the event spoke of, where it named one.
    """
    request_reads(
        connection, kind, [external_id], delay=delay, versions={external_id: wanted_version}
    )


def request_reads(
    connection: WecomConnection,
    kind: str,
    external_ids: Iterable[str],
    *,
    delay: timedelta = RIPE_AFTER,
    versions: Mapping[str, str] | None = None,
) -> None:
    """Have many objects of one kind read, in one statement. ``versions``: the wanted version of
    those whose event named one."""
    ids = sorted({each for each in external_ids if 0 < len(each) <= LONGEST_ID})
    if not ids:
        return
    wanted = versions or {}
    with database.cursor() as cursor:
        cursor.execute(
            REQUEST,
            {
                "connection": connection.pk,
                "kind": kind,
                "ids": ids,
                "versions": [wanted.get(each, "") for each in ids],
                "delay": delay.total_seconds(),
                "longest": LONGEST_WAIT.total_seconds(),
            },
        )


@transaction.atomic
def replay_read(read_id: int, *, actor: User) -> ReadRequest:
    """Have an object that could not be read tried once more, from the beginning."""
    rows = ReadRequest.objects.visible_to(actor).select_related("connection")
    request = rows.select_for_update(no_key=True, of=("self",)).get(pk=read_id)
    if request.state != ReadState.FAILED:
        raise ReadHasNotFailed(_("这个对象没有读取失败，已在等待读取。"))
    before = snapshot(request, OBJECT)
    request.state, request.reason = ReadState.WAITING, ""
    request.attempt_count = request.lost_count = 0
    request.due_at = request.requested_at = Now()
    request.number += 1
    request.save(update_fields=STATE)
    request.refresh_from_db(fields=STATE)
    # the request goes once it is answered, so the event is told of the connection
    record_audit(
        actor,
        verb="replay_read",
        subject=request.connection,
        before=before,
        after=snapshot(request, OBJECT),
    )
    return request
