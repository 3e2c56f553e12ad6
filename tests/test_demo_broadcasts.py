"""What the demonstration tells of broadcasts, with small numbers and this process as the worker."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from campaigns.models import Dispatch, Run
from campaigns.services.draining import drain_slice
from campaigns.services.polling import poll_due_dispatches
from campaigns.services.scheduling import start_due_broadcasts
from scrm.demo.broadcasting import MassStory
from scrm.demo.storytelling import Stage
from scrm.wecom.models import ReadRequest
from scrm.wecom.services.advancing import advance_syncs
from scrm.wecom.services.rereading import read_waiting
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.wecom_world import QUICK
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db


def work():
    advance_syncs()
    ReadRequest.objects.update(due_at=Now(), ripe_at=Now())
    read_waiting()
    start_due_broadcasts()
    unknown = Dispatch.objects.filter(status="leased", token=None)
    unknown.update(due_at=Now(), attempted_at=Now() - timedelta(seconds=30))
    Run.objects.update(held_until=None)
    drain_slice()
    poll_due_dispatches()


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
        work=work,
        patience=20,
    ), lines


def test_a_message_to_the_chats_of_many_owners_ends_as_the_platform_knows(stage):
    told, lines = stage

    MassStory(told, chats=10, owners=5, members=1, lost_answers=1).tell()

    report = "\n".join(lines)
    assert "群主发送时没有选这个群" in report
    assert "5 个任务，没有重复" in report


def test_without_the_demonstration_nothing_is_sent():
    with pytest.raises(CommandError, match="make up"):
        call_command("demo_broadcasts")
