"""The life of a hand-over: draft, submission, approval, what a person does about its items."""

from datetime import timedelta

import pytest
from django.db import transaction

from communities.errors import (
    ApproverIsAuthor,
    BelongsElsewhere,
    CaseIsOpen,
    ChatInTransfer,
    NothingChosen,
    NothingToChange,
    ReceiverNotEligible,
    ReturnTooLate,
    TransferNotOpen,
    TransferNotPossible,
    TransferReasonMissing,
)
from communities.handlers import CustomerOfStaff
from communities.models import OwnershipTransfer, ResignationCase, TransferItem
from communities.rules.transfer_status import is_closed, sources_of, status_of
from communities.rules.transfers import CaseCause, ItemState, Subject, TransferStatus
from communities.services.ownership.owning import name_owner
from communities.services.transfers.items import assign_receiver, retry_items, waive_items
from communities.services.transfers.moving import hold_items
from communities.services.transfers.policies import create_policy
from communities.services.transfers.returning import return_transfer
from communities.services.transfers.settling import settle_transfers
from communities.services.transfers.submitting import (
    approve_transfer,
    cancel_transfer,
    draft_transfer,
    preflight_transfer,
    reject_transfer,
    submit_transfer,
)
from scrm.accounts.models import AuditEvent, OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.rules.roles import Role
from scrm.shared.clock import database_now
from tests.accounts.factories import UserFactory
from tests.communities.transfer_worlds import Office, platform_says, reasons, states
from tests.members.factories import FollowFactory


@pytest.fixture
def office(db):
    return Office()


@pytest.fixture
def approved(office):
    """Three chats, approved and waiting for a worker."""
    return office.transfer_of([office.chat() for _ in range(3)])


def drafted(office, chats, **fields):
    return draft_transfer(
        actor=office.author, **{"chats": chats, "receivers": office.receivers, **fields}
    )


def open_tasks(transfer):
    tasks = OperatorTask.objects.filter(
        object_type="communities.ownershiptransfer", object_id=transfer.pk, status=TaskStatus.OPEN
    )
    return set(tasks.values_list("kind", flat=True))


# --- the status that items make -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({"queued": 1, "verified": 9}, "submitted"),
        ({"sending": 1, "failed": 1}, "submitted"),
        ({"unknown": 1, "verified": 1}, "submitted"),
        ({"pending": 1, "verified": 1}, "submitted"),
        ({"verified": 3}, "verified"),
        ({"verified": 1, "gone": 1, "waived": 1}, "verified"),
        ({"accepted": 1, "verified": 1}, "succeeded"),
        ({"accepted": 2}, "succeeded"),
        ({"failed": 1, "gone": 1}, "failed"),
        ({"refused": 2}, "failed"),
        ({"blocked": 1, "waived": 1}, "failed"),
        ({"failed": 1, "verified": 1}, "partially_succeeded"),
        ({"blocked": 1, "accepted": 1}, "partially_succeeded"),
        ({"refused": 1, "verified": 1}, "partially_succeeded"),
        ({"waived": 2, "gone": 1}, "verified"),
    ],
)
def test_the_status_of_a_submitted_transfer_follows_from_its_items(counts, status):
    assert status_of(counts) == status


def test_a_transfer_awaits_approval_only_until_it_was_at_work():
    assert status_of({"pending": 1}, is_at_work=False) == TransferStatus.AWAITING_APPROVAL
    assert status_of({"pending": 1}, is_at_work=True) == TransferStatus.SUBMITTED
    assert status_of({"waived": 1}, is_at_work=False) == TransferStatus.VERIFIED


def test_a_transfer_is_closed_once_nothing_moves_by_itself():
    assert is_closed({"verified": 1, "failed": 1, "blocked": 1})
    for state in ("pending", "queued", "sending", "unknown", "accepted"):
        assert not is_closed({"verified": 1, state: 1})


def test_what_the_platform_may_have_done_is_neither_waived_nor_cancelled():
    under_way = {ItemState.SENDING, ItemState.UNKNOWN, ItemState.ACCEPTED, ItemState.VERIFIED}

    assert not under_way & set(sources_of(ItemState.WAIVED))
    assert not under_way & set(sources_of(ItemState.CANCELLED))


