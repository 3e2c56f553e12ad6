from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.channels.protocol import (
    ChannelDown,
    Outcome,
    OutcomeStatus,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from campaigns.errors import BelongsElsewhere, UnknownVariable, WelcomeTaken
from campaigns.models import WelcomeDelivery, WelcomePolicy
from campaigns.rules.retry import MAX_ATTEMPTS, MAX_LOST
from campaigns.rules.status import WelcomeStatus
from campaigns.selectors.work import has_due_welcomes
from campaigns.services.planning_welcomes import WELCOME_WINDOW, plan_welcome, plan_welcomes
from campaigns.services.welcoming import (
    claim_welcomes,
    create_welcome_policy,
    edit_welcome_policy,
    send_due_welcomes,
)
from members.models import Stay
from members.rules.status import JoinSource
from members.services.joining import apply_for_entry
from tests.accounts.factories import EnterpriseFactory, UserFactory
from tests.campaigns.broadcasts import WelcomePolicyFactory, outbox
from tests.campaigns.fake_channel import delivered
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import MemberFactory, StayFactory

pytestmark = pytest.mark.django_db


def newcomer(*, kind="fake", joined_at=None, **values):
    """A stay in a chat with such a channel, in a community with a welcome, and its row."""
    stay = StayFactory(chat__channel_account__kind=kind, **values)
    if joined_at:
        Stay.objects.filter(pk=stay.pk).update(joined_at=joined_at)
    WelcomePolicyFactory(community=stay.membership.community, body="欢迎{{昵称}}来到{{群名}}")
    return stay, plan_welcome(stay.pk)


def let_time_pass():
    WelcomeDelivery.objects.filter(settled_at=None).update(
        due_at=timezone.now() - timedelta(seconds=1)
    )


def state_of(welcome):
    welcome.refresh_from_db()
    return welcome.status, welcome.reason


# --- many at once ---


def test_many_newcomers_are_planned_like_one_each_and_once(django_assert_max_num_queries):
    community = CommunityFactory()
    WelcomePolicyFactory(community=community, body="欢迎{{昵称}}")
    chats = [
        GroupChatFactory(community=community, channel_account__kind=kind)
        for kind in ("wecom", "sandbox")
    ]
    stays = [
        StayFactory(chat=chat, membership__community=community) for chat in chats for _ in range(5)
    ]
    silent = StayFactory()
    stay_ids = [stay.pk for stay in (*stays, silent)]

    plan_welcomes(stay_ids)
    plan_welcomes(stay_ids)

    rows = WelcomeDelivery.objects.order_by("pk")
    told = [(row.stay_id, row.status, row.reason) for row in rows.order_by("stay")]
    skipped = [(stay.pk, "skipped", "platform_greets") for stay in stays[:5]]
    assert told == skipped + [(stay.pk, "planned", "") for stay in stays[5:]]
    with django_assert_max_num_queries(7):
        plan_welcomes([stay.pk for stay in stays[:5]])


# --- what is said ---


def test_a_policy_is_kept_and_a_second_one_in_force_is_refused():
    user = UserFactory()
    community = CommunityFactory(enterprise=user.enterprise)
    create_welcome_policy(actor=user, community=community, body="欢迎{{昵称}}")

    with pytest.raises(WelcomeTaken):
        create_welcome_policy(actor=user, community=community, body="你好")
    create_welcome_policy(actor=user, body="对所有社群")
    with pytest.raises(WelcomeTaken):
        create_welcome_policy(actor=user, body="又一个")

    assert WelcomePolicy.objects.count() == 2


def test_a_policy_is_not_switched_on_beside_another():
    user = UserFactory()
    create_welcome_policy(actor=user, body="一")
    off = create_welcome_policy(actor=user, body="二", is_active=False)

    with pytest.raises(WelcomeTaken):
        edit_welcome_policy(off.pk, actor=user, is_active=True)


def test_a_policy_with_an_unknown_variable_or_a_foreign_community_is_refused():
    with pytest.raises(UnknownVariable):
        create_welcome_policy(actor=UserFactory(), body="{{电话}}")
    with pytest.raises(BelongsElsewhere):
        create_welcome_policy(actor=UserFactory(), body="好", community=CommunityFactory())


# --- planning ---


def test_joining_plans_a_welcome_in_the_same_transaction(django_capture_on_commit_callbacks):
    chat = GroupChatFactory()
    WelcomePolicyFactory(community=chat.community)
    member = MemberFactory(enterprise=chat.enterprise)

    with django_capture_on_commit_callbacks():
        apply_for_entry(
            member=member,
            community=chat.community,
            source=JoinSource.API,
            actor=UserFactory(enterprise=chat.enterprise),
        )

    assert WelcomeDelivery.objects.get().stay == Stay.objects.get()
    assert has_due_welcomes()


def test_who_came_by_an_import_is_skipped_unless_the_policy_greets_them():
    old = StayFactory(membership__source=JoinSource.IMPORT)
    fresh = StayFactory(membership__source=JoinSource.IMPORT)
    WelcomePolicyFactory(community=old.membership.community)
    WelcomePolicyFactory(community=fresh.membership.community, greets_imported=True)

    skipped, planned = plan_welcome(old.pk), plan_welcome(fresh.pk)

    assert (skipped.status, skipped.reason) == (WelcomeStatus.SKIPPED, "imported")
    assert planned.status == WelcomeStatus.PLANNED
    assert has_due_welcomes()


def test_in_a_chat_of_wecom_the_platform_greets():
    _, skipped = newcomer(kind="wecom")
    _, planned = newcomer(kind="sandbox")
    planned.stay.chat.channel_account.kind = "wecom"  # planned before it was connected
    planned.stay.chat.channel_account.save()

    send_due_welcomes()

    assert state_of(skipped) == (WelcomeStatus.SKIPPED, "platform_greets")
    assert state_of(planned) == (WelcomeStatus.SKIPPED, "platform_greets")


def test_the_policy_of_the_community_wins_over_the_enterprises():
    stay = StayFactory()
    own = WelcomePolicyFactory(community=stay.membership.community)
    WelcomePolicyFactory(community=None, enterprise=stay.enterprise)
    WelcomePolicyFactory(community=None, enterprise=EnterpriseFactory())

    assert plan_welcome(stay.pk).policy == own


def test_without_one_of_its_own_a_community_has_the_enterprises():
    stay = StayFactory()
    common = WelcomePolicyFactory(community=None, enterprise=stay.enterprise)
    WelcomePolicyFactory(community=stay.membership.community, is_active=False)

    assert plan_welcome(stay.pk).policy == common


def test_without_a_policy_or_long_after_joining_nothing_is_planned():
    assert plan_welcome(StayFactory().pk) is None
    stay, welcome = newcomer(joined_at=timezone.now() - WELCOME_WINDOW - timedelta(minutes=1))
    assert welcome is None
    assert not WelcomeDelivery.objects.filter(stay=stay).exists()


def test_planning_twice_plans_once():
    stay, welcome = newcomer()

    assert plan_welcome(stay.pk) == welcome
    assert WelcomeDelivery.objects.count() == 1


# --- sending ---


def test_a_newcomer_is_welcomed_once():
    stay, welcome = newcomer(kind="sandbox")

    assert send_due_welcomes() is False
    assert send_due_welcomes() is False

    text = f"欢迎{stay.member.nickname}来到{stay.chat.name}"
    assert outbox(stay.chat.channel_account) == [(stay.member.external_id, text)]
    assert state_of(welcome) == (WelcomeStatus.SENT, "")
    assert not has_due_welcomes()


def test_who_left_before_the_call_is_skipped(channel):
    stay, welcome = newcomer()
    Stay.objects.filter(pk=stay.pk).update(
        left_at=timezone.now() + timedelta(days=1), leave_reason="self"
    )

    send_due_welcomes()

    assert channel.sent == []
    assert state_of(welcome) == (WelcomeStatus.SKIPPED, "left")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"chat__state": "dissolved"}, "chat_gone"),
        ({"chat__channel_account__is_active": False}, "channel_is_off"),
    ],
)
def test_where_nothing_can_be_said_it_is_skipped(channel, change, reason):
    _stay, welcome = newcomer(**change)

    send_due_welcomes()

    assert channel.sent == []
    assert state_of(welcome) == (WelcomeStatus.SKIPPED, reason)


