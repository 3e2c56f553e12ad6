from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from communities.handlers import CustomerOfStaff
from communities.models import GroupChat, ResignationCase, TransferItem
from communities.rules.status import ChatPlatformStatus, ChatState
from communities.rules.transfer_words import REASONS, item_words
from communities.rules.transfers import CaseCause, ItemState, Route, Selection, Subject
from communities.services.ownership.owning import end_ownership, name_owner
from communities.services.transfers.eligibility import receiver_loads, refusals_of
from communities.services.transfers.limits import hand_overs_left
from communities.services.transfers.planning import (
    add_chats,
    add_communities,
    add_customers,
    preflight,
    preflight_of,
)
from communities.services.transfers.policies import create_policy, deactivate_policy
from scrm.accounts.models import StaffPlatformStatus
from scrm.shared.clock import database_now
from scrm.wecom.rules.status import ConnectionState
from tests.accounts.factories import DepartmentFactory, StaffFactory
from tests.communities.factories import (
    ClassificationValueFactory,
    CommunityFactory,
    GroupChatFactory,
    TierFactory,
)
from tests.communities.transfer_worlds import Office
from tests.members.factories import FollowFactory, MemberFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def office():
    return Office()


@pytest.fixture
def draft(office):
    """Without receivers of its own: policies decide."""
    return empty_draft(office)


def empty_draft(office):
    transfer = office.draft_of([])
    transfer.receivers.clear()
    return transfer


def draft_with(office, *chats):
    transfer = empty_draft(office)
    add_chats(transfer, [chat.pk for chat in chats])
    return transfer


def one(transfer):
    return transfer.items.get()


def reason_of(transfer):
    preflight(transfer.pk)
    return one(transfer).reason


def of_policy(office, selection=Selection.LEAST_LOADED, **fields):
    return create_policy(actor=office.author, name="规则", selection=selection, **fields)


# --- What it is about -----------------------------------------------------------------------------


def test_chats_become_items_of_their_owners_once(office, draft):
    chats = [office.chat(), office.chat(owner=office.receiver)]
    ids = [chat.pk for chat in chats]

    assert add_chats(draft, ids) == 2
    assert add_chats(draft, GroupChat.objects.filter(pk__in=ids)) == 0

    givers = draft.items.order_by("pk").values_list("giver", "channel_account")
    assert list(givers) == [
        (office.giver.pk, office.account.pk),
        (office.receiver.pk, office.account.pk),
    ]


def test_chats_without_an_owner_or_of_another_enterprise_are_left_out(office, draft):
    ownerless = GroupChatFactory(unassigned=True, enterprise=office.enterprise)
    stranger = GroupChatFactory(owner=StaffFactory())

    assert add_chats(draft, [ownerless.pk, stranger.pk]) == 0


def test_communities_become_items_of_their_owner_or_of_whoever_is_named(office, draft):
    community, advised = office.community(), office.community(owner=office.receiver)
    advised.adviser = office.giver
    advised.save()

    assert add_communities(draft, [community.pk]) == 1
    assert add_communities(draft, [advised.pk], giver_id=office.giver.pk) == 1
    assert add_communities(draft, [community.pk, CommunityFactory().pk]) == 0

    preflight(draft.pk)
    assert set(draft.items.values_list("giver", "state", "route")) == {
        (office.giver.pk, ItemState.PLANNED, Route.INTERNAL)
    }


def test_customers_become_items_once(office, draft):
    customers = [CustomerOfStaff(office.account.pk, f"wm{number}") for number in range(3)]
    elsewhere = CustomerOfStaff(Office().account.pk, "wm9")

    assert add_customers(draft, office.giver.pk, [*customers, customers[0], elsewhere]) == 3
    assert add_customers(draft, office.giver.pk, customers) == 0


# --- Who would get it -----------------------------------------------------------------------------


def test_without_a_policy_the_least_loaded_receive_after_an_approval(office, draft):
    other = office.colleague("周")
    for _ in range(2):
        office.chat(owner=other)
    add_chats(draft, [office.chat().pk for _ in range(4)])

    checked = preflight(draft.pk)

    items = draft.items.values_list("receiver", "policy", "selection", "state", "route")
    assert Counter(items) == {
        (office.receiver.pk, None, "least_loaded", "planned", "on_job"): 3,
        (other.pk, None, "least_loaded", "planned", "on_job"): 1,
    }
    assert (checked.ready, checked.blocked, checked.needs_approval) == (4, 0, True)
    draft.refresh_from_db()
    assert draft.preflighted_at is not None


