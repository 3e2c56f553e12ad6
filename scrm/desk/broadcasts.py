"""What the desk shows of broadcasts, as one user may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import BooleanField, Count, ExpressionWrapper, Min, Q, Sum

from campaigns.models import Broadcast, Content, Dispatch, Run
from campaigns.rules.confirming import UNCONFIRMED_AFTER
from campaigns.rules.contents import ContentStatus
from campaigns.rules.status import OPEN_RUN, BroadcastStatus, DispatchStatus, RunStatus
from campaigns.selectors.approvals import to_be_approved_by
from scrm.desk.numbers import Desk, Queue

LATEST = 5
WEEK = timedelta(days=7)
UNDER_WAY = (BroadcastStatus.RUNNING, BroadcastStatus.PAUSED, BroadcastStatus.HALTED)

TO_APPROVE = "mine=approve"
HALTED = "status__exact=halted"
ASKED = "status__exact=asked"
AWAITING = "waits=yes"
IN_CONTENT_REVIEW = "status__exact=review"


def to_approve(desk: Desk) -> Queue:
    """Nobody approves what one wrote oneself, nor twice."""
    waiting = to_be_approved_by(desk.user)
    return Queue(**waiting.aggregate(count=Count("pk"), oldest=Min("created_at")))


def halted(desk: Desk) -> Queue:
    stopped = Broadcast.objects.visible_to(desk.user).filter(status=BroadcastStatus.HALTED)
    return Queue(stopped.count())


def missed(desk: Desk) -> Queue:
    """Occurrences whose time went by, for a person to decide about."""
    asked = Run.objects.visible_to(desk.user).filter(status=RunStatus.ASKED)
    return Queue(**asked.aggregate(count=Count("pk"), oldest=Min("planned_for")))


def unconfirmed(desk: Desk) -> Queue:
    """Calls that somebody has not confirmed on the platform for a day."""
    runs = Run.objects.visible_to(desk.user).filter(status__in=sorted(OPEN_RUN))
    waiting = Dispatch.objects.filter(
        run__in=runs,
        status=DispatchStatus.AWAITING,
        confirmed_at=None,
        submitted_at__lt=desk.now - UNCONFIRMED_AFTER,
    )
    return Queue(**waiting.aggregate(count=Count("pk"), oldest=Min("submitted_at")))


def contents_to_publish(desk: Desk) -> Queue:
    """Nobody publishes what one wrote oneself."""
    contents = Content.objects.visible_to(desk.user).filter(status=ContentStatus.REVIEW)
    waiting = contents.exclude(author=desk.user)
    return Queue(**waiting.aggregate(count=Count("pk"), oldest=Min("created_at")))


def failed_recipients(desk: Desk) -> int:
    """Recipients of the last seven days whom a broadcast could not reach."""
    runs = Run.objects.visible_to(desk.user).filter(started_at__gte=desk.now - WEEK)
    failed = Dispatch.objects.filter(run__in=runs).aggregate(total=Sum("failed_count"))
    return failed["total"] or 0


@dataclass(frozen=True)
class Progress:
    broadcast: Broadcast
    recipients: int
    delivered: int
    awaiting: int
    failed: int
    suppressed: int
    others: int

    @property
    def settled(self) -> int:
        return self.delivered + self.failed + self.suppressed + self.others

    @property
    def percent(self) -> int:
        return 100 * self.settled // self.recipients if self.recipients else 0


NONE = (0, 0, 0, 0, 0)


def progress(desk: Desk) -> list[Progress]:
    """The latest runs, those under way first."""
    under_way = Q(broadcast__status__in=UNDER_WAY)
    runs = list(
        Run.objects.visible_to(desk.user)
        .select_related("broadcast")
        .order_by(ExpressionWrapper(under_way, BooleanField()).desc(), "-started_at", "-pk")
        [:LATEST]
    )  # fmt: skip
    counts = {
        run_id: sums
        for run_id, *sums in Dispatch.objects.filter(run__in=runs)
        .values_list("run")
        .annotate(
            Sum("delivered_count"),
            Sum("awaiting_count"),
            Sum("failed_count"),
            Sum("suppressed_count"),
            others=Sum("cancelled_count") + Sum("expired_count"),
        )
        .order_by("run")
    }
    return [Progress(run.broadcast, run.recipient_count, *counts.get(run.pk, NONE)) for run in runs]


def scheduled(desk: Desk) -> list[Broadcast]:
    waiting = Broadcast.objects.visible_to(desk.user).filter(status=BroadcastStatus.SCHEDULED)
    return list(waiting.order_by("scheduled_at", "pk")[:LATEST])
