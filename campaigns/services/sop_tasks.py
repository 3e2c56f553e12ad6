"""What people do about a step of a plan."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import BadSopItems, CannotMoveSop, ReasonMissing
from campaigns.models import SopTask
from campaigns.rules.sop import SopTaskStatus, is_all_ticked
from scrm.accounts.models import User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.audit import record_audit
from scrm.accounts.services.operator_tasks import settle_task
from scrm.shared.clock import database_now


@transaction.atomic
def tick_sop_items(task_id: int, *, items: Sequence[int], actor: User) -> SopTask:
    """Say which items of a checklist are done, by their place from 0. With all of them the task
    is done, and nobody is asked any more."""
    task = _locked(task_id, actor)
    if task.status != SopTaskStatus.OPEN:
        raise _wrong_state(task)
    done = sorted(set(items))
    if any(not 0 <= place < len(task.step.items) for place in done):
        raise BadSopItems(
            _("清单只有 %(count)d 件，请刷新后重试。") % {"count": len(task.step.items)}
        )
    before = {"done_items": task.done_items}
    task.done_items = done
    if is_all_ticked(task.step.items, done):
        task.status, task.done_by, task.done_at = SopTaskStatus.DONE, actor, database_now()
        settle_task(TaskKind.SOP_CHECKLIST, subject=task)
    task.save(update_fields=["done_items", "status", "done_by", "done_at"])
    after = {"done_items": done, "status": task.status}
    record_audit(actor, verb="tick_sop_items", subject=task, before=before, after=after)
    return task


@transaction.atomic
def skip_sop_task(task_id: int, *, reason: str, actor: User) -> SopTask:
    """Not in this chat: what is not due yet, or a checklist that makes no sense here."""
    if not reason.strip():
        raise ReasonMissing(_("请写明为什么跳过。"))
    task = _locked(task_id, actor)
    if task.status not in (SopTaskStatus.PLANNED, SopTaskStatus.OPEN):
        raise _wrong_state(task)
    before = {"status": task.status}
    task.status, task.reason = SopTaskStatus.SKIPPED, reason.strip()[:300]
    task.save(update_fields=["status", "reason"])
    settle_task(TaskKind.SOP_CHECKLIST, subject=task)
    after = {"status": task.status, "reason": task.reason}
    record_audit(actor, verb="skip_sop_task", subject=task, before=before, after=after)
    return task


def _locked(task_id: int, actor: User) -> SopTask:
    tasks = SopTask.objects.visible_to(actor).select_for_update(no_key=True, of=("self",))
    return tasks.select_related("step__plan").get(pk=task_id)


def _wrong_state(task: SopTask) -> CannotMoveSop:
    return CannotMoveSop(
        _("这个任务“%(status)s”，不能这样处理。") % {"status": task.get_status_display()}
    )
