from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from factory import SelfAttribute, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory

from members.models import (
    ActivityCoverage,
    ActivityEvent,
    ChurnScore,
    DailyRun,
    EntryApplication,
    Evidence,
    Follow,
    ImportRun,
    Member,
    MemberDay,
    Membership,
    Purchase,
    Stay,
    TierAssignment,
)
from members.models.import_run import ImportKind
from members.rules.churn import RiskBand
from members.rules.standing import TierCause
from members.rules.status import ApplicationStatus, JoinSource, LeaveReason, ObservedBy
from members.services.partitions import ensure_partitions, month_of
from tests.accounts.factories import EnterpriseFactory, StaffFactory
from tests.communities.factories import (
    ChannelAccountFactory,
    ClassificationValueFactory,
    CommunityFactory,
    EntryPolicyFactory,
    GroupChatFactory,
    TierFactory,
)


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


class ActivityEventFactory(DjangoModelFactory):
    """One event, past the ingestion: neither its key nor its day is written."""

    class Meta:
        model = ActivityEvent

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    member = SubFactory(MemberFactory, enterprise=SelfAttribute("..enterprise"))
    kind = "message"
    source = "app"
    dedupe_key = Sequence(lambda n: f"key-{n}")
    occurred_at = datetime(2026, 3, 1, 4, tzinfo=UTC)

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        ensure_partitions([month_of(kwargs["occurred_at"])])
        return super()._create(model_class, *args, **kwargs)


class ActivityCoverageFactory(DjangoModelFactory):
    """A source that listened all through the first half of 2026."""

    class Meta:
        model = ActivityCoverage

    community = SubFactory(CommunityFactory)
    source = "app"
    covered_from = datetime(2026, 1, 1, tzinfo=UTC)
    covered_to = datetime(2026, 6, 30, tzinfo=UTC)


class ChurnScoreFactory(DjangoModelFactory):
    class Meta:
        model = ChurnScore

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    member = SubFactory(MemberFactory, enterprise=SelfAttribute("..enterprise"))
    probability = 0.7
    band = RiskBand.HIGH
    reasons = [{"code": "silence", "days": 9, "usual_gap": 2.5, "weight": 0.8}]
    last_active_on = date(2026, 3, 1)
    scored_on = date(2026, 3, 10)
    model_version = "shipped-1"


class ImportRunFactory(DjangoModelFactory):
    class Meta:
        model = ImportRun

    enterprise = SubFactory(EnterpriseFactory)
    kind = ImportKind.ACTIVITY
    file_name = "activity.csv"
    file_digest = Sequence(lambda n: f"{n:064x}")
    source = "import"


class DailyRunFactory(DjangoModelFactory):
    class Meta:
        model = DailyRun

    enterprise = SubFactory(EnterpriseFactory)
    day = Sequence(lambda n: date(2026, 3, 10) + timedelta(days=n))


class TierAssignmentFactory(DjangoModelFactory):
    """A member's current tier; ``locked=True`` was given by an operator."""

    class Meta:
        model = TierAssignment

    class Params:
        locked = Trait(is_locked=True, cause=TierCause.LOCKED, reason="创始会员")

    tier = SubFactory(TierFactory)
    scheme = SelfAttribute("tier.scheme")
    member = SubFactory(MemberFactory, enterprise=SelfAttribute("..scheme.enterprise"))
    cause = TierCause.ENTERED


class EvidenceFactory(DjangoModelFactory):
    """A photo that waits to be decided on. There is no file behind its name."""

    class Meta:
        model = Evidence

    application = SubFactory(EntryApplicationFactory)
    enterprise = SelfAttribute("application.enterprise")
    member = SelfAttribute("application.member")
    value = SubFactory(ClassificationValueFactory, axis__enterprise=SelfAttribute("...enterprise"))
    photo = Sequence(lambda n: f"1/{n:040x}.jpg")
    width = 640
    height = 480
    byte_count = 60_000
    file_digest = Sequence(lambda n: f"file {n}")
    picture_digest = Sequence(lambda n: f"picture {n}")


class FollowFactory(DjangoModelFactory):
    """A customer and a colleague who are contacts."""

    class Meta:
        model = Follow

    member = SubFactory(MemberFactory)
    enterprise = SelfAttribute("member.enterprise")
    channel_account = SubFactory(ChannelAccountFactory, enterprise=SelfAttribute("..enterprise"))
    staff = SubFactory(StaffFactory, enterprise=SelfAttribute("..enterprise"))
    external_userid = Sequence(lambda n: f"wm{n:030d}")
