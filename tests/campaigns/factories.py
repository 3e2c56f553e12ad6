from __future__ import annotations

from datetime import date

from factory import SelfAttribute, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory

from campaigns.models import ChurnAlert, Segment
from campaigns.rules.status import AlertStatus
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import MemberFactory


class ChurnAlertFactory(DjangoModelFactory):
    """An open alert about somebody last seen ten days before it. The member has no membership."""

    class Meta:
        model = ChurnAlert

    class Params:
        intervening = Trait(status=AlertStatus.INTERVENING)

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    member = SubFactory(MemberFactory, enterprise=SelfAttribute("..enterprise"))
    probability = 0.8
    last_active_on = date(2026, 3, 1)
    opened_on = date(2026, 3, 11)
    model_version = "test"


class SegmentFactory(DjangoModelFactory):
    """Those who have bought something, not drawn up yet."""

    class Meta:
        model = Segment

    enterprise = SubFactory(EnterpriseFactory)
    code = Sequence(lambda n: f"segment-{n}")
    name = Sequence(lambda n: f"人群包{n}")
    criterion = {"metric": "purchase_count", "op": "gte", "value": 1}
