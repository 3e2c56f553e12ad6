"""Reminding colleagues who have not confirmed yet what they are asked to send.

Somebody asks for a reminder, or its hour has come; the platform is called at the next look, which
is hurried. The platform takes three in 24 hours for each task.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from campaigns.errors import CannotRemind, TooManyReminders
from campaigns.models import Dispatch, Run
from campaigns.rules.confirming import may_remind, reminder_is_due
from campaigns.rules.status import BroadcastStatus, DispatchStatus
from campaigns.services.moving import locked_broadcast
from campaigns.signals import look_asked
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.wecom.client import Outcome, WecomClient, WecomRefusal
from scrm.wecom.models import ChannelAccount, WecomConnection
from scrm.wecom.services.platform_clock import platform_now

REMINDED_TOO_OFTEN = 41094

# Written down before the call: a reminder that is repeated counts twice at the platform.
NOTE = """
UPDATE campaigns_dispatch SET
    reminded_at = array_append(reminded_at, %(at)s::timestamptz), remind_asked_at = NULL
WHERE id = %(id)s AND token = %(token)s AND status = 'awaiting'
"""

UNNOTE = """
UPDATE campaigns_dispatch SET
    reminded_at = array_remove(reminded_at, %(at)s::timestamptz), remind_asked_at = %(asked)s
WHERE id = %(id)s AND token = %(token)s
"""


@transaction.atomic
def remind_dispatch(dispatch_id: int, *, actor: User | None) -> Dispatch:
    """Remind one colleague of what waits for them; the platform allows three times in 24 hours."""
    dispatch = locked_dispatch(dispatch_id)
    if not is_unconfirmed(dispatch):
        raise CannotRemind(_("这一批已确认、已停止或还没提交，不用提醒。"))
    now = time_at(dispatch.run.broadcast.channel_account)
    if not may_remind(now=now, reminded_at=dispatch.reminded_at):
        raise TooManyReminders(_("24 小时内已提醒 3 次，平台不允许再提醒，请直接联系群主。"))
    _ask(dispatch)
    record_audit(
        actor,
        verb="remind_dispatch",
        subject=dispatch.run.broadcast,
        after={"run": dispatch.run_id, "sender": dispatch.sender},
    )
    look_asked.send(sender=Dispatch)
    return dispatch


@transaction.atomic
def remind_run(run_id: int, *, actor: User | None) -> int:
    """Remind everybody whom the platform still lets us remind; returns how many."""
    broadcast = locked_broadcast(Run.objects.get(pk=run_id).broadcast_id)
    now = time_at(broadcast.channel_account)
    waiting = Dispatch.objects.select_for_update(no_key=True).filter(
        run=run_id, status=DispatchStatus.AWAITING, confirmed_at=None
    )
    chosen = [
        dispatch
        for dispatch in waiting.order_by("pk")
        if may_remind(now=now, reminded_at=dispatch.reminded_at)
    ]
    if not chosen:
        raise CannotRemind(_("没有可以提醒的群主：都已确认，或 24 小时内已提醒 3 次。"))
    for dispatch in chosen:
        _ask(dispatch)
    record_audit(
        actor,
        verb="remind_run",
        subject=broadcast,
        after={"run": run_id, "count": len(chosen)},
    )
    look_asked.send(sender=Dispatch)
    return len(chosen)


def remind_if_asked(
    dispatch: Dispatch, client: WecomClient, *, now: datetime, submitted_at: datetime
) -> str:
    """Call the platform if a reminder is wanted; returns why it did not take it, if so. Whoever
    calls holds the lease of the dispatch."""
    if not wants_reminder(dispatch, now=now, submitted_at=submitted_at):
        return ""
    note = {"id": dispatch.pk, "token": dispatch.token, "at": now}
    with connection.cursor() as cursor:
        cursor.execute(NOTE, note)
        if not cursor.rowcount:  # stopped meanwhile
            return ""
    try:
        client.remind_mass_message(dispatch.remote_id)
    except WecomRefusal as refusal:
        if refusal.outcome is not Outcome.UNKNOWN and refusal.code != REMINDED_TOO_OFTEN:
            with connection.cursor() as cursor:
                cursor.execute(UNNOTE, {**note, "asked": dispatch.remind_asked_at})
        return f"wecom_{refusal.code}" if refusal.code else "no_answer"
    return ""


def wants_reminder(dispatch: Dispatch, *, now: datetime, submitted_at: datetime) -> bool:
    broadcast = dispatch.run.broadcast
    if not may_remind(now=now, reminded_at=dispatch.reminded_at):
        return False
    if dispatch.remind_asked_at is not None:
        return True
    return broadcast.status != BroadcastStatus.PAUSED and reminder_is_due(
        now=now,
        submitted_at=submitted_at,
        hours=broadcast.remind_after_hours,
        reminded_at=dispatch.reminded_at,
    )


def locked_dispatch(dispatch_id: int) -> Dispatch:
    """In the order of locks: its broadcast first."""
    broadcast_id = Dispatch.objects.values_list("run__broadcast", flat=True).get(pk=dispatch_id)
    locked_broadcast(broadcast_id)
    parts = Dispatch.objects.select_related("run__broadcast__channel_account")
    return parts.select_for_update(no_key=True, of=("self",)).get(pk=dispatch_id)


def is_unconfirmed(dispatch: Dispatch) -> bool:
    return dispatch.status == DispatchStatus.AWAITING and dispatch.confirmed_at is None


def time_at(account: ChannelAccount) -> datetime:
    connection = WecomConnection.objects.filter(account=account).first()
    if connection is None:
        raise CannotRemind(_("渠道账号“%(name)s”没有连接企业微信。") % {"name": account.name})
    return platform_now(connection)


def _ask(dispatch: Dispatch) -> None:
    dispatch.remind_asked_at, dispatch.due_at = Now(), Now()
    dispatch.save(update_fields=["remind_asked_at", "due_at"])
