"""Runs that have happened, past the pipeline: for what is asked about them afterwards."""

from __future__ import annotations

from datetime import timedelta
from itertools import count as counting
from itertools import islice

from django.utils import timezone

from campaigns.models import Delivery, Dispatch, Run
from campaigns.rules.status import (
    BroadcastStatus,
    DeliveryStatus,
    DispatchStatus,
    RunStatus,
)
from campaigns.services.reporting import begin_report
from campaigns.services.watching import begin_watching
from members.models import Member, Membership
from members.rules.status import JoinSource, LeaveReason
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import BroadcastFactory, colleague_of
from tests.communities.factories import CommunityFactory

NUMBERS = counting(1)


def now():
    return timezone.now()


def people_in(community, count, *, joined_days_ago=100):
    """So many members of a community, written in one go."""
    members = Member.objects.bulk_create(
        Member(enterprise=community.enterprise, external_id=f"p-{n}", nickname=f"n{n}")
        for n in islice(NUMBERS, count)
    )
    joined_at = now() - timedelta(days=joined_days_ago)
    return Membership.objects.bulk_create(
        Membership(
            enterprise=community.enterprise,
            community=community,
            member=member,
            source=JoinSource.API,
            joined_at=joined_at,
        )
        for member in members
    )


def quits(memberships, *, at, reason=LeaveReason.SELF):
    rows = Membership.objects.filter(pk__in=[one.pk for one in memberships])
    return rows.update(left_at=at, leave_reason=reason)


def running_broadcast(community, **values):
    author = values.pop("author", None) or UserFactory(enterprise=community.enterprise)
    return BroadcastFactory(
        author=author,
        communities=[community],
        approved_by=colleague_of(author),
        **({"status": BroadcastStatus.RUNNING} | values),
    )


def delivered_run(broadcast, recipient_ids, *, hours_ago=2.0, arm=None, **values):
    """A run whose message these recipients got so long ago. It is watched and reported on."""
    at = now() - timedelta(hours=hours_ago)
    run = Run.objects.create(
        broadcast=broadcast,
        planned_for=at,
        started_at=at,
        recipient_count=len(recipient_ids),
        **({"status": RunStatus.SENDING} | values),
    )
    add_dispatch(run, recipient_ids, at=at, arm=arm)
    begin_watching(run.pk)
    begin_report(run.pk)
    return run


def add_dispatch(run, recipient_ids, *, at, arm=None, status=DeliveryStatus.DELIVERED, reason=""):
    ids = sorted(recipient_ids)
    counted = {f"{status.value}_count": len(ids)}
    Dispatch.objects.create(
        run=run,
        sequence=run.dispatches.count(),
        recipient_ids=ids,
        status=DispatchStatus.DONE,
        attempted_at=at,
        arm=arm,
        **counted,
    )
    Delivery.objects.bulk_create(
        Delivery(run=run, recipient_id=pk, status=status, reason=reason, settled_at=at)
        for pk in ids
    )


def run_to(size, *, hours_ago=2.0, **values):
    """A community of so many, all of whom got the message of a running broadcast."""
    community = CommunityFactory()
    memberships = people_in(community, size)
    broadcast = running_broadcast(community, **values)
    run = delivered_run(broadcast, [one.member_id for one in memberships], hours_ago=hours_ago)
    return run, memberships


def over(run, *, hours_ago):
    """Everybody has a result since so long."""
    run.status, run.finished_at = RunStatus.FINISHED, now() - timedelta(hours=hours_ago)
    run.save(update_fields=["status", "finished_at"])
