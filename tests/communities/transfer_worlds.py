"""Colleagues of an enterprise on WeCom own chats and hand them over. Nobody is called."""

from __future__ import annotations

from itertools import count

from communities.models import OwnershipTransfer, TransferItem
from communities.rules.status import CommunityStatus
from communities.rules.transfers import ItemState, Route
from communities.services.settling_transfers import settle_transfers
from scrm.accounts.models import Staff, StaffPlatformStatus
from scrm.accounts.services.staff import deactivate_staff
from scrm.shared.clock import database_now
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

    def leave(self, staff):
        deactivate_staff(staff.pk, actor=None)


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
