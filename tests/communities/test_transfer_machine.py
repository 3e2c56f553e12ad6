"""Whatever people and the platform do to hand-overs of the same chats, in whatever order: statuses,
items, holds and tasks are those of the model.

The number of stories and their length are raised with TRANSFER_EXAMPLES and TRANSFER_STEPS.
"""

import os
from contextlib import contextmanager

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from communities.models import OwnershipTransfer, TransferItem
from communities.rules.transfers import HOLDING
from communities.services.ownership.owning import name_owner
from communities.services.transfers.items import assign_receiver, retry_items, waive_items
from communities.services.transfers.moving import move_items
from communities.services.transfers.policies import create_policy
from communities.services.transfers.settling import lock_transfers, settle_transfers
from communities.services.transfers.submitting import (
    approve_transfer,
    cancel_transfer,
    draft_transfer,
    preflight_transfer,
    reject_transfer,
    submit_transfer,
)
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskStatus
from scrm.shared.errors import DomainError
from tests.accounts.factories import UserFactory
from tests.communities.transfer_model import CHANGEABLE, NOT_SUBMITTED, Model
from tests.communities.transfer_worlds import Office

EXAMPLES = int(os.environ.get("TRANSFER_EXAMPLES", "3"))
STEPS = int(os.environ.get("TRANSFER_STEPS", "20"))
CHATS, PEOPLE, USERS, MOST = 3, 3, 3, 6

#: Mostly one where the step makes sense, sometimes any.
some_transfer = st.integers(0, 19)
SELDOM = 17
seldom = st.sampled_from([False, False, False, True])
some_items = st.none() | st.sets(st.integers(0, CHATS - 1), min_size=1)
somebody = st.integers(0, PEOPLE - 1)
some_user = st.integers(0, USERS - 1)
#: What a worker may write, by what it has found.
ANSWERS = {
    "sending": ["accepted", "accepted", "failed", "unknown", "queued", "gone"],
    "unknown": ["queued", "verified", "failed", "accepted"],
    "accepted": ["verified", "verified", "failed", "gone"],
}
WORDS = {"failed": "platform_refused", "gone": "chat_is_gone"}


