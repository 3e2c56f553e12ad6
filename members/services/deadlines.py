"""Applications that ran out of time, and reviews that are late."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.models import Community
from members.models import EntryApplication
from members.rules.status import ApplicationStatus
from members.services.applications import decide, locked_application
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.services.operator_tasks import open_task, settle_tasks
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

EXPIRING = (ApplicationStatus.EVIDENCE_PENDING, ApplicationStatus.APPROVED)
PEACE = timedelta(hours=24)  # how long a dismissed reminder stays away


def expire_applications(*, limit: int = 500) -> int:
    """End the applications that waited too long for a photo or a place."""
    late = EntryApplication.objects.filter(
        status__in=EXPIRING, expires_at__lte=Now(), settles_at=None
    ).order_by("expires_at", "pk")
    expired = 0
    for application_id in late.values_list("pk", flat=True)[:limit]:
        try:
            expired += expire_application(application_id)
        except Exception:  # the others must not wait for the one that cannot be ended
            logger.exception("cannot expire", extra={"application_id": application_id})
    return expired


@transaction.atomic
def expire_application(application_id: int) -> bool:
    application = locked_application(application_id)
    if application.status not in EXPIRING or application.settles_at is not None:
        return False
    if application.expires_at is None or application.expires_at > database_now():
        return False
    reason = (
        _("没有按时补充凭证。")
        if application.status == ApplicationStatus.EVIDENCE_PENDING
        else _("长时间没有空位，请重新申请。")
    )
    decide(application, ApplicationStatus.EXPIRED, actor=None, reason=reason)
    return True


def watch_reviews(*, limit: int = 500) -> int:
    """Ask the owner of each community whose reviews are late, and stop asking when none is."""
    late = EntryApplication.objects.overdue()
    ended = Community.objects.exclude(Exists(late.filter(community=OuterRef("pk"))))
    settle_tasks(TaskKind.REVIEW_OVERDUE, subjects=ended.filter(pk__in=_asked_about()))
    counts = (
        late.values("community")
        .annotate(count=Count("pk"), oldest=Min("review_due_at"))
        .order_by("oldest", "community")[:limit]
    )
    found = {row["community"]: (row["count"], row["oldest"]) for row in counts}
    communities = Community.objects.select_related("owner").filter(pk__in=found).order_by("pk")
    for community in communities.exclude(pk__in=_told_to_be_quiet()):
        _ask(community, *found[community.pk])
    return len(found)


def _ask(community: Community, count: int, oldest: datetime) -> None:
    words = {"count": count, "community": community.name}
    open_task(
        TaskKind.REVIEW_OVERDUE,
        subject=community,
        title=_("“%(community)s”有 %(count)d 份入群申请超过了审核时限") % words,
        details={"community": community.pk, "count": count, "oldest_due_at": oldest.isoformat()},
        assignee=community.owner,
        due_at=oldest,
    )


def _asked_about() -> QuerySet[OperatorTask, Any]:
    tasks = OperatorTask.objects.open().filter(
        kind=TaskKind.REVIEW_OVERDUE, object_type=Community._meta.label_lower
    )
    return tasks.values("object_id")


def _told_to_be_quiet() -> QuerySet[OperatorTask, Any]:
    return OperatorTask.objects.filter(
        kind=TaskKind.REVIEW_OVERDUE,
        object_type=Community._meta.label_lower,
        status=TaskStatus.DISMISSED,
        closed_at__gt=Now() - PEACE,
    ).values("object_id")
