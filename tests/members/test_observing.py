from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from communities.rules.kinds import EntryMode
from communities.rules.status import ChatState
from members.errors import BelongsElsewhere, ChatWithoutCommunity, InTheFuture
from members.models import EntryApplication, Membership, Stay
from members.rules.status import ApplicationStatus, JoinSource, ObservedBy
from members.services.closing import dissolve_memberships
from members.services.leaving import leave_community
from members.services.observing import observe_join
from members.services.reviewing import approve_application
from members.signals import entry_decided, member_joined
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory, TierFactory
from tests.members.entry_factories import (
    THREE_PURCHASES,
    BlocklistEntryFactory,
    gated,
    newcomer,
    time_to_undo_passes,
)
from tests.members.factories import (
    EntryApplicationFactory,
    MemberFactory,
    StayFactory,
)

pytestmark = pytest.mark.django_db


def observe(member, chat, **fields):
    return observe_join(member, chat=chat, **{"observed_by": ObservedBy.EVENT, **fields})


def gated_chat(mode=EntryMode.RULE):
    return GroupChatFactory(community=gated(mode, THREE_PURCHASES, name="会员群"))


@pytest.fixture
def heard():
    facts = []

    def decided(sender, signal, **_):
        facts.append("decided")

    def joined(sender, signal, **_):
        facts.append("joined")

    entry_decided.connect(decided)
    member_joined.connect(joined)
    yield facts
    entry_decided.disconnect(decided)
    member_joined.disconnect(joined)


def test_a_join_seen_in_an_open_community_is_taken_down_as_it_was(heard):
    chat = GroupChatFactory(member_count=4)
    yesterday = timezone.now() - timedelta(days=1)

    membership = observe(newcomer(chat.community), chat, joined_at=yesterday)

    assert (membership.source, membership.joined_at) == (JoinSource.PLATFORM, yesterday)
    assert membership.is_ungated is False
    stay = membership.stays.get()
    assert (stay.chat, stay.observed_by, stay.joined_at) == (chat, ObservedBy.EVENT, yesterday)
    chat.refresh_from_db()
    assert chat.member_count == 5
    assert heard == ["joined"]
    assert not OperatorTask.objects.exists()


@pytest.mark.parametrize("joined_at", [None, timezone.now() - timedelta(hours=1)])
def test_a_join_seen_twice_is_one(joined_at, heard):
    chat = GroupChatFactory()
    member = newcomer(chat.community)

    first = observe(member, chat, joined_at=joined_at)
    second = observe(member, chat, joined_at=joined_at, observed_by=ObservedBy.SYNC)

    assert first == second
    assert Stay.objects.count() == 1
    chat.refresh_from_db()
    assert chat.member_count == 1
    assert heard == ["joined"]


def test_a_join_told_again_after_the_leaving_is_old_news():
    chat = GroupChatFactory()
    member = newcomer(chat.community)
    before = timezone.now() - timedelta(hours=1)
    membership = observe(member, chat, joined_at=before)
    leave_community(membership.pk, reason="self", actor=None)

    assert observe(member, chat, joined_at=before) == membership
    assert Stay.objects.open().count() == 0
    again = observe(member, chat)
    assert again != membership
    assert Stay.objects.open().count() == 1


def test_a_join_of_a_gated_community_without_an_approval_is_ungated_and_somebody_is_asked():
    chat = gated_chat()
    member = newcomer(chat.community, nickname="阿福")

    membership = observe(member, chat)

    assert membership.is_ungated is True
    assert membership.qualified_at is None
    task = OperatorTask.objects.get()
    assert (task.kind, task.assignee) == (TaskKind.UNGATED_JOIN, chat.community.owner)
    assert task.title == "阿福 未经准入进了“会员群”：请补办申请或请其离开"
    assert task.details["clauses"] == ["购买次数 ≥ 3：实际 0，还差 3"]
    assert (task.object_type, task.object_id) == ("members.membership", membership.pk)

    leave_community(membership.pk, reason="removed", actor=None)
    task.refresh_from_db()
    assert task.status == TaskStatus.DONE


