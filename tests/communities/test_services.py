import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier

import pytest
from django.db import IntegrityError, connections, transaction

from communities.errors import (
    BelongsElsewhere,
    CannotMove,
    CapacityTooSmall,
    ChatIsDissolved,
    ChatIsOccupied,
    ChatTaken,
    CodeTaken,
    CommunityIsOver,
    NameTaken,
    NotReady,
    PolicyNeedsCriterion,
    RankTaken,
    TierNeedsCriterion,
    TooDeep,
    WouldLoop,
)
from communities.models import Community, EntryPolicy
from communities.rules.kinds import EntryMode
from communities.rules.status import COMMUNITY_MOVES, ChatState, CommunityStatus, moves_from
from communities.services.chats import assign_chat, edit_group_chat, register_group_chat
from communities.services.classifying import create_axis, create_value, edit_axis, edit_value
from communities.services.founding import create_community, edit_community
from communities.services.gatekeeping import set_entry_policy
from communities.services.lifecycle import move_community
from communities.services.tiering import (
    create_tier,
    create_tier_scheme,
    edit_tier,
    rename_tier_scheme,
)
from communities.signals import community_moved, entry_policy_set
from scrm.accounts.models import AuditEvent
from scrm.shared.criteria import Criterion, InvalidCriterion, parse_criterion
from scrm.shared.errors import DomainError
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationValueFactory,
    CommunityFactory,
    EntryPolicyFactory,
    GroupChatFactory,
    TierFactory,
    TierSchemeFactory,
)
from tests.wecom.factories import ChannelAccountFactory

THREE_ORDERS = parse_criterion({"metric": "purchase_count", "op": "gte", "value": 3})


def heard(signal, work):
    facts = []

    def hear(sender, signal, **arguments):
        facts.append(arguments)

    signal.connect(hear)
    try:
        work()
    finally:
        signal.disconnect(hear)
    return facts


@pytest.fixture
def actor(db):
    return UserFactory()


# --- founding -----------------------------------------------------------------------------------


def test_create_makes_a_draft_of_the_actors_enterprise_and_records_it(actor):
    owner = StaffFactory(enterprise=actor.enterprise)
    value = ClassificationValueFactory(axis__enterprise=actor.enterprise)

    community = create_community(
        actor=actor, code="cats", name="猫友", owner=owner, classification_values=[value]
    )

    assert community.enterprise == actor.enterprise
    assert community.status == CommunityStatus.DRAFT
    assert list(community.classification_values.all()) == [value]
    event = AuditEvent.objects.get()
    assert (event.verb, event.actor, event.after["code"]) == ("create_community", actor, "cats")


def test_create_without_an_owner_gives_it_to_the_colleague_who_makes_it(actor):
    actor.staff = StaffFactory(enterprise=actor.enterprise)

    assert create_community(actor=actor, code="cats", name="猫友").owner == actor.staff


def test_create_with_a_code_in_use_is_refused_and_with_one_of_a_stranger_is_not(actor):
    CommunityFactory(enterprise=actor.enterprise, code="cats")
    CommunityFactory(code="dogs")

    with pytest.raises(CodeTaken):
        create_community(actor=actor, code="cats", name="猫友")
    assert create_community(actor=actor, code="dogs", name="狗友").pk


def test_the_join_page_has_the_code_as_its_address_unless_another_company_has_it(actor):
    first = create_community(actor=actor, code="cats", name="猫友")
    second = create_community(actor=UserFactory(), code="cats", name="猫友")

    assert first.join_slug == "cats"
    assert re.fullmatch("cats-[2-9a-z]{4}", second.join_slug)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("parent", CommunityFactory),
        ("owner", StaffFactory),
        ("adviser", StaffFactory),
        ("minimum_tier", TierFactory),
        ("classification_values", lambda: [ClassificationValueFactory()]),
    ],
)
def test_nothing_of_another_enterprise_can_be_tied_to_a_community(actor, name, make):
    foreign = make()

    with pytest.raises(BelongsElsewhere):
        create_community(actor=actor, code="cats", name="猫友", **{name: foreign})
    community = CommunityFactory(enterprise=actor.enterprise)
    with pytest.raises(BelongsElsewhere):
        edit_community(community.pk, actor=actor, **{name: foreign})


def test_edit_changes_what_it_is_given_and_records_before_and_after(actor):
    community = CommunityFactory(enterprise=actor.enterprise, name="旧名")

    edit_community(community.pk, actor=actor, name="新名")

    community.refresh_from_db()
    assert (community.name, community.purpose_statement) == ("新名", "互相帮忙照看")
    event = AuditEvent.objects.get()
    assert (event.before, event.after) == ({"name": "旧名"}, {"name": "新名"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("audience_statement", ""), ("purpose_statement", " "), ("owner", None)],
)
def test_edit_cannot_leave_a_running_community_unstated_or_unowned(actor, name, value):
    community = CommunityFactory(enterprise=actor.enterprise)

    with pytest.raises(NotReady) as refusal:
        edit_community(community.pk, actor=actor, **{name: value})

    assert refusal.value.details == {"missing": [name]}


