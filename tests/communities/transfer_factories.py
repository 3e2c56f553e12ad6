"""Rows of hand-overs as they would be, without anybody having done anything."""

from __future__ import annotations

from factory import LazyAttribute, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from communities.models import (
    OwnershipTransfer,
    OwnershipViolation,
    ResignationCase,
    TransferItem,
    TransferNotice,
    TransferPolicy,
)
from communities.rules.transfers import (
    BrokenRule,
    CaseCause,
    CaseStatus,
    NoticeRole,
    Route,
    Selection,
    Subject,
)
from scrm.accounts.models import StaffPlatformStatus
from tests.accounts.factories import EnterpriseFactory, StaffFactory
from tests.communities.factories import GroupChatFactory


class ColleagueFactory(StaffFactory):
    """Somebody whom the platform would let own chats."""

    external_id = Sequence(lambda n: f"colleague.{n}")
    platform_status = StaffPlatformStatus.ACTIVE
    can_use_customer_group = True


class TransferPolicyFactory(DjangoModelFactory):
    class Meta:
        model = TransferPolicy

    enterprise = SubFactory(EnterpriseFactory)
    name = Sequence(lambda n: f"转让规则{n}")
    selection = Selection.LEAST_LOADED


class OwnershipTransferFactory(DjangoModelFactory):
    """A draft of the system's, of nothing so far."""

    class Meta:
        model = OwnershipTransfer

    enterprise = SubFactory(EnterpriseFactory)


class ChatItemFactory(DjangoModelFactory):
    """A chat that could go from its owner to a colleague."""

    class Meta:
        model = TransferItem

    transfer = SubFactory(OwnershipTransferFactory)
    enterprise = SelfAttribute("transfer.enterprise")
    subject = Subject.CHAT
    giver = SubFactory(ColleagueFactory, enterprise=SelfAttribute("..enterprise"))
    receiver = SubFactory(ColleagueFactory, enterprise=SelfAttribute("..enterprise"))
    chat = SubFactory(
        GroupChatFactory,
        community=None,
        enterprise=SelfAttribute("..enterprise"),
        owner=SelfAttribute("..giver"),
        owner_userid=SelfAttribute("..giver.external_id"),
    )
    channel_account = SelfAttribute("chat.channel_account")
    route = Route.ON_JOB
    selection = Selection.LEAST_LOADED


class CustomerItemFactory(DjangoModelFactory):
    """A customer who could go from one colleague to another."""

    class Meta:
        model = TransferItem

    transfer = SubFactory(OwnershipTransferFactory)
    enterprise = SelfAttribute("transfer.enterprise")
    subject = Subject.CUSTOMER
    giver = SubFactory(ColleagueFactory, enterprise=SelfAttribute("..enterprise"))
    receiver = SubFactory(ColleagueFactory, enterprise=SelfAttribute("..enterprise"))
    external_userid = Sequence(lambda n: f"wm{n:030d}")
    route = Route.ON_JOB


class TransferNoticeFactory(DjangoModelFactory):
    """The receiver is to be told of one chat."""

    class Meta:
        model = TransferNotice

    class Params:
        item = SubFactory(ChatItemFactory)

    transfer = SelfAttribute("item.transfer")
    staff = SelfAttribute("item.receiver")
    channel_account = SelfAttribute("item.channel_account")
    role = NoticeRole.RECEIVER
    counts = LazyAttribute(
        lambda notice: {
            Subject.CHAT.value: {
                "people": {str(notice.item.giver.pk): 1},
                "first": [notice.item.chat.pk],
            }
        }
    )


class OwnershipViolationFactory(DjangoModelFactory):
    """Somebody took a chat whom the rules do not allow it. ``chat`` is given."""

    class Meta:
        model = OwnershipViolation

    enterprise = SelfAttribute("chat.enterprise")
    period = LazyAttribute(lambda violation: violation.chat.ownership_periods.get(ended_at=None))
    rules = [BrokenRule.WITHOUT_APPROVAL.value]


class ResignationCaseFactory(DjangoModelFactory):
    class Meta:
        model = ResignationCase

    staff = SubFactory(StaffFactory, is_active=False)
    enterprise = SelfAttribute("staff.enterprise")
    cause = CaseCause.OPERATOR
    status = CaseStatus.AWAITING_APPROVAL
