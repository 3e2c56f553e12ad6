from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connections

from members.models import PurchaseDay, StaleDay
from members.rules.purchases import RawPurchase
from members.services.checking_days import check_days
from members.services.purchases import record_purchases
from members.services.rebuilding import rebuild_purchase_days
from tests.members.factories import MemberFactory, MembershipFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def member(db):
    return MemberFactory()


def order(
    member, number="A1", paid=10_000, refunded=0, at="2026-11-20T10:00:00+08:00", currency="CNY"
):
    return RawPurchase(member.external_id, number, at, paid, refunded, currency)


def record(enterprise, *rows, source="shop"):
    return record_purchases(enterprise, rows, source=source, now=NOW)


def days():
    rows = PurchaseDay.objects.order_by("member_id", "currency", "day")
    return list(rows.values_list("day", "currency", "order_count", "standing_count", "net_amount"))


def test_orders_of_one_local_day_are_one_row(member):
    record(
        member.enterprise,
        order(member, "A1", at="2026-11-19T23:30:00+00:00"),
        order(member, "A2", paid=500, at="2026-11-20T15:59:00+00:00"),
        order(member, "A3", paid=7, at="2026-11-20T16:00:00+00:00"),
    )
    record(member.enterprise, order(member, "A1"))

    assert days() == [
        (date(2026, 11, 20), "CNY", 2, 2, 10_500),
        (date(2026, 11, 21), "CNY", 1, 1, 7),
    ]


def test_a_refund_is_taken_off_the_day_of_the_payment(member):
    record(member.enterprise, order(member, "A1"), order(member, "A2", paid=500))

    record(member.enterprise, order(member, "A1", refunded=4_000))
    record(member.enterprise, order(member, "A1", refunded=10_000, at="2026-11-22T10:00:00+08:00"))
    record(member.enterprise, order(member, "A1", refunded=4_000))

    assert days() == [(date(2026, 11, 20), "CNY", 2, 1, 500)]


def test_two_currencies_stand_apart(member):
    record(member.enterprise, order(member, "A1"), order(member, "A2", paid=900, currency="USD"))

    assert days() == [
        (date(2026, 11, 20), "CNY", 1, 1, 10_000),
        (date(2026, 11, 20), "USD", 1, 1, 900),
    ]


def test_what_is_refused_leaves_no_day(member):
    result = record(
        member.enterprise,
        order(member, "A1", paid=-5),
        order(member, "A2", paid=5, refunded=6),
    )

    assert [bad.code for bad in result.rejects] == ["negative_amount", "refund_above_payment"]
    assert days() == []


def test_a_late_order_marks_the_day_in_the_communities_of_its_buyer(member):
    membership = MembershipFactory(member=member)
    StaleDay.objects.all().delete()

    record(member.enterprise, order(member))

    assert list(StaleDay.objects.values_list("community", "day")) == [
        (membership.community_id, date(2026, 11, 20))
    ]


def test_days_that_are_wrong_missing_or_unfounded_are_found_and_put_right(member):
    record(
        member.enterprise,
        *(order(member, f"A{n}", at=(NOW - timedelta(days=20 * n)).isoformat()) for n in range(5)),
    )
    right = days()
    wrong, missing = PurchaseDay.objects.order_by("pk")[:2]
    PurchaseDay.objects.filter(pk=wrong.pk).update(net_amount=1)
    missing.delete()
    PurchaseDay.objects.create(
        enterprise=member.enterprise, member=member, day=date(2025, 1, 1), currency="CNY"
    )

    found = {one.name: one.found for one in check_days(member.enterprise)}["purchase_days"]
    repaired = rebuild_purchase_days(member.enterprise)

    assert (found.days, found.wrong) == (6, 3)
    assert {example["problem"] for example in found.examples} == {"wrong", "missing", "unfounded"}
    assert repaired.written == 3
    assert days() == right


@pytest.mark.django_db(transaction=True)
def test_orders_and_refunds_that_race_add_up():
    member = MemberFactory()
    enterprise = member.enterprise
    places = [(NOW - timedelta(days=n % 3)).isoformat() for n in range(40)]

    def report(turn):
        try:
            for n in range(40)[:: 1 if turn % 2 else -1]:
                refund = 10 * turn if n % 4 == 0 else 0
                record(enterprise, order(member, f"A{n}", 100, refund, places[n]))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(report, range(3)))

    assert sum(row[2] for row in days()) == 40
    assert sum(row[4] for row in days()) == 40 * 100 - 10 * 20
    assert not any(one.found.wrong for one in check_days(enterprise))
