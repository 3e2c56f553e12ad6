"""One page for contents, audience, time and guards, and the page of those who approve."""

import json
from datetime import time, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Approval, Broadcast, Content, ContentVersion, Schedule
from campaigns.rules.contents import ContentStatus
from campaigns.rules.schedules import ScheduleKind
from campaigns.rules.status import BroadcastStatus, BroadcastTarget
from campaigns.services.approving import (
    approve_broadcast,
    return_broadcast_to_draft,
    submit_broadcast,
)
from campaigns.services.composing import edit_broadcast
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import BroadcastFactory, colleague_of
from tests.campaigns.factories import SegmentFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import MembershipFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "on"}
WEEKLY = {
    "time_way": "recurring",
    "time_local": "10:00",
    "time_zone": "Asia/Shanghai",
    "time_pace": "WEEKLY",
    "time_interval": 1,
    "time_weekdays": ["MO", "TH"],
    "time_day_rule": "any",
}


@pytest.fixture
def operator():
    return UserFactory(role=Role.OPERATOR)


@pytest.fixture
def client(operator):
    return client_of(operator)


@pytest.fixture
def community(operator):
    community = CommunityFactory(enterprise=operator.enterprise, name="猫友会")
    MembershipFactory(community=community, member__nickname="阿福")
    return community


@pytest.fixture
def account(operator):
    return ChannelAccountFactory(enterprise=operator.enterprise)


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def page(name, *arguments):
    return reverse(f"admin:campaigns_{name}", args=arguments)


def typed(community, account, **changes):
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


def text_of(answer):
    return answer.content.decode()


def test_everything_typed_on_the_page_is_kept(client, community, account):
    segment = SegmentFactory(enterprise=community.enterprise)
    typing = typed(
        community,
        account,
        segments=[segment.pk],
        attachments='[{"kind": "link", "title": "报名", "url": "https://example.com/a"}]',
        cost_amount="199.50",
        remind_after_hours="4，24",
        error_budget_percent="5",
        **WEEKLY,
    )

    answer = client.post(page("broadcast_add"), typing)

    assert answer.status_code == 302
    broadcast = Broadcast.objects.get()
    assert list(broadcast.segments.all()) == [segment]
    assert [one["title"] for one in broadcast.attachments] == ["报名"]
    assert (broadcast.cost_amount, broadcast.remind_after_hours) == (19_950, [4, 24])
    assert broadcast.error_budget_percent == 5
    schedule = broadcast.schedule
    assert (schedule.kind, schedule.rrule) == ("recurring", "FREQ=WEEKLY;BYDAY=MO,TH")
    assert schedule.local_time == time(10)


def test_what_was_kept_stands_in_the_form_and_a_schedule_can_be_taken_away(
    client, operator, community, account
):
    broadcast = BroadcastFactory(
        author=operator, communities=[community], channel_account=account, cost_amount=5000
    )
    Schedule.objects.create(
        broadcast=broadcast,
        kind=ScheduleKind.RECURRING,
        rrule="FREQ=MONTHLY;BYMONTHDAY=1,15",
        local_time=time(9, 30),
    )
    url = page("broadcast_change", broadcast.pk)

    shown = client.get(url).context_data["adminform"].form
    client.post(url, typed(community, account))

    values = {name: shown[name].value() for name in ("time_way", "time_pace", "time_month_days")}
    assert values == {"time_way": "recurring", "time_pace": "MONTHLY", "time_month_days": "1, 15"}
    assert shown["cost_amount"].value() == "50"
    assert not Schedule.objects.exists()


def test_a_schedule_that_cannot_be_is_told_in_the_form_and_nothing_is_kept(
    client, community, account
):
    bad = {**WEEKLY, "time_pace": "other", "time_rrule": "FREQ=NEVER"}

    refused = client.post(page("broadcast_add"), typed(community, account, **bad))
    untimed = client.post(
        page("broadcast_add"), typed(community, account, **{**WEEKLY, "time_local": ""})
    )

    frozen = client.post(
        page("broadcast_add"), typed(community, account, **WEEKLY, freeze_at="approval")
    )

    assert (refused.status_code, untimed.status_code) == (200, 200)
    assert "请改为开始发送时锁定名单" in text_of(frozen)
    assert "请填发送的时间" in text_of(untimed)
    assert not Broadcast.objects.exists()


