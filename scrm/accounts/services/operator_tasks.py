"""Asking people to do what only people can do.

A cause that is seen again finds its open task and brings it up to date; a cause that is gone
ends the task by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from scrm.accounts.errors import (
    BelongsElsewhere,
    StaffIsInactive,
    TaskIsClosed,
    TaskReasonMissing,
)
from scrm.accounts.models import OperatorTask, Staff, User
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.services.audit import enterprise_of, record_audit
from scrm.accounts.signals import task_closed


@transaction.atomic
def open_task(
    kind: TaskKind,
    *,
    subject: Model,
    title: str,
    details: dict[str, object] | None = None,
    assignee: Staff | None = None,
    due_at: datetime | None = None,
) -> OperatorTask:
    """Ask for something; asked again about the same subject, the open task is kept and told the
    latest. Its assignee and due time stay. Somebody who has left is asked for nothing: then it is
    for anybody."""
    if assignee is not None and not assignee.is_active:
        assignee = None
    task, is_new = OperatorTask.objects.get_or_create(
        enterprise_id=enterprise_of(subject),
        kind=kind,
        object_type=subject._meta.label_lower,
        object_id=subject.pk,
        status=TaskStatus.OPEN,
        defaults={
            "title": title[:200],
            "details": details or {},
            "assignee": assignee,
            "due_at": due_at,
        },
    )
    if not is_new:
        task.title, task.details = title[:200], details or {}
        task.save(update_fields=["title", "details"])
    return task


@dataclass(frozen=True, slots=True)
class Asked:
    """One of many things to ask for."""

    subject: Model
    title: str
    details: dict[str, object]
    assignee: Staff | None = None
    due_at: datetime | None = None


@transaction.atomic
def open_tasks(kind: TaskKind, asked: Sequence[Asked]) -> list[OperatorTask]:
    """Ask for many things at once, each about a subject that nobody was asked about yet. In the
    order they were given."""
    return OperatorTask.objects.bulk_create(
        OperatorTask(
            enterprise_id=enterprise_of(one.subject),
            kind=kind,
            object_type=one.subject._meta.label_lower,
            object_id=one.subject.pk,
            title=one.title[:200],
            details=one.details,
            assignee=one.assignee if one.assignee is not None and one.assignee.is_active else None,
            due_at=one.due_at,
        )
        for one in asked
    )


@transaction.atomic
def settle_task(kind: TaskKind, *, subject: Model) -> int:
    """The cause is gone: end the open task about this subject, if there is one."""
    return OperatorTask.objects.filter(
        kind=kind,
        object_type=subject._meta.label_lower,
        object_id=subject.pk,
        status=TaskStatus.OPEN,
    ).update(status=TaskStatus.DONE, closed_at=Now(), note=_("原因已消失，自动结束。"))


@transaction.atomic
def settle_tasks(kind: TaskKind, *, subjects: QuerySet[Any]) -> int:
    """The same for many subjects at once."""
    return OperatorTask.objects.filter(
        kind=kind,
        object_type=subjects.model._meta.label_lower,
        object_id__in=subjects.values("pk"),
        status=TaskStatus.OPEN,
    ).update(status=TaskStatus.DONE, closed_at=Now(), note=_("原因已消失，自动结束。"))


@transaction.atomic
def complete_task(task_id: int, *, actor: User, note: str = "") -> OperatorTask:
    """Say that it is done."""
    return _close(task_id, TaskStatus.DONE, note=note, actor=actor, verb="complete_task")


@transaction.atomic
def dismiss_task(task_id: int, *, reason: str, actor: User) -> OperatorTask:
    """Say that it will not be done, and why."""
    if not reason.strip():
        raise TaskReasonMissing(_("请写明为什么不处理。"))
    return _close(task_id, TaskStatus.DISMISSED, note=reason, actor=actor, verb="dismiss_task")


@transaction.atomic
def assign_task(task_id: int, *, assignee: Staff | None, actor: User) -> OperatorTask:
    """Give a task to a colleague, or to nobody in particular."""
    task = _locked(task_id)
    if assignee is not None:
        _refuse_assignee(task, assignee)
    before = {"assignee": task.assignee}
    task.assignee = assignee
    task.save(update_fields=["assignee"])
    record_audit(
        actor, verb="assign_task", subject=task, before=before, after={"assignee": assignee}
    )
    return task


def free_tasks_of(staff: Staff) -> int:
    """Nobody in particular has their open tasks any more; how many, in the caller's transaction."""
    return OperatorTask.objects.open().filter(assignee=staff).update(assignee=None)


def _refuse_assignee(task: OperatorTask, assignee: Staff) -> None:
    if assignee.enterprise_id != task.enterprise_id:
        raise BelongsElsewhere(_("“%(name)s”不属于这家企业，请另选。") % {"name": assignee.name})
    if not assignee.is_active:
        raise StaffIsInactive(_("“%(name)s”已离职，请另选。") % {"name": assignee.name})


def _locked(task_id: int) -> OperatorTask:
    task = (
        OperatorTask.objects.select_for_update(no_key=True, of=("self",))
        .select_related("assignee")
        .get(pk=task_id)
    )
    if task.status != TaskStatus.OPEN:
        raise TaskIsClosed(
            _("这个待办“%(status)s”，不用再处理。") % {"status": task.get_status_display()},
            details={"status": task.status},
        )
    return task


def _close(task_id: int, status: TaskStatus, *, note: str, actor: User, verb: str) -> OperatorTask:
    task = _locked(task_id)
    task.status = status
    task.note = note.strip()[:300]
    task.closed_by = actor
    task.closed_at = Now()
    task.save(update_fields=["status", "note", "closed_by", "closed_at"])
    record_audit(
        actor, verb=verb, subject=task, before={"status": TaskStatus.OPEN}, after={"note": note}
    )
    task_closed.send(sender=OperatorTask, task_id=task.pk, kind=task.kind)
    return task