def test_a_parent_cannot_be_oneself_or_below_oneself(actor):
    top, middle, bottom = (CommunityFactory(enterprise=actor.enterprise) for _ in range(3))
    edit_community(middle.pk, actor=actor, parent=top)
    edit_community(bottom.pk, actor=actor, parent=middle)

    for parent in [top, middle, bottom]:
        with pytest.raises(WouldLoop):
            edit_community(top.pk, actor=actor, parent=parent)


def test_five_levels_of_communities_are_allowed_and_a_sixth_is_not(actor):
    chain = [CommunityFactory(enterprise=actor.enterprise) for _ in range(6)]
    for parent, child in pairwise(chain[:5]):
        edit_community(child.pk, actor=actor, parent=parent)

    with pytest.raises(TooDeep):
        edit_community(chain[5].pk, actor=actor, parent=chain[4])
    with pytest.raises(TooDeep):
        create_community(actor=actor, code="deep", name="深", parent=chain[4])
    with pytest.raises(TooDeep):
        edit_community(chain[0].pk, actor=actor, parent=chain[5])


def at_the_same_time(*works):
    together = Barrier(len(works))

    def run(work):
        try:
            together.wait()
            return work()
        except DomainError as refusal:
            return type(refusal)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.mark.django_db(transaction=True)
def test_two_moves_at_once_cannot_close_a_loop():
    actor = UserFactory()
    one, other = (CommunityFactory(enterprise=actor.enterprise) for _ in range(2))

    answers = at_the_same_time(
        lambda: edit_community(one.pk, actor=actor, parent=other).pk,
        lambda: edit_community(other.pk, actor=actor, parent=one).pk,
    )

    assert answers.count(WouldLoop) == 1
    assert Community.objects.filter(parent=None).count() == 1


# --- status -------------------------------------------------------------------------------------


def test_a_stated_owned_and_gated_draft_begins_to_recruit(actor):
    community = CommunityFactory(enterprise=actor.enterprise, status=CommunityStatus.DRAFT)

    facts = heard(
        community_moved,
        lambda: move_community(community.pk, target=CommunityStatus.RECRUITING, actor=actor),
    )

    community.refresh_from_db()
    assert community.status == CommunityStatus.RECRUITING
    assert facts == [{"community_id": community.pk, "before": "draft", "after": "recruiting"}]
    assert AuditEvent.objects.get().before == {"status": "draft"}


def test_a_bare_draft_is_told_everything_it_lacks(actor):
    community = CommunityFactory(enterprise=actor.enterprise, draft=True)

    with pytest.raises(NotReady) as refusal:
        move_community(community.pk, target=CommunityStatus.RECRUITING, actor=actor)

    assert refusal.value.details == {
        "missing": ["audience_statement", "entry_policy", "owner", "purpose_statement"]
    }
    assert "选定准入规则" in refusal.value.message


def test_a_bare_draft_can_be_cancelled(actor):
    community = CommunityFactory(enterprise=actor.enterprise, draft=True)

    move_community(community.pk, target=CommunityStatus.CANCELLED, actor=actor)

    community.refresh_from_db()
    assert community.status == CommunityStatus.CANCELLED


@pytest.mark.parametrize("status", CommunityStatus.values)
@pytest.mark.django_db
def test_only_the_moves_of_the_table_exist(status):
    community = CommunityFactory(status=status)
    for target in CommunityStatus.values:
        allowed = target in COMMUNITY_MOVES.get(status, frozenset())
        with transaction.atomic():
            if allowed:
                move_community(community.pk, target=target, actor=None)
            else:
                with pytest.raises(CannotMove):
                    move_community(community.pk, target=target, actor=None)
            transaction.set_rollback(True)
    assert moves_from(status) == [
        s for s in CommunityStatus if s in COMMUNITY_MOVES.get(status, ())
    ]


@pytest.mark.django_db(transaction=True)
def test_the_same_move_twice_at_once_happens_once():
    community = CommunityFactory(status=CommunityStatus.RECRUITING)

    def work():
        return move_community(community.pk, target=CommunityStatus.WARMING, actor=None).status

    assert set(at_the_same_time(work, work)) == {CommunityStatus.WARMING, CannotMove}


# --- entry policies -----------------------------------------------------------------------------


def set_policy(community, mode=EntryMode.RULE, criterion=THREE_ORDERS):
    return set_entry_policy(community.pk, mode=mode, criterion=criterion, actor=None)


