"""Doing what plans for group chats say when it is due.

Messages of one step and day become one broadcast with the list of all chats that are due, which
goes through the usual pipeline and guards. Checklists become tasks of whoever owns the chat.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from campaigns.models import Approval, Broadcast, Run, SopEnrolment, SopPlan, SopStep, SopTask
from campaigns.rules.guarding import Decision
from campaigns.rules.sop import MESSAGE_GRACE, EnrolmentStatus, SopStatus, SopTaskStatus, StepKind
from campaigns.rules.status import BroadcastStatus, BroadcastTarget
from campaigns.selectors.contents import digest_of
from campaigns.selectors.lexicon import lexicon_of
from campaigns.services.scheduling import start_broadcast
from campaigns.services.sop_enrolling import end_enrolments
from campaigns.services.sop_plans import forbidden_words
from communities.models import GroupChat
from communities.rules.status import ChatState
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.operator_tasks import Asked, open_tasks
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

#: Chats of one broadcast, and checklists opened in one transaction.
CHATS_AT_ONCE = 10_000
CHECKLISTS_AT_ONCE = 2000
OPEN_TASK = (SopTaskStatus.PLANNED, SopTaskStatus.OPEN, SopTaskStatus.SENDING)

# What became of the messages. A chat that the run does not know was no longer in its community.
SETTLE_MESSAGES = """
WITH told AS MATERIALIZED (
    SELECT task.id, delivery.status, delivery.reason
    FROM campaigns_soptask task
    JOIN campaigns_sopenrolment enrolment ON enrolment.id = task.enrolment_id
    JOIN campaigns_run run ON run.id = task.run_id
    LEFT JOIN campaigns_delivery delivery
      ON delivery.run_id = task.run_id AND delivery.recipient_id = enrolment.chat_id
    WHERE task.status = 'sending' AND (
        delivery.status IN ('delivered', 'failed', 'suppressed', 'expired', 'cancelled')
        OR delivery.status IS NULL AND run.status NOT IN ('freezing', 'asked')
    )
    LIMIT 10000
    FOR NO KEY UPDATE OF task SKIP LOCKED
)
UPDATE campaigns_soptask task SET
    status = CASE WHEN told.status = 'delivered' THEN 'done' ELSE 'failed' END,
    reason = CASE WHEN told.status = 'delivered' THEN ''
                  ELSE coalesce(nullif(told.reason, ''), told.status, 'chat_gone') END,
    done_at = CASE WHEN told.status = 'delivered' THEN statement_timestamp() END
FROM told WHERE task.id = told.id
"""

# Somebody closed the task on the desk instead of ticking the list.
FOLLOW_THE_DESK = """
UPDATE campaigns_soptask task SET
    status = CASE WHEN asked.status = 'done' THEN 'done' ELSE 'skipped' END,
    reason = CASE WHEN asked.status = 'done' THEN '' ELSE asked.note END,
    done_at = asked.closed_at, done_by_id = asked.closed_by_id
FROM accounts_operatortask asked
WHERE task.status = 'open' AND asked.id = task.operator_task_id AND asked.status <> 'open'
"""


def advance_sop() -> None:
    """Everything that is due in the plans of group chats. The sweep's verb."""
    _settle()
    for plan_id in _plans_with_due_tasks():
        try:
            while _send_next(plan_id) or _open_checklists(plan_id):
                pass
        except Exception:  # one plan must not keep the others waiting
            logger.exception("A plan cannot go on.", extra={"plan_id": plan_id})
    _complete()


def _settle() -> None:
    with transaction.atomic():
        dissolved = SopEnrolment.objects.filter(chat__state=ChatState.DISSOLVED)
        end_enrolments(dissolved, reason=_("群已解散"))
    with connection.cursor() as cursor:
        cursor.execute(SETTLE_MESSAGES)
        cursor.execute(FOLLOW_THE_DESK)


def _complete() -> None:
    """A chat has been through its plan when nothing is left to happen."""
    left = SopTask.objects.filter(enrolment=OuterRef("pk"), status__in=OPEN_TASK)
    SopEnrolment.objects.filter(~Exists(left), status=EnrolmentStatus.ACTIVE).update(
        status=EnrolmentStatus.COMPLETED
    )


def _due(now: datetime) -> QuerySet[SopTask]:
    return SopTask.objects.filter(
        status=SopTaskStatus.PLANNED,
        due_at__lte=now,
        enrolment__status=EnrolmentStatus.ACTIVE,
        enrolment__plan__status=SopStatus.ACTIVE,
    )


def _plans_with_due_tasks() -> list[int]:
    due = _due(database_now()).order_by()
    return list(due.values_list("enrolment__plan_id", flat=True).distinct())


def _locked_plan(plan_id: int) -> SopPlan | None:
    """One worker at a plan at a time: the others find nothing to do."""
    plans = SopPlan.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    return plans.filter(pk=plan_id, status=SopStatus.ACTIVE).first()


# --- Messages -----------------------------------------------------------------------------------


