"""From a due row to a result for every recipient, through the sandbox."""

import pytest

from campaigns.models import Dispatch
from campaigns.rules.status import BroadcastStatus, RunStatus
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.services.draining import drain_slice
from members.models import Membership
from tests.campaigns.broadcasts import drain, due_broadcast, outbox, started, states_of

pytestmark = pytest.mark.django_db


def test_a_due_broadcast_reaches_every_member_once():
    broadcast = due_broadcast(members=3, body="{{昵称}}，{{社群}}见")
    community = broadcast.communities.get()
    run = started(broadcast)

    drain()

    members = [m.member for m in Membership.objects.order_by("member_id").select_related("member")]
    expected = [(m.external_id, f"{m.nickname}，{community.name}见") for m in members]
    assert outbox(broadcast.channel_account) == expected
    assert set(states_of(run).values()) == {("delivered", "")}
    broadcast.refresh_from_db()
    run.refresh_from_db()
    assert broadcast.status == BroadcastStatus.COMPLETED
    assert run.status == RunStatus.FINISHED


def test_draining_again_changes_nothing():
    broadcast = due_broadcast(members=3)
    started(broadcast)
    drain()

    assert drain_slice() is False

    assert len(outbox(broadcast.channel_account)) == 3


def test_who_left_after_freezing_is_suppressed_with_the_reason():
    broadcast = due_broadcast(members=3)
    run = started(broadcast)
    drain_slice(seconds=0)  # freezes only
    gone = Membership.objects.order_by("member_id").first()
    Membership.objects.filter(pk=gone.pk).update(left_at="2100-01-01T00:00Z", leave_reason="self")

    drain()

    assert states_of(run)[gone.member_id] == ("suppressed", "left")
    assert len(outbox(broadcast.channel_account)) == 2
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.COMPLETED


def test_counters_equal_the_rows():
    broadcast = due_broadcast(members=20, channel_account__failure_percent=40)
    run = started(broadcast)

    drain()

    progress, counted = progress_of(run.pk), counted_deliveries(run.pk)
    assert (progress.delivered, progress.failed) == (counted["delivered"], counted["failed"])
    assert progress.planned == counted["planned"] == 0
    assert progress.total == sum(counted.values()) == 20
    assert Dispatch.objects.open().count() == 0
