from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Broadcast, SandboxMessage, WelcomeDelivery
from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.choices import VERBS
from campaigns.services.draining import drain_slice
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import (
    BroadcastFactory,
    WelcomePolicyFactory,
    colleague_of,
    drain,
    due_broadcast,
    started,
)
from tests.communities.factories import CommunityFactory
from tests.members.factories import MembershipFactory, StayFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def operator():
    return UserFactory(role=Role.OPERATOR)


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client(operator):
    return client_of(operator)


def page(name, *arguments):
    return reverse(f"admin:campaigns_{name}", args=arguments)


def typed(community, **changes):
    account = ChannelAccountFactory(enterprise=community.enterprise)
    return {
        "name": "周末活动",
        "body": "你好，{{昵称}}",
        "category": "service",
        "target": "members",
        "communities": [community.pk],
        "channel_account": account.pk,
        "freeze_at": "start",
        "time_way": "once",
        "misfire_policy": "run_late",
        "misfire_grace_minutes": 60,
        **changes,
    }


@pytest.fixture
def community(operator):
    community = CommunityFactory(enterprise=operator.enterprise, name="猫友会")
    MembershipFactory(community=community, member__nickname="<b>阿福</b>")
    return community


def test_the_composer_saves_a_draft(client, operator, community):
    answer = client.post(page("broadcast_add"), typed(community))

    assert answer.status_code == 302
    broadcast = Broadcast.objects.get()
    assert (broadcast.status, broadcast.author) == (BroadcastStatus.DRAFT, operator)
    assert list(broadcast.communities.all()) == [community]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body": "{{电话}}"}, "没有变量 {{电话}}，可用：{{昵称}}、{{社群}}。"),
        (
            {"criterion": '{"metric": "nonsense", "op": "gte", "value": 1}'},
            "第 1 条：没有名为“nonsense”",
        ),
        (
            {"criterion": '{"metric": "in_community", "op": "is", "value": "nowhere"}'},
            "第 1 条：没有代码为“nowhere”的社群。",
        ),
        ({"criterion": "{"}, "JSON"),
    ],
)
def test_a_refusal_is_shown_in_the_form_with_what_was_typed(client, community, changes, said):
    answer = client.post(page("broadcast_add"), typed(community, **changes))

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert "周末活动" in answer.content.decode()
    assert not Broadcast.objects.exists()


def test_what_is_typed_is_counted_and_previewed_before_it_is_saved(client, community):
    answer = client.post(page("broadcast_add") + "?fragment=estimate", typed(community))

    text = answer.content.decode()
    assert "1 位收件人" in text
    assert "你好，&lt;b&gt;阿福&lt;/b&gt;" in text
    assert "<html" not in text
    assert not Broadcast.objects.exists()


def test_an_unfinished_form_is_no_error_and_a_wrong_variable_is_told_at_once(client, community):
    url = page("broadcast_add") + "?fragment=estimate"

    assert client.post(url, {}).status_code == 200
    assert "没有变量" in client.post(url, typed(community, body="{{x}}")).content.decode()


def test_the_buttons_are_those_of_the_state_and_the_user(operator):
    def buttons(status, user):
        broadcast = BroadcastFactory(
            author=operator, status=status, scheduled_at=timezone.now() + timedelta(days=1)
        )
        text = client_of(user).get(page("broadcast_change", broadcast.pk)).content.decode()
        return {name for name in VERBS if page(f"broadcast_{name}", broadcast.pk) in text}

    reviewer = colleague_of(operator, role=Role.REVIEWER)
    assert buttons(BroadcastStatus.DRAFT, operator) == {"submit", "cancel"}
    assert buttons(BroadcastStatus.IN_REVIEW, operator) == {"return_to_draft", "cancel"}
    assert buttons(BroadcastStatus.IN_REVIEW, reviewer) == {"approve", "reject"}
    assert buttons(BroadcastStatus.APPROVED, operator) == {"schedule", "return_to_draft", "cancel"}
    assert buttons(BroadcastStatus.RUNNING, operator) == {"pause", "halt", "cancel"}
    assert buttons(BroadcastStatus.PAUSED, operator) == {"resume", "halt", "cancel"}
    assert buttons(BroadcastStatus.HALTED, operator) == {"cancel"}
    assert buttons(BroadcastStatus.HALTED, reviewer) == {"release"}
    assert buttons(BroadcastStatus.COMPLETED, operator) == set()