@transaction.atomic
def _send_next(plan_id: int) -> bool:
    """One broadcast for the message that has been due longest; False when none is."""
    plan = _locked_plan(plan_id)
    now = database_now()
    if plan is None:
        return False
    messages = _due(now).filter(enrolment__plan=plan, step__kind=StepKind.MESSAGE)
    messages.filter(due_at__lt=now - MESSAGE_GRACE).update(
        status=SopTaskStatus.SKIPPED, reason=_("错过了时间，没有补发")
    )
    first = messages.order_by("due_at", "step").first()
    if first is None:
        return False
    together = messages.filter(step=first.step_id, due_at=first.due_at).order_by("pk")
    tasks = list(together.values_list("pk", "enrolment__chat_id")[:CHATS_AT_ONCE])
    forbidden = forbidden_words([first.step], enterprise_id=plan.enterprise_id)
    if forbidden:
        words = _("批准之后词库变了，不能再发“%(quote)s”") % {"quote": forbidden[0].finding.quote}
        together.update(status=SopTaskStatus.FAILED, reason=words)
        return True
    run = _begin(plan, first.step, [chat for _task, chat in tasks], due_at=first.due_at)
    ids = SopTask.objects.filter(pk__in=[pk for pk, _chat in tasks])
    if run is None:
        ids.update(status=SopTaskStatus.FAILED, reason=_("群已解散或不再属于社群"))
    else:
        ids.update(status=SopTaskStatus.SENDING, run=run)
    return True


def _begin(
    plan: SopPlan, step: SopStep, chat_ids: Sequence[int], *, due_at: datetime
) -> Run | None:
    """None: none of these chats carries a community any more."""
    chats = GroupChat.objects.live().filter(pk__in=chat_ids, community__isnull=False)
    homes = dict(chats.values_list("pk", "community_id"))
    if not homes:
        return None
    broadcast = _broadcast_of(plan, step, due_at=due_at)
    broadcast.communities.set(sorted(set(homes.values())))
    broadcast.chats.set(sorted(homes))
    broadcast.content_digest = digest_of(broadcast)
    broadcast.save(update_fields=["content_digest"])
    Approval.objects.create(
        broadcast=broadcast,
        user_id=plan.approved_by_id,
        decision=Decision.APPROVED,
        content_digest=broadcast.content_digest,
        shown={
            "will_send_count": len(homes),
            "lexicon": lexicon_of(plan.enterprise_id).version,
            "checks": [],
        },
        note=_("随群 SOP“%(name)s”批准") % {"name": plan.name},
    )
    run = start_broadcast(broadcast.pk)
    if run is None:
        raise RuntimeError("A broadcast that was due now did not begin.")
    logger.info(
        "A step of a plan is sent.",
        extra={"plan_id": plan.pk, "run_id": run.pk, "chat_count": len(homes)},
    )
    return run


def _broadcast_of(plan: SopPlan, step: SopStep, *, due_at: datetime) -> Broadcast:
    """Approved with the plan, by whoever approved that."""
    return Broadcast.objects.create(
        enterprise_id=plan.enterprise_id,
        name=f"{plan.name} · {step.title}"[:120],
        category=step.category,
        body=step.body,
        content_version=step.content_version,
        attachments=step.content_version.attachments if step.content_version else [],
        target=BroadcastTarget.CHATS,
        channel_account_id=plan.channel_account_id,
        sop_step=step,
        status=BroadcastStatus.SCHEDULED,
        scheduled_at=due_at,
        misfire_grace_minutes=int(MESSAGE_GRACE.total_seconds()) // 60,
        author_id=plan.author_id,
        last_editor_id=plan.author_id,
        approved_by_id=plan.approved_by_id,
        approved_at=plan.approved_at,
    )


# --- Checklists ---------------------------------------------------------------------------------


@transaction.atomic
def _open_checklists(plan_id: int) -> bool:
    """Ask the owners of the chats; False when there is nothing to ask."""
    plan = _locked_plan(plan_id)
    if plan is None:
        return False
    due = _due(database_now()).filter(enrolment__plan=plan, step__kind=StepKind.CHECKLIST)
    tasks = list(
        due.select_related("step__plan", "enrolment__chat__owner").order_by("due_at", "pk")[
            :CHECKLISTS_AT_ONCE
        ]
    )
    asked = open_tasks(TaskKind.SOP_CHECKLIST, [_asked(task) for task in tasks])
    for task, operator_task in zip(tasks, asked, strict=True):
        task.status, task.operator_task = SopTaskStatus.OPEN, operator_task
    SopTask.objects.bulk_update(tasks, ["status", "operator_task"])
    return bool(tasks)


def _asked(task: SopTask) -> Asked:
    chat = task.enrolment.chat
    return Asked(
        subject=task,
        title=_("%(chat)s：%(title)s") % {"chat": chat.name, "title": task.step.title},
        details={"chat": chat.name, "reasons": list(task.step.items)},
        assignee=chat.owner,
    )