# --- drafting -----------------------------------------------------------------------------------


def test_a_draft_says_who_would_get_what_and_holds_nothing(office):
    chats = [office.chat() for _ in range(2)]

    transfer = drafted(office, chats, reason="换岗")

    assert transfer.status == TransferStatus.DRAFT
    items = transfer.items.order_by("chat")
    assert [(item.chat, item.giver, item.receiver) for item in items] == [
        (chat, office.giver, office.receiver) for chat in chats
    ]
    assert states(transfer) == ["planned", "planned"]
    assert not TransferItem.objects.holding().exists()
    event = AuditEvent.objects.get(verb="draft_transfer")
    assert (event.actor, event.after["count"], event.after["reason"]) == (office.author, 2, "换岗")


def test_a_draft_takes_the_customers_of_a_colleague_that_were_chosen(office):
    follows = [
        FollowFactory(
            member__enterprise=office.enterprise,
            channel_account=office.account,
            staff=office.giver,
            is_mutual=True,
        )
        for _ in range(3)
    ]
    chosen = [CustomerOfStaff(office.account.pk, each.external_userid) for each in follows[:2]]

    some = draft_transfer(actor=office.author, customers_of=office.giver, customers=chosen)
    everybody = draft_transfer(actor=office.author, customers_of=office.giver)

    assert set(some.items.values_list("external_userid", flat=True)) == {
        each.external_userid for each in chosen
    }
    assert everybody.items.count() == 3


def test_customers_of_somebody_else_are_refused(office):
    follow = FollowFactory(
        member__enterprise=office.enterprise,
        channel_account=office.account,
        staff=office.receiver,
        is_mutual=True,
    )
    stranger = CustomerOfStaff(office.account.pk, follow.external_userid)

    with pytest.raises(BelongsElsewhere, match="1 位客户"):
        draft_transfer(actor=office.author, customers_of=office.giver, customers=[stranger])


def test_a_draft_of_everything_takes_chats_customers_and_communities(office):
    office.chat(), office.community(), office.chat(owner=office.receiver)
    office.community(owner=office.receiver, adviser=office.giver)
    FollowFactory(
        member__enterprise=office.enterprise,
        channel_account=office.account,
        staff=office.giver,
        is_mutual=True,
    )

    transfer = draft_transfer(actor=office.author, everything_of=office.giver)

    subjects = transfer.items.order_by("subject").values_list("subject", flat=True)
    assert list(subjects) == ["chat", "community", "community", "customer"]


def test_a_draft_of_nothing_is_refused(office):
    with pytest.raises(NothingChosen):
        draft_transfer(actor=office.author)
    with pytest.raises(NothingChosen):
        draft_transfer(actor=office.author, everything_of=office.giver)


@pytest.mark.parametrize("what", ["chats", "communities", "receivers", "everything_of"])
def test_nothing_of_another_enterprise_can_be_named(office, what):
    other = Office()
    named = {
        "chats": [other.chat()],
        "communities": [other.community()],
        "receivers": [other.receiver],
        "everything_of": other.giver,
    }

    with pytest.raises(BelongsElsewhere):
        draft_transfer(actor=office.author, **{"chats": [office.chat()], what: named[what]})
    assert not OwnershipTransfer.objects.exists()


def test_a_narrow_data_scope_reaches_neither_chats_nor_customers_of_others(office):
    member = UserFactory(
        enterprise=office.enterprise,
        role=Role.OPERATOR,
        staff=office.receiver,
        data_scope="own_communities",
    )
    chat = office.chat()

    with pytest.raises(BelongsElsewhere, match="看不到"):
        draft_transfer(actor=member, chats=[chat])
    with pytest.raises(BelongsElsewhere, match="数据范围"):
        draft_transfer(actor=member, everything_of=office.giver)


# --- submitting ---------------------------------------------------------------------------------


def test_a_submitted_transfer_waits_for_approval_and_holds_its_chats(office):
    transfer = drafted(office, [office.chat()])

    transfer = submit_transfer(transfer.pk, actor=office.author)

    assert (transfer.status, states(transfer)) == ("awaiting_approval", ["pending"])
    assert transfer.submitted_at is not None
    assert open_tasks(transfer) == {TaskKind.TRANSFER_APPROVAL}
    assert AuditEvent.objects.get(verb="submit_transfer").after["count"] == 1


