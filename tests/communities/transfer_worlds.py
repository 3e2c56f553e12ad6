"""Colleagues of an enterprise on WeCom own chats and hand them over. Nobody is called."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier

from django.db import connections

from communities.models import OwnershipTransfer, TransferItem
from communities.rules.status import CommunityStatus
from communities.rules.transfers import ItemState, Route, Selection, Subject, TransferStatus
from communities.services.transfers.settling import settle_transfers
from scrm.accounts.models import Staff, StaffPlatformStatus
from scrm.accounts.services.staff import deactivate_staff
from scrm.shared.clock import database_now
from scrm.shared.errors import DomainError
from tests.accounts.factories import EnterpriseFactory, StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.wecom.factories import WecomConnectionFactory

NUMBERS = count(1)


class Office:
    """``author`` plans, ``boss`` approves; ``giver`` owns what ``chat()`` makes."""

    def __init__(self, *receivers):
        self.enterprise = EnterpriseFactory()
        self.connection = WecomConnectionFactory(enterprise=self.enterprise)
        self.account = self.connection.account
        self.author, self.boss = (UserFactory(enterprise=self.enterprise) for _ in range(2))
        self.giver = self.colleague("林乔")
        self.receivers = [self.colleague(name) for name in receivers or ["赵敏"]]
        self.receiver = self.receivers[0]

    def colleague(self, name, **fields) -> Staff:
        known = {
            "external_id": f"staff.{next(NUMBERS)}",
            "platform_status": StaffPlatformStatus.ACTIVE,
            "can_use_customer_group": True,
        }
        return StaffFactory(enterprise=self.enterprise, name=name, **{**known, **fields})

    def chat(self, owner=None, **fields):
        return GroupChatFactory(
            unassigned=True,
            enterprise=self.enterprise,
            channel_account=self.account,
            owner=owner or self.giver,
            owner_userid=(owner or self.giver).external_id,
            **fields,
        )

    def community(self, owner=None, **fields):
        return CommunityFactory(
            enterprise=self.enterprise,
            owner=owner or self.giver,
            status=CommunityStatus.ACTIVE,
            **fields,
        )

    def transfer_of(self, chats):
        """To the first receiver, as approved by the boss, without asking the verbs."""
        now = database_now()
        past = {"approved_by": self.boss, "approved_at": now, "submitted_at": now}
        return self._transfer(chats, TransferStatus.SUBMITTED, ItemState.QUEUED, **past)

    def draft_of(self, chats):
        """The same before it is submitted."""
        return self._transfer(chats, TransferStatus.DRAFT, ItemState.PLANNED)

    def _transfer(self, chats, status, state, **past):
        transfer = OwnershipTransfer.objects.create(
            enterprise=self.enterprise,
            status=status,
            created_by=self.author,
            planned_by=self.author,
            **past,
        )
        transfer.receivers.set(self.receivers)
        TransferItem.objects.bulk_create(
            TransferItem(
                enterprise=self.enterprise,
                transfer=transfer,
                subject=Subject.CHAT,
                channel_account=self.account,
                chat=chat,
                giver=chat.owner,
                receiver=self.receiver,
                selection=Selection.CHOSEN,
                route=Route.ON_JOB,
                state=state,
                due_at=past.get("submitted_at"),
            )
            for chat in chats
        )
        return transfer

    def leave(self, staff):
        deactivate_staff(staff.pk, actor=None)


def at_once(*works):
    """What each of them gave, or the code with which it was refused."""
    together = Barrier(len(works))

    def run(work):
        try:
            together.wait()
            return work()
        except DomainError as refusal:
            return refusal.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def states(transfer):
    """The states of its items, in their order."""
    return list(transfer.items.order_by("pk").values_list("state", flat=True))


def reasons(transfer):
    return list(transfer.items.order_by("pk").values_list("reason", flat=True))


def platform_says(transfer, state, *items, **fields):
    """What a worker has written about these items, or all of them."""
    rows = TransferItem.objects.filter(transfer=transfer)
    if items:
        rows = rows.filter(pk__in=[item.pk for item in items])
    known = {"state": state, "route": Route.ON_JOB, **fields}
    if state in {ItemState.ACCEPTED, ItemState.VERIFIED}:
        known.setdefault("sent_at", database_now())
        known.setdefault("accepted_at", database_now())
    if state == ItemState.VERIFIED:
        known.setdefault("verified_at", database_now())
    rows.update(**known)
    settle_transfers([transfer.pk])
    return OwnershipTransfer.objects.get(pk=transfer.pk)