def test_the_most_specific_policy_applies_and_is_recorded(office):
    backup = office.colleague("后备")
    tier = TierFactory(scheme__enterprise=office.enterprise)
    east = ClassificationValueFactory(axis__enterprise=office.enterprise)
    shanghai = ClassificationValueFactory(axis=east.axis, parent=east)
    general = of_policy(office, needs_approval=False)
    of_east = of_policy(
        office, Selection.BACKUP_OWNER, value=east, kind="vip", tier=tier, needs_approval=False
    )
    community = office.community(
        kind="vip", minimum_tier=tier, backup_owner=backup, values=[shanghai]
    )
    transfer = draft_with(office, office.chat(community=community), office.chat())

    checked = preflight(transfer.pk)

    carried, plain = transfer.items.order_by("pk")
    assert (carried.policy, carried.receiver, carried.selection) == (
        of_east,
        backup,
        "backup_owner",
    )
    assert plain.policy == general
    assert checked.needs_approval is False


def test_a_policy_out_of_force_does_not_apply(office):
    deactivate_policy(of_policy(office, maximum=0).pk, actor=office.author)
    transfer = draft_with(office, office.chat())

    assert reason_of(transfer) == ""


def test_a_classification_names_receivers_for_what_lies_below_it(office):
    east = ClassificationValueFactory(axis__enterprise=office.enterprise)
    shanghai = ClassificationValueFactory(axis=east.axis, parent=east)
    named = office.colleague("华东")
    of_policy(office, Selection.BY_CLASSIFICATION, receivers=[(named, east)])
    transfer = draft_with(office, office.chat(community=office.community(values=[shanghai])))

    preflight(transfer.pk)

    assert one(transfer).receiver == named


def test_the_giver_s_department_is_asked_and_then_the_one_above_it(office):
    above = DepartmentFactory(enterprise=office.enterprise)
    own = DepartmentFactory(enterprise=office.enterprise, parent=above)
    office.giver.department = own
    office.giver.save()
    manager = office.colleague("上级", department=above)
    of_policy(office, Selection.SAME_DEPARTMENT)
    transfer = draft_with(office, office.chat())

    preflight(transfer.pk)

    assert one(transfer).receiver == manager


def test_the_maximum_counts_what_is_owned_and_what_is_on_its_way(office, draft):
    of_policy(office, maximum=4)
    office.chat(owner=office.receiver)
    office.chat(owner=office.receiver, state=ChatState.DISSOLVED)
    office.transfer_of([office.chat()])
    add_chats(draft, [office.chat().pk for _ in range(3)])

    checked = preflight(draft.pk)

    assert (checked.ready, checked.reasons) == (2, {"receiver_full": 1})
    (share,) = checked.receivers
    assert (share.receiver_id, share.count, share.owned, share.incoming) == (
        office.receiver.pk,
        2,
        1,
        1,
    )


def test_customers_are_planned_by_how_many_everybody_follows(office, draft):
    other = office.colleague("周")
    member = MemberFactory(enterprise=office.enterprise)
    FollowFactory(
        member=member, staff=office.receiver, channel_account=office.account, is_mutual=True
    )
    add_customers(draft, office.giver.pk, [CustomerOfStaff(office.account.pk, "wm1")])

    preflight(draft.pk)

    assert one(draft).receiver == other


def test_chosen_receivers_share_evenly_and_stay_when_it_is_planned_again(office, draft):
    other = office.colleague("周")
    for _ in range(3):
        office.chat(owner=other)
    draft.receivers.set([office.receiver, other])
    add_chats(draft, [office.chat().pk for _ in range(4)])

    preflight(draft.pk)
    before = list(draft.items.order_by("pk").values_list("receiver", "selection"))
    preflight(draft.pk)

    assert Counter(receiver for receiver, _ in before) == {office.receiver.pk: 2, other.pk: 2}
    assert list(draft.items.order_by("pk").values_list("receiver", "selection")) == before