def test_a_transfer_whose_policy_asks_for_no_approval_is_queued_at_once(office):
    create_policy(
        actor=office.author,
        name="随意",
        selection="least_loaded",
        needs_approval=False,
    )
    transfer = drafted(office, [office.chat()], receivers=())

    transfer = submit_transfer(transfer.pk, actor=office.author)

    assert (transfer.status, states(transfer)) == ("submitted", ["queued"])
    assert transfer.items.get().due_at is not None
    assert open_tasks(transfer) == set()


def test_submitting_twice_is_refused(office):
    transfer = drafted(office, [office.chat()])
    submit_transfer(transfer.pk, actor=office.author)

    with pytest.raises(TransferNotOpen) as refusal:
        submit_transfer(transfer.pk, actor=office.author)
    assert refusal.value.details == {"status": "awaiting_approval"}


def test_a_stranger_does_not_find_the_transfer(office):
    transfer = drafted(office, [office.chat()])

    with pytest.raises(OwnershipTransfer.DoesNotExist):
        submit_transfer(transfer.pk, actor=Office().author)


def test_whoever_resigned_after_the_preflight_receives_nothing(office):
    """Their items stay behind with the reason; the others go."""
    other = office.colleague("王五")
    transfer = drafted(office, [office.chat() for _ in range(2)])
    _, second = transfer.items.order_by("pk")
    assign_receiver(transfer.pk, receiver=other, actor=office.author, item_ids=[second.pk])
    office.leave(other)

    transfer = submit_transfer(transfer.pk, actor=office.author)

    assert (states(transfer), reasons(transfer)) == (
        ["pending", "blocked"],
        ["", "receiver_inactive"],
    )


def test_a_transfer_whose_only_receiver_resigned_is_refused_in_words_and_shows_why(office):
    transfer = drafted(office, [office.chat()])
    office.leave(office.receiver)

    with pytest.raises(TransferNotPossible, match=r"没有一项可以转让。1 项：接手人已离职") as no:
        submit_transfer(transfer.pk, actor=office.author)

    transfer.refresh_from_db()
    assert no.value.details == {"reasons": {"receiver_inactive": 1}}
    assert (transfer.status, states(transfer)) == ("draft", ["blocked"])
    assert transfer.submitted_at is None


def test_a_chat_that_is_held_elsewhere_is_refused_and_free_again_afterwards(office):
    chat = office.chat()
    one, other = (drafted(office, [chat]) for _ in range(2))
    submit_transfer(one.pk, actor=office.author)

    with pytest.raises(ChatInTransfer):
        submit_transfer(other.pk, actor=office.author)
    assert reasons(other) == ["in_transfer"]

    cancel_transfer(one.pk, reason="算了", actor=office.author)
    assert submit_transfer(other.pk, actor=office.author).status == "awaiting_approval"


def test_only_the_chats_that_are_free_are_submitted(office):
    taken, free = office.chat(), office.chat()
    submit_transfer(drafted(office, [taken]).pk, actor=office.author)

    transfer = drafted(office, [taken, free])
    transfer = submit_transfer(transfer.pk, actor=office.author)

    by_chat = dict(transfer.items.values_list("chat", "state"))
    assert by_chat == {taken.pk: "blocked", free.pk: "pending"}


def test_things_are_held_even_by_who_has_not_looked(office):
    """The indexes are the last line: what is held elsewhere is blocked, the rest is held."""
    taken, free = office.chat(), office.chat()
    later = drafted(office, [taken, free])
    submit_transfer(drafted(office, [taken]).pk, actor=office.author)

    assert hold_items(later.items.filter(state=ItemState.PLANNED), ItemState.QUEUED) == 1
    by_chat = dict(later.items.values_list("chat", "state"))
    assert by_chat == {taken.pk: "blocked", free.pk: "queued"}


