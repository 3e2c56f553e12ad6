"""What the page of a member says of worth, risk and the last twelve weeks."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from members.models import MemberValue
from members.rules.values import Behaviour, RfmSegment, ValueBand
from members.selectors.profiles import STRIP_WEEKS, is_allowed, profile_of
from scrm.accounts.rules.roles import DataScope
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import (
    ActivityCoverageFactory,
    ChurnScoreFactory,
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
)
from tests.members.standing_factories import ConsentFactory

pytestmark = pytest.mark.django_db

TODAY = date(2026, 3, 18)  # a Wednesday


@pytest.fixture
def member():
    return MemberFactory()


@pytest.fixture
def administrator(member):
    return UserFactory(enterprise=member.enterprise)


def at(day, hour=12):
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def strip_of(member, user):
    return {one.day: one.count for one in profile_of(member, user=user, today=TODAY).strip}


def profiled(member):
    return ConsentFactory(member=member, purpose="profiling", decision="granted")


def value_of(member, **values):
    return MemberValue.objects.create(
        member=member,
        enterprise=member.enterprise,
        computed_on=TODAY,
        behaviour=Behaviour.TALKER,
        **values,
    )


def test_a_strip_is_of_whole_weeks_up_to_today(member, administrator):
    days = list(strip_of(member, administrator))

    assert days[0].weekday() == 0
    assert days[-1] == TODAY
    assert len(days) == 7 * (STRIP_WEEKS - 1) + 3


def test_silent_and_not_measured_are_different(member, administrator):
    community = CommunityFactory(enterprise=member.enterprise)
    MembershipFactory(community=community, member=member, joined_at=at(3))
    ActivityCoverageFactory(community=community, covered_from=at(1), covered_to=at(10))
    MemberDayFactory(community=community, member=member, day=date(2026, 3, 5), message_count=4)

    strip = strip_of(member, administrator)

    assert strip[date(2026, 3, 2)] is None  # not yet in it
    assert strip[date(2026, 3, 4)] == 0
    assert strip[date(2026, 3, 5)] == 4
    assert strip[date(2026, 3, 11)] is None


def test_a_day_is_one_of_the_enterprise(member, administrator):
    community = CommunityFactory(enterprise=member.enterprise)
    MembershipFactory(community=community, member=member, joined_at=at(1))
    ActivityCoverageFactory(community=community, covered_from=at(4, 17), covered_to=at(5, 15))

    strip = strip_of(member, administrator)

    known = [day.day for day, count in strip.items() if count is not None]
    assert known == [5]  # from one in the morning to eleven at night in Shanghai


def test_days_in_communities_out_of_sight_are_not_counted(member):
    community = CommunityFactory(enterprise=member.enterprise)
    MembershipFactory(community=community, member=member, joined_at=at(1))
    ActivityCoverageFactory(community=community, covered_from=at(1), covered_to=at(10))
    MemberDayFactory(community=community, member=member, day=date(2026, 3, 5))
    ChurnScoreFactory(community=community, member=member)
    stranger = UserFactory(enterprise=member.enterprise, data_scope=DataScope.OWN_COMMUNITIES)

    profile = profile_of(member, user=stranger, today=TODAY)

    assert {one.count for one in profile.strip} == {None}
    assert profile.scores == []


def test_a_profile_needs_consent_where_the_enterprise_says_so(member):
    assert not is_allowed(member)
    profiled(member)
    assert is_allowed(member)
    ConsentFactory(member=member, purpose="profiling", decision="withdrawn")
    assert not is_allowed(member)


def page_of(client, member, user):
    client.force_login(user)
    return client.get(reverse("admin:members_member_change", args=[member.pk]))


def test_the_page_says_why_there_is_no_value(client, member, administrator):
    response = page_of(client, member, administrator)

    assert "没有画像授权" in response.content.decode()


def test_the_page_shows_worth_risk_and_reasons(client, member, administrator):
    profiled(member)
    community = CommunityFactory(enterprise=member.enterprise, name="猫咪群")
    MembershipFactory(community=community, member=member)
    ChurnScoreFactory(
        community=community,
        member=member,
        probability=0.72,
        band="high",
        reasons=[{"code": "silence", "days": 9, "usual_gap": 2, "weight": 1}],
    )
    value_of(
        member,
        recency=5,
        frequency=4,
        monetary=3,
        segment=RfmSegment.CHAMPIONS,
        clv_band=ValueBand.HIGH,
        clv_amount=123_450,
        alive=0.8,
        expected_purchases=3.2,
        purchase_days=4,
        last_purchase_on=timezone.localdate() - timedelta(days=3),
    )

    text = page_of(client, member, administrator).content.decode()

    for words in ("¥1,234.50", "R5 · F4 · M3", "重要价值", "72%", "已沉默 9 天", "积极发言"):
        assert words in text


def test_somebody_erased_has_no_panel(client, member, administrator):
    member.erased_at = timezone.now()
    member.save(update_fields=["erased_at"])

    response = page_of(client, member, administrator)

    assert response.status_code in {200, 302}
    assert "近 12 周的活跃" not in response.content.decode()