def test_what_the_chosen_one_can_no_longer_take_goes_to_the_others_who_were_chosen(office, draft):
    other = office.colleague("周")
    office.colleague("吴")
    draft.receivers.set([office.receiver, other])
    add_chats(draft, [office.chat().pk for _ in range(4)])
    preflight(draft.pk)

    office.leave(office.receiver)
    preflight(draft.pk)

    assert set(draft.items.values_list("receiver", flat=True)) == {other.pk}


def test_a_receiver_pinned_by_a_person_stays_to_be_seen_when_blocked(office):
    pinned = office.colleague("指定")
    transfer = draft_with(office, office.chat())
    transfer.items.update(receiver=pinned, selection=Selection.CHOSEN)
    office.leave(pinned)

    preflight(transfer.pk)

    item = one(transfer)
    assert (item.state, item.reason) == (ItemState.BLOCKED, "receiver_inactive")
    assert (item.receiver, item.selection) == (pinned, Selection.CHOSEN)


def test_what_waits_for_approval_keeps_its_receiver_while_that_is_possible(office):
    transfer = draft_with(office, office.chat())
    preflight(transfer.pk)
    transfer.items.update(state=ItemState.PENDING)
    idle = office.colleague("闲")
    office.chat(owner=office.receiver)

    preflight(transfer.pk)
    kept = one(transfer)
    office.leave(office.receiver)
    preflight(transfer.pk)
    moved = one(transfer)

    assert (kept.state, kept.receiver) == (ItemState.PENDING, office.receiver)
    assert (moved.state, moved.receiver) == (ItemState.PENDING, idle)


def test_a_failed_item_is_planned_again_only_when_asked(office):
    transfer = draft_with(office, office.chat(), office.chat())
    preflight(transfer.pk)
    transfer.items.update(state=ItemState.FAILED, reason="platform_refused")
    retried, other = transfer.items.order_by("pk")

    preflight(transfer.pk, retried=[retried.pk])

    retried.refresh_from_db()
    other.refresh_from_db()
    assert (retried.state, retried.reason, retried.receiver) == ("failed", "", office.receiver)
    assert other.reason == "platform_refused"


# --- Why it cannot go -----------------------------------------------------------------------------


def test_a_draft_of_what_is_fine_is_not_blocked(office):
    assert reason_of(draft_with(office, office.chat())) == ""


def dissolved(office, chat):
    chat.state = ChatState.DISSOLVED
    chat.save()
    end_ownership(chat, at=database_now())


def held_elsewhere(office, chat):
    office.transfer_of([chat])


def owner_unknown(office, chat):
    chat.owner, chat.owner_userid = None, "somebody"
    chat.save()
    name_owner(chat)


def owner_changed(office, chat):
    chat.owner = office.receiver
    chat.save()
    name_owner(chat)


def not_connected(office, chat):
    office.connection.delete()


def paused(office, chat):
    office.connection.state = ConnectionState.PAUSED
    office.connection.save()


def giver_out_of_sight(office, chat):
    office.giver.platform_status = StaffPlatformStatus.MISSING
    office.giver.save()


def giver_without_account(office, chat):
    office.giver.external_id = ""
    office.giver.save()


def handed_over_twice(office, chat):
    for _ in range(2):
        transfer = office.transfer_of([chat])
        transfer.items.update(state=ItemState.VERIFIED, accepted_at=database_now())


def left_two_years_ago(office, chat):
    office.giver.platform_status = StaffPlatformStatus.LEFT
    office.giver.save()
    ResignationCase.objects.create(
        enterprise=office.enterprise,
        staff=office.giver,
        cause=CaseCause.PLATFORM,
        left_at=database_now() - timedelta(days=366),
    )


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (dissolved, "chat_dissolved"),
        (held_elsewhere, "in_transfer"),
        (owner_unknown, "no_owner"),
        (owner_changed, "owner_changed"),
        (not_connected, "no_connection"),
        (paused, "connection_paused"),
        (giver_out_of_sight, "giver_is_elsewhere"),
        (giver_without_account, "giver_is_elsewhere"),
        (handed_over_twice, "handed_over_too_often"),
        (left_two_years_ago, "inheritance_over"),
    ],
)
def test_a_chat_that_cannot_go_says_why(office, trouble, reason):
    chat = office.chat()
    transfer = draft_with(office, chat)
    trouble(office, chat)

    checked = preflight(transfer.pk)

    item = one(transfer)
    assert (item.state, item.reason, item.receiver) == (ItemState.BLOCKED, reason, None)
    assert checked.reasons == {reason: 1}
    assert item_words(item) == str(REASONS[reason])


