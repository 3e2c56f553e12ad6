"""What the demonstration tells of broadcasts, with small numbers and this process as the worker."""

from datetime import date, timedelta
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from campaigns.models import Dispatch, QuitWatch, Run
from campaigns.rules.festivals import festival_days
from campaigns.services.draining import drain_slice
from campaigns.services.polling import poll_due_dispatches
from campaigns.services.scheduling import start_due_broadcasts
from campaigns.services.watching import watch_runs
from members.models import Member, Membership
from scrm.demo.broadcasting import MassStory
from scrm.demo.campaigning import BlastStory, nearest_festival
from scrm.demo.comparing import ComparisonStory
from scrm.demo.storytelling import Stage
from scrm.wecom.models import ReadRequest
from scrm.wecom.services.advancing import advance_syncs
from scrm.wecom.services.processing import process_waiting
from scrm.wecom.services.rereading import read_waiting
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.wecom_world import QUICK
from tests.communities.factories import CommunityFactory
from tests.wecom.factories import ChannelAccountFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db


def work_for(simulated):
    simulated.deliver()
    process_waiting()
    advance_syncs()
    ReadRequest.objects.update(due_at=Now(), ripe_at=Now())
    read_waiting()
    start_due_broadcasts()
    unknown = Dispatch.objects.filter(status="leased", token=None)
    unknown.update(due_at=Now(), attempted_at=Now() - timedelta(seconds=30))
    Run.objects.update(held_until=None)
    drain_slice()
    poll_due_dispatches()
    QuitWatch.objects.update(checked_at=Now() - timedelta(hours=1))
    watch_runs()


@pytest.fixture
def stage(settings):
    settings.CHANNELS = QUICK
    simulated = simulated_corp()
    simulated.corp.settings.dispatching_seconds = 0.0
    people = {"enterprise": simulated.enterprise, "role": "administrator", "data_scope": "all"}
    staff = StaffFactory(enterprise=simulated.enterprise)
    lines = []
    return Stage(
        connection=simulated.connection,
        operator=UserFactory(**people),
        approvers=(UserFactory(**people, staff=staff), UserFactory(**people)),
        say=lines.append,
        work=partial(work_for, simulated),
        patience=120,
    ), lines


def test_a_message_to_the_chats_of_many_owners_ends_as_the_platform_knows(stage):
    told, lines = stage

    mass = MassStory(told, chats=20, owners=5, members=2, lost_answers=1)
    mass.tell()
    BlastStory(told, mass).tell()

    report = "\n".join(lines)
    assert "群主发送时没有选这个群" in report
    assert "5 个任务，没有重复" in report
    assert "两人都已批准" in report
    assert "系统自动叫停" in report


def test_the_evening_wins_against_the_morning(stage):
    told, lines = stage
    enterprise = told.connection.enterprise
    ChannelAccountFactory(enterprise=enterprise)
    community = CommunityFactory(enterprise=enterprise)
    members = Member.objects.bulk_create(
        Member(enterprise=enterprise, external_id=f"wm{n}", nickname=f"{n}") for n in range(500)
    )
    Membership.objects.bulk_create(
        Membership(enterprise=enterprise, community=community, member=member, source="api")
        for member in members
    )

    ComparisonStory(told, community).tell()

    assert "采用晚八点。" in lines


@pytest.mark.parametrize("today", [date(2026, 11, 23), date(2027, 3, 15), date(2027, 8, 20)])
def test_a_festival_is_never_far(today):
    festival, offset = nearest_festival(today)

    days = [day for year in (2026, 2027, 2028) for day in festival_days(festival, year)]
    assert today - timedelta(days=offset) in days


def test_without_the_demonstration_nothing_is_sent():
    with pytest.raises(CommandError, match="make up"):
        call_command("demo_broadcasts")