def test_chats_are_chosen_by_criteria_of_their_own(client, operator, community, account):
    GroupChatFactory(community=community, channel_account=account, member_count=40)
    GroupChatFactory(community=community, channel_account=account, member_count=4)
    large = {"metric": "chat_size", "op": "gte", "value": 30}
    typing = typed(
        community,
        account,
        target="chats",
        body="各位好",
        criterion="{ not looked at",
        chat_criterion=json.dumps(large),
    )

    counted = text_of(client.post(page("broadcast_add") + "?fragment=estimate", typing))
    client.post(page("broadcast_add"), typing)

    broadcast = Broadcast.objects.get()
    assert "1 个群" in counted
    assert broadcast.criterion == large
    url = page("broadcast_change", broadcast.pk)
    form = client.get(url).context_data["adminform"].form
    assert json.loads(form["chat_criterion"].value()) == large
    client.post(url, {**typing, "chat_criterion": ""})
    broadcast.refresh_from_db()
    assert broadcast.criterion == {}


def test_the_next_five_times_are_shown_before_it_is_saved(client, community, account):
    url = page("broadcast_add") + "?fragment=estimate"

    weekly = text_of(client.post(url, typed(community, account, **WEEKLY)))
    birthday = {"time_way": "birthday", "time_local": "10:00", "time_zone": "Asia/Shanghai"}
    facts = text_of(client.post(url, typed(community, account, **birthday)))
    once = text_of(client.post(url, typed(community, account)))

    assert weekly.count("10:00</li>") == 5
    assert "每天这个时间看谁符合" in facts
    assert "发送时间" not in once


def test_findings_and_what_is_left_out_are_shown_while_typing(client, operator, account):
    one = CommunityFactory(enterprise=operator.enterprise)
    other = CommunityFactory(enterprise=operator.enterprise)
    member = MembershipFactory(community=one).member
    MembershipFactory(community=other, member=member)
    typing = typed(one, account, communities=[one.pk, other.pk], body="全网最低价，{{昵称}}")

    shown = text_of(client.post(page("broadcast_add") + "?fragment=estimate", typing))

    assert "composer-check-" in shown
    assert "最低价" in shown
    assert "只发一次" in shown
    assert not Broadcast.objects.exists()


def test_who_may_only_look_sees_the_draft_as_it_is_kept(operator, community, account):
    draft = BroadcastFactory(
        author=operator, communities=[community], channel_account=account, body="周六见"
    )
    reader = client_of(colleague_of(operator, role=Role.READ_ONLY))
    url = page("broadcast_change", draft.pk)

    shown = text_of(reader.get(url))
    counted = reader.post(f"{url}?fragment=estimate", {"body": "别的"})
    add = reader.post(page("broadcast_add") + "?fragment=estimate", typed(community, account))

    assert 'name="body"' not in shown
    assert "周六见" in text_of(counted)
    assert add.status_code == 403
    assert reader.get(f"{url}?fragment=content&version=1").status_code == 200  # the plain page


def test_a_published_version_of_the_library_fills_the_form(client, operator):
    content = Content.objects.create(
        enterprise=operator.enterprise,
        title="新品",
        category="brand",
        status=ContentStatus.PUBLISHED,
        author=operator,
    )
    facts = {"content": content, "written_by": operator, "body": "新品到店"}
    published = ContentVersion.objects.create(
        number=1, published_at=timezone.now(), published_by=colleague_of(operator), **facts
    )
    draft = ContentVersion.objects.create(number=2, **facts)
    url = page("broadcast_add") + "?fragment=content&version="

    answer = client.get(f"{url}{published.pk}").json()

    assert (answer["body"], answer["category"]) == ("新品到店", "brand")
    for hidden in (draft.pk, 2**70, "x", ""):
        assert client.get(f"{url}{hidden}").status_code == 404
    assert client_of(UserFactory()).get(f"{url}{published.pk}").status_code == 404


