"""Days equal the events, in whatever order and however often these arrive."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from members.doctor import days_equal_events, months_are_ready
from members.models import (
    ActivityCoverage,
    ActivityEvent,
    DetachedMonth,
    MemberDay,
    PurchaseDay,
    StaffDay,
    StaleDay,
)
from members.rules.activity import RawEvent
from members.rules.purchases import RawPurchase
from members.services.checking_days import check_days
from members.services.detaching import detach_before, detach_by_policy
from members.services.ingestion import NOTED_HOURS, ingest_activities
from members.services.partitions import attached_months, ensure_partitions, ensure_partitions_ahead
from members.services.purchases import record_purchases
from members.services.rebuilding import rebuild_member_days
from scrm.shared.diagnosis import Status
from scrm.shared.management.commands.prepare import Command as Prepare
from tests.communities.factories import CommunityFactory
from tests.communities.transfer_factories import ColleagueFactory
from tests.members.factories import MemberFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def community(db):
    return CommunityFactory()


@pytest.fixture
def member(community):
    return MemberFactory(enterprise=community.enterprise)


@pytest.fixture
def colleague(community):
    return ColleagueFactory(enterprise=community.enterprise)


def event(person, community, key, at, *, kind="message", thread=""):
    who = {"member": person.external_id, "staff": ""}
    if person._meta.model_name == "staff":
        who = {"member": "", "staff": person.external_id}
    return RawEvent(
        community=community.code,
        kind=kind,
        occurred_at=at,
        dedupe_key=key,
        thread=thread,
        **who,
    )


def ingest(community, *rows, now=NOW):
    return ingest_activities(community.enterprise, rows, source="app", now=now)


def kept_days():
    fields = [field.name for field in MemberDay._meta.fields if field.name != "id"]
    rows = MemberDay.objects.order_by("community", "member", "day").values_list(*fields)
    staff = StaffDay.objects.order_by("community", "day", "staff")
    return list(rows), list(
        staff.values_list("community", "day", "staff", "message_count", "other_count")
    )


def spans():
    periods = ActivityCoverage.objects.order_by("community", "covered_from")
    return list(periods.values_list("community", "source", "covered_from", "covered_to"))


# --- What a day says ------------------------------------------------------------------------------


def test_a_day_has_its_local_hours_and_each_thread_once(community, member):
    ingest(
        community,
        event(member, community, "1", "2026-11-20T09:10:00+08:00", thread="a"),
        event(member, community, "2", "2026-11-20T01:59:59+00:00", thread="a", kind="like"),
        event(member, community, "3", "2026-11-20T23:59:00+08:00", thread="b"),
    )
    ingest(community, event(member, community, "4", "2026-11-20T00:00:00+08:00"))

    day = MemberDay.objects.get()
    assert day.hours == 1 << 9 | 1 << 23 | 1
    assert (day.message_count, day.other_count, day.thread_count) == (3, 1, 3)
    assert day.threads == sorted(set(day.threads))
    assert len(day.threads) == 3


def test_colleagues_have_days_of_their_own(community, member, colleague):
    ingest(
        community,
        event(colleague, community, "1", "2026-11-20T09:10:00+08:00"),
        event(colleague, community, "2", "2026-11-20T09:10:00+08:00", kind="comment"),
        event(colleague, community, "3", "2026-11-20T09:10:00+08:00", kind="like"),
    )

    day = StaffDay.objects.get()
    assert (day.staff_id, day.day) == (colleague.pk, date(2026, 11, 20))
    assert (day.message_count, day.other_count) == (2, 1)
    assert not MemberDay.objects.exists()


def test_days_before_yesterday_are_marked_and_recent_ones_are_not(community, member):
    now = datetime.now(UTC)
    ingest(
        community,
        event(member, community, "1", (now - timedelta(minutes=1)).isoformat()),
        event(member, community, "2", (now - timedelta(days=5)).isoformat()),
        now=now,
    )

    five_days_ago = (now - timedelta(days=5)).astimezone(community.enterprise.zone).date()
    assert list(StaleDay.objects.values_list("community", "day")) == [(community.pk, five_days_ago)]


# --- Any order, any batches -----------------------------------------------------------------------

EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),  # whose: two members, two colleagues
        st.integers(0, 1),  # where
        st.integers(0, 20 * 24 * 4),  # quarters of an hour before
        st.sampled_from(["message", "like", "checkin", "comment"]),
        st.sampled_from(["", "a", "b", "c"]),
    ),
    min_size=1,
    max_size=14,
)


def forget_activity():
    NOTED_HOURS.clear()
    with connection.cursor() as cursor:
        for table in ("activityevent", "activitykey", "memberday", "staffday", "activitycoverage"):
            cursor.execute(f"DELETE FROM members_{table}")


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=EVENTS, plan=st.data())
def test_any_order_duplication_and_splitting_gives_the_same_days(community, rows, plan):
    people = [
        *MemberFactory.create_batch(2, enterprise=community.enterprise),
        *(ColleagueFactory(enterprise=community.enterprise) for _n in range(2)),
    ]
    places = [community, CommunityFactory(enterprise=community.enterprise)]
    told = [
        event(
            people[who],
            places[where],
            f"k{n}",
            (NOW - timedelta(minutes=15 * quarter)).isoformat(),
            kind=kind,
            thread=thread,
        )
        for n, (who, where, quarter, kind, thread) in enumerate(rows)
    ]
    forget_activity()
    ingest(community, *told)
    expected = kept_days(), spans()
    forget_activity()

    shuffled = plan.draw(st.permutations(told + told[: plan.draw(st.integers(0, len(told)))]))
    cut = plan.draw(st.integers(0, len(shuffled)))
    ingest(community, *shuffled[:cut])
    ingest(community, *shuffled[cut:])
    ingest(community, *told)

    assert (kept_days(), spans()) == expected
    assert not any(one.found.wrong for one in check_days(community.enterprise))


@pytest.mark.django_db(transaction=True)
def test_batches_at_once_give_the_days_of_one_batch():
    community = CommunityFactory()
    members = MemberFactory.create_batch(3, enterprise=community.enterprise)
    colleague = ColleagueFactory(enterprise=community.enterprise)
    told = [
        event(
            colleague if n % 7 == 0 else members[n % 3],
            community,
            f"k{n}",
            (NOW - timedelta(hours=5 * n % 97, days=n % 9)).isoformat(),
            kind=("message", "like")[n % 2],
            thread=f"t{n % 4}",
        )
        for n in range(120)
    ]

    def deliver(turn):
        try:
            rows = told[turn * 20 :] + told[: turn * 20]
            for start in range(0, len(rows), 30):
                ingest(community, *(rows[start : start + 30][:: 1 if turn % 2 else -1]))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver, range(4)))
    at_once = kept_days(), spans()
    forget_activity()
    ingest(community, *told)

    assert at_once == (kept_days(), spans())
    assert ActivityEvent.objects.count() == 120
    forget_activity()


# --- Proving it -----------------------------------------------------------------------------------


def check(*arguments):
    output = StringIO()
    try:
        call_command("check_days", *arguments, stdout=output)
    except SystemExit as end:
        return end.code, output.getvalue()
    return 0, output.getvalue()


def test_the_check_finds_what_is_wrong_and_repairs_it(community, member, colleague):
    ingest(
        community,
        *(
            event(who, community, f"{who.pk}-{n}", (NOW - timedelta(days=9 * n)).isoformat())
            for who in (member, colleague)
            for n in range(6)
        ),
    )
    right = kept_days()
    assert check()[0] == 0
    MemberDay.objects.filter(pk=MemberDay.objects.earliest("day").pk).update(hours=1)
    StaffDay.objects.latest("day").delete()

    code, words = check("--json")
    found = json.loads(words)
    assert code == 1
    assert not found["is_equal"]
    assert (found["member_days"]["wrong"], found["staff_days"]["wrong"]) == (1, 1)
    assert days_equal_events().status == Status.FAILED
    assert "不一致" in check()[1]
    assert check("--repair")[0] == 0
    assert kept_days() == right
    assert days_equal_events().status == Status.OK


def test_the_check_of_a_community_leaves_the_others_alone(community, member):
    other = CommunityFactory(enterprise=community.enterprise)
    for place in (community, other):
        ingest(place, event(member, place, f"k{place.pk}", NOW.isoformat()))
    MemberDay.objects.filter(community=other).update(message_count=9)

    assert check("--community", community.code)[0] == 0
    assert check("--community", other.code)[0] == 1
    with pytest.raises(CommandError, match="nowhere"):
        check("--community", "nowhere")


# --- Months that are taken out --------------------------------------------------------------------


@pytest.fixture
def old_months(community, member):
    """Events in three months long past and in this one."""
    for month in ("2025-01", "2025-02", "2025-03", "2026-11"):
        ingest(community, event(member, community, month, f"{month}-10T10:00:00+08:00"))
    return kept_days()


def test_detached_months_keep_their_days_and_take_no_late_events(community, member, old_months):
    gone = detach_before(date(2025, 3, 1), now=NOW)

    assert gone == [month for month in gone if month < date(2025, 3, 1)]
    assert date(2025, 2, 1) in gone
    assert set(DetachedMonth.objects.values_list("month", flat=True)) == set(gone)
    late = ingest(
        community,
        event(member, community, "late", "2025-02-28T10:00:00+08:00"),
        event(member, community, "not so late", "2025-03-02T10:00:00+08:00"),
    )
    assert (late.accepted, [bad.code for bad in late.rejects]) == (1, ["too_old"])
    assert not any(one.found.wrong for one in check_days(community.enterprise))
    assert rebuild_member_days(community).written == 0
    assert MemberDay.objects.filter(day__lt=date(2025, 3, 1)).count() == 2


def test_the_policy_detaches_only_what_is_older_than_it_says(community, old_months, settings):
    settings.ACTIVITY_KEEP_MONTHS = 0
    assert detach_by_policy(NOW) == []
    settings.ACTIVITY_KEEP_MONTHS = 20
    gone = detach_by_policy(NOW)

    assert max(gone) == date(2025, 2, 1)
    assert min(attached_months()) == date(2025, 3, 1)


def test_this_month_and_the_three_before_are_never_detached(community, old_months):
    ensure_partitions([date(2026, 7, 1), date(2026, 8, 1)])
    detach_before(date(2027, 1, 1), now=NOW)

    assert date(2026, 7, 1) not in attached_months()
    assert {date(2026, 8, 1), date(2026, 11, 1)} <= set(attached_months())


def test_a_fresh_installation_has_the_coming_months(db):
    Prepare(stdout=StringIO(), stderr=StringIO()).make_months()

    assert months_are_ready().status == Status.OK


def test_the_doctor_tells_which_months_are_missing_or_may_go(db, settings):
    ensure_partitions_ahead(datetime.now(UTC))
    settings.ACTIVITY_KEEP_MONTHS = 0
    assert months_are_ready().status == Status.OK
    ensure_partitions([date(2024, 1, 1)])
    settings.ACTIVITY_KEEP_MONTHS = 12
    finding = months_are_ready()

    assert finding.status == Status.WARNING
    assert "activity_partitions" in finding.fix


def test_the_command_lists_makes_and_detaches_months(community, old_months):
    output = StringIO()
    call_command("activity_partitions", stdout=output)
    assert "2025-01" in output.getvalue()

    output = StringIO()
    call_command("activity_partitions", detach_before=date(2025, 2, 1), stdout=output)
    call_command("activity_partitions", list=True, stdout=output)
    assert "2025-01 已分离" in output.getvalue()
    with pytest.raises(CommandError):
        call_command("activity_partitions", detach_before=date(2025, 2, 1))


# --- Rows from before there were hours, threads and days of purchases -----------------------------


def test_the_migration_fills_days_that_were_counted_before(community, member):
    fill = import_module("members.migrations.0021_fill_days")
    ingest(
        community,
        event(member, community, "1", "2026-11-20T09:10:00+08:00", thread="a"),
        event(member, community, "2", "2026-11-20T23:10:00+08:00"),
    )
    record_purchases(
        community.enterprise,
        [RawPurchase(member.external_id, "A1", "2026-11-20T10:00:00+08:00", 900, 100)],
        source="shop",
        now=NOW,
    )
    expected = kept_days()
    MemberDay.objects.update(hours=0, threads=[], thread_count=0)
    PurchaseDay.objects.all().delete()

    with connection.cursor() as cursor:
        cursor.execute(fill.FILL_MEMBER_DAYS)
        cursor.execute(fill.FILL_PURCHASE_DAYS)

    assert kept_days() == expected
    assert not any(one.found.wrong for one in check_days(community.enterprise))
