"""The clock of a simulated company may be moved by days, and the product follows it; the official
platform's time is the world's, whatever its answers tell."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from communities.models import GroupChat
from members.models import Follow, Membership, Stay
from members.rules.status import Confidence, LeaveReason
from members.services.closing import dissolve_memberships
from members.services.leaving import leave_community
from scrm.shared.clock import database_now
from scrm.wecom.client import client_for
from scrm.wecom.client.clock import HeardClock, told_time
from scrm.wecom.models import InboundEvent, ReadRequest, WecomConnection
from scrm.wecom.rules.status import EventState, Platform, SyncScope, SyncState
from scrm.wecom.services.advancing import advance_sync
from scrm.wecom.services.inbox import LISTENERS, NotTaken, open_callback
from scrm.wecom.services.inbox import Signed as Asked
from scrm.wecom.services.platform_clock import learn_clock, learn_clocks, platform_day, platform_now
from scrm.wecom.services.processing import process_waiting
from scrm.wecom.services.rereading import read_waiting
from scrm.wecom.services.syncing import start_sync
from tests.communities.factories import CommunityFactory
from tests.wecom.callbacks import event_call, joined, listening
from tests.wecom.calling import unsaved_connection
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db

DAY = 86_400
THREE_DAYS = timedelta(days=3)
A_MOMENT = timedelta(seconds=5)


def near(one, other):
    return abs(one - other) < A_MOMENT


def sync(simulated, scope=SyncScope.FULL):
    run = start_sync(simulated.connection.pk, scope=scope, actor=None)
    while advance_sync(run.pk):
        pass
    run.refresh_from_db()
    assert run.state == SyncState.COMPLETED, run.reason
    return run


def hear(simulated):
    simulated.deliver()
    process_waiting()
    ReadRequest.objects.update(due_at="2020-01-01T00:00Z", ripe_at="2020-01-01T00:00Z")
    read_waiting()


def stored(simulated):
    return WecomConnection.objects.get(pk=simulated.connection.pk).clock_ahead


# --- What time it is ------------------------------------------------------------------------------


def test_the_official_platform_goes_by_our_database_whatever_it_tells():
    connection = unsaved_connection(platform=Platform.OFFICIAL)
    clock = HeardClock(connection)
    clock.hear(format_datetime(datetime.now(UTC) + THREE_DAYS, usegmt=True), seconds=0.1)
    assert (connection.clock_ahead, clock.news()) == (timedelta(0), None)
    connection.clock_ahead = THREE_DAYS
    assert near(platform_now(connection), database_now())


def test_a_session_of_calls_hears_a_moved_clock_and_writes_it_down_when_it_ends():
    simulated = simulated_corp()
    simulated.corp.clock.advance(3 * DAY)
    with client_for(simulated.connection) as client:
        client.departments()
        assert near(platform_now(simulated.connection), simulated.corp.clock.now())
        assert stored(simulated) == timedelta(0)
    assert near(database_now() + stored(simulated), simulated.corp.clock.now())
    before = stored(simulated)
    simulated.corp.clock.advance(1.5)
    assert near(learn_clock(simulated.connection), THREE_DAYS)
    assert stored(simulated) == before  # by so little nothing is written
    simulated.corp.clock.offset = 0.0
    learn_clock(WecomConnection.objects.get(pk=simulated.connection.pk))
    assert stored(simulated) == timedelta(0)


def test_a_day_that_nobody_asked_about_is_noticed_too():
    moved, silent = simulated_corp(), simulated_corp()
    moved.corp.clock.advance(DAY)
    silent.corp.faults.refuse("*", 50003, times=-1)
    silent.corp.clock.advance(DAY)
    learn_clocks()
    assert near(database_now() + stored(moved), moved.corp.clock.now())
    assert stored(silent) == timedelta(0)


@pytest.mark.parametrize("seconds", [0.0, 0.4, 30.0])
def test_we_never_think_it_is_later_than_it_was_when_they_answered(seconds):
    connection = unsaved_connection(platform=Platform.SIMULATOR)
    clock = HeardClock(connection)
    theirs = datetime.now(UTC) + THREE_DAYS
    clock.hear(format_datetime(theirs - timedelta(seconds=seconds), usegmt=True), seconds=seconds)
    assert datetime.now(UTC) + connection.clock_ahead < theirs + timedelta(seconds=0.5)


def test_what_tells_no_time_changes_nothing():
    assert told_time("") is told_time("yesterday") is told_time("Sun, 22 Nov 2026 10:00") is None


def test_the_platforms_days_begin_in_beijing():
    assert platform_day(datetime(2026, 11, 22, 15, 59, tzinfo=UTC)).day == 22
    assert platform_day(datetime(2026, 11, 22, 16, 1, tzinfo=UTC)).day == 23


# --- Callbacks ------------------------------------------------------------------------------------


def test_a_callback_is_recent_by_the_worlds_clock_or_by_the_simulated_one(client):
    connection = listening(platform=Platform.SIMULATOR, clock_ahead=THREE_DAYS)
    for days, status in ((0, 200), (3, 200), (6, 403), (-3, 403)):
        call = event_call(connection, joined(), at=int(time.time()) + days * DAY)
        assert call.post(client).status_code == status, days


def test_the_official_platform_cannot_be_ahead():
    connection = listening(platform=Platform.OFFICIAL, clock_ahead=THREE_DAYS)
    assert LISTENERS.of(connection.callback_key) == connection
    with pytest.raises(NotTaken, match="too new"):
        open_callback(connection.callback_key, Asked("", str(int(time.time()) + 3 * DAY), ""), "")


# --- Three days later -----------------------------------------------------------------------------


@pytest.fixture
def company():
    """Two chats that carry communities, read today, with three people in each."""
    simulated = simulated_corp()
    corp = simulated.corp
    corp.clock.advance(-60)
    for userid in ("lin.qiao", "zhao.min"):
        corp.add_staff(userid, userid)
    for number in range(2):
        chat = corp.create_group("lin.qiao", f"群{number}")
        corp.join(chat, [corp.add_customer(staff="lin.qiao") for _ in range(3)])
    corp.clock.advance(60)
    corp.outbox.take()
    sync(simulated)
    for chat in GroupChat.objects.all():
        chat.community = CommunityFactory(enterprise=simulated.enterprise)
        chat.save(update_fields=["community"])
    return simulated


def outsiders(simulated, chat_id):
    return [each.id for each in simulated.corp.group(chat_id).members.values() if each.type == 2]


def compare(simulated):
    """Every stay of somebody from outside, with the truth."""
    for chat_id in simulated.corp.groups:
        truth = simulated.corp.truth(chat_id)
        rows = Stay.objects.filter(chat__external_id=chat_id).values_list(
            "joined_at", "left_at", "leave_confidence"
        )
        periods = [each for each in truth.periods if each.type == 2]
        assert sorted(joined for joined, _, _ in rows) == [each.joined_at for each in periods]
        assert sum(left is None for _, left, _ in rows) == sum(
            each.left_at is None for each in periods
        )
        exact = {left for _, left, confidence in rows if confidence == Confidence.EXACT}
        assert exact <= {each.left_at for each in periods}


def test_people_come_and_go_days_later_and_callbacks_readings_and_syncs_go_on(company):
    corp = company.corp
    first, second = corp.groups
    gone = outsiders(company, first)[0]
    corp.clock.advance(3 * DAY)

    corp.join(first, count=2)
    corp.leave(first, gone)
    corp.delete_contact("lin.qiao", gone, by="staff")
    hear(company)
    compare(company)
    assert near(GroupChat.objects.get(external_id=first).read_at, corp.clock.now())

    corp.clock.advance(600)
    corp.join(second, count=2)
    corp.leave(second, outsiders(company, second)[0])
    corp.rename(second, "新名字")
    corp.outbox.take()  # lost, so the sync tells
    corp.clock.advance(600)
    run = sync(company)
    assert run.drift == {"groups": {"joined": 2, "left": 1}}
    compare(company)

    corp.clock.advance(DAY)
    corp.dissolve(second)
    corp.resign_staff("zhao.min")
    hear(company)
    sync(company)
    compare(company)
    assert GroupChat.objects.get(external_id=second).dissolved_at == (
        corp.truth(second).dissolved_at
    )
    follow = Follow.objects.get(external_userid=gone)
    assert (follow.end_reason, follow.end_confidence) == ("by_staff", Confidence.EXACT)
    states = set(InboundEvent.objects.values_list("state", flat=True))
    assert states == {EventState.PROCESSED}
    assert not ReadRequest.objects.exists()


def test_a_sync_that_begins_right_after_the_clock_was_moved_reads_everything_again(company):
    company.corp.clock.advance(3 * DAY)
    company.corp.outbox.take()

    run = sync(company, SyncScope.GROUPS)

    assert run.counts["groups"]["seen"] == 2
    began = company.corp.clock.now() - timedelta(minutes=1)
    assert GroupChat.objects.filter(read_at__gte=began).count() == 2
    compare(company)


def test_nobody_leaves_before_they_came_in(company):
    corp = company.corp
    corp.clock.advance(3 * DAY)
    first, _second = corp.groups
    corp.join(first, count=2)
    hear(company)
    stays = Stay.objects.filter(joined_at__gt=database_now())
    assert stays.count() == 2
    stay = stays.order_by("pk")[0]

    left = leave_community(stay.membership_id, reason=LeaveReason.REMOVED, actor=None)
    assert left.left_at == stay.joined_at
    dissolve_memberships(stay.chat.community_id)

    assert not Membership.objects.active().filter(community=stay.chat.community_id).exists()