def test_submitting_asks_the_database_as_often_for_many_as_for_one(
    office, django_assert_max_num_queries
):
    def submitted(count):
        transfer = drafted(office, [office.chat() for _ in range(count)])
        with django_assert_max_num_queries(70) as asked:
            submit_transfer(transfer.pk, actor=office.author)
        return len(asked)

    assert submitted(1) == submitted(7)


# --- approving ----------------------------------------------------------------------------------


def test_somebody_else_approves_and_the_items_are_queued(office):
    transfer = submit_transfer(drafted(office, [office.chat()]).pk, actor=office.author)

    transfer = approve_transfer(transfer.pk, actor=office.boss)

    assert (transfer.status, states(transfer)) == ("submitted", ["queued"])
    assert (transfer.approved_by, open_tasks(transfer)) == (office.boss, set())


def test_nobody_approves_what_they_planned(office):
    transfer = submit_transfer(drafted(office, [office.chat()]).pk, actor=office.author)
    other = office.colleague("王五")
    assign_receiver(transfer.pk, receiver=other, actor=office.boss)

    for planner in (office.author, office.boss):
        with pytest.raises(ApproverIsAuthor):
            approve_transfer(transfer.pk, actor=planner)
    assert states(transfer) == ["pending"]


def test_what_is_not_waiting_cannot_be_approved_or_rejected(office, approved):
    for transfer in (drafted(office, [office.chat()]), approved):
        with pytest.raises(TransferNotOpen):
            approve_transfer(transfer.pk, actor=office.boss)
        with pytest.raises(TransferNotOpen):
            reject_transfer(transfer.pk, reason="不行", actor=office.boss)


def test_whoever_resigned_before_the_approval_receives_nothing(office):
    other = office.colleague("王五")
    transfer = drafted(office, [office.chat() for _ in range(2)])
    first = transfer.items.order_by("pk").first()
    assign_receiver(transfer.pk, receiver=other, actor=office.author, item_ids=[first.pk])
    submit_transfer(transfer.pk, actor=office.author)
    office.leave(other)

    transfer = approve_transfer(transfer.pk, actor=office.boss)

    assert states(transfer) == ["blocked", "queued"]
    assert open_tasks(transfer) == {TaskKind.TRANSFER_TROUBLE}


def test_an_approval_that_nothing_is_left_for_is_refused_and_shows_why(office):
    transfer = submit_transfer(drafted(office, [office.chat()]).pk, actor=office.author)
    office.leave(office.receiver)

    with pytest.raises(TransferNotPossible):
        approve_transfer(transfer.pk, actor=office.boss)

    transfer.refresh_from_db()
    assert (transfer.status, reasons(transfer)) == ("failed", ["receiver_inactive"])
    assert transfer.approved_by is None


def test_a_rejected_plan_lets_go_and_can_be_changed_and_submitted_again(office):
    chat = office.chat()
    transfer = submit_transfer(drafted(office, [chat]).pk, actor=office.author)

    with pytest.raises(TransferReasonMissing):
        reject_transfer(transfer.pk, reason=" ", actor=office.boss)
    transfer = reject_transfer(transfer.pk, reason="换个人", actor=office.boss)

    assert (transfer.status, transfer.rejection) == ("rejected", "换个人")
    assert (states(transfer), open_tasks(transfer)) == (["planned"], set())
    assign_receiver(transfer.pk, receiver=office.colleague("王五"), actor=office.author)
    transfer = submit_transfer(transfer.pk, actor=office.author)
    assert (transfer.status, transfer.rejection) == ("awaiting_approval", "")


# --- cancelling ---------------------------------------------------------------------------------


def test_cancelling_stops_what_is_not_under_way(office, approved):
    sending, accepted, _ = approved.items.order_by("pk")
    platform_says(approved, ItemState.SENDING, sending)
    platform_says(approved, ItemState.ACCEPTED, accepted)

    transfer = cancel_transfer(approved.pk, reason="算了", actor=office.author)

    assert (transfer.status, states(transfer)) == (
        "cancelled",
        ["sending", "accepted", "cancelled"],
    )
    assert transfer.closed_at is None