def test_a_block_is_lifted_when_its_reason_is_gone(office):
    transfer = draft_with(office, office.chat())
    paused(office, None)
    preflight(transfer.pk)
    office.connection.state = ConnectionState.CONNECTED
    office.connection.save()

    preflight(transfer.pk)

    assert (one(transfer).state, one(transfer).reason) == (ItemState.PLANNED, "")


def test_the_90_days_are_those_of_the_platform_and_only_bind_who_is_on_the_job(office):
    chat = office.chat()
    handed_over_twice(office, chat)
    transfer = draft_with(office, chat)

    office.connection.platform = "simulator"
    office.connection.clock_ahead = timedelta(days=91)
    office.connection.save()
    later = reason_of(transfer)
    office.connection.clock_ahead = timedelta(0)
    office.connection.save()
    on_the_job = reason_of(transfer)
    chat.platform_status = ChatPlatformStatus.OWNER_RESIGNED
    chat.save()
    after_resigning = reason_of(transfer)

    assert (later, on_the_job, after_resigning) == ("", "handed_over_too_often", "")
    assert one(transfer).route == Route.RESIGNED


def test_each_item_says_how_often_the_platform_still_takes_it(office, draft):
    often, never = office.chat(), office.chat()
    handed_over_twice(office, often)
    add_chats(draft, [often.pk, never.pk])
    add_customers(draft, office.giver.pk, [CustomerOfStaff(office.account.pk, "wm1")])
    add_communities(draft, [office.community().pk])
    preflight(draft.pk)

    left = hand_overs_left(draft.items.order_by("pk"))

    assert list(left.values()) == [0, 2, 2]
    assert hand_overs_left([]) == {}


def test_a_customer_held_or_handed_over_twice_cannot_go(office, draft):
    often, held = (CustomerOfStaff(office.account.pk, f"wm{number}") for number in range(2))
    for _ in range(2):
        former = empty_draft(office)
        add_customers(former, office.giver.pk, [often])
        former.items.update(
            state=ItemState.VERIFIED, receiver=office.receiver, accepted_at=database_now()
        )
    other = empty_draft(office)
    add_customers(other, office.giver.pk, [held])
    other.items.update(state=ItemState.QUEUED, receiver=office.receiver)
    add_customers(draft, office.giver.pk, [often, held])

    preflight(draft.pk)

    found = dict(draft.items.values_list("external_userid", "reason"))
    assert found == {"wm0": "handed_over_too_often", "wm1": "in_transfer"}


# --- Eligible -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, None),
        ({"is_active": False}, "receiver_inactive"),
        ({"platform_status": StaffPlatformStatus.LEFT}, "receiver_inactive"),
        ({"platform_status": StaffPlatformStatus.MISSING}, "receiver_elsewhere"),
        ({"platform_status": StaffPlatformStatus.NOT_ACTIVATED}, "receiver_not_activated"),
        ({"platform_status": StaffPlatformStatus.DISABLED}, "receiver_not_activated"),
        ({"can_use_customer_group": False}, "receiver_not_allowed"),
        ({"platform_status": ""}, "no_connection"),
        ({"external_id": ""}, "no_connection"),
    ],
)
def test_who_may_not_receive_a_chat_is_told_why(office, fields, refusal):
    person = office.colleague("某人", **fields)

    assert refusals_of(office.enterprise.pk, [person.pk]).get(person.pk) == refusal


def test_a_community_may_go_to_anybody_active_and_nothing_to_a_stranger(office):
    person, gone = office.colleague("甲", external_id=""), office.colleague("乙", is_active=False)
    stranger = StaffFactory()

    refused = refusals_of(
        office.enterprise.pk, [person.pk, gone.pk, stranger.pk], subject=Subject.COMMUNITY
    )

    assert refused == {gone.pk: "receiver_inactive", stranger.pk: "receiver_elsewhere"}


