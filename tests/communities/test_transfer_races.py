"""A chat is handed over once, whoever asks at the same time, and nothing done is forgotten."""

from collections import Counter
from functools import partial
from random import Random

import pytest
from django.db import connection, transaction

from communities.models import OwnershipTransfer, TransferItem
from communities.rules.transfers import ItemState
from communities.services.transfers import locking
from communities.services.transfers.items import assign_receiver, waive_items
from communities.services.transfers.settling import lock_transfers, settle_transfers
from communities.services.transfers.submitting import (
    approve_transfer,
    cancel_transfer,
    reject_transfer,
    submit_transfer,
)
from scrm.shared.errors import DomainError
from tests.accounts.factories import UserFactory
from tests.communities.transfer_worlds import Office, at_once, reasons, states

pytestmark = pytest.mark.django_db(transaction=True)

CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id FROM communities_transferitem
    WHERE transfer_id = %s AND state = 'queued'
    ORDER BY id LIMIT 3 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE communities_transferitem item SET state = 'sending' FROM due WHERE item.id = due.id
RETURNING item.id
"""


@pytest.fixture
def office():
    return Office()


def codes(answers):
    return Counter(each if isinstance(each, str) else each.status for each in answers)


def test_of_fifty_transfers_of_one_chat_one_is_accepted_and_49_are_refused(office):
    chat = office.chat()
    drafts = [office.draft_of([chat]) for _ in range(50)]

    answers = at_once(
        *(partial(submit_transfer, draft.pk, actor=office.author) for draft in drafts)
    )

    assert codes(answers) == {"awaiting_approval": 1, "chat_in_transfer": 49}
    assert TransferItem.objects.holding().count() == 1
    refused = TransferItem.objects.filter(state=ItemState.BLOCKED)
    assert set(refused.values_list("reason", flat=True)) == {"in_transfer"}


def test_a_draft_that_fifty_submit_at_once_is_submitted_once(office):
    draft = office.draft_of([office.chat()])

    answers = at_once(*[partial(submit_transfer, draft.pk, actor=office.author)] * 50)

    assert codes(answers) == {"awaiting_approval": 1, "transfer_not_open": 49}


def test_transfers_that_share_chats_in_any_order_never_wait_in_a_circle(office):
    """Every chat is held exactly once, whatever the order in which the drafts name them."""
    chats = [office.chat() for _ in range(8)]
    random = Random(5)
    drafts = [office.draft_of(random.sample(chats, 5)) for _ in range(12)]

    answers = at_once(
        *(partial(submit_transfer, draft.pk, actor=office.author) for draft in drafts)
    )

    assert set(codes(answers)) == {"awaiting_approval", "chat_in_transfer"}
    named = {item.chat_id for draft in drafts for item in draft.items.all()}
    held = TransferItem.objects.holding().values_list("chat", flat=True)
    assert sorted(held) == sorted(named)


def test_of_two_who_approve_and_one_who_rejects_or_cancels_exactly_one_decides(office):
    for other in ("approve", "reject", "cancel"):
        transfer = office.draft_of([office.chat()])
        submit_transfer(transfer.pk, actor=office.author)
        second = UserFactory(enterprise=office.enterprise)
        against = {
            "approve": partial(approve_transfer, transfer.pk, actor=second),
            "reject": partial(reject_transfer, transfer.pk, reason="不", actor=second),
            "cancel": partial(cancel_transfer, transfer.pk, actor=second),
        }

        answers = at_once(partial(approve_transfer, transfer.pk, actor=office.boss), against[other])

        seen = codes(answers)
        if other == "cancel" and seen["cancelled"] and seen["submitted"]:
            assert states(transfer) == ["cancelled"]  # approved first
        else:
            assert seen["transfer_not_open"] == 1, (other, seen)


def test_whoever_leaves_while_a_transfer_is_submitted_gets_nothing_that_is_still_to_be_planned(
    office,
):
    """Either they left first and the submission is refused, or it came first and the approval
    finds out."""
    transfer = office.draft_of([office.chat()])

    _, answer = at_once(
        lambda: office.leave(office.receiver) or "left",
        partial(submit_transfer, transfer.pk, actor=office.author),
    )

    if isinstance(answer, OwnershipTransfer):
        with pytest.raises(DomainError, match="已离职"):
            approve_transfer(transfer.pk, actor=office.boss)
    else:
        assert answer == "transfer_not_possible"
    assert (states(transfer), reasons(transfer)) == (["blocked"], ["receiver_inactive"])


def test_whoever_waits_too_long_for_another_plan_is_told_so(office, monkeypatch):
    monkeypatch.setattr(locking, "PATIENCE", "50ms")
    draft = office.draft_of([office.chat()])

    with transaction.atomic():
        locking.lock_plans_of(office.enterprise.pk)
        answers = at_once(partial(submit_transfer, draft.pk, actor=office.author))

    assert answers == ["plans_are_busy"]
    assert states(draft) == ["planned"]


class Worker:
    """Takes what is queued, has the platform do it, and writes down what the platform said."""

    def __init__(self, transfer):
        self.transfer_id, self.done = transfer.pk, set()

    def work(self):
        while claimed := self.claim():
            self.done.update(claimed)
            with transaction.atomic():
                lock_transfers([self.transfer_id])
                TransferItem.objects.filter(pk__in=claimed).update(state=ItemState.ACCEPTED)
                settle_transfers([self.transfer_id])
        return "worked"

    def claim(self):
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, [self.transfer_id])
            return [item_id for (item_id,) in cursor.fetchall()]


def test_what_the_platform_did_while_people_changed_their_minds_is_never_lost(office):
    """What was sent ends as accepted; what was given up was never sent. Nobody waits for ever."""
    other = office.colleague("王五")
    transfer = office.transfer_of([office.chat() for _ in range(24)])
    ids = list(transfer.items.order_by("pk").values_list("pk", flat=True))
    workers = [Worker(transfer) for _ in range(3)]

    at_once(
        *(worker.work for worker in workers),
        partial(waive_items, transfer.pk, reason="不", actor=office.author, item_ids=ids[18:]),
        partial(
            assign_receiver,
            transfer.pk,
            receiver=other,
            actor=office.author,
            item_ids=ids[12:18],
        ),
        partial(cancel_transfer, transfer.pk, actor=office.boss),
    )

    sent = set.union(*(worker.done for worker in workers))
    assert sum(len(worker.done) for worker in workers) == len(sent)
    by_item = dict(transfer.items.values_list("pk", "state"))
    assert {pk for pk, state in by_item.items() if state == ItemState.ACCEPTED} == sent
    left = {state for pk, state in by_item.items() if pk not in sent}
    assert left <= {ItemState.CANCELLED, ItemState.WAIVED, ItemState.PENDING}