@pytest.mark.django_db
def test_a_new_policy_is_a_new_version_and_alone_in_force():
    community = CommunityFactory(policy=None)
    first = set_policy(community)

    facts = heard(entry_policy_set, lambda: set_policy(community, EntryMode.OPEN, Criterion()))

    second = EntryPolicy.objects.get(is_active=True)
    assert (first.version, second.version) == (1, 2)
    assert facts == [{"community_id": community.pk, "policy_id": second.pk}]
    first.refresh_from_db()
    assert first.criterion == THREE_ORDERS.as_json()
    event = AuditEvent.objects.order_by("-pk")[0]
    assert (event.before["version"], event.after["version"]) == (1, 2)


@pytest.mark.django_db
def test_a_rule_without_a_criterion_is_refused():
    community = CommunityFactory()

    for mode in [EntryMode.RULE, EntryMode.RULE_AND_REVIEW]:
        with pytest.raises(PolicyNeedsCriterion):
            set_policy(community, mode, Criterion())
    with pytest.raises(IntegrityError), transaction.atomic():
        EntryPolicyFactory(community=community, mode=EntryMode.RULE, is_active=False)


@pytest.mark.django_db
def test_a_policy_for_a_community_that_is_over_is_refused():
    with pytest.raises(CommunityIsOver):
        set_policy(CommunityFactory(status=CommunityStatus.DISSOLVED))


@pytest.mark.django_db
def test_a_criterion_cannot_name_a_community_of_another_enterprise():
    community = CommunityFactory(code="cats")
    CommunityFactory(code="foreign")
    named = {"metric": "in_community", "op": "is"}

    with pytest.raises(InvalidCriterion) as refusal:
        set_policy(
            community,
            criterion=parse_criterion(
                {"any": [{**named, "value": "cats"}, {**named, "value": "foreign"}]}
            ),
        )

    assert [(error.path, error.code) for error in refusal.value.errors] == [
        ("$.any[1].value", "unknown_community")
    ]


@pytest.mark.django_db(transaction=True)
def test_two_policies_at_once_become_two_versions_with_one_in_force():
    community = CommunityFactory(policy=None)

    answers = at_the_same_time(*[lambda: set_policy(community).version for _ in range(3)])

    assert sorted(answers) == [1, 2, 3]
    assert EntryPolicy.objects.active().count() == 1


# --- classification -----------------------------------------------------------------------------


def test_axes_and_values_are_made_and_edited(actor):
    axis = create_axis(actor=actor, code="region", name="地区")
    east = create_value(axis=axis, actor=actor, code="east", name="华东")
    shanghai = create_value(axis=axis, actor=actor, code="sh", name="上海", parent=east)

    edit_axis(axis.pk, actor=actor, name="大区", requires_evidence=True)
    edit_value(shanghai.pk, actor=actor, parent=None)

    axis.refresh_from_db()
    shanghai.refresh_from_db()
    assert (axis.name, axis.requires_evidence, shanghai.parent) == ("大区", True, None)
    assert AuditEvent.objects.count() == 5


def test_codes_of_axes_and_values_are_unique_in_their_place(actor):
    axis = create_axis(actor=actor, code="region", name="地区")
    create_value(axis=axis, actor=actor, code="east", name="华东")
    other = create_axis(actor=actor, code="breed", name="品种")

    with pytest.raises(CodeTaken):
        create_axis(actor=actor, code="region", name="再来")
    with pytest.raises(CodeTaken):
        edit_axis(other.pk, actor=actor, code="region")
    with pytest.raises(CodeTaken):
        create_value(axis=axis, actor=actor, code="east", name="再来")
    assert create_value(axis=other, actor=actor, code="east", name="东方短毛猫").pk


def test_a_value_hangs_only_under_one_of_its_own_axis_and_never_under_itself(actor):
    axis = ClassificationAxisFactory(enterprise=actor.enterprise)
    top = ClassificationValueFactory(axis=axis)
    below = ClassificationValueFactory(axis=axis, parent=top)
    elsewhere = ClassificationValueFactory(axis__enterprise=actor.enterprise)

    with pytest.raises(BelongsElsewhere):
        edit_value(below.pk, actor=actor, parent=elsewhere)
    with pytest.raises(BelongsElsewhere):
        create_value(axis=axis, actor=actor, code="x", name="x", parent=elsewhere)
    with pytest.raises(WouldLoop):
        edit_value(top.pk, actor=actor, parent=below)
    with pytest.raises(BelongsElsewhere):
        create_value(axis=ClassificationAxisFactory(), actor=actor, code="x", name="x")


# --- tiers --------------------------------------------------------------------------------------


