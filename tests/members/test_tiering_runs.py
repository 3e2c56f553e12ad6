"""Everybody's tiers in the night, and those whose facts have changed at once."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import OperationalError, connection, transaction

from members.models import Member, TierAssignment, TierDue, TieringRun
from members.rules.activity import RawEvent
from members.rules.purchases import RawPurchase
from members.services import tier_dues, tiering_runs
from members.services.classifying import grant_classification
from members.services.consenting import record_consent
from members.services.ingestion import ingest_activities
from members.services.leaving import leave_community
from members.services.purchases import record_purchases
from members.services.tagging import create_tag, tag_members
from members.services.tier_dues import drain_slice, drain_tier_dues
from members.services.tier_marks import ORDERS, mark_tiers_due
from members.services.tiering_members import locked_schemes
from members.services.tiering_runs import (
    begin_tiering,
    continue_tiering,
    request_tiering,
    schemes_to_tier,
)
from members.signals import tiers_changed
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import EnterpriseFactory, UserFactory
from tests.communities.factories import (
    ClassificationValueFactory,
    CommunityFactory,
    TierFactory,
    TierSchemeFactory,
)
from tests.members.factories import MemberFactory, MembershipFactory, PurchaseFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 20, 4, tzinfo=UTC)  # noon in Shanghai
TODAY = date(2026, 3, 20)
THREE = {"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90}


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def scheme():
    scheme = TierSchemeFactory(code="loyalty", name="会员")
    TierFactory(scheme=scheme, rank=1, name="普通")
    TierFactory(scheme=scheme, rank=2, name="金卡", criterion=THREE)
    return scheme


@pytest.fixture
def members(scheme):
    return [MemberFactory(enterprise=scheme.enterprise) for _ in range(5)]


@pytest.fixture
def small_slices(monkeypatch):
    monkeypatch.setattr(tiering_runs, "SLICE", 2)
    monkeypatch.setattr(tiering_runs, "LARGEST", 2)


def buy(member, count=3, **changes):
    for _ in range(count):
        PurchaseFactory(member=member, paid_at=NOW, **changes)


def tiers_of(members):
    rows = TierAssignment.objects.current().filter(member__in=members).select_related("tier")
    names = {row.member_id: row.tier.name for row in rows}
    return [names.get(member.pk) for member in members]


def run_through(scheme, day=TODAY):
    assert continue_tiering(scheme.pk, day=day, budget=60)
    return TieringRun.objects.get(scheme=scheme, day=day)


# --- the night ---


def test_a_run_gives_everybody_a_tier_and_counts(scheme, members, small_slices):
    buy(members[1])
    MemberFactory()  # somebody else's

    run = run_through(scheme)

    assert tiers_of(members) == ["普通", "金卡", "普通", "普通", "普通"]
    assert (run.member_count, run.promoted_count, run.demoted_count) == (5, 5, 0)
    assert run.finished_at is not None
    assert TierAssignment.objects.count() == 5


def test_a_second_run_changes_nothing(scheme, members, small_slices):
    buy(members[1])
    run_through(scheme)
    before = list(TierAssignment.objects.order_by("pk").values())

    run = run_through(scheme, TODAY + timedelta(days=1))

    assert list(TierAssignment.objects.order_by("pk").values()) == before
    assert (run.member_count, run.promoted_count, run.demoted_count) == (5, 0, 0)


def test_a_run_goes_on_where_it_was_cut_off(scheme, members, small_slices):
    finished = continue_tiering(scheme.pk, day=TODAY, budget=0)
    assert (finished, TierAssignment.objects.count()) == (False, 2)

    run = run_through(scheme)

    assert (run.member_count, TierAssignment.objects.count()) == (5, 5)


def test_a_slice_that_fails_leaves_nothing_behind(scheme, members, small_slices):
    def fail(**_):
        raise RuntimeError

    continue_tiering(scheme.pk, day=TODAY, budget=0)
    tiers_changed.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            continue_tiering(scheme.pk, day=TODAY, budget=60)
    finally:
        tiers_changed.disconnect(fail)

    assert TierAssignment.objects.count() == 2
    assert TieringRun.objects.get().next_member == members[1].pk + 1


def test_where_a_slice_takes_too_long_smaller_ones_go_on(scheme, members, monkeypatch):
    monkeypatch.setattr(tiering_runs, "SLICE", 4)
    monkeypatch.setattr(tiering_runs, "SMALLEST", 1)

    def give_up(assignment_ids, **_):
        if len(assignment_ids) > 1:
            raise OperationalError

    tiers_changed.connect(give_up)
    try:
        run = run_through(scheme)
    finally:
        tiers_changed.disconnect(give_up)

    assert (run.member_count, run.promoted_count) == (5, 5)


@pytest.mark.parametrize(
    ("seconds", "next_size"), [(0.1, 2_000), (2.9, 2_000), (3.0, 1_000), (6.1, 500), (99, 500)]
)
def test_the_size_of_slices_follows_the_time_they_take(seconds, next_size):
    assert tiering_runs._next_size(1_000, seconds) == next_size
    assert tiering_runs._next_size(tiering_runs.LARGEST, 0.1) == tiering_runs.LARGEST
    assert tiering_runs._next_size(tiering_runs.SMALLEST, 99) == tiering_runs.SMALLEST


def test_a_run_that_cannot_go_on_says_so(scheme, members, monkeypatch):
    monkeypatch.setattr(tiering_runs, "SMALLEST", 4)

    def give_up(**_):
        raise OperationalError

    tiers_changed.connect(give_up)
    try:
        with pytest.raises(OperationalError):
            continue_tiering(scheme.pk, day=TODAY, budget=60)
    finally:
        tiers_changed.disconnect(give_up)


def test_each_slice_announces_its_changes(scheme, members, small_slices):
    heard = []

    def listen(scheme_id, assignment_ids, **_):
        heard.append((scheme_id, len(assignment_ids)))

    tiers_changed.connect(listen)
    try:
        run_through(scheme)
        run_through(scheme, TODAY + timedelta(days=1))
    finally:
        tiers_changed.disconnect(listen)

    assert heard == [(scheme.pk, 2), (scheme.pk, 2), (scheme.pk, 1)]


def test_members_are_looked_at_in_the_morning_of_their_enterprise(scheme):
    abroad = TierFactory(scheme__enterprise__time_zone="America/New_York").scheme
    TierSchemeFactory()  # without tiers
    before_two = datetime(2026, 3, 20, 17, 59, tzinfo=UTC)
    after_two = datetime(2026, 3, 20, 18, 0, tzinfo=UTC)

    assert schemes_to_tier(before_two) == [(abroad.pk, TODAY)]
    assert schemes_to_tier(after_two) == [
        (scheme.pk, TODAY + timedelta(days=1)),
        (abroad.pk, TODAY),
    ]


def test_a_finished_run_is_not_due_again_until_it_is_asked_for(scheme, members):
    run_through(scheme)
    assert schemes_to_tier(NOW) == []

    actor = UserFactory(enterprise=scheme.enterprise)
    request_tiering(scheme.pk, actor=actor)

    assert schemes_to_tier(NOW) == [(scheme.pk, TODAY)]
    assert AuditEvent.objects.latest("pk").verb == "request_tiering"
    buy(members[0])
    assert run_through(scheme).promoted_count == 1


def test_asking_for_a_run_begins_it_anew(scheme, members, small_slices):
    continue_tiering(scheme.pk, day=TODAY, budget=0)

    run = begin_tiering(scheme.pk)

    assert (run.next_member, run.member_count) == (0, 0)


def test_the_command_looks_at_every_scheme(scheme, members, capsys):
    TierFactory(scheme__enterprise=scheme.enterprise, scheme__name="积分")

    call_command("retier")
    call_command("retier", scheme="loyalty", enterprise=scheme.enterprise.slug)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split("，用时")[0] for line in lines] == [
        "会员：核对 5 位成员，5 位升级，0 位降级",
        "积分：核对 5 位成员，5 位升级，0 位降级",
        "会员：核对 5 位成员，0 位升级，0 位降级",
    ]


# --- at once ---


def order(member, number):
    return RawPurchase(member.external_id, number, NOW.isoformat(), 100, 0)


def due():
    return sorted(TierDue.objects.values_list("pk", flat=True))


def test_a_member_rises_after_the_third_purchase(scheme, members):
    buyer, other, *_rest = members
    run_through(scheme)

    for number in ("1", "2", "3"):
        record_purchases(scheme.enterprise, [order(buyer, number)], source="shop", now=NOW)
        assert drain_tier_dues(budget=1) == 1
    record_purchases(scheme.enterprise, [order(other, "4")], source="shop", now=NOW)
    drain_tier_dues(budget=1)

    assert tiers_of([buyer, other]) == ["金卡", "普通"]
    assert due() == []


def test_the_same_order_again_makes_nobody_due(scheme, members):
    for _ in range(2):
        record_purchases(scheme.enterprise, [order(members[0], "1")], source="shop", now=NOW)
        drain = drain_tier_dues(budget=1)

    assert drain == 0


def report_activity(member):
    community = CommunityFactory(enterprise=member.enterprise)
    row = RawEvent(member.external_id, community.code, "post", NOW.isoformat(), "1", "")
    ingest_activities(member.enterprise, [row], source="app", now=NOW)


def leave(member):
    membership = MembershipFactory(community__enterprise=member.enterprise, member=member)
    leave_community(membership.pk, reason="self", actor=None)


def classify(member):
    value = ClassificationValueFactory(axis__enterprise=member.enterprise)
    actor = UserFactory(enterprise=member.enterprise)
    grant_classification(member, value=value, source="operator", actor=actor)


def tag(member):
    actor = UserFactory(enterprise=member.enterprise)
    tag = create_tag(code="fan", name="粉丝", actor=actor)
    tag_members(tag.pk, members=Member.objects.filter(pk=member.pk), actor=actor)


def agree(member):
    record_consent(member, purpose="broadcast", decision="granted", text_version="1", source="api")


def asks(metric, value=1, op="gte", **more):
    return {"metric": metric, "op": op, "value": value, **more}


FACTS = {
    report_activity: asks("post_count"),
    leave: asks("membership_days"),
    classify: asks("classified_as", "region:east", "is"),
    tag: asks("has_tag", "fan", "is"),
    agree: asks("consented", "broadcast", "is"),
}


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_makes_its_member_due_where_a_tier_asks_about_it(fact):
    about = TierFactory(criterion={"not": FACTS[fact]}).scheme.enterprise
    elsewhere = TierFactory(criterion=THREE).scheme.enterprise
    one, other = MemberFactory(enterprise=about), MemberFactory(enterprise=elsewhere)

    fact(one)
    fact(other)

    assert due() == [one.pk]


def test_a_tier_that_asks_for_a_segment_may_be_about_anything():
    inside = asks("in_segment", "fans", "is")
    member = MemberFactory(enterprise=TierFactory(criterion=inside).scheme.enterprise)

    tag(member)

    assert due() == [member.pk]


def test_where_no_tier_asks_for_anything_nobody_is_due():
    tier = TierFactory(criterion={})
    member = MemberFactory(enterprise=tier.scheme.enterprise)
    TierFactory(criterion=THREE)  # another enterprise's

    mark_tiers_due(member.enterprise_id, [member.pk], moved=ORDERS)

    assert due() == []


def test_who_depends_on_a_tier_of_another_scheme_is_due_when_it_changes(scheme, members):
    ranked = {"metric": "tier_rank", "op": "gte", "value": 2, "of": "loyalty"}
    vip = TierFactory(scheme__enterprise=scheme.enterprise, rank=1, name="VIP", criterion=ranked)
    buy(members[0])

    mark_tiers_due(scheme.enterprise_id, [members[0].pk], moved=ORDERS)
    drain_tier_dues(budget=1)

    held = TierAssignment.objects.current().filter(member=members[0], tier=vip)
    assert held.exists()
    assert due() == []


def test_dues_of_many_enterprises_are_drained_in_slices(scheme, members, monkeypatch):
    monkeypatch.setattr(tier_dues, "SLICE", 2)
    foreign = TierFactory(criterion=THREE).scheme.enterprise
    strangers = [MemberFactory(enterprise=foreign) for _ in range(3)]
    mark_tiers_due(scheme.enterprise_id, [member.pk for member in members], moved=ORDERS)
    mark_tiers_due(foreign.pk, [member.pk for member in strangers], moved=ORDERS)

    assert drain_tier_dues(budget=0) == 2
    assert drain_tier_dues(budget=9) == 6
    assert due() == []


def test_nothing_is_lost_when_a_drain_fails(scheme, members):
    def fail(**_):
        raise RuntimeError

    mark_tiers_due(scheme.enterprise_id, [members[0].pk], moved=ORDERS)
    tiers_changed.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            drain_tier_dues(budget=1)
    finally:
        tiers_changed.disconnect(fail)

    assert due() == [members[0].pk]


def elsewhere(work):
    """In a thread with a connection of its own."""

    def run():
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_a_drain_waits_for_a_report_that_is_not_committed(scheme, members):
    """Were the row taken while its fact cannot be seen yet, the fact would be forgotten."""
    mark_tiers_due(scheme.enterprise_id, [members[0].pk], moved=ORDERS)
    drained = []

    with transaction.atomic():
        buy(members[0])
        mark_tiers_due(scheme.enterprise_id, [members[0].pk], moved=ORDERS)
        elsewhere(lambda: drained.append(drain_slice(scheme.enterprise_id))).join()

    assert (drained, tiers_of(members[:1])) == ([0], [None])
    drain_tier_dues(budget=1)
    assert tiers_of(members[:1]) == ["金卡"]


@pytest.mark.django_db(transaction=True)
def test_a_drain_steps_aside_while_somebody_is_at_the_scheme(scheme, members):
    mark_tiers_due(scheme.enterprise_id, [members[0].pk], moved=ORDERS)
    drained = []

    with transaction.atomic():
        locked_schemes(scheme.enterprise_id)
        elsewhere(lambda: drained.append(drain_slice(scheme.enterprise_id))).join()

    assert (drained, due()) == ([0], [members[0].pk])


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_a_run_without_doing_anything_twice(scheme, small_slices):
    members = [MemberFactory(enterprise=scheme.enterprise) for _ in range(12)]

    def work():
        while TieringRun.objects.filter(finished_at=None).exists():
            continue_tiering(scheme.pk, day=TODAY, budget=0)

    begin_tiering(scheme.pk)
    threads = [elsewhere(work) for _ in range(2)]
    for thread in threads:
        thread.join()

    run = TieringRun.objects.get()
    assert (run.member_count, run.promoted_count) == (12, 12)
    assert tiers_of(members) == ["普通"] * 12


def test_an_enterprise_without_schemes_costs_nothing():
    member = MemberFactory(enterprise=EnterpriseFactory())
    TierDue.objects.create(member=member)

    assert drain_tier_dues(budget=1) == 1
    assert due() == []
