from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Dispatch, Run, WelcomeDelivery
from campaigns.rules.status import BroadcastStatus, DispatchStatus, RunStatus, WelcomeStatus
from scrm.accounts.rules.roles import DataScope, Role
from scrm.desk import numbers
from scrm.desk.dashboard import change_in_words
from scrm.desk.numbers import Compared, Desk
from tests.accounts.factories import EnterpriseFactory, StaffFactory, UserFactory
from tests.campaigns.broadcasts import BroadcastFactory, WelcomePolicyFactory
from tests.campaigns.factories import ChurnAlertFactory
from tests.communities.factories import (
    CommunityFactory,
    GroupChatFactory,
    TierFactory,
    TierSchemeFactory,
)
from tests.members.factories import (
    EntryApplicationFactory,
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
    PurchaseFactory,
    StayFactory,
)
from tests.wecom.factories import InboundEventFactory, WecomConnectionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def enterprise():
    return EnterpriseFactory()


@pytest.fixture
def administrator(enterprise):
    return UserFactory(enterprise=enterprise, staff=StaffFactory(enterprise=enterprise))


@pytest.fixture
def community(enterprise):
    return CommunityFactory(enterprise=enterprise)


@pytest.fixture
def desk(administrator):
    return Desk(administrator, timezone.now())


def page_of(client, user):
    client.force_login(user)
    return client.get(reverse("admin:index"))


def titles(response):
    return [todo.title for todo in response.context["todos"]]


# --- the numbers ---


def test_people_are_counted_once_now_and_a_week_ago(desk, community):
    other = CommunityFactory(enterprise=community.enterprise)
    old = desk.now - timedelta(days=30)
    member = MembershipFactory(community=community, joined_at=old).member
    MembershipFactory(community=other, member=member, joined_at=old)
    MembershipFactory(community=community, joined_at=desk.now - timedelta(days=2))
    MembershipFactory(
        community=community,
        joined_at=old,
        left_at=desk.now - timedelta(days=3),
        leave_reason="self",
    )
    MembershipFactory()  # somebody of another enterprise

    assert numbers.people(desk) == Compared(now=2, before=2)


def test_active_people_are_those_of_seven_days(desk, community):
    member = MemberFactory(enterprise=community.enterprise)
    for ago in (0, 6, 7, 13, 14):
        day = desk.today - timedelta(days=ago)
        MemberDayFactory(community=community, member=member, day=day)
    MemberDayFactory(community=community, day=desk.today - timedelta(days=7))
    MemberDayFactory(day=desk.today)

    assert numbers.active_people(desk) == Compared(now=1, before=2)


def test_open_alerts_are_compared_with_those_open_a_week_ago(desk, community):
    old, recent = desk.now - timedelta(days=20), desk.now - timedelta(days=2)
    ChurnAlertFactory(community=community, opened_at=old)
    ChurnAlertFactory(community=community, opened_at=recent)
    ChurnAlertFactory(community=community, opened_at=old, closed_at=recent, status="churned")
    ChurnAlertFactory(
        community=community,
        opened_at=old,
        closed_at=old + timedelta(days=3),
        status="dismissed",
    )
    ChurnAlertFactory(opened_at=old)

    assert numbers.open_alerts(desk) == Compared(now=2, before=2)


def test_members_at_the_start_plus_joined_minus_left_are_members_at_the_end(desk, community):
    for ago in (40, 5, 5, 1):
        MembershipFactory(community=community, joined_at=desk.now - timedelta(days=ago))
    for ago in (3, 1):
        MembershipFactory(
            community=community,
            joined_at=desk.now - timedelta(days=40),
            left_at=desk.now - timedelta(days=ago),
            leave_reason="self",
        )
    MembershipFactory(joined_at=desk.now - timedelta(days=1))

    movements = numbers.movements(desk)

    start = 3
    joined = sum(movement.joined for movement in movements)
    left = sum(movement.left for movement in movements)
    assert (joined, left) == (3, 2)
    assert start + joined - left == numbers.people(desk).now


def test_days_are_those_of_the_enterprise(administrator, community, time_machine):
    time_machine.move_to("2026-03-10T17:30:00+00:00")  # half past one on the 11th in Shanghai
    desk = Desk(administrator, timezone.now())
    MembershipFactory(community=community, joined_at=desk.now)

    last = numbers.movements(desk)[-1]

    assert (last.day.isoformat(), last.joined) == ("2026-03-11", 1)


