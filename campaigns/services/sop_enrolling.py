"""Group chats that follow a plan: beginning, pausing, going on, ending."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import BadSopChats, CannotMoveSop
from campaigns.models import SopEnrolment, SopPlan, SopStep, SopTask
from campaigns.models.sop import SopEnrolmentQuerySet
from campaigns.rules.reach import reaches_every_chat
from campaigns.rules.sop import (
    ENROLMENT_MOVES,
    EnrolmentStatus,
    SopStatus,
    SopTaskStatus,
    due_at,
)
from communities.models import Community, GroupChat
from scrm.accounts.models import User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.audit import record_audit
from scrm.accounts.services.operator_tasks import settle_tasks
from scrm.shared.clock import database_now

CHATS_AT_ONCE = 5000
ROWS_AT_ONCE = 5000
FOLLOWING = (EnrolmentStatus.ACTIVE, EnrolmentStatus.PAUSED)


@transaction.atomic
def enrol_chats(
    plan_id: int, *, chats: Sequence[GroupChat], actor: User, begins_on: date | None = None
) -> SopPlan:
    """Let these chats follow a plan from a day on (today unless told). Those that follow it
    already go on as they do. What would have been due before now is skipped."""
    plans = SopPlan.objects.visible_to(actor).select_for_update(no_key=True)
    plan = plans.select_related("enterprise", "channel_account").get(pk=plan_id)
    if plan.status != SopStatus.ACTIVE:
        raise CannotMoveSop(
            _("“%(status)s”的 SOP 不能执行，要先批准。") % {"status": plan.get_status_display()}
        )
    wanted = _fit_chats(plan, chats, actor)
    today = database_now().astimezone(plan.enterprise.zone).date()
    following = set(
        SopEnrolment.objects.filter(plan=plan, chat__in=wanted, status__in=FOLLOWING).values_list(
            "chat_id", flat=True
        )
    )
    enrolments = SopEnrolment.objects.bulk_create(
        [
            SopEnrolment(plan=plan, chat_id=pk, begins_on=begins_on or today, enrolled_by=actor)
            for pk in wanted
            if pk not in following
        ],
        batch_size=ROWS_AT_ONCE,
    )
    _plan_tasks(plan, enrolments)
    record_audit(
        actor,
        verb="enrol_chats",
        subject=plan,
        after={"chats": [row.chat_id for row in enrolments], "begins_on": begins_on or today},
    )
    return plan


@transaction.atomic
def enrol_communities(
    plan_id: int,
    *,
    communities: Iterable[Community],
    actor: User,
    begins_on: date | None = None,
) -> SopPlan:
    """All chats of these communities that the plan's account reaches."""
    plan = SopPlan.objects.visible_to(actor).select_related("channel_account").get(pk=plan_id)
    chats = GroupChat.objects.visible_to(actor).live().filter(community__in=list(communities))
    if not reaches_every_chat(plan.channel_account.kind):
        chats = chats.filter(channel_account=plan.channel_account)
    return enrol_chats(plan_id, chats=list(chats.only("pk")), actor=actor, begins_on=begins_on)


def _fit_chats(plan: SopPlan, chats: Sequence[GroupChat], actor: User) -> list[int]:
    asked = sorted({chat.pk for chat in chats})
    if not asked:
        raise BadSopChats(_("请至少选择一个群。"))
    if len(asked) > CHATS_AT_ONCE:
        raise BadSopChats(_("一次最多 %(limit)d 个群，请分几次。") % {"limit": CHATS_AT_ONCE})
    fit = GroupChat.objects.visible_to(actor).live().filter(pk__in=asked, community__isnull=False)
    if not reaches_every_chat(plan.channel_account.kind):
        fit = fit.filter(channel_account=plan.channel_account)
    found = sorted(fit.values_list("pk", flat=True))
    if len(found) < len(asked):
        unfit = GroupChat.objects.filter(pk__in=set(asked) - set(found), enterprise=plan.enterprise)
        name = unfit.values_list("name", flat=True).first() or ""
        raise BadSopChats(
            _("群“%(name)s”已解散、没有归入社群，或不属于这个渠道账号，请去掉。") % {"name": name}
        )
    return found


