import pytest

from communities.rules.kinds import EntryMode
from communities.rules.status import ChatState, CommunityStatus
from members.criteria import explain
from members.errors import (
    AlreadyApplied,
    AlreadyMember,
    BelongsElsewhere,
    CannotDecide,
    NotInviteOnly,
    NotOpenForEntry,
)
from members.models import EntryApplication, Membership, Stay, TierAssignment
from members.rules.standing import TierCause
from members.rules.status import ApplicationStatus, JoinSource
from members.services.admitting import seat_waiting_applications
from members.services.joining import invite_member, withdraw_application
from members.signals import member_joined
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    CommunityFactory,
    GroupChatFactory,
    JoinRouteFactory,
    JoinWayFactory,
    TierFactory,
)
from tests.members.entry_factories import (
    THREE_PURCHASES,
    BlocklistEntryFactory,
    apply,
    gated,
    newcomer,
)
from tests.members.factories import (
    EntryApplicationFactory,
    MemberFactory,
    MembershipFactory,
    PurchaseFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard():
    """The facts announced during a test, with their arguments."""
    facts = []

    def hear(sender, signal, **arguments):
        facts.append(arguments)

    member_joined.connect(hear)
    yield facts
    member_joined.disconnect(hear)


def test_apply_joins_an_open_community_and_takes_a_seat(heard):
    chat = GroupChatFactory()
    member = newcomer(chat.community)

    application = apply(member, chat.community)

    assert application.status == ApplicationStatus.JOINED
    membership = Membership.objects.get()
    assert application.membership == membership
    stay = Stay.objects.get()
    assert (stay.chat, stay.member, stay.membership) == (chat, member, membership)
    chat.refresh_from_db()
    assert chat.member_count == 1
    assert heard == [{"membership_id": membership.pk, "stay_id": stay.pk}]
    assert AuditEvent.objects.get().verb == "apply_for_entry"


def test_apply_rejects_and_explains_each_clause_when_the_rule_is_not_met():
    community = gated(
        EntryMode.RULE,
        {"all": [THREE_PURCHASES, {"metric": "in_community", "op": "is_not", "value": "vip"}]},
    )
    GroupChatFactory(community=community)
    member = newcomer(community)
    PurchaseFactory.create_batch(2, member=member)

    application = apply(member, community)

    assert application.status == ApplicationStatus.REJECTED
    assert application.clauses[0] == {
        "rule": "policy",
        "path": "$.all[0]",
        "metric": "purchase_count",
        "op": "gte",
        "required": 3,
        "actual": 2,
        "window_days": None,
        "of": None,
        "negated": False,
        "passed": False,
        "missing": 1,
        "provisional": False,
    }
    assert application.clauses[1]["passed"] is True
    assert application.reason == "购买次数 ≥ 3：实际 2，还差 1"
    assert not Membership.objects.exists()


def test_apply_again_after_a_rejection_is_a_new_application():
    community = gated(EntryMode.RULE, THREE_PURCHASES)
    GroupChatFactory(community=community)
    member = newcomer(community)
    PurchaseFactory.create_batch(2, member=member)
    apply(member, community)
    PurchaseFactory(member=member)

    assert apply(member, community).status == ApplicationStatus.JOINED
    assert EntryApplication.objects.count() == 2


def test_apply_waits_for_review_when_the_rule_is_met_and_the_policy_wants_a_person():
    community = gated(EntryMode.RULE_AND_REVIEW, THREE_PURCHASES)
    member = newcomer(community)
    PurchaseFactory.create_batch(3, member=member)

    application = apply(member, community)

    assert application.status == ApplicationStatus.IN_REVIEW
    assert application.decided_at is None


def test_apply_asks_for_the_minimum_tier_even_where_the_policy_is_open():
    tier = TierFactory(criterion=THREE_PURCHASES)
    community = CommunityFactory(enterprise=tier.scheme.enterprise, minimum_tier=tier)

    application = apply(newcomer(community), community)

    assert application.status == ApplicationStatus.REJECTED
    assert [clause["rule"] for clause in application.clauses] == ["minimum_tier"]


def test_apply_to_an_invite_only_community_is_rejected_with_that_clause():
    community = gated(EntryMode.INVITE_ONLY)

    application = apply(newcomer(community), community)

    assert application.status == ApplicationStatus.REJECTED
    assert application.clauses[0]["metric"] == "invitation"
    assert application.reason == "这个社群只接受邀请"


def test_invite_lets_a_member_into_an_invite_only_community():
    community = gated(EntryMode.INVITE_ONLY)
    GroupChatFactory(community=community)
    actor = UserFactory(enterprise=community.enterprise)

    application = invite_member(
        newcomer(community), community=community, source=JoinSource.ADMIN, actor=actor
    )

    assert application.status == ApplicationStatus.JOINED
    assert application.decided_by == actor


def test_invite_is_refused_where_the_community_has_another_way_in():
    community = CommunityFactory()

    with pytest.raises(NotInviteOnly):
        invite_member(
            newcomer(community), community=community, source=JoinSource.ADMIN, actor=UserFactory()
        )


@pytest.mark.parametrize("status", [CommunityStatus.PAUSED, CommunityStatus.CLOSING])
def test_apply_is_refused_while_the_community_takes_nobody(status):
    community = CommunityFactory(status=status)

    with pytest.raises(NotOpenForEntry):
        apply(newcomer(community), community)


def test_apply_is_refused_without_an_active_policy():
    community = CommunityFactory(policy=None)

    with pytest.raises(NotOpenForEntry):
        apply(newcomer(community), community)


def test_apply_is_refused_to_somebody_already_in():
    community = CommunityFactory()
    member = MembershipFactory(community=community).member

    with pytest.raises(AlreadyMember):
        apply(member, community)


def test_apply_is_open_to_somebody_who_left():
    chat = GroupChatFactory()
    member = MembershipFactory(community=chat.community, gone=True).member

    assert apply(member, chat.community).status == ApplicationStatus.JOINED


def test_apply_twice_is_refused_and_names_the_open_application():
    application = EntryApplicationFactory()

    with pytest.raises(AlreadyApplied) as refusal:
        apply(application.member, application.community)

    assert refusal.value.details == {"application": application.pk, "status": "in_review"}


def test_apply_is_refused_to_a_member_of_another_enterprise():
    with pytest.raises(BelongsElsewhere):
        apply(MemberFactory(), CommunityFactory())


def test_apply_fills_the_emptiest_chat_and_marks_a_full_one():
    community = CommunityFactory()
    GroupChatFactory(community=community, member_count=3)
    nearly_full = GroupChatFactory(community=community, capacity=2, member_count=1)

    apply(newcomer(community), community)

    nearly_full.refresh_from_db()
    assert nearly_full.member_count == 2
    assert nearly_full.state == ChatState.FULL


@pytest.mark.parametrize(
    ("chats", "reason"),
    [
        (0, "社群还没有客户群，分配后自动入群。"),
        (1, "社群的客户群都满了，有空位时自动入群。"),
    ],
)
def test_apply_waits_for_room_and_says_for_which(chats, reason):
    community = CommunityFactory()
    GroupChatFactory.create_batch(
        chats, community=community, capacity=1, member_count=1, state=ChatState.FULL
    )

    application = apply(newcomer(community), community)

    assert application.status == ApplicationStatus.APPROVED
    assert application.reason == reason


def test_the_sweep_seats_those_who_wait_oldest_first():
    community = CommunityFactory()
    first, second = [apply(newcomer(community), community) for _ in range(2)]
    GroupChatFactory(community=community, capacity=1)

    assert seat_waiting_applications() == 1

    first.refresh_from_db()
    second.refresh_from_db()
    assert first.status == ApplicationStatus.JOINED
    assert first.reason == ""
    assert second.status == ApplicationStatus.APPROVED
    assert seat_waiting_applications() == 0


def test_the_sweep_leaves_alone_a_community_that_takes_nobody():
    community = CommunityFactory()
    apply(newcomer(community), community)
    GroupChatFactory(community=community)
    community.status = CommunityStatus.PAUSED
    community.save(update_fields=["status"])

    assert seat_waiting_applications() == 0


def test_the_sweep_lets_go_of_somebody_who_got_in_another_way():
    community = CommunityFactory()
    application = apply(newcomer(community), community)
    MembershipFactory(community=community, member=application.member)
    next_one = apply(newcomer(community), community)
    GroupChatFactory(community=community)

    assert seat_waiting_applications() == 1

    application.refresh_from_db()
    next_one.refresh_from_db()
    assert application.status == ApplicationStatus.WITHDRAWN
    assert next_one.status == ApplicationStatus.JOINED


def test_the_sweep_goes_on_after_one_that_cannot_be_seated(caplog):
    community = CommunityFactory()
    stuck, next_one = [apply(newcomer(community), community) for _ in range(2)]
    GroupChatFactory(community=community)

    def fail(sender, signal, **arguments):
        membership = Membership.objects.get(pk=arguments["membership_id"])
        if membership.member == stuck.member:
            raise RuntimeError("a receiver failed")

    member_joined.connect(fail)
    try:
        assert seat_waiting_applications() == 1
    finally:
        member_joined.disconnect(fail)

    next_one.refresh_from_db()
    assert next_one.status == ApplicationStatus.JOINED
    assert [record.application_id for record in caplog.records] == [stuck.pk]
    assert seat_waiting_applications() == 1


def test_withdraw_ends_an_application_and_makes_room_for_another():
    application = EntryApplicationFactory()

    withdrawn = withdraw_application(application.pk, actor=None)

    assert withdrawn.status == ApplicationStatus.WITHDRAWN
    with pytest.raises(CannotDecide):
        withdraw_application(application.pk, actor=None)


def test_apply_through_a_link_tries_the_chats_of_the_link_first():
    community = CommunityFactory()
    GroupChatFactory(community=community)
    of_the_link = GroupChatFactory(community=community, member_count=80, capacity=81)
    way = JoinWayFactory(community=community)
    JoinRouteFactory(join_way=way, chat=of_the_link)

    first, second = (apply(newcomer(community), community, join_way=way) for _ in "ab")

    assert first.membership.stays.get().chat == of_the_link
    assert first.membership.stays.get().join_way == way
    assert second.membership.stays.get().chat != of_the_link


def test_apply_through_the_link_of_another_community_counts_for_neither():
    community = CommunityFactory()
    GroupChatFactory(community=community)

    application = apply(newcomer(community), community, join_way=JoinWayFactory())

    assert application.status == ApplicationStatus.JOINED
    assert application.join_way is None


def test_who_holds_the_minimum_tier_keeps_it_for_entry_though_the_numbers_fell():
    tier = TierFactory(name="星球 VIP", criterion=THREE_PURCHASES)
    community = CommunityFactory(enterprise=tier.scheme.enterprise, minimum_tier=tier)
    GroupChatFactory(community=community)
    member = newcomer(community)
    TierAssignment.objects.create(
        member=member, scheme=tier.scheme, tier=tier, cause=TierCause.ENTERED
    )

    application = apply(member, community)

    assert application.status == ApplicationStatus.JOINED
    assert explain(application.clauses[0]) == "层级“星球 VIP”：已持有"


def test_apply_is_rejected_in_words_to_somebody_on_the_blocklist():
    community = CommunityFactory()
    GroupChatFactory(community=community)
    member = newcomer(community)
    BlocklistEntryFactory(member=member)
    elsewhere = BlocklistEntryFactory(
        member=newcomer(community), community=CommunityFactory(enterprise=community.enterprise)
    )

    application = apply(member, community)

    assert application.status == ApplicationStatus.REJECTED
    assert application.reason == "在黑名单中，不能加入"
    assert application.clauses[0]["rule"] == "blocklist"
    assert apply(elsewhere.member, community).status == ApplicationStatus.JOINED


def test_a_block_after_the_approval_beats_it_when_there_is_room_at_last():
    community = CommunityFactory()
    application = apply(newcomer(community), community)
    BlocklistEntryFactory(member=application.member)
    GroupChatFactory(community=community)

    seat_waiting_applications()

    application.refresh_from_db()
    assert application.status == ApplicationStatus.REJECTED
    assert not Membership.objects.exists()