def test_a_button_calls_its_verb(client, operator):
    broadcast = due_broadcast(author=operator, status=BroadcastStatus.APPROVED)
    soon = (timezone.localtime() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")

    client.post(page("broadcast_schedule", broadcast.pk), {**DIALOG, "scheduled_at": soon})

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.SCHEDULED
    assert timezone.localtime(broadcast.scheduled_at).strftime("%Y-%m-%dT%H:%M") == soon


def test_a_refused_button_says_why(client, operator):
    broadcast = due_broadcast(author=operator, status=BroadcastStatus.APPROVED)

    answer = client.post(
        page("broadcast_schedule", broadcast.pk),
        {**DIALOG, "scheduled_at": "2020-01-01T08:00"},
        follow=True,
    )

    assert "计划时间已经过去" in answer.content.decode()


def test_what_is_no_draft_has_no_form(client, operator, community):
    broadcast = BroadcastFactory(
        author=operator, communities=[community], status=BroadcastStatus.IN_REVIEW
    )

    shown = client.get(page("broadcast_change", broadcast.pk)).content.decode()
    answer = client.post(page("broadcast_change", broadcast.pk), typed(community))

    assert 'name="body"' not in shown
    assert answer.status_code == 403
    estimate = client.get(page("broadcast_change", broadcast.pk) + "?fragment=estimate")
    assert "1 位收件人" in estimate.content.decode()


def test_the_progress_is_polled_and_asks_for_a_new_page_when_the_state_moved(client, operator):
    broadcast = due_broadcast(author=operator, members=4)
    started(broadcast)
    drain_slice(seconds=0)
    url = page("broadcast_change", broadcast.pk)
    assert 'hx-trigger="every 2s"' in client.get(url).content.decode()

    polled = client.get(url + "?fragment=progress&was=running").content.decode()
    assert "0%" in polled
    assert "<html" not in polled
    drain()
    moved = client.get(url + "?fragment=progress&was=running")

    assert moved.headers["HX-Refresh"] == "true"
    settled = client.get(url).content.decode()
    assert "every 2s" not in settled
    assert "100%" in settled


def test_the_page_of_a_run_shows_and_filters_the_results(client, operator):
    broadcast = due_broadcast(author=operator, members=60, channel_account__failure_percent=30)
    run = started(broadcast)
    drain()

    everything = client.get(page("run_change", run.pk)).content.decode()
    failed = client.get(page("run_change", run.pk) + "?state=failed").content.decode()

    assert everything.count("<td>已送达</td>") + everything.count("<td>失败</td>") == 50
    assert "after=" in everything
    assert "沙盒模拟的失败" in failed
    assert "<td>已送达</td>" not in failed
    assert client.get(page("run_change", run.pk) + "?state=x&after=y").status_code == 200


def test_lists_cost_the_same_for_one_and_for_three(client, operator):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def cost(url):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(url).status_code == 200
        return len(queries)

    def row():
        broadcast = due_broadcast(author=operator)
        started(broadcast)
        drain()
        community = CommunityFactory(enterprise=operator.enterprise)
        stay = StayFactory(membership__community=community)
        policy = WelcomePolicyFactory(community=community)
        WelcomeDelivery.objects.create(stay=stay, policy=policy)

    names = ("broadcast", "run", "welcomepolicy", "welcomedelivery", "sandboxmessage")
    row()
    client.get(page("broadcast_changelist"))
    before = [cost(page(f"{name}_changelist")) for name in names]
    row()
    row()

    assert [cost(page(f"{name}_changelist")) for name in names] == before
    assert SandboxMessage.objects.count() == 9