def test_a_minimum_tier_is_a_gate_too():
    tier = TierFactory(criterion=THREE_PURCHASES)
    community = CommunityFactory(enterprise=tier.scheme.enterprise, minimum_tier=tier)

    assert observe(newcomer(community), GroupChatFactory(community=community)).is_ungated is True


def test_somebody_on_the_blocklist_is_told_of_even_in_an_open_community():
    chat = GroupChatFactory()
    member = newcomer(chat.community)
    BlocklistEntryFactory(member=member)

    membership = observe(member, chat)

    assert membership.is_ungated is True
    assert OperatorTask.objects.get().details["is_blocked"] is True


@pytest.mark.parametrize("settled", [True, False])
def test_a_join_seen_fulfils_the_approved_application_that_waits(settled, heard):
    chat = gated_chat()
    application = EntryApplicationFactory(community=chat.community, source=JoinSource.JOIN_PAGE)
    chat.state = ChatState.FULL
    chat.save(update_fields=["state"])
    approve_application(application.pk, actor=UserFactory(enterprise=application.enterprise))
    if settled:
        time_to_undo_passes()

    membership = observe(application.member, chat)
    time_to_undo_passes()

    application.refresh_from_db()
    assert application.status == ApplicationStatus.JOINED
    assert application.membership == membership
    assert (membership.is_ungated, membership.source) == (False, JoinSource.JOIN_PAGE)
    assert heard == ["decided", "joined"]
    assert not OperatorTask.objects.exists()


def test_an_approval_afterwards_makes_an_ungated_join_good():
    chat = gated_chat()
    application = EntryApplicationFactory(community=chat.community)
    membership = observe(application.member, chat)
    assert membership.is_ungated is True

    approve_application(application.pk, actor=UserFactory(enterprise=application.enterprise))
    time_to_undo_passes()

    application.refresh_from_db()
    membership.refresh_from_db()
    assert (application.status, application.membership) == ("joined", membership)
    assert membership.is_ungated is False
    assert OperatorTask.objects.get().status == TaskStatus.DONE
    assert Stay.objects.count() == 1


def test_a_member_seen_in_a_second_chat_has_one_membership_and_two_stays(heard):
    stay = StayFactory()
    second = GroupChatFactory(community=stay.membership.community)

    assert observe(stay.member, second) == stay.membership
    assert Stay.objects.count() == 2
    assert heard == []


def test_a_chat_that_holds_somebody_had_a_place_for_them():
    chat = GroupChatFactory(capacity=1, member_count=1, state=ChatState.FULL)

    observe(newcomer(chat.community), chat)

    chat.refresh_from_db()
    assert (chat.member_count, chat.capacity, chat.state) == (2, 2, ChatState.FULL)


def test_an_imported_join_says_so():
    chat = GroupChatFactory()

    membership = observe(newcomer(chat.community), chat, observed_by=ObservedBy.IMPORT)

    assert membership.source == JoinSource.IMPORT


def test_what_cannot_have_been_seen_is_refused():
    chat = GroupChatFactory()
    with pytest.raises(InTheFuture):
        observe(newcomer(chat.community), chat, joined_at=timezone.now() + timedelta(hours=1))
    with pytest.raises(BelongsElsewhere):
        observe(MemberFactory(), chat)
    unassigned = GroupChatFactory(unassigned=True)
    with pytest.raises(ChatWithoutCommunity):
        observe(MemberFactory(enterprise=unassigned.enterprise), unassigned)
    assert not Membership.objects.exists()


def test_the_end_of_a_community_ends_what_was_asked_about_its_members():
    chat = gated_chat()
    observe(newcomer(chat.community), chat)
    dissolve_memberships(chat.community_id)

    assert OperatorTask.objects.get().status == TaskStatus.DONE


@pytest.mark.django_db(transaction=True)
def test_a_join_seen_by_several_at_once_is_one():
    chat = gated_chat()
    member = newcomer(chat.community)

    def see(_):
        try:
            return observe(member, chat).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        seen = set(threads.map(see, range(6)))

    assert len(seen) == Membership.objects.count() == Stay.objects.count() == 1
    assert OperatorTask.objects.count() == 1
    assert not EntryApplication.objects.exists()
    assert Membership.objects.get().is_ungated