def test_what_a_worker_brings_back_to_a_cancelled_transfer_is_not_lost_and_not_sent(
    office, approved
):
    """Done by the platform: verified. Not done: cancelled, also if it was to be sent again."""
    done, lost, busy = approved.items.order_by("pk")
    platform_says(approved, ItemState.SENDING)
    cancel_transfer(approved.pk, actor=office.author)

    platform_says(approved, ItemState.VERIFIED, done)
    platform_says(approved, ItemState.UNKNOWN, lost)
    transfer = platform_says(approved, ItemState.QUEUED, busy)
    assert (transfer.status, states(transfer)) == (
        "cancelled",
        ["verified", "unknown", "cancelled"],
    )
    assert transfer.closed_at is None

    transfer = platform_says(approved, ItemState.QUEUED, lost)
    assert states(transfer) == ["verified", "cancelled", "cancelled"]
    assert transfer.closed_at is not None


def test_what_has_ended_cannot_be_cancelled(office, approved):
    platform_says(approved, ItemState.VERIFIED)

    with pytest.raises(TransferNotOpen):
        cancel_transfer(approved.pk, actor=office.author)

    transfer = drafted(office, [office.chat()])
    cancel_transfer(transfer.pk, actor=office.author)
    with pytest.raises(TransferNotOpen):
        cancel_transfer(transfer.pk, actor=office.author)


# --- single items -------------------------------------------------------------------------------


def test_a_chosen_receiver_stays_chosen_in_a_draft(office):
    transfer = drafted(office, [office.chat() for _ in range(2)])
    other = office.colleague("王五")
    first, second = transfer.items.order_by("pk")

    assign_receiver(transfer.pk, receiver=other, actor=office.author, item_ids=[first.pk])
    preflight_transfer(transfer.pk, actor=office.author)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.receiver, first.selection) == (other, "chosen")
    assert second.receiver == office.receiver


def test_another_receiver_of_an_approved_item_waits_for_another_approval(office, approved):
    first, *_ = approved.items.order_by("pk")
    other = office.colleague("王五")

    transfer = assign_receiver(
        approved.pk, receiver=other, actor=office.author, item_ids=[first.pk]
    )

    assert (transfer.status, states(transfer)) == ("submitted", ["pending", "queued", "queued"])
    assert open_tasks(transfer) == {TaskKind.TRANSFER_APPROVAL}
    transfer = approve_transfer(transfer.pk, actor=office.boss)
    assert states(transfer) == ["queued"] * 3


def test_rejecting_a_change_of_a_transfer_at_work_stops_only_the_change(office, approved):
    first, *_ = approved.items.order_by("pk")
    other = office.colleague("王五")
    assign_receiver(approved.pk, receiver=other, actor=office.author, item_ids=[first.pk])

    transfer = reject_transfer(approved.pk, reason="王五太忙", actor=office.boss)

    assert (transfer.status, states(transfer)) == ("submitted", ["blocked", "queued", "queued"])
    assert reasons(transfer)[0] == "not_approved"


def test_a_receiver_must_be_eligible_of_this_enterprise_and_not_the_giver(office):
    transfer = drafted(office, [office.chat()])
    gone = office.colleague("王五", is_active=False)

    with pytest.raises(ReceiverNotEligible) as refusal:
        assign_receiver(transfer.pk, receiver=gone, actor=office.author)
    assert refusal.value.details == {"reason": "receiver_inactive"}
    with pytest.raises(BelongsElsewhere):
        assign_receiver(transfer.pk, receiver=Office().receiver, actor=office.author)
    with pytest.raises(NothingToChange):
        assign_receiver(transfer.pk, receiver=office.giver, actor=office.author)


def test_what_a_worker_has_in_its_hands_keeps_its_receiver(office, approved):
    platform_says(approved, ItemState.SENDING)

    with pytest.raises(NothingToChange):
        assign_receiver(approved.pk, receiver=office.colleague("王五"), actor=office.author)


def test_a_failed_item_is_queued_again_for_the_same_receiver(office, approved):
    first, *_ = approved.items.order_by("pk")
    platform_says(approved, ItemState.VERIFIED)
    platform_says(approved, ItemState.FAILED, first, reason="platform_refused", platform_code=90503)

    transfer = retry_items(approved.pk, actor=office.author, item_ids=[first.pk])

    first.refresh_from_db()
    assert (transfer.status, first.state, first.receiver) == (
        "submitted",
        "queued",
        office.receiver,
    )
    assert (first.reason, first.platform_code, first.attempt_count) == ("", None, 0)