def test_a_welcome_that_comes_too_late_is_skipped(channel):
    stay, welcome = newcomer()
    Stay.objects.filter(pk=stay.pk).update(joined_at=timezone.now() - timedelta(days=2))

    send_due_welcomes()

    assert state_of(welcome) == (WelcomeStatus.SKIPPED, "too_late")


@pytest.mark.parametrize("trouble", [ChannelDown("x"), OutcomeUnknown("x"), ValueError("bug")])
def test_after_trouble_it_is_tried_again_with_the_same_key(channel, trouble):
    _stay, welcome = newcomer()
    channel.answers = [trouble]

    send_due_welcomes()
    let_time_pass()
    send_due_welcomes()

    assert [e.key for e in channel.sent] == [f"welcome-{welcome.pk}"] * 2
    assert state_of(welcome) == (WelcomeStatus.SENT, "")


def test_a_refusal_is_recorded_and_not_repeated(channel):
    _stay, welcome = newcomer()
    channel.answers = [Rejected("http_403")]

    send_due_welcomes()
    let_time_pass()
    send_due_welcomes()

    assert len(channel.sent) == 1
    assert state_of(welcome) == (WelcomeStatus.FAILED, "http_403")


def test_a_recipient_whom_the_platform_refuses_failed(channel):
    _stay, welcome = newcomer()
    channel.answers = [
        lambda e: (Outcome(e.messages[0].recipient_ref, OutcomeStatus.FAILED, "blocked"),)
    ]

    send_due_welcomes()

    assert state_of(welcome) == (WelcomeStatus.FAILED, "blocked")