def test_receivers_are_listed_with_their_loads_the_least_loaded_first(office):
    of_policy(office, maximum=2)
    refused = office.colleague("无权", can_use_customer_group=False)
    office.colleague("离职", is_active=False)
    office.chat(owner=office.receiver)
    office.transfer_of([office.chat()])

    loads = receiver_loads(office.enterprise.pk)

    assert [each.staff for each in loads] == [office.giver, office.receiver, refused]
    full = loads[1]
    assert (full.owned, full.incoming, full.maximum, full.left) == (1, 1, 2, 0)
    assert loads[2].refusal == "receiver_not_allowed"
    assert receiver_loads(office.enterprise.pk, search="赵")[0].staff == office.receiver
    assert len(receiver_loads(office.enterprise.pk, limit=1)) == 1


# --- The tables, and their price ------------------------------------------------------------------


def test_the_quota_table_says_how_many_days_it_takes(office, draft):
    add_chats(draft, [office.chat().pk for _ in range(2)])

    preflight(draft.pk)
    (quota,) = preflight_of(draft).quotas

    assert (quota.giver_id, quota.account_id) == (office.giver.pk, office.account.pk)
    assert (quota.used, quota.left, quota.asked, quota.days) == (0, 300, 2, 1)


def test_what_is_planned_again_is_the_same_and_is_not_written_again(office, draft):
    add_chats(draft, [office.chat().pk for _ in range(3)])
    first = preflight(draft.pk)
    rows = list(draft.items.order_by("pk").values())

    with CaptureQueriesContext(
        connection,
    ) as queries:
        second = preflight(draft.pk)

    assert second == first
    assert list(draft.items.order_by("pk").values()) == rows
    assert not [
        each
        for each in queries
        if each["sql"].strip().startswith("UPDATE communities_transferitem")
    ]


def test_more_chats_owners_and_policies_take_no_more_queries(office):
    def filled(size):
        value = ClassificationValueFactory(axis__enterprise=office.enterprise)
        transfer = empty_draft(office)
        for number in range(size):
            giver = office.colleague(f"群主{number}")
            community = office.community(owner=giver, values=[value])
            chat = office.chat(owner=giver, community=community)
            add_chats(transfer, [chat.pk])
            add_communities(transfer, [community.pk])
            add_customers(
                transfer, giver.pk, [CustomerOfStaff(office.account.pk, f"wm{size}-{number}")]
            )
            receivers = [(giver, None), (office.receiver, None)]
            if number:
                of_policy(office, Selection.FIXED, value=value, kind="vip", receivers=receivers)
                value = ClassificationValueFactory(axis=value.axis)
        return transfer

    def queries_of(transfer):
        with CaptureQueriesContext(connection) as queries:
            assert preflight(transfer.pk).blocked == 0
        return len(queries)

    one_each, several = filled(1), filled(4)
    assert queries_of(one_each) == queries_of(several)


# --- Words ----------------------------------------------------------------------------------------


def item(**fields):
    return TransferItem(subject=Subject.CHAT, **fields)


def test_words_explain_what_the_platform_said_with_its_number():
    refused = item(state=ItemState.FAILED, reason="platform_refused", platform_code=90503)
    waiting = item(state=ItemState.QUEUED, reason="quota_used", platform_code=45009)
    unlisted = item(state=ItemState.FAILED, platform_code=123456, platform_message="new trouble")

    assert item_words(refused).endswith("（错误码 90503）")
    assert "额度" in item_words(waiting)
    assert "45009" in item_words(waiting)
    assert "123456" in item_words(unlisted)
    assert "new trouble" in item_words(unlisted)


def test_what_the_platform_said_before_is_not_told_of_what_is_planned_again():
    planned = item(state=ItemState.PLANNED, platform_code=90503)
    blocked = item(state=ItemState.BLOCKED, reason="receiver_full", platform_code=46004)

    assert item_words(planned) == ""
    assert item_words(blocked) == str(REASONS["receiver_full"])