def test_a_failed_item_that_gets_another_receiver_waits_for_approval(office, approved):
    office.colleague("王五")
    platform_says(approved, ItemState.FAILED, reason="platform_refused")
    office.leave(office.receiver)
    transfer = OwnershipTransfer.objects.get(pk=approved.pk)
    transfer.receivers.clear()
    transfer.items.update(selection="least_loaded")

    transfer = retry_items(approved.pk, actor=office.author)

    assert states(transfer) == ["pending"] * 3


def test_a_retry_that_changes_nothing_is_refused_and_shows_why(office, approved):
    platform_says(approved, ItemState.FAILED, reason="platform_refused")
    office.leave(office.receiver)

    with pytest.raises(TransferNotPossible):
        retry_items(approved.pk, actor=office.author)

    assert (states(approved), reasons(approved)) == (["blocked"] * 3, ["receiver_inactive"] * 3)


def test_there_is_nothing_to_retry_while_all_goes_well(office, approved):
    with pytest.raises(NothingToChange):
        retry_items(approved.pk, actor=office.author)
    with pytest.raises(TransferNotOpen):
        retry_items(drafted(office, [office.chat()]).pk, actor=office.author)


def test_waiving_needs_a_reason_and_lets_the_chat_go(office, approved):
    first, *_ = approved.items.order_by("pk")

    with pytest.raises(TransferReasonMissing):
        waive_items(approved.pk, reason="", actor=office.author, item_ids=[first.pk])
    waive_items(approved.pk, reason="要解散了", actor=office.author, item_ids=[first.pk])

    first.refresh_from_db()
    assert (first.state, first.note, first.closed_by) == ("waived", "要解散了", office.author)
    assert submit_transfer(drafted(office, [first.chat]).pk, actor=office.author)


def test_what_is_being_sent_or_has_been_accepted_cannot_be_waived(office, approved):
    one, two, _ = approved.items.order_by("pk")
    platform_says(approved, ItemState.SENDING, one)
    platform_says(approved, ItemState.ACCEPTED, two)

    waive_items(approved.pk, reason="不转了", actor=office.author)
    assert states(approved) == ["sending", "accepted", "waived"]
    with pytest.raises(NothingToChange):
        waive_items(approved.pk, reason="不转了", actor=office.author)


def test_items_of_another_transfer_are_not_touched(office, approved):
    other = office.transfer_of([office.chat()])
    theirs = [item.pk for item in other.items.all()]

    for verb in (
        lambda: waive_items(approved.pk, reason="x", actor=office.author, item_ids=theirs),
        lambda: retry_items(approved.pk, actor=office.author, item_ids=theirs),
        lambda: assign_receiver(
            approved.pk, receiver=office.receiver, actor=office.author, item_ids=theirs
        ),
    ):
        with pytest.raises(NothingToChange):
            verb()
    assert states(other) == ["queued"]


# --- settling -----------------------------------------------------------------------------------


def test_trouble_asks_for_help_until_it_is_over(office, approved):
    first, *_ = approved.items.order_by("pk")
    platform_says(approved, ItemState.VERIFIED)
    transfer = platform_says(approved, ItemState.FAILED, first, reason="shows_old_owner")

    assert (transfer.status, open_tasks(transfer)) == (
        "partially_succeeded",
        {TaskKind.TRANSFER_TROUBLE},
    )
    task = OperatorTask.objects.get(kind=TaskKind.TRANSFER_TROUBLE)
    assert task.details["count"] == 1
    assert "原群主" in task.details["words"]
    assert transfer.closed_at is not None

    transfer = platform_says(approved, ItemState.VERIFIED, first)
    assert (transfer.status, open_tasks(transfer)) == ("verified", set())


def test_settling_what_has_not_changed_writes_nothing(office, approved):
    first, *_ = approved.items.order_by("pk")
    platform_says(approved, ItemState.FAILED, first, reason="shows_old_owner")
    before = OwnershipTransfer.objects.values().get(pk=approved.pk)

    settle_transfers([approved.pk])

    assert OwnershipTransfer.objects.values().get(pk=approved.pk) == before
    assert OperatorTask.objects.filter(kind=TaskKind.TRANSFER_TROUBLE).count() == 1