def _plan_tasks(plan: SopPlan, enrolments: Sequence[SopEnrolment]) -> None:
    steps = list(plan.steps.all())
    now, zone = database_now(), plan.enterprise.zone
    late = _("加入时已过时间")

    def task_of(enrolment: SopEnrolment, step: SopStep) -> SopTask:
        at = due_at(enrolment.begins_on, step.day_offset, step.local_time, zone=zone)
        is_late = at < now
        return SopTask(
            enrolment=enrolment,
            step=step,
            due_at=at,
            status=SopTaskStatus.SKIPPED if is_late else SopTaskStatus.PLANNED,
            reason=late if is_late else "",
        )

    for step in steps:  # a piece at a time: thousands of chats have tens of thousands of tasks
        SopTask.objects.bulk_create(
            [task_of(enrolment, step) for enrolment in enrolments], batch_size=ROWS_AT_ONCE
        )


@transaction.atomic
def pause_sop(enrolment_id: int, *, actor: User) -> SopEnrolment:
    """Nothing is due in this chat until it goes on."""
    return _move(enrolment_id, "pause_sop", actor=actor)


@transaction.atomic
def resume_sop(enrolment_id: int, *, actor: User) -> SopEnrolment:
    """From here on. What was due meanwhile is skipped: its moment has gone."""
    enrolment = _move(enrolment_id, "resume_sop", actor=actor)
    missed = SopTask.objects.filter(
        enrolment=enrolment, status=SopTaskStatus.PLANNED, due_at__lte=database_now()
    )
    missed.update(status=SopTaskStatus.SKIPPED, reason=_("暂停期间错过"))
    return enrolment


@transaction.atomic
def cancel_sop(enrolment_id: int, *, actor: User) -> SopEnrolment:
    enrolment = _move(enrolment_id, "cancel_sop", actor=actor)
    drop_tasks(SopEnrolment.objects.filter(pk=enrolment.pk), reason=_("已结束这个群的 SOP"))
    return enrolment


def end_enrolments(enrolments: SopEnrolmentQuerySet, *, reason: str) -> None:
    """For many chats at once, because what they followed or they themselves are no more. In the
    caller's transaction."""
    following = enrolments.filter(status__in=FOLLOWING)
    ids = list(following.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
    ended = SopEnrolment.objects.filter(pk__in=ids)
    drop_tasks(ended, reason=reason)
    ended.update(status=EnrolmentStatus.CANCELLED)


def drop_tasks(enrolments: SopEnrolmentQuerySet, *, reason: str) -> None:
    """What has not happened yet will not, and nobody is asked for it any more."""
    tasks = SopTask.objects.filter(enrolment__in=enrolments)
    opened = tasks.filter(status=SopTaskStatus.OPEN)
    settle_tasks(TaskKind.SOP_CHECKLIST, subjects=opened)
    dropped = tasks.filter(status__in=[SopTaskStatus.PLANNED, SopTaskStatus.OPEN])
    dropped.update(status=SopTaskStatus.SKIPPED, reason=reason)


def _move(enrolment_id: int, verb: str, *, actor: User) -> SopEnrolment:
    rows = SopEnrolment.objects.visible_to(actor).select_for_update(no_key=True, of=("self",))
    enrolment = rows.select_related("plan").get(pk=enrolment_id)
    begins, becomes = ENROLMENT_MOVES[verb]
    if enrolment.status not in begins:
        raise CannotMoveSop(
            _("“%(current)s”的 SOP 不能变为“%(target)s”。")
            % {"current": enrolment.get_status_display(), "target": becomes.label}
        )
    before = {"status": enrolment.status}
    enrolment.status = becomes
    enrolment.save(update_fields=["status"])
    record_audit(
        actor, verb=verb, subject=enrolment, before=before, after={"status": enrolment.status}
    )
    return enrolment
