from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from django.db import connections

from members.errors import BadSource
from members.models import Purchase
from members.rules.purchases import RawPurchase
from members.services.purchases import record_purchases
from tests.accounts.factories import EnterpriseFactory
from tests.members.factories import MemberFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def member(db):
    return MemberFactory()


def order(member, number="A1", paid=10_000, refunded=0, **changes):
    return RawPurchase(
        getattr(member, "external_id", member), number, "2026-11-20T10:00:00+08:00", paid, refunded
    )._replace(**changes)


def record(enterprise, *rows, source="shop", **options):
    return record_purchases(enterprise, rows, source=source, now=NOW, **options)


def counts(result):
    return result.accepted, result.updated, result.duplicates, len(result.rejects)


def test_record_keeps_an_order_once(member):
    first = record(member.enterprise, order(member))
    again = record(member.enterprise, order(member))

    assert (counts(first), counts(again)) == ((1, 0, 0, 0), (0, 0, 1, 0))
    kept = Purchase.objects.get()
    assert (kept.member, kept.paid_amount, kept.currency) == (member, 10_000, "CNY")
    assert kept.paid_at == datetime(2026, 11, 20, 2, tzinfo=UTC)


def test_a_refund_grows_to_the_largest_total_reported_in_any_order(member):
    record(member.enterprise, order(member, refunded=3_000))

    grown = record(member.enterprise, order(member, refunded=5_000))
    late = record(member.enterprise, order(member, refunded=3_000))

    assert (counts(grown), counts(late)) == ((0, 1, 0, 0), (0, 0, 1, 0))
    assert Purchase.objects.get().refunded_amount == 5_000


def test_an_order_twice_in_a_batch_is_one_with_the_largest_refund(member):
    result = record(
        member.enterprise,
        order(member),
        order(member, refunded=4_000),
        order(member, refunded=2_000),
    )

    assert counts(result) == (1, 0, 2, 0)
    assert Purchase.objects.get().refunded_amount == 4_000


@pytest.mark.parametrize("change", [{"paid_amount": 9_999}, {"currency": "USD"}, {"member": "b"}])
def test_an_order_that_contradicts_the_one_on_file_is_rejected(member, change):
    MemberFactory(enterprise=member.enterprise, external_id="b")
    record(member.enterprise, order(member))

    later = record(member.enterprise, order(member, number="A2"), order(member)._replace(**change))
    together = record(member.enterprise, order(member, "B"), order(member, "B")._replace(**change))

    assert [(bad.index, bad.code) for bad in later.rejects] == [(1, "order_conflict")]
    assert [(bad.index, bad.code) for bad in together.rejects] == [(1, "order_conflict")]
    assert (later.accepted, together.accepted) == (1, 1)
    assert Purchase.objects.get(order_number="A1").paid_amount == 10_000


def test_the_same_number_of_another_source_is_another_order(member):
    record(member.enterprise, order(member))

    assert record(member.enterprise, order(member), source="mini-shop").accepted == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"member": "nobody"}, "unknown_member"),
        ({"order_number": ""}, "missing_value"),
        ({"paid_at": "2026-11-20 10:00"}, "naive_time"),
        ({"paid_at": "2027-01-01T00:00:00Z"}, "future_time"),
        ({"paid_at": "1890-01-01T00:00:00Z"}, "too_old"),
        ({"paid_amount": -1}, "negative_amount"),
        ({"paid_amount": 12.5}, "not_an_integer"),
        ({"paid_amount": "12.50"}, "not_an_integer"),
        ({"paid_amount": True}, "not_an_integer"),
        ({"paid_amount": "١٢"}, "not_an_integer"),
        ({"paid_amount": 10**16}, "amount_too_large"),
        ({"paid_amount": "9" * 400}, "not_an_integer"),
        ({"refunded_amount": 10_001}, "refund_above_payment"),
        ({"refunded_amount": -1}, "negative_amount"),
        ({"currency": "rmb"}, "bad_currency"),
        ({"currency": 156}, "bad_currency"),
    ],
)
def test_a_bad_order_is_refused_with_its_code_and_the_good_ones_are_kept(member, changes, code):
    result = record(
        member.enterprise, order(member)._replace(**changes), order(member, number="good")
    )

    assert [(bad.index, bad.code) for bad in result.rejects] == [(0, code)]
    assert Purchase.objects.get().order_number == "good"


def test_a_member_of_another_enterprise_is_unknown(member):
    stranger = MemberFactory()

    result = record(member.enterprise, order(stranger))

    assert [bad.code for bad in result.rejects] == ["unknown_member"]


def test_amounts_may_be_digits_and_what_is_optional_may_be_empty(member):
    record(member.enterprise, order(member, paid="990", refunded="", currency=""))

    kept = Purchase.objects.get()
    assert (kept.paid_amount, kept.refunded_amount, kept.currency) == (990, 0, "CNY")


def test_a_source_has_to_have_a_name(member):
    with pytest.raises(BadSource):
        record(member.enterprise, order(member), source="")


@pytest.mark.django_db(transaction=True)
def test_overlapping_batches_at_the_same_time_keep_every_order_once():
    enterprise = EnterpriseFactory()
    members = [MemberFactory(enterprise=enterprise) for _n in range(3)]
    rows = [order(members[n % 3], f"A{n}", refunded=n) for n in range(200)]
    together = Barrier(3, timeout=20)

    def work(number):
        try:
            together.wait()
            return record(enterprise, *(rows if number % 2 else rows[::-1])).accepted
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        accepted = sum(pool.map(work, range(3)))

    assert accepted == 200 == Purchase.objects.count()
