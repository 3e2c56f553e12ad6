"""Tiers as operators see and change them."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from communities.models import Tier, TierScheme
from members.models import TierAssignment, TieringRun
from members.services.tiering_members import retier_member
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory, TierFactory, TierSchemeFactory
from tests.members.factories import MemberFactory, PurchaseFactory, TierAssignmentFactory

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "on"}
NOW = datetime(2026, 3, 20, 4, tzinfo=UTC)
TWO = {"metric": "purchase_count", "op": "gte", "value": 2}


@pytest.fixture(autouse=True)
def _today():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def user():
    return UserFactory(is_staff=True)


@pytest.fixture
def page(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def scheme(user):
    scheme = TierSchemeFactory(enterprise=user.enterprise, name="会员", code="loyalty")
    TierFactory(scheme=scheme, rank=1, name="普通")
    TierFactory(scheme=scheme, rank=2, name="金卡", criterion=TWO)
    return scheme


@pytest.fixture
def member(user):
    return MemberFactory(enterprise=user.enterprise, nickname="阿毛")


def text_of(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def change_page(row):
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])


def messages_of(client, row):
    return text_of(client.get(change_page(row)))


def test_a_lost_tier_tells_why_it_was_given_and_why_it_was_lost(page, scheme, member):
    orders = [PurchaseFactory(member=member, paid_at=NOW) for _ in range(2)]
    retier_member(member.pk)
    for order in orders:
        order.delete()
    retier_member(member.pk)
    gold = TierAssignment.objects.get()

    below = text_of(page.get(change_page(gold)))
    with time_machine.travel(NOW + timedelta(days=14), tick=False):
        retier_member(member.pk)
    lost = text_of(page.get(change_page(gold)))

    assert "2026-03-20 起低于保级线，宽限到 2026-04-03" in below
    assert "购买次数 ≥ 2：实际 2" in lost
    assert "购买次数 ≥ 2：实际 0，还差 2" in lost


def test_the_page_of_a_member_shows_the_history_of_tiers(page, scheme, member):
    PurchaseFactory(member=member, paid_at=NOW)
    retier_member(member.pk)
    PurchaseFactory(member=member, paid_at=NOW)
    retier_member(member.pk)

    text = text_of(page.get(change_page(member)))

    assert "购买次数 ≥ 2：实际 2" in text
    assert "普通" in text


def test_the_list_is_filtered_and_takes_as_many_queries_for_three_rows(
    page, user, scheme, member, django_assert_max_num_queries
):
    low = scheme.tiers.get(rank=1)
    TierAssignmentFactory(tier=low, member=member, started_at=NOW, ended_at=NOW)
    url = reverse("admin:members_tierassignment_changelist")
    page.get(url)
    for count in (1, 2, 3):
        nickname = f"现任{count}"
        TierAssignmentFactory(
            tier=low, member__nickname=nickname, member__enterprise=user.enterprise
        )
        with django_assert_max_num_queries(12):
            text = text_of(page.get(url, {"now": "current"}))
        assert nickname in text
        assert "阿毛" not in text


def test_a_tier_is_locked_on_the_page_of_the_member_and_unlocked_again(page, scheme, member):
    gold = scheme.tiers.get(rank=2)
    lock = reverse("admin:members_member_lock_tier", args=[member.pk])

    page.post(lock, DIALOG | {"tier": gold.pk, "reason": "创始会员"})
    again = page.post(lock, DIALOG | {"tier": gold.pk, "reason": "创始会员"}, follow=True)

    locked = TierAssignment.objects.get()
    assert (locked.tier, locked.is_locked, locked.reason) == (gold, True, "创始会员")
    assert "已锁定在“金卡”" in text_of(again)
    assert "解除锁定" in text_of(page.get(change_page(locked)))

    page.post(reverse("admin:members_tierassignment_unlock", args=[locked.pk]), DIALOG)

    assert TierAssignment.objects.current().get().cause == "unlocked"
    assert "members_tierassignment_unlock" not in text_of(page.get(change_page(locked)))


def test_a_lock_cannot_name_a_tier_of_somebody_else(page, scheme, member):
    lock = reverse("admin:members_member_lock_tier", args=[member.pk])

    page.post(lock, DIALOG | {"tier": TierFactory().pk, "reason": "x"})
    page.post(lock, DIALOG | {"tier": scheme.tiers.get(rank=1).pk, "reason": ""})

    assert not TierAssignment.objects.exists()


def test_one_member_is_looked_at_from_the_page(page, scheme, member):
    retier = reverse("admin:members_member_retier", args=[member.pk])

    first = page.post(retier, DIALOG, follow=True)
    second = page.post(retier, DIALOG, follow=True)

    assert "层级已更新为 会员：普通" in text_of(first)
    assert "层级没有变化" in text_of(second)


def test_a_scheme_shows_how_its_members_are_divided_and_when_that_was_looked_at(
    page, scheme, member
):
    TierAssignmentFactory(tier=scheme.tiers.get(rank=2), member=member, below_since=NOW)
    before = text_of(page.get(change_page(scheme)))

    page.post(reverse("admin:communities_tierscheme_retier", args=[scheme.pk]), DIALOG)
    after = text_of(page.get(change_page(scheme)))

    assert "还没有核算过" in before
    assert "100%" in before
    assert TieringRun.objects.get().scheme == scheme
    assert "正在核算" in after


def test_a_scheme_is_made_with_a_code_that_stays(page, user):
    page.post(reverse("admin:communities_tierscheme_add"), {"name": "会员", "code": "loyalty"})
    page.post(reverse("admin:communities_tierscheme_add"), {"name": "积分", "code": ""})

    assert [scheme.code for scheme in TierScheme.objects.order_by("pk")] == ["loyalty", "tiers-1"]
    scheme = TierScheme.objects.get(code="loyalty")
    text = text_of(page.get(change_page(scheme)))
    assert 'name="code"' not in text


def test_a_tier_that_is_used_is_not_taken_out(page, user, scheme):
    gold, low = scheme.tiers.get(rank=2), scheme.tiers.get(rank=1)
    CommunityFactory(enterprise=user.enterprise, minimum_tier=gold)

    refused = page.post(
        reverse("admin:communities_tier_take_out", args=[gold.pk]), DIALOG, follow=True
    )
    page.post(reverse("admin:communities_tier_take_out", args=[low.pk]), DIALOG)

    assert "不能删除" in text_of(refused)
    assert list(Tier.objects.filter(scheme=scheme)) == [gold]