def test_throttling_counts_for_nothing(channel):
    _stay, welcome = newcomer()
    channel.answers = [RateLimited(30)]

    send_due_welcomes()

    welcome.refresh_from_db()
    assert (welcome.status, welcome.attempt_count) == (WelcomeStatus.PLANNED, 0)
    assert welcome.due_at > timezone.now() + timedelta(seconds=20)


@pytest.mark.parametrize(
    ("values", "trouble", "reason"),
    [
        ({"attempt_count": MAX_ATTEMPTS}, ChannelDown("x"), "x"),
        ({"attempt_count": MAX_ATTEMPTS}, OutcomeUnknown("x"), "outcome_unknown"),
        ({"lost_count": MAX_LOST}, None, "gave_up"),
    ],
)
def test_in_the_end_it_is_given_up_with_the_reason(channel, values, trouble, reason):
    _stay, welcome = newcomer()
    WelcomeDelivery.objects.update(**values)
    channel.answers = [trouble] if trouble else []

    send_due_welcomes()

    assert state_of(welcome) == (WelcomeStatus.FAILED, reason)


def test_without_a_key_an_unknown_outcome_is_looked_up(keyless):
    _stay, welcome = newcomer(kind="keyless")
    keyless.answers = [OutcomeUnknown("no_answer")]
    keyless.word = delivered

    send_due_welcomes()
    welcome.refresh_from_db()
    assert welcome.due_at > timezone.now() + timedelta(seconds=50)  # the lease is waited out
    let_time_pass()
    send_due_welcomes()

    assert (len(keyless.sent), len(keyless.asked)) == (1, 1)
    assert state_of(welcome) == (WelcomeStatus.SENT, "")


def test_a_stuck_one_is_found_and_one_with_a_running_lease_is_left_alone(channel):
    _stay, welcome = newcomer()
    claim_welcomes()

    assert not has_due_welcomes()
    send_due_welcomes()
    assert channel.sent == []
    let_time_pass()
    assert has_due_welcomes()
    send_due_welcomes()

    assert state_of(welcome) == (WelcomeStatus.SENT, "")


def test_a_text_that_renders_to_too_much_fails(channel):
    stay, welcome = newcomer()
    WelcomePolicy.objects.update(body="{{昵称}}" * 100)
    type(stay.member).objects.update(nickname="猫" * 100)

    send_due_welcomes()

    assert channel.sent == []
    assert state_of(welcome) == (WelcomeStatus.FAILED, "render_too_long")