# --- the case of somebody who left -------------------------------------------------------------


def case_of(office):
    return ResignationCase.objects.create(
        enterprise=office.enterprise, staff=office.giver, cause=CaseCause.PLATFORM
    )


def test_the_system_submits_a_case_and_any_other_person_approves(office):
    office.chat(), office.chat()
    transfer = draft_transfer(actor=None, case=case_of(office), everything_of=office.giver)

    transfer = submit_transfer(transfer.pk, actor=None)

    assert (transfer.status, transfer.created_by) == ("awaiting_approval", None)
    assert approve_transfer(transfer.pk, actor=office.author).status == "submitted"


def test_a_case_is_submitted_also_when_nothing_can_go_yet(office):
    office.chat()
    office.leave(office.receiver)
    transfer = draft_transfer(actor=None, case=case_of(office), everything_of=office.giver)

    transfer = submit_transfer(transfer.pk, actor=None)

    assert (transfer.status, open_tasks(transfer)) == ("failed", {TaskKind.TRANSFER_TROUBLE})


def test_the_transfer_of_a_case_is_not_cancelled_by_hand(office):
    office.chat()
    transfer = draft_transfer(actor=None, case=case_of(office), everything_of=office.giver)
    submit_transfer(transfer.pk, actor=None)

    with pytest.raises(CaseIsOpen):
        cancel_transfer(transfer.pk, reason="算了", actor=office.author)
    assert cancel_transfer(transfer.pk, actor=office.author, code="staff_is_back")


def test_what_is_found_late_is_covered_by_the_approval_of_the_case(office):
    office.chat()
    transfer = draft_transfer(actor=None, case=case_of(office), everything_of=office.giver)
    submit_transfer(transfer.pk, actor=None)
    approve_transfer(transfer.pk, actor=office.boss)
    late = draft_item(office, transfer)

    submit_transfer(transfer.pk, actor=None)

    late.refresh_from_db()
    assert late.state == ItemState.QUEUED


def draft_item(office, transfer):
    chat = office.chat()
    return TransferItem.objects.create(
        enterprise=office.enterprise,
        transfer=transfer,
        subject=Subject.CHAT,
        channel_account=office.account,
        chat=chat,
        giver=office.giver,
    )


# --- returning ----------------------------------------------------------------------------------


@transaction.atomic
def give(chat, owner):
    chat.owner = owner
    chat.save(update_fields=["owner"])
    name_owner(chat)


def received(transfer):
    """The platform shows the new owners."""
    transfer = platform_says(transfer, ItemState.VERIFIED)
    for item in transfer.items.select_related("chat", "receiver"):
        give(item.chat, item.receiver)
    return transfer


def test_a_return_gives_each_chat_back_to_who_gave_it(office):
    second = office.colleague("王五")
    chats = [office.chat(), office.chat(owner=second)]
    transfer = received(office.transfer_of(chats))

    back = return_transfer(transfer.pk, actor=office.author)

    assert (back.status, back.return_of) == ("draft", transfer)
    given = {item.chat: (item.giver, item.receiver) for item in back.items.all()}
    assert given == {
        chats[0]: (office.receiver, office.giver),
        chats[1]: (office.receiver, second),
    }
    assert states(back) == ["planned", "planned"]


def test_after_seven_days_nothing_is_returned(office, approved):
    received(approved)
    approved.items.update(verified_at=database_now() - timedelta(days=7, minutes=1))

    with pytest.raises(ReturnTooLate):
        return_transfer(approved.pk, actor=office.author)


def test_only_verified_chats_that_are_still_there_are_returned(office, approved):
    with pytest.raises(NothingToChange):
        return_transfer(approved.pk, actor=office.author)

    received(approved)
    moved = approved.items.order_by("pk").first()
    give(moved.chat, office.colleague("王五"))
    back = return_transfer(approved.pk, actor=office.author)
    assert moved.chat_id not in back.items.values_list("chat", flat=True)
    assert back.items.count() == 2
