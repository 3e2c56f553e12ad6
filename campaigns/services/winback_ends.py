"""What becomes of winback actions: by the word of people, by their broadcast, by their alert.

Tasks are written before the actions that wait for them, everywhere: so nobody waits in a circle.
"""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from campaigns.errors import CannotMoveWinback
from campaigns.models import Broadcast, ChurnAlert, Run, WinbackAction
from campaigns.rules.status import BroadcastStatus
from campaigns.rules.winback import (
    ALERT_CLOSED,
    BROADCAST_CANCELLED,
    BY_HAND,
    NOT_MATCHING,
    OVER,
    STATUS_OF_DELIVERY,
    TASK_DISMISSED,
    WinbackKind,
    WinbackStatus,
)
from scrm.accounts.models import OperatorTask, User
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.services.audit import record_audit
from scrm.accounts.services.operator_tasks import settle_task, settle_tasks
from scrm.shared.clock import database_now
from scrm.shared.sql import Sql, named_sql

PLANNED = WinbackStatus.PLANNED

# Of several deliveries of a broadcast to the same member the best counts, then the latest.
FOLLOW_DELIVERIES = """
WITH fate AS (
    SELECT action.id, got.status, got.reason, got.settled_at
    FROM campaigns_winbackaction action
    JOIN campaigns_churnalert alert ON alert.id = action.alert_id
    CROSS JOIN LATERAL (
        SELECT delivery.status, delivery.reason, delivery.settled_at
        FROM campaigns_run run
        JOIN campaigns_delivery delivery
          ON delivery.run_id = run.id AND delivery.recipient_id = alert.member_id
        WHERE run.broadcast_id = action.broadcast_id
        ORDER BY delivery.status = 'delivered' DESC, run.id DESC LIMIT 1
    ) got
    WHERE action.broadcast_id = {broadcast}
), became AS (
    SELECT id, {status} AS status, CASE WHEN status = 'delivered' THEN '' ELSE left(reason, 40) END
           AS reason, settled_at
    FROM fate
)
UPDATE campaigns_winbackaction action
SET status = became.status, reason = became.reason, done_at = became.settled_at
FROM became
WHERE action.id = became.id AND became.status IS NOT NULL
  AND (action.status, action.reason) IS DISTINCT FROM (became.status, became.reason)
"""


@transaction.atomic
def complete_winback(action_id: int, *, note: str = "", actor: User) -> WinbackAction:
    """Say that it was done. A message says so by itself, when it is delivered."""
    action = _by_hand(action_id, actor=actor)
    return _ended(action, WinbackStatus.DONE, note=note, verb="complete_winback", actor=actor)


@transaction.atomic
def cancel_winback(action_id: int, *, note: str = "", actor: User) -> WinbackAction:
    """Say that it will not be done. Of a message: only until its recipients are fixed."""
    action = _by_hand(action_id, actor=actor, may_be_message=True)
    return _ended(
        action,
        WinbackStatus.CANCELLED,
        note=note,
        reason=BY_HAND,
        verb="cancel_winback",
        actor=actor,
    )


def _by_hand(action_id: int, *, actor: User, may_be_message: bool = False) -> WinbackAction:
    actions = WinbackAction.objects.visible_to(actor)
    task_id = actions.values_list("task", flat=True).get(pk=action_id)
    OperatorTask.objects.select_for_update(no_key=True).filter(pk=task_id).first()
    action = actions.select_for_update(no_key=True, of=("self",)).get(pk=action_id)
    if action.status != PLANNED:
        raise CannotMoveWinback(
            _("这个动作“%(status)s”，不用再处理。") % {"status": action.get_status_display()}
        )
    if action.kind == WinbackKind.MESSAGE:
        if not may_be_message:
            raise CannotMoveWinback(_("消息是否送达由群发的结果决定，不用手工标记。"))
        if Run.objects.filter(broadcast=action.broadcast_id).exists():
            raise CannotMoveWinback(_("群发已经开始，名单已锁定；要停止请取消群发。"))
    return action


def _ended(
    action: WinbackAction,
    status: WinbackStatus,
    *,
    note: str,
    verb: str,
    actor: User,
    reason: str = "",
) -> WinbackAction:
    before = {"status": action.status, "note": action.note}
    if action.kind == WinbackKind.TASK:
        settle_task(TaskKind.WINBACK, subject=action.alert)
    action.status, action.reason = status, reason
    action.note = note.strip()[:300] or action.note
    action.done_at = database_now() if status == WinbackStatus.DONE else None
    action.save(update_fields=["status", "reason", "note", "done_at"])
    after = {"status": action.status, "note": action.note}
    record_audit(actor, verb=verb, subject=action, before=before, after=after)
    return action


def call_off_winbacks(alerts: QuerySet[ChurnAlert]) -> int:
    """The alerts are closed: nothing that is still to be done for them is done. How many, in the
    caller's transaction."""
    planned = WinbackAction.objects.filter(status=PLANNED, alert__in=alerts)
    ids = list(planned.values_list("pk", flat=True))
    if not ids:
        return 0
    asked = WinbackAction.objects.filter(pk__in=ids, kind=WinbackKind.TASK)
    settle_tasks(TaskKind.WINBACK, subjects=ChurnAlert.objects.filter(actions__in=asked))
    still = WinbackAction.objects.filter(pk__in=ids, status=PLANNED)
    return still.update(status=WinbackStatus.CANCELLED, reason=ALERT_CLOSED)


def follow_task(task_id: int) -> int:
    """Somebody closed the task of an action: so the action is done, or will not be."""
    task = OperatorTask.objects.get(pk=task_id)
    planned = WinbackAction.objects.filter(task=task_id, status=PLANNED)
    if task.status == TaskStatus.DONE:
        return planned.update(status=WinbackStatus.DONE, done_at=Now(), note=task.note)
    if task.status == TaskStatus.DISMISSED:
        return planned.update(status=WinbackStatus.CANCELLED, reason=TASK_DISMISSED, note=task.note)
    return 0


@transaction.atomic
def follow_broadcast(broadcast_id: int) -> int:
    """Bring the messages of a broadcast in line with what became of its deliveries. Who was given
    none although it is over was not wanted any more."""
    cases = " ".join(f"WHEN '{source}' THEN '{to}'" for source, to in STATUS_OF_DELIVERY.items())
    statement = named_sql(
        FOLLOW_DELIVERIES, broadcast=broadcast_id, status=Sql(f"CASE status {cases} END")
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        moved: int = cursor.rowcount
    status = Broadcast.objects.values_list("status", flat=True).get(pk=broadcast_id)
    if status not in OVER:
        return moved
    is_cancelled = status == BroadcastStatus.CANCELLED
    left = WinbackAction.objects.filter(broadcast=broadcast_id, status=PLANNED)
    if is_cancelled:
        return moved + left.update(status=WinbackStatus.CANCELLED, reason=BROADCAST_CANCELLED)
    return moved + left.update(status=WinbackStatus.SUPPRESSED, reason=NOT_MATCHING)


def follow_broadcasts() -> int:
    """The sweep: whatever was missed of broadcasts that have something to tell."""
    waiting = WinbackAction.objects.filter(broadcast=OuterRef("pk"), status=PLANNED)
    runs = Run.objects.filter(broadcast=OuterRef("pk"))
    told = Broadcast.objects.filter(Exists(waiting)).filter(Exists(runs) | Q(status__in=OVER))
    return sum(follow_broadcast(pk) for pk in told.values_list("pk", flat=True))