def test_an_approver_sees_what_changed_since_the_last_approval(operator, community, account):
    reviewer = colleague_of(operator, role=Role.REVIEWER)
    broadcast = BroadcastFactory(
        author=operator, communities=[community], channel_account=account, body="周六见"
    )
    submit_broadcast(broadcast.pk, actor=operator)
    approve_broadcast(broadcast.pk, actor=reviewer)
    return_broadcast_to_draft(broadcast.pk, actor=operator)
    edit_broadcast(broadcast.pk, actor=operator, body="周日见")
    submit_broadcast(broadcast.pk, actor=operator)
    url = page("broadcast_change", broadcast.pk)

    seen = client_of(reviewer).get(url)
    own = client_of(operator).get(url)

    changes = seen.context_data["approval"]["changes"]
    assert [(one.label, one.before, one.now) for one in changes] == [("内容", "周六见", "周日见")]
    assert "批准这些内容" in text_of(seen)
    assert "批准这些内容" not in text_of(own)


def test_contents_that_changed_under_the_eyes_of_an_approver_are_not_approved(
    operator, community, account
):
    reviewer = colleague_of(operator, role=Role.REVIEWER)
    broadcast = BroadcastFactory(
        author=operator, communities=[community], channel_account=account, body="周六见"
    )
    submit_broadcast(broadcast.pk, actor=operator)
    client = client_of(reviewer)
    digest = client.get(page("broadcast_change", broadcast.pk)).context_data["approval"]["digest"]
    Broadcast.objects.filter(pk=broadcast.pk).update(body="周日见")
    url = page("broadcast_approve", broadcast.pk)

    client.post(url, {**DIALOG, "digest": digest})

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.IN_REVIEW
    assert not Approval.objects.exists()


def test_many_chats_are_confirmed_by_their_number(
    client, operator, community, account, monkeypatch
):
    from campaigns.admin import broadcast_dialogs

    monkeypatch.setattr(broadcast_dialogs, "MANY_CHATS", 1)
    GroupChatFactory.create_batch(2, community=community, channel_account=account)
    broadcast = BroadcastFactory(
        author=operator,
        approved_by=colleague_of(operator),
        communities=[community],
        channel_account=account,
        target=BroadcastTarget.CHATS,
        body="各位好",
        status=BroadcastStatus.APPROVED,
    )
    url = page("broadcast_schedule", broadcast.pk)

    asked = text_of(client.get(url))
    wrong = client.post(url, {**DIALOG, "typed_count": 3})
    right = client.post(url, {**DIALOG, "typed_count": 2})

    assert "会发到 2 个群" in asked
    assert "数字不对" in text_of(wrong)
    assert right.status_code == 302
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.SCHEDULED


def test_the_calendar_shows_days_and_where_it_comes_thick(client, operator, community):
    other = CommunityFactory(enterprise=operator.enterprise, name="狗友会")
    soon = timezone.now() + timedelta(days=2)
    for name, where in (("早安", [community]), ("晚安", [community]), ("别处", [other])):
        BroadcastFactory(
            author=operator,
            name=name,
            communities=where,
            approved_by=colleague_of(operator),
            status=BroadcastStatus.SCHEDULED,
            scheduled_at=soon,
        )
    url = page("broadcast_planned")

    everything = client.get(url).context_data["days"]
    narrowed = client.get(f"{url}?community={other.pk}").context_data["days"]

    assert [entry.name for day in everything for entry in day.entries] == ["早安", "晚安", "别处"]
    assert everything[0].crowded == ["猫友会"]
    assert [entry.name for day in narrowed for entry in day.entries] == ["别处"]
    assert client.get(f"{url}?community=x").status_code == 200