class Story(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.office = office = Office("赵敏", "王五")
        self.people = [office.giver, *office.receivers]
        self.users = [office.author, office.boss, UserFactory(enterprise=office.enterprise)]
        self.chats = [office.chat() for _ in range(CHATS)]
        self.transfers = []
        self.model = Model([0] * CHATS, approval=True)

    @initialize(approval=st.booleans(), chats=st.sets(st.integers(0, CHATS - 1), min_size=1))
    def begin(self, approval, chats):
        self.model.approval = approval
        create_policy(
            actor=self.users[0],
            name="群",
            selection="least_loaded",
            needs_approval=approval,
        )
        self.draft(0, range(CHATS), 1)
        self.draft(1, chats, 2)

    # --- people ---

    @precondition(lambda self: len(self.transfers) < MOST)
    @rule(user=some_user, chats=st.sets(st.integers(0, CHATS - 1), min_size=1), receiver=somebody)
    def draft(self, user, chats, receiver):
        transfer = draft_transfer(
            actor=self.users[user],
            chats=[self.chats[n] for n in chats],
            receivers=[self.people[receiver]],
        )
        self.transfers.append(transfer.pk)
        self.model.draft(user, chats, receiver)

    @rule(which=some_transfer, user=some_user)
    def preflight(self, which, user):
        which = self.one(which, lambda kept: kept.status == "awaiting_approval")
        self.both(which, preflight_transfer, self.model.preflight, {}, user)

    @precondition(lambda self: self.any(lambda kept: kept.status in NOT_SUBMITTED))
    @rule(which=some_transfer, user=some_user)
    def submit(self, which, user):
        which = self.one(which, lambda kept: kept.status in NOT_SUBMITTED)
        self.both(which, submit_transfer, self.model.submit, {}, user)

    @precondition(lambda self: self.any(lambda kept: kept.is_waiting))
    @rule(which=some_transfer, user=some_user)
    def approve(self, which, user):
        which = self.one(which, lambda kept: kept.is_waiting)
        self.both(which, approve_transfer, self.model.approve, {}, user, actor=user)

    @precondition(lambda self: self.any(lambda kept: kept.is_waiting))
    @rule(which=some_transfer, user=some_user, sure=seldom)
    def reject(self, which, user, sure):
        if sure:
            which = self.one(which, lambda kept: kept.is_waiting)
            self.both(which, reject_transfer, self.model.reject, {"reason": "不"}, user)

    @precondition(lambda self: self.any(lambda kept: kept.is_submitted))
    @rule(which=some_transfer, user=some_user, sure=seldom)
    def cancel(self, which, user, sure):
        if sure:
            which = self.one(which, lambda kept: kept.is_submitted)
            self.both(which, cancel_transfer, self.model.cancel, {}, user)

    @precondition(lambda self: self.any(lambda kept: kept.is_submitted))
    @rule(which=some_transfer, user=some_user, items=some_items, sure=seldom)
    def waive(self, which, user, items, sure):
        if sure:
            which = self.one(which, lambda kept: kept.is_submitted)
            told = {"reason": "不要", "item_ids": self.ids(which, items)}
            picked = self.picked(which, items)
            self.both(which, waive_items, self.model.waive, told, user, picked=picked)

    @rule(which=some_transfer, user=some_user, items=some_items, receiver=somebody)
    def assign(self, which, user, items, receiver):
        which = self.one(which, lambda kept: kept.among(CHANGEABLE))
        told = {"receiver": self.people[receiver], "item_ids": self.ids(which, items)}
        expected = {"picked": self.picked(which, items), "receiver": receiver, "actor": user}
        self.both(which, assign_receiver, self.model.assign, told, user, **expected)

    @precondition(lambda self: self.any(lambda kept: kept.is_stuck))
    @rule(which=some_transfer, user=some_user, items=some_items)
    def retry(self, which, user, items):
        which = self.one(which, lambda kept: kept.is_stuck)
        told = {"item_ids": self.ids(which, items)}
        expected = {"picked": self.picked(which, items), "actor": user}
        self.both(which, retry_items, self.model.retry, told, user, **expected)

    # --- what mostly happens ---

    @rule(which=some_transfer, user=some_user, answer=st.integers(0, 11))
    def go_on(self, which, user, answer):
        """The next step of one that has not ended."""
        which = self.one(which, lambda kept: kept.among({*CHANGEABLE, *ANSWERS}))
        kept = self.model.transfers[which]
        if kept.status in NOT_SUBMITTED:
            self.both(which, submit_transfer, self.model.submit, {}, user)
        elif kept.is_waiting:
            self.both(which, approve_transfer, self.model.approve, {}, user, actor=user)
        else:
            self.work(which, {"queued": ["sending"], **ANSWERS}, answer)

    @rule(which=some_transfer, user=some_user, answer=st.integers(0, 11))
    def go_on_again(self, which, user, answer):
        self.go_on(which, user, answer)

    # --- the directory, workers and the platform ---

    @rule(person=somebody, allowed=st.booleans())
    def permit(self, person, allowed):
        staff = self.people[person]
        staff.can_use_customer_group = allowed
        staff.save(update_fields=["can_use_customer_group"])
        (self.model.barred.discard if allowed else self.model.barred.add)(person)

    @precondition(lambda self: self.any(lambda kept: kept.among({"queued"})))
    @rule(which=some_transfer)
    def claim(self, which):
        self.work(self.one(which, lambda kept: kept.among({"queued"})), {"queued": ["sending"]}, 0)

    @precondition(lambda self: self.any(lambda kept: kept.among(ANSWERS)))
    @rule(which=some_transfer, answer=st.integers(0, 11))
    def answer(self, which, answer):
        self.work(self.one(which, lambda kept: kept.among(ANSWERS)), ANSWERS, answer)

    def work(self, which, answers, answer):
        """Some items are written as a worker does it: the hand-over is locked first."""
        pk, transfer = self.pairs()[which]
        for item in transfer.among(answers)[: 1 + answer % CHATS]:
            states = answers[item.state]
            state = states[answer % len(states)]
            rows = TransferItem.objects.filter(transfer=pk, chat=self.chats[item.chat])
            with at_work_on(pk):
                assert move_items(rows, state, reason=WORDS.get(state, "")) == 1
                if state == "verified":
                    self.follow(item)
            self.model.happens(transfer, item, state, WORDS.get(state, ""))

    def follow(self, item):
        chat = self.chats[item.chat]
        chat.owner = self.people[item.receiver]
        chat.save(update_fields=["owner"])
        name_owner(chat)

    # --- the comparison ---

    def any(self, fitting):
        return any(fitting(kept) for kept in self.model.transfers)

    def one(self, which, fitting):
        able = [n for n, kept in enumerate(self.model.transfers) if fitting(kept)]
        if not able or which >= SELDOM:
            able = list(range(len(self.transfers)))
        return able[which % len(able)]

    def ids(self, which, items):
        if items is None:
            return None
        chats = [self.chats[item.chat] for item in self.named(which, items)]
        found = TransferItem.objects.filter(transfer=self.transfers[which], chat__in=chats)
        return list(found.values_list("pk", flat=True))

    def picked(self, which, items):
        if items is None:
            return None
        kept = self.model.transfers[which].items
        return [kept.index(item) for item in self.named(which, items)]

    def named(self, which, items):
        kept = self.model.transfers[which].items
        return [kept[n] for n in sorted({n % len(kept) for n in items})]

    def both(self, which, verb, expected, told, user, **known):
        try:
            verb(self.transfers[which], actor=self.users[user], **told)
            code = ""
        except DomainError as refusal:
            code = refusal.code
        assert code == expected(self.model.transfers[which], **known)

    @invariant()
    def they_agree(self):
        rows = OwnershipTransfer.objects.filter(pk__in=self.transfers).order_by("pk")
        shown = [(row.pk, row.status, row.closed_at is not None) for row in rows]
        assert shown == [(pk, kept.status, kept.is_closed) for pk, kept in self.pairs()]
        assert self.items_shown() == {
            (pk, item.chat): (
                item.giver,
                item.receiver if item.state in HOLDING else None,
                item.state,
                item.reason,
            )
            for pk, kept in self.pairs()
            for item in kept.items
        }
        self.tasks_agree()

    def pairs(self):
        return list(zip(self.transfers, self.model.transfers, strict=True))

    def items_shown(self):
        numbers = {chat.pk: number for number, chat in enumerate(self.chats)}
        people = {staff.pk: number for number, staff in enumerate(self.people)}
        return {
            (item.transfer_id, numbers[item.chat_id]): (
                people[item.giver_id],
                people[item.receiver_id] if item.state in HOLDING else None,
                item.state,
                item.reason,
            )
            for item in TransferItem.objects.filter(transfer__in=self.transfers)
        }

    def tasks_agree(self):
        tasks = OperatorTask.objects.filter(
            enterprise=self.office.enterprise, status=TaskStatus.OPEN
        )
        waiting = {("transfer_approval", pk) for pk, each in self.pairs() if each.is_waiting}
        stuck = {("transfer_trouble", pk) for pk, each in self.pairs() if each.is_stuck}
        assert set(tasks.values_list("kind", "object_id")) == waiting | stuck

    @invariant()
    def nothing_is_held_twice(self):
        held = TransferItem.objects.filter(
            transfer__in=self.transfers, state__in=sorted(HOLDING)
        ).values_list("chat", flat=True)
        assert len(held) == len(set(held))

    def teardown(self):
        transaction.set_rollback(True)
        self.block.__exit__(None, None, None)


@contextmanager
def at_work_on(transfer_id):
    """Locked first, settled last."""
    with transaction.atomic():
        lock_transfers([transfer_id])
        yield
        settle_transfers([transfer_id])


@pytest.mark.django_db
def test_transfers_are_what_the_model_says():
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
