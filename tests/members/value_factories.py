from __future__ import annotations

from datetime import date

from factory import SelfAttribute, SubFactory
from factory.django import DjangoModelFactory

from members.models import MemberValue, PurchaseDay, ValueCell
from members.rules.values import Behaviour, RfmSegment, ValueBand
from tests.accounts.factories import EnterpriseFactory
from tests.members.factories import MemberFactory


class PurchaseDayFactory(DjangoModelFactory):
    class Meta:
        model = PurchaseDay

    member = SubFactory(MemberFactory)
    enterprise = SelfAttribute("member.enterprise")
    day = date(2026, 3, 1)
    currency = "CNY"
    order_count = 1
    standing_count = 1
    net_amount = 10_000


class MemberValueFactory(DjangoModelFactory):
    """A member who buys often and much."""

    class Meta:
        model = MemberValue

    member = SubFactory(MemberFactory)
    enterprise = SelfAttribute("member.enterprise")
    recency = frequency = monetary = 5
    segment = RfmSegment.CHAMPIONS
    behaviour = Behaviour.TALKER
    purchase_days = 8
    first_purchase_on = date(2025, 6, 1)
    last_purchase_on = date(2026, 5, 20)
    spent_amount = spent_year_amount = 80_000
    repeat_amount = 70_000
    alive = 0.9
    expected_purchases = 6.5
    clv_amount = 65_000
    clv_band = ValueBand.HIGH
    model_version = "clv-20260601"
    computed_on = date(2026, 6, 1)


class ValueCellFactory(DjangoModelFactory):
    class Meta:
        model = ValueCell

    enterprise = SubFactory(EnterpriseFactory)
    cut = date(2026, 5, 4)
    segment = RfmSegment.CHAMPIONS
    clv_band = ValueBand.HIGH
    behaviour = Behaviour.TALKER
    member_count = 40
    clv_amount = 2_600_000
    measured_count = 40
    active_count = 30
    buyer_count = 20