def test_tiers_count_who_meets_their_threshold(desk, community):
    scheme = TierSchemeFactory(enterprise=community.enterprise)
    TierFactory(scheme=scheme, rank=1, name="所有人")
    buyers = {"metric": "purchase_count", "op": "gte", "value": 1}
    TierFactory(scheme=scheme, rank=2, name="买家", criterion=buyers)
    buyer = MembershipFactory(community=community).member
    PurchaseFactory(member=buyer)
    MembershipFactory(community=community)
    PurchaseFactory(member=MemberFactory(enterprise=community.enterprise))  # in no community

    sizes = [(size.name, size.count) for size in numbers.tier_sizes(desk)]

    assert sizes == [("买家", 1), ("所有人", 2)]


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (5, 5, "与上周持平"),
        (6, 4, "较上周 +2（+50.0%）"),
        (1200, 2400, "较上周 -1,200（-50.0%）"),
        (3, 0, "较上周 +3"),
    ],
)
def test_a_change_is_told_in_words(now, before, words):
    assert change_in_words(Compared(now, before)) == words


# --- the page ---


def test_an_empty_enterprise_has_a_calm_desk(client, administrator):
    response = page_of(client, administrator)

    assert response.status_code == 200
    assert titles(response) == []
    assert "今天没有等你处理的事" in response.content.decode()
    assert response.context["charts"]["movements"].is_empty


@pytest.fixture
def busy(administrator, community):
    """Something of every kind that waits."""
    late = timezone.now() - timedelta(hours=2)
    EntryApplicationFactory(community=community, review_due_at=late)
    EntryApplicationFactory(community=community)
    ChurnAlertFactory(community=community, assignee=administrator.staff)
    ChurnAlertFactory(community=community)
    author = UserFactory(enterprise=community.enterprise)
    BroadcastFactory(author=author, communities=[community], status=BroadcastStatus.IN_REVIEW)
    BroadcastFactory(
        author=administrator, communities=[community], status=BroadcastStatus.IN_REVIEW
    )
    run = Run.objects.create(
        broadcast=BroadcastFactory(author=author, communities=[community]),
        planned_for=timezone.now(),
        recipient_count=10,
    )
    Dispatch.objects.create(
        run=run,
        sequence=1,
        recipient_ids=[1],
        status=DispatchStatus.DONE,
        delivered_count=5,
        failed_count=2,
    )
    stay = StayFactory(membership__community=community)
    WelcomeDelivery.objects.create(
        stay=stay,
        policy=WelcomePolicyFactory(community=community),
        status=WelcomeStatus.FAILED,
        settled_at=timezone.now(),
    )
    GroupChatFactory(community=community, capacity=100, member_count=95)
    GroupChatFactory(unassigned=True, enterprise=community.enterprise)


def test_what_is_due_comes_first_for_who_can_do_it(client, administrator, busy):
    assert titles(page_of(client, administrator)) == [
        "2 份入群申请待审核",
        "1 位由我负责的成员可能流失",
        "1 个群发等我审批",
        "2 位收件人未送达",
        "1 条欢迎语未送达",
        "1 个客户群快满了",
        "1 个客户群还没有归属社群",
    ]


def test_a_review_that_is_late_is_red(client, administrator, busy):
    todo = page_of(client, administrator).context["todos"][0]

    assert (todo.tone, todo.note) == ("danger", "1 份已超过审核时限")


def test_a_review_that_is_nearly_due_is_yellow(client, administrator, community):
    due = timezone.now() + timedelta(hours=1)
    EntryApplicationFactory(
        community=community, review_due_at=due, submitted_at=due - timedelta(hours=26)
    )

    todo = page_of(client, administrator).context["todos"][0]

    assert (todo.tone, todo.note) == ("warning", "最早的一个已等 1\xa0日")


def test_a_reviewer_is_told_of_reviews_only(client, enterprise, busy):
    reviewer = UserFactory(enterprise=enterprise, role=Role.REVIEWER)

    assert titles(page_of(client, reviewer)) == ["2 份入群申请待审核", "2 个群发等我审批"]


def test_a_reader_is_told_of_nothing_to_do(client, enterprise, busy):
    assert titles(page_of(client, UserFactory(enterprise=enterprise, role=Role.READ_ONLY))) == []


def test_another_enterprise_sees_none_of_it(client, busy):
    stranger = UserFactory()

    response = page_of(client, stranger)

    assert titles(response) == []
    assert [card.value for card in response.context["cards"]] == ["0", "0", "0", "0"]
    assert response.context["at_stake"] == []


