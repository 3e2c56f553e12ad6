"""Every customer group is listed and read, whoever owns it; what vanishes is asked for first."""

from datetime import UTC, datetime, timedelta

import pytest

from communities.models import GroupChat
from communities.rules.status import ChatPlatformStatus, ChatState
from members.models import Stay
from members.rules.status import Confidence, LeaveReason, ObservedBy
from scrm.wecom.rules.status import SyncScope, SyncState
from scrm.wecom.services.advancing import advance_sync
from scrm.wecom.services.syncing import start_sync
from tests.communities.factories import GroupChatFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db


def company(*, groups=0, members=3):
    """What it has was there two hours ago."""
    simulated = simulated_corp()
    corp = simulated.corp
    corp.clock.set(datetime.now(UTC) - timedelta(hours=2))
    for userid in ("lin.qiao", "zhao.min"):
        corp.add_staff(userid, userid)
    for number in range(groups):
        chat_id = corp.create_group(("lin.qiao", "zhao.min")[number % 2], f"群{number}")
        corp.join(chat_id, count=members)
    corp.outbox.take()
    return simulated


def sync(simulated, scope=SyncScope.GROUPS, *, budget=60):
    """A minute after what happened last."""
    simulated.corp.clock.advance(60)
    run = start_sync(simulated.connection.pk, scope=scope, actor=None)
    while advance_sync(run.pk, budget=budget):
        pass
    run.refresh_from_db()
    return run


def test_a_full_sync_brings_everything_in_one_go():
    simulated = company(groups=3)

    run = sync(simulated, SyncScope.FULL)

    assert run.state == SyncState.COMPLETED, run.reason
    assert set(run.counts) == {"directory", "customers", "groups"}
    assert run.counts["groups"]["expected"] == run.counts["groups"]["seen"] == 3
    assert run.counts["groups"]["joined"] == 9
    assert run.drift == {}
    chat = GroupChat.objects.get(name="群0")
    assert chat.owner.external_id == "lin.qiao"
    assert (chat.member_count, chat.staff_count) == (3, 1)
    assert set(Stay.objects.values_list("observed_by", flat=True)) == {ObservedBy.SYNC}


def test_kills_between_pages_lose_nothing_and_count_nothing_twice():
    simulated = company(groups=45, members=1)

    run = sync(simulated, budget=0)

    assert run.state == SyncState.COMPLETED
    assert run.counts["groups"]["seen"] == run.counts["groups"]["new_chats"] == 45
    assert Stay.objects.open().count() == 45


def test_what_events_had_not_told_is_drift():
    simulated = company(groups=2)
    sync(simulated)
    chat_id = GroupChat.objects.get(name="群0").external_id
    simulated.corp.join(chat_id, count=2)
    simulated.corp.leave(chat_id, [Stay.objects.filter(chat__name="群0")[0].member.external_id])
    simulated.corp.outbox.take()  # lost

    run = sync(simulated)

    assert run.drift == {"groups": {"joined": 2, "left": 1}}
    assert run.counts["groups"]["unchanged"] == 1


def test_a_large_company_is_asked_by_owners_those_who_left_too():
    simulated = company(groups=4)
    sync(simulated)
    simulated.corp.settings.people_without_owner_filter = 0
    simulated.corp.faults.resigned_owner_filter_refused = True
    simulated.corp.resign_staff("zhao.min")
    late = simulated.corp.create_group("lin.qiao", "新群")

    run = sync(simulated, budget=0)

    assert run.counts["groups"]["seen"] == 5
    assert GroupChat.objects.filter(external_id=late).exists()
    assert GroupChat.objects.filter(state=ChatState.DISSOLVED).count() == 0
    assert run.state == SyncState.PARTIAL  # it cannot list the groups of those who left
    began = simulated.corp.clock.now() - timedelta(seconds=30)
    assert GroupChat.objects.filter(read_at__gte=began).count() == 5


def test_groups_whose_owner_left_are_listed_with_their_status():
    simulated = company(groups=2)
    sync(simulated)
    simulated.corp.resign_staff("zhao.min")

    run = sync(simulated)

    assert run.state == SyncState.COMPLETED
    waiting = GroupChat.objects.get(platform_status=ChatPlatformStatus.OWNER_RESIGNED)
    assert waiting.owner_userid == "zhao.min"


def test_a_vanished_group_is_asked_for_and_closed_without_pretending_to_know_when():
    simulated = company(groups=2)
    sync(simulated)
    gone = GroupChat.objects.get(name="群1")
    simulated.corp.dissolve(gone.external_id)
    simulated.corp.outbox.take()  # lost

    run = sync(simulated)

    gone.refresh_from_db()
    assert gone.state == ChatState.DISSOLVED
    assert gone.is_dissolution_inferred
    stays = Stay.objects.filter(chat=gone)
    assert set(stays.values_list("leave_reason", "leave_confidence")) == {
        (LeaveReason.DISSOLVED, Confidence.INFERRED)
    }
    assert run.drift["groups"]["closed"] == 1
    assert Stay.objects.open().filter(chat__name="群0").count() == 3


def test_what_we_may_not_see_any_more_stays_open():
    simulated = company(groups=2)
    sync(simulated)
    simulated.corp.apps[0].users = ["lin.qiao"]
    simulated.corp.apps[0].departments = []

    run = sync(simulated)

    assert run.counts["groups"]["left_out"] == 1
    assert GroupChat.objects.live().count() == 2
    assert Stay.objects.open().count() == 6


def test_a_mass_disappearance_of_groups_is_not_believed():
    simulated = company(groups=1)
    for number in range(25):
        GroupChatFactory(
            enterprise=simulated.enterprise,
            channel_account=simulated.connection.account,
            external_id=f"wr{number}",
        )

    run = sync(simulated)

    assert run.state == SyncState.PARTIAL
    assert "25" in run.reason
    assert GroupChat.objects.live().count() == 26


def test_a_cursor_that_is_not_accepted_begins_the_list_again():
    simulated = company(groups=3)
    simulated.corp.faults.refuse("externalcontact/groupchat/list", 50100, times=2)

    run = sync(simulated)

    assert run.state == SyncState.COMPLETED
    assert run.counts["groups"]["seen"] == 3