def test_a_scheme_of_tiers_is_made_renamed_and_edited(actor):
    scheme = create_tier_scheme(name="会员", actor=actor)
    lowest = create_tier(scheme=scheme, criterion=Criterion(), actor=actor, rank=1, name="普通")
    gold = create_tier(scheme=scheme, criterion=THREE_ORDERS, actor=actor, rank=2, name="金卡")

    rename_tier_scheme(scheme.pk, name="等级", actor=actor)
    edit_tier(gold.pk, actor=actor, name="白金")

    gold.refresh_from_db()
    assert (gold.name, gold.criterion) == ("白金", THREE_ORDERS.as_json())
    assert lowest.criterion == {}
    assert AuditEvent.objects.count() == 5


def test_tiers_refuse_a_taken_name_a_taken_rank_and_a_gap(actor):
    scheme = create_tier_scheme(name="会员", actor=actor)
    other = create_tier_scheme(name="其他", actor=actor)
    lowest = create_tier(scheme=scheme, criterion=Criterion(), actor=actor, rank=2, name="普通")

    with pytest.raises(NameTaken):
        create_tier_scheme(name="会员", actor=actor)
    with pytest.raises(NameTaken):
        rename_tier_scheme(other.pk, name="会员", actor=actor)
    with pytest.raises(RankTaken):
        create_tier(scheme=scheme, criterion=THREE_ORDERS, actor=actor, rank=2, name="再来")
    with pytest.raises(TierNeedsCriterion):
        create_tier(scheme=scheme, criterion=Criterion(), actor=actor, rank=3, name="金卡")
    with pytest.raises(TierNeedsCriterion):
        create_tier(scheme=scheme, criterion=THREE_ORDERS, actor=actor, rank=1, name="更低")
    gold = create_tier(scheme=scheme, criterion=THREE_ORDERS, actor=actor, rank=3, name="金卡")
    with pytest.raises(TierNeedsCriterion):
        edit_tier(gold.pk, actor=actor, criterion=Criterion())
    with pytest.raises(RankTaken):
        edit_tier(gold.pk, actor=actor, rank=lowest.rank)
    with pytest.raises(BelongsElsewhere):
        create_tier(
            scheme=TierSchemeFactory(), criterion=THREE_ORDERS, actor=actor, rank=9, name="x"
        )


# --- chats --------------------------------------------------------------------------------------


def test_a_chat_is_registered_and_may_carry_a_community(actor):
    community = CommunityFactory(enterprise=actor.enterprise)
    account = ChannelAccountFactory(enterprise=actor.enterprise)
    fields = {"channel_account": account, "external_id": "wr1", "name": "群", "actor": actor}

    chat = register_group_chat(**fields, community=community)

    assert (chat.community, chat.state, chat.member_count) == (community, ChatState.ACTIVE, 0)
    with pytest.raises(ChatTaken):
        register_group_chat(**fields)
    with pytest.raises(BelongsElsewhere):
        register_group_chat(**{**fields, "external_id": "wr2"}, community=CommunityFactory())
    with pytest.raises(BelongsElsewhere):
        register_group_chat(
            **{**fields, "external_id": "wr3", "channel_account": ChannelAccountFactory()}
        )


def test_a_changed_capacity_fills_a_chat_or_gives_it_room(actor):
    chat = GroupChatFactory(capacity=3, member_count=2)

    assert edit_group_chat(chat.pk, actor=actor, capacity=2).state == ChatState.FULL
    assert edit_group_chat(chat.pk, actor=actor, capacity=9).state == ChatState.ACTIVE
    with pytest.raises(CapacityTooSmall):
        edit_group_chat(chat.pk, actor=actor, capacity=1)


def test_an_empty_chat_is_assigned_and_unassigned(actor):
    community = CommunityFactory()
    chat = GroupChatFactory(community=None, enterprise=community.enterprise)

    assert assign_chat(chat.pk, community=community, actor=actor).community == community
    assert assign_chat(chat.pk, community=community, actor=actor).community == community
    assert assign_chat(chat.pk, community=None, actor=actor).community is None
    assert AuditEvent.objects.count() == 2


def test_assigning_is_refused_when_it_would_not_be_true(actor):
    occupied = GroupChatFactory(member_count=1)
    empty = GroupChatFactory(community=None, enterprise=occupied.enterprise)
    gone = GroupChatFactory(
        community=None, enterprise=occupied.enterprise, state=ChatState.DISSOLVED
    )
    other = CommunityFactory(enterprise=occupied.enterprise)
    over = CommunityFactory(enterprise=occupied.enterprise, status=CommunityStatus.ARCHIVED)

    for chat, community, refusal in [
        (occupied, other, ChatIsOccupied),
        (occupied, None, ChatIsOccupied),
        (gone, other, ChatIsDissolved),
        (empty, over, CommunityIsOver),
        (empty, CommunityFactory(), BelongsElsewhere),
    ]:
        with pytest.raises(refusal):
            assign_chat(chat.pk, community=community, actor=actor)
