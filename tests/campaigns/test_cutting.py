"""Who breaks the worker, or kills it, hurts nobody else."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.channels.protocol import OutcomeUnknown
from campaigns.models import Broadcast, Dispatch
from campaigns.rules.retry import LOST_BEFORE_CUTTING, MAX_LOST, part_size
from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.services import preparing
from campaigns.services.draining import drain_slice
from tests.campaigns.broadcasts import drain, states_of
from tests.campaigns.fake_channel import delivered
from tests.campaigns.test_sending import let_time_pass, sending

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """Stands for the end of the process: no line of ours after it runs."""


@pytest.mark.parametrize(("recipients", "first"), [(1, 1), (2, 2), (1000, 32), (10_000, 100)])
def test_two_cuts_leave_single_recipients(recipients, first):
    assert part_size(recipients, tries=LOST_BEFORE_CUTTING) == first
    assert part_size(first, tries=LOST_BEFORE_CUTTING + 1) == 1


def deadly(monkeypatch, member_id, *, error):
    """Rendering this member raises ``error``; every other one is as ever."""
    rendered = preparing._rendered

    def render(mailing, recipient, results):
        if recipient.pk == member_id:
            raise error
        return rendered(mailing, recipient, results)

    monkeypatch.setattr(preparing, "_rendered", render)


def drain_with_losses(times=40):
    """Workers start again whenever one is killed, after its lease has ended."""
    for _ in range(times):
        try:
            while drain_slice():
                pass
        except Killed:
            pass
        if not Dispatch.objects.open().exists():
            return
        let_time_pass()


@pytest.mark.parametrize(("error", "most"), [(Killed(), 5), (RuntimeError("a fault of ours"), 5)])
def test_one_recipient_who_breaks_us_fails_alone(channel, monkeypatch, error, most):
    run = sending(members=30)
    poisoned = Dispatch.objects.get().recipient_ids[17]
    deadly(monkeypatch, poisoned, error=error)

    drain_with_losses()

    states = states_of(run)
    assert states.pop(poisoned) == ("failed", "worker_error")
    assert set(states.values()) == {("delivered", "")}
    reached = [m.recipient_ref for envelope in channel.sent for m in envelope.messages]
    assert len(reached) == len(set(reached)) == 29
    assert max(Dispatch.objects.values_list("attempt_count", flat=True)) <= most
    run.refresh_from_db()
    assert run.dispatch_count == Dispatch.objects.count()
    assert progress_of(run.pk).delivered == counted_deliveries(run.pk)["delivered"]
    assert Broadcast.objects.get().status == BroadcastStatus.PARTIALLY_COMPLETED


def lost_in_the_call(times):
    past = timezone.now() - timedelta(seconds=1)
    Dispatch.objects.update(
        status="leased",
        token="00000000-0000-0000-0000-000000000001",
        due_at=past,
        attempted_at=past,
        lost_count=times - 1,
        attempt_count=times,
    )


def test_what_may_have_arrived_is_cut_only_by_the_platforms_word(channel):
    run = sending(members=9)
    lost_in_the_call(LOST_BEFORE_CUTTING)
    channel.word = None  # the platform knows nothing of it

    drain()

    assert [len(envelope.messages) for envelope in channel.sent] == [3, 3, 3]
    assert set(states_of(run).values()) == {("delivered", "")}


def test_what_did_arrive_is_recorded_and_not_cut(channel):
    run = sending(members=9)
    lost_in_the_call(LOST_BEFORE_CUTTING)
    channel.word = delivered

    drain()

    assert channel.sent == []
    assert set(states_of(run).values()) == {("delivered", "")}


def test_what_nobody_can_tell_is_repeated_whole_with_its_key(channel):
    sending(members=9)
    lost_in_the_call(LOST_BEFORE_CUTTING)
    channel.word = OutcomeUnknown("cannot_look_up")

    drain()

    assert [len(envelope.messages) for envelope in channel.sent] == [9]


def test_what_cannot_even_be_looked_at_ends(channel, monkeypatch):
    run = sending(members=2)
    deadly(monkeypatch, Dispatch.objects.get().recipient_ids[0], error=Killed())
    lost_in_the_call(MAX_LOST + LOST_BEFORE_CUTTING + 1)

    drain()

    assert channel.sent == []
    assert set(states_of(run).values()) == {("failed", "outcome_unknown")}
