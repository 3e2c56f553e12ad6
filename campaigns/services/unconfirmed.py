"""Asking people to talk to colleagues who do not confirm what they are asked to send."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Lower
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.models import Broadcast, Dispatch
from campaigns.rules.confirming import UNCONFIRMED_AFTER
from campaigns.rules.status import DispatchStatus
from scrm.accounts.models import OperatorTask, Staff
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.operator_tasks import open_task, settle_task

MOST_NAMES = 20


@transaction.atomic
def keep_unconfirmed_task(broadcast_id: int, *, now: datetime) -> None:
    """One task per broadcast names who has not confirmed for a day; it ends when all have, or
    nothing waits any more. ``now`` by the platform's clock."""
    broadcast = Broadcast.objects.get(pk=broadcast_id)
    senders = _late_senders(broadcast, now)
    if not senders:
        settle_task(TaskKind.BROADCAST_UNCONFIRMED, subject=broadcast)
        return
    title = ngettext(
        "“%(name)s”：%(count)d 位群主还没确认",
        "“%(name)s”：%(count)d 位群主还没确认",
        len(senders),
    ) % {"name": broadcast.name, "count": len(senders)}
    words = _("请联系他们在企业微信里确认，或停止这些任务：%(names)s") % {
        "names": _names(broadcast.enterprise_id, senders)
    }
    details: dict[str, object] = {"count": len(senders), "words": words}
    known = OperatorTask.objects.open().filter(
        kind=TaskKind.BROADCAST_UNCONFIRMED,
        object_type=broadcast._meta.label_lower,
        object_id=broadcast.pk,
    )
    if not known.filter(title=title[:200], details=details).exists():
        open_task(TaskKind.BROADCAST_UNCONFIRMED, subject=broadcast, title=title, details=details)


def _late_senders(broadcast: Broadcast, now: datetime) -> list[str]:
    late = Dispatch.objects.filter(
        run__broadcast=broadcast,
        status=DispatchStatus.AWAITING,
        confirmed_at=None,
        submitted_at__lte=now - UNCONFIRMED_AFTER,
    )
    return list(late.order_by("sender").values_list("sender", flat=True).distinct())


def _names(enterprise_id: int, senders: list[str]) -> str:
    known = dict(
        Staff.objects.filter(enterprise=enterprise_id)
        .annotate(account=Lower("external_id"))
        .filter(account__in=[sender.lower() for sender in senders[:MOST_NAMES]])
        .values_list("account", "name")
    )
    names = [known.get(sender.lower(), sender) for sender in senders[:MOST_NAMES]]
    more = len(senders) - len(names)
    listed = "、".join(names)
    return _("%(names)s 等") % {"names": listed} if more else listed