def test_who_runs_one_community_sees_that_one_only(client, enterprise, community, busy):
    staff = StaffFactory(enterprise=enterprise)
    scope = DataScope.OWN_COMMUNITIES
    user = UserFactory(enterprise=enterprise, staff=staff, data_scope=scope)
    mine = CommunityFactory(enterprise=enterprise, owner=staff)
    EntryApplicationFactory(community=mine)

    response = page_of(client, user)

    assert titles(response) == ["1 份入群申请待审核"]
    assert response.context["cards"][0].value == "1"


def test_every_link_of_the_desk_opens(client, administrator, busy):
    response = page_of(client, administrator)
    links = [item.link for item in (*response.context["cards"], *response.context["todos"])]
    links += [response.context["all_alerts"], response.context["all_broadcasts"]]

    answers = {link: client.get(link).status_code for link in links if link}

    assert len(answers) > 5
    assert set(answers.values()) == {200}


@pytest.mark.parametrize(
    "icon", ["how_to_reg", "trending_down", "group_add", "link_off", "waving_hand"]
)
def test_a_number_leads_to_as_many_rows(client, administrator, busy, icon):
    todos = page_of(client, administrator).context["todos"]
    (todo,) = [todo for todo in todos if todo.icon == icon]

    rows = client.get(todo.link).context["cl"].result_count

    assert todo.title.startswith(f"{rows} ")


def test_progress_shows_delivered_failed_and_total(client, administrator, busy):
    (progress,) = page_of(client, administrator).context["progress"]

    assert (progress.settled, progress.recipients, progress.failed) == (7, 10, 2)
    assert progress.percent == 70


def test_the_desk_takes_as_many_queries_for_many_rows_as_for_one(
    client, administrator, community, busy
):
    def queries():
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            page_of(client, administrator)
        return len(captured)

    queries()
    before = queries()
    for _ in range(3):
        EntryApplicationFactory(community=community)
        ChurnAlertFactory(community=community, assignee=administrator.staff)
        other = CommunityFactory(enterprise=community.enterprise)
        MembershipFactory(community=other)
        Run.objects.create(
            broadcast=BroadcastFactory(author=administrator, communities=[other]),
            planned_for=timezone.now(),
        )

    assert queries() == before <= 46


def test_the_desk_works_without_the_cache(client, administrator, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }

    assert page_of(client, administrator).status_code == 200


def test_what_fails_on_wecom_is_shown_to_whom_can_set_it_right(client, enterprise, administrator):
    failing = WecomConnectionFactory(enterprise=enterprise, state="failing")
    InboundEventFactory(connection=failing, state="failed")
    InboundEventFactory(state="failed")  # of another enterprise
    shown = page_of(client, administrator).content.decode()
    assert "1 个企业微信连接异常" in shown
    assert "1 条平台回调处理失败" in shown
    cache.clear()
    operator = UserFactory(enterprise=enterprise, role=Role.OPERATOR)
    assert "企业微信连接异常" not in page_of(client, operator).content.decode()


def test_what_waits_of_broadcasts_is_told_to_whom_can_do_it(client, administrator, community):
    author = UserFactory(enterprise=community.enterprise)
    values = {"author": author, "communities": [community]}
    BroadcastFactory(**values, status=BroadcastStatus.HALTED)
    running = BroadcastFactory(**values, status=BroadcastStatus.RUNNING)
    Run.objects.create(broadcast=running, planned_for=timezone.now(), status=RunStatus.ASKED)
    run = Run.objects.create(
        broadcast=running, planned_for=timezone.now() - timedelta(1), status=RunStatus.SENDING
    )
    for sequence, hours in enumerate((30, 2)):
        Dispatch.objects.create(
            run=run,
            sequence=sequence,
            recipient_ids=[1],
            sender="owner",
            status=DispatchStatus.AWAITING,
            submitted_at=timezone.now() - timedelta(hours=hours),
        )

    todos = {todo.icon: todo for todo in page_of(client, administrator).context["todos"]}

    assert todos["front_hand"].title == "1 个群发被叫停"
    assert todos["event_busy"].title == "1 次群发错过了时间"
    assert todos["notifications_active"].title == "1 位群主超过一天没确认群发"
    for icon in ("front_hand", "event_busy", "notifications_active"):
        rows = client.get(todos[icon].link).context["cl"].queryset
        assert rows.count() == 1
