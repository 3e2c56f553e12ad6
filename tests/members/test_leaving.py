from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from communities.models import GroupChat
from communities.rules.status import ChatState, CommunityStatus
from communities.services.lifecycle import move_community
from members.errors import AlreadyApplied, AlreadyLeft, AlreadyMember
from members.models import EntryApplication, Membership, Stay
from members.rules.status import ApplicationStatus, JoinSource, LeaveReason
from members.services.admitting import seat_waiting_applications
from members.services.joining import apply_for_entry
from members.services.leaving import leave_community
from members.signals import member_left
from members.tasks import sweep_waiting_applications
from scrm.accounts.models import AuditEvent
from scrm.shared.errors import DomainError
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import EntryApplicationFactory, MemberFactory, MembershipFactory


def join(community):
    member = MemberFactory(enterprise=community.enterprise)
    return apply_for_entry(member, community=community, source=JoinSource.API, actor=None)


@pytest.mark.django_db
def test_leave_ends_membership_and_stay_and_gives_the_seat_back():
    chat = GroupChatFactory(capacity=1)
    membership = join(chat.community).membership
    chat.refresh_from_db()
    assert chat.state == ChatState.FULL
    left = []

    def hear(sender, signal, **arguments):
        left.append(arguments)

    member_left.connect(hear)
    try:
        leave_community(membership.pk, reason=LeaveReason.SELF, actor=UserFactory())
    finally:
        member_left.disconnect(hear)

    membership.refresh_from_db()
    assert membership.leave_reason == LeaveReason.SELF
    assert Stay.objects.get().left_at == membership.left_at
    chat.refresh_from_db()
    assert (chat.member_count, chat.state) == (0, ChatState.ACTIVE)
    assert left == [{"membership_id": membership.pk}]
    assert AuditEvent.objects.filter(verb="leave_community").count() == 1


@pytest.mark.django_db
def test_leave_twice_is_refused_and_frees_one_seat_only():
    chat = GroupChatFactory()
    membership = join(chat.community).membership
    join(chat.community)
    leave_community(membership.pk, reason=LeaveReason.SELF, actor=None)

    with pytest.raises(AlreadyLeft):
        leave_community(membership.pk, reason=LeaveReason.SELF, actor=None)

    chat.refresh_from_db()
    assert chat.member_count == 1


@pytest.mark.django_db
def test_a_freed_seat_goes_to_the_one_who_waits():
    chat = GroupChatFactory(capacity=1)
    membership = join(chat.community).membership
    waiting = join(chat.community)
    leave_community(membership.pk, reason=LeaveReason.SELF, actor=None)

    sweep_waiting_applications.run()

    waiting.refresh_from_db()
    assert waiting.status == ApplicationStatus.JOINED


@pytest.mark.django_db
def test_a_closing_community_ends_the_open_applications_and_keeps_its_members():
    application = EntryApplicationFactory()
    membership = MembershipFactory(community=application.community)
    other = EntryApplicationFactory()

    move_community(application.community_id, target=CommunityStatus.CLOSING, actor=None)

    application.refresh_from_db()
    assert application.status == ApplicationStatus.WITHDRAWN
    assert application.reason == "社群已停止招新，申请自动结束。"
    membership.refresh_from_db()
    assert membership.left_at is None
    other.refresh_from_db()
    assert other.status == ApplicationStatus.IN_REVIEW


@pytest.mark.django_db
def test_a_dissolved_community_ends_every_membership_and_dissolves_its_chats():
    chat = GroupChatFactory()
    for _ in range(2):
        join(chat.community)
    stranger = MembershipFactory()
    for target in [CommunityStatus.CLOSING, CommunityStatus.DISSOLVED]:
        move_community(chat.community_id, target=target, actor=None)

    assert set(
        Membership.objects.filter(community=chat.community).values_list("leave_reason", flat=True)
    ) == {LeaveReason.DISSOLVED}
    assert not Stay.objects.open().filter(chat=chat).exists()
    chat.refresh_from_db()
    assert (chat.member_count, chat.state) == (0, ChatState.DISSOLVED)
    stranger.refresh_from_db()
    assert stranger.left_at is None


def at_the_same_time(work, *arguments):
    """Run ``work`` with each argument in a thread of its own; a refusal is an answer."""
    together = Barrier(len(arguments))

    def run(argument):
        try:
            together.wait()
            return work(argument)
        except DomainError as refusal:
            return type(refusal)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(run, arguments))


@pytest.mark.django_db(transaction=True)
def test_applying_many_times_at_once_joins_once():
    chat = GroupChatFactory()
    member = MemberFactory(enterprise=chat.enterprise)

    def work(_):
        application = apply_for_entry(
            member, community=chat.community, source=JoinSource.API, actor=None
        )
        return application.status

    answers = at_the_same_time(work, *range(4))

    assert sorted(map(str, answers)) == sorted(
        map(str, [ApplicationStatus.JOINED, *[AlreadyMember] * 3])
    )
    assert Membership.objects.count() == Stay.objects.count() == 1
    assert GroupChat.objects.get().member_count == 1


@pytest.mark.django_db(transaction=True)
def test_applying_many_times_at_once_without_room_waits_once():
    community = CommunityFactory()
    member = MemberFactory(enterprise=community.enterprise)

    def work(_):
        return apply_for_entry(
            member, community=community, source=JoinSource.API, actor=None
        ).status

    answers = at_the_same_time(work, *range(3))

    assert answers.count(AlreadyApplied) == 2
    assert EntryApplication.objects.get().status == ApplicationStatus.APPROVED


@pytest.mark.django_db(transaction=True)
def test_the_last_seats_go_to_exactly_as_many_as_there_are():
    chat = GroupChatFactory(capacity=2)
    members = MemberFactory.create_batch(5, enterprise=chat.enterprise)

    def work(member):
        return apply_for_entry(
            member, community=chat.community, source=JoinSource.API, actor=None
        ).status

    answers = at_the_same_time(work, *members)

    assert answers.count(ApplicationStatus.JOINED) == 2
    assert answers.count(ApplicationStatus.APPROVED) == 3
    chat.refresh_from_db()
    assert (chat.member_count, chat.state) == (2, ChatState.FULL)
    assert Stay.objects.open().count() == 2


@pytest.mark.django_db(transaction=True)
def test_leaving_twice_at_once_frees_one_seat():
    chat = GroupChatFactory()
    membership = join(chat.community).membership
    join(chat.community)

    answers = at_the_same_time(
        lambda _: leave_community(membership.pk, reason=LeaveReason.SELF, actor=None).pk, 1, 2
    )

    assert sorted(map(str, answers)) == sorted(map(str, [membership.pk, AlreadyLeft]))
    chat.refresh_from_db()
    assert chat.member_count == 1


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_seat_each_who_waits_once():
    community = CommunityFactory()
    for _ in range(3):
        join(community)
    chat = GroupChatFactory(community=community)

    at_the_same_time(lambda _: seat_waiting_applications(), 1, 2)

    assert Stay.objects.count() == Membership.objects.count() == 3
    chat.refresh_from_db()
    assert chat.member_count == 3
