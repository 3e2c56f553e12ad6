from __future__ import annotations

from datetime import UTC, date, datetime

from factory import SelfAttribute, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory

from members.models import EntryApplication, Member, MemberDay, Membership, Purchase, Stay
from members.rules.status import ApplicationStatus, JoinSource, LeaveReason, ObservedBy
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import CommunityFactory, EntryPolicyFactory, GroupChatFactory


class MemberFactory(DjangoModelFactory):
    class Meta:
        model = Member

    enterprise = SubFactory(EnterpriseFactory)
    external_id = Sequence(lambda n: f"customer-{n}")
    nickname = Sequence(lambda n: f"成员{n}")


class MembershipFactory(DjangoModelFactory):
    """Somebody in a community; ``gone=True`` has left it."""

    class Meta:
        model = Membership

    class Params:
        gone = Trait(
            joined_at=datetime(2026, 1, 1, tzinfo=UTC),
            left_at=datetime(2026, 2, 1, tzinfo=UTC),
            leave_reason=LeaveReason.SELF,
        )

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    member = SubFactory(MemberFactory, enterprise=SelfAttribute("..enterprise"))
    source = JoinSource.API


class StayFactory(DjangoModelFactory):
    """An open stay in a chat of the membership's community. The chat's count does not move."""

    class Meta:
        model = Stay

    membership = SubFactory(MembershipFactory)
    enterprise = SelfAttribute("membership.enterprise")
    member = SelfAttribute("membership.member")
    chat = SubFactory(GroupChatFactory, community=SelfAttribute("..membership.community"))
    observed_by = ObservedBy.PRODUCT


class EntryApplicationFactory(DjangoModelFactory):
    """Somebody whose application waits for review."""

    class Meta:
        model = EntryApplication

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    member = SubFactory(MemberFactory, enterprise=SelfAttribute("..enterprise"))
    policy = SubFactory(EntryPolicyFactory, community=SelfAttribute("..community"), is_active=False)
    source = JoinSource.API
    status = ApplicationStatus.IN_REVIEW


class PurchaseFactory(DjangoModelFactory):
    class Meta:
        model = Purchase

    member = SubFactory(MemberFactory)
    enterprise = SelfAttribute("member.enterprise")
    source = "shop"
    order_number = Sequence(lambda n: f"order-{n}")
    paid_amount = 10_000
    paid_at = datetime(2026, 3, 1, 4, tzinfo=UTC)


class MemberDayFactory(DjangoModelFactory):
    class Meta:
        model = MemberDay

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    member = SubFactory(MemberFactory, enterprise=SelfAttribute("..enterprise"))
    day = date(2026, 3, 1)
    message_count = 1
