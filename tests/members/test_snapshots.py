import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from communities.rules.status import CommunityStatus
from members import tasks
from members.models import (
    ActivityCoverage,
    CommunityDay,
    DailyRun,
    MemberDay,
    Membership,
    StaffDay,
    StaleDay,
)
from members.rules.activity import RawEvent
from members.rules.daily_runs import DailyRunKind
from members.services.ingestion import ingest_activities
from members.services.snapshot_runs import (
    continue_snapshots,
    enterprises_to_snapshot,
    enterprises_with_communities,
    refresh_community,
    snapshot_today,
)
from members.services.snapshots import snapshot_days
from tests.accounts.factories import StaffFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import MemberDayFactory, MemberFactory, MembershipFactory
from tests.members.insight_worlds import at, be_active, buy, measure, settle

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
DAY = timedelta(days=1)


@pytest.fixture
def community(db):
    return CommunityFactory(status=CommunityStatus.ACTIVE)


def the_day(community, day):
    return CommunityDay.objects.get(community=community, day=day)


def days_between(first, last):
    return [first + n * DAY for n in range((last - first).days + 1)]


def distinct(community, day, window, **conditions):
    rows = MemberDay.objects.filter(
        community=community, day__gt=day - window * DAY, day__lte=day, **conditions
    )
    return rows.values("member").distinct().count()


def test_days_of_a_random_history_are_what_counting_one_by_one_gives(community):
    chance = random.Random(7)
    span = days_between(date(2026, 1, 20), LAST)
    for member in settle(community, 12, joined=date(2026, 1, 1)):
        seen = chance.sample(span, 20)
        be_active(community, [member], *seen[:9], hours=(chance.randrange(24), 9))
        be_active(community, [member], *seen[9:], click_count=2)
    for _n in range(25):
        joined = chance.choice(span)
        left = chance.choice([None, joined, min(joined + chance.randrange(20) * DAY, LAST)])
        settle(community, 1, joined=joined, left=left)
    measure(community, date(2026, 1, 1), LAST)
    StaffDay.objects.create(
        enterprise=community.enterprise,
        community=community,
        staff=StaffFactory(enterprise=community.enterprise),
        day=LAST,
        message_count=4,
    )

    written = snapshot_days(community, first=FIRST, last=LAST)

    assert written == 31
    for row in CommunityDay.objects.filter(community=community):
        begins, ends = at(row.day, 0), at(row.day, 24)
        joined = Membership.objects.filter(joined_at__gte=begins, joined_at__lt=ends).count()
        left = Membership.objects.filter(left_at__gte=begins, left_at__lt=ends).count()
        there = Membership.objects.filter(joined_at__lt=ends).exclude(left_at__lt=ends).count()
        assert (row.joined_count, row.left_count, row.member_count_end) == (joined, left, there)
        assert row.member_count_start == there - joined + left
        here = MemberDay.objects.filter(community=community, day=row.day)
        speaking = {"message_count__gt": 0}
        assert row.active_count == here.count()
        assert row.active_count_7 == distinct(community, row.day, 7)
        assert row.active_count_28 == distinct(community, row.day, 28)
        assert row.speaker_count == here.filter(**speaking).count()
        assert row.speaker_count_7 == distinct(community, row.day, 7, **speaking)
        assert row.message_count == sum(day.message_count for day in here)
        assert row.interaction_count == sum(day.message_count + day.click_count for day in here)
        assert row.hour_actives == [
            sum(day.hours >> hour & 1 for day in here) for hour in range(24)
        ]
        assert row.staff_message_count == (4 if row.day == LAST else 0)


def test_making_days_again_writes_nothing_and_one_by_one_gives_the_same(community):
    settle(community, 3, joined=FIRST)
    be_active(community, settle(community, 4, joined=FIRST), FIRST, FIRST + 5 * DAY)
    measure(community, FIRST, LAST)
    snapshot_days(community, first=FIRST, last=LAST)

    again = snapshot_days(community, first=FIRST, last=LAST)
    singly = [snapshot_days(community, first=day, last=day) for day in days_between(FIRST, LAST)]

    assert again == 0
    assert sum(singly) == 0


def test_a_day_that_nobody_measured_is_unknown_not_silent(community):
    settle(community, 3, joined=FIRST)
    measure(community, FIRST, date(2026, 3, 10))

    snapshot_days(community, first=FIRST, last=date(2026, 3, 12))

    silent, unknown = the_day(community, date(2026, 3, 10)), the_day(community, date(2026, 3, 12))
    assert (silent.is_measured, silent.active_count, silent.active_count_28) == (True, 0, 0)
    assert silent.hour_actives == [0] * 24
    assert (unknown.is_measured, unknown.active_count, unknown.hour_actives) == (False, None, None)
    assert unknown.message_count is None
    assert unknown.member_count_end == 3


def test_orders_count_on_the_days_when_the_buyer_was_a_member(community):
    member, gone = settle(community, 1, joined=FIRST)[0], None
    gone = settle(community, 1, joined=FIRST, left=FIRST + 2 * DAY)[0]
    MembershipFactory(community=community, member=gone, joined_at=at(FIRST + 2 * DAY, 20))
    Membership.objects.filter(member=gone, left_at=None).update(
        left_at=at(FIRST + 3 * DAY), leave_reason="self"
    )
    buy(member, FIRST - DAY, 100)
    buy(member, FIRST + 2 * DAY, 1000)
    buy(member, FIRST + 2 * DAY, 9900, currency="USD")
    buy(gone, FIRST + 2 * DAY, 500, standing=0)  # left and joined again on that day
    buy(gone, FIRST + 9 * DAY, 700)
    buy(MemberFactory(enterprise=community.enterprise), FIRST + 2 * DAY, 4000)

    snapshot_days(community, first=FIRST - DAY, last=LAST)

    sold = CommunityDay.objects.exclude(order_count=0).get()
    assert sold.day == FIRST + 2 * DAY
    assert (sold.buyer_count, sold.order_count, sold.net_amount) == (1, 2, 1500)


def test_a_late_event_changes_its_day_and_the_windows_after_it(community):
    [member] = settle(community, 1, joined=FIRST)
    measure(community, FIRST, LAST)
    refresh_community(community, until=LAST)
    assert the_day(community, LAST).active_count_28 == 0

    ingest_activities(
        community.enterprise,
        [
            RawEvent(
                member.external_id,
                community.code,
                "message",
                at(FIRST + 4 * DAY).isoformat(),
                "late",
            )
        ],
        source="app",
        now=at(LAST + DAY, 9),
    )
    refreshed = refresh_community(community, until=LAST)

    assert the_day(community, FIRST + 4 * DAY).active_count == 1
    assert the_day(community, FIRST + 10 * DAY).active_count_7 == 1
    assert the_day(community, FIRST + 11 * DAY).active_count_7 == 0
    assert the_day(community, LAST).active_count_28 == 1
    assert refreshed.figures == 5  # those of yesterday and of four Sundays were forgotten
    assert not StaleDay.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_reported_while_a_marked_day_is_made_anew_is_never_lost():
    community = CommunityFactory()
    [member] = settle(community, 1, joined=FIRST)
    measure(community, FIRST, LAST)
    refresh_community(community, until=LAST)
    StaleDay.objects.create(community=community, day=FIRST)

    def refresh():
        try:
            refresh_community(community, until=LAST)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as worker:
        with transaction.atomic():
            event = RawEvent(
                member.external_id, community.code, "message", at(FIRST).isoformat(), "meanwhile"
            )
            ingest_activities(community.enterprise, [event], source="app", now=at(LAST + DAY, 9))
            refreshing = worker.submit(refresh)
            with pytest.raises(TimeoutError):
                refreshing.result(timeout=0.3)  # it waits for the mark
        refreshing.result(timeout=20)

    assert the_day(community, FIRST).active_count == 1


def test_what_becomes_known_of_the_past_in_other_ways_is_made_anew_too(community):
    settle(community, 2, joined=FIRST)
    refresh_community(community, until=LAST)
    assert the_day(community, FIRST + DAY).active_count is None
    Membership.objects.filter(pk=Membership.objects.first().pk).update(
        joined_at=at(FIRST + 3 * DAY)
    )
    measure(community, FIRST, FIRST + 5 * DAY)

    refresh_community(community, until=LAST)

    known = {
        row.day: (row.member_count_end, row.active_count) for row in CommunityDay.objects.all()
    }
    assert known[FIRST + 2 * DAY] == (1, 0)
    assert known[FIRST + 3 * DAY] == (2, 0)
    assert known[FIRST + 6 * DAY] == (2, None)


def test_days_of_other_communities_and_enterprises_stay_out(community):
    stranger = MemberDayFactory(day=FIRST)
    MemberDayFactory(community=CommunityFactory(enterprise=community.enterprise), day=FIRST)
    MembershipFactory(community=stranger.community, joined_at=at(FIRST))
    measure(community, FIRST, LAST)

    snapshot_days(community, first=FIRST, last=FIRST)

    row = CommunityDay.objects.get()
    assert (row.community, row.active_count, row.member_count_end) == (community, 0, 0)


def test_a_refresh_begins_where_the_history_does_and_goes_on_where_it_stopped(community):
    settle(community, 1, joined=date(2026, 2, 20))
    assert refresh_community(community, until=FIRST).days == 10

    assert refresh_community(community, until=FIRST + 9 * DAY).days == 9

    days = CommunityDay.objects.filter(community=community).order_by("day")
    assert [row.day for row in days] == days_between(date(2026, 2, 20), FIRST + 9 * DAY)


def test_todays_row_does_not_keep_the_history_from_being_made(community):
    settle(community, 1, joined=FIRST)
    snapshot_today(community.enterprise_id, now=at(LAST, 15), budget=60)

    refresh_community(community, until=LAST)
    settle(community, 1, joined=FIRST - 9 * DAY)  # known late
    refresh_community(community, until=LAST)

    days = CommunityDay.objects.filter(community=community).order_by("day")
    assert [row.day for row in days] == days_between(FIRST - 9 * DAY, LAST)


def test_a_community_without_any_history_has_no_days(community):
    assert refresh_community(community, until=LAST).days == 0


def test_figures_are_kept_with_yesterday_and_with_the_measured_sundays(community):
    settle(community, 3, joined=FIRST)
    measure(community, FIRST, LAST - 3 * DAY)

    refreshed = refresh_community(community, until=LAST)

    kept = CommunityDay.objects.filter(community=community).exclude(figures={}).order_by("day")
    assert [row.day.day for row in kept] == [1, 8, 15, 22, 31]
    assert refreshed.figures == 5
    assert kept[4].figures["member_count"]["value"] == 3
    assert kept[4].figures["dau"]["value"] is None


def test_the_nightly_run_goes_on_in_the_next_task_and_ends_with_yesterday(community):
    settle(community, 2, joined=FIRST)
    settle(CommunityFactory(enterprise=community.enterprise, status="active"), 1, joined=FIRST)
    settle(CommunityFactory(enterprise=community.enterprise, status="archived"), 1, joined=FIRST)
    enterprise_id, day = community.enterprise_id, LAST + DAY
    finished, tasks = False, 0

    while not finished and tasks < 40:
        finished = continue_snapshots(enterprise_id, day=day, budget=0)
        tasks += 1

    run = DailyRun.objects.get(kind=DailyRunKind.SNAPSHOTS)
    assert (run.community_count, run.finished_at is not None) == (2, True)
    assert tasks > 2
    assert CommunityDay.objects.values("community").distinct().count() == 2
    assert CommunityDay.objects.filter(day__gt=LAST).count() == 0
    assert continue_snapshots(enterprise_id, day=day, budget=0)


def test_the_night_begins_at_twenty_past_two_in_the_enterprises_zone(community):
    early = datetime.combine(LAST, time(18, 19), tzinfo=UTC)  # 02:19 in Shanghai

    assert enterprises_to_snapshot(early) == []
    assert enterprises_to_snapshot(early + timedelta(minutes=1)) == [
        (community.enterprise_id, LAST + DAY)
    ]


def test_todays_row_grows_until_midnight(community):
    [member] = settle(community, 1, joined=LAST)
    measure(community, LAST, LAST)
    now = at(LAST, 15)
    snapshot_today(community.enterprise_id, now=now, budget=60)
    be_active(community, [member], LAST)

    further = snapshot_today(community.enterprise_id, now=now, budget=0)

    assert further == community.pk
    assert snapshot_today(community.enterprise_id, now=now, after=further, budget=60) is None
    assert the_day(community, LAST).active_count == 1
    assert enterprises_with_communities() == [community.enterprise_id]


def test_the_tasks_of_the_night_and_of_the_hour_go_on_by_themselves(community, monkeypatch):
    settle(community, 1, joined=FIRST)
    woken = []
    for task in (tasks.snapshot_communities, tasks.snapshot_communities_today):
        monkeypatch.setattr(
            task, "delay", lambda *arguments, name=task.name: woken.append((name, *arguments))
        )
    monkeypatch.setattr(tasks, "SNAPSHOT_BUDGET", 0)

    with time_machine.travel(at(LAST + DAY, 5), tick=False):
        tasks.sweep_snapshots()
        tasks.sweep_today()
        assert woken == [
            ("members.snapshot_communities", community.enterprise_id, "2026-04-01"),
            ("members.snapshot_communities_today", community.enterprise_id),
        ]
        woken.clear()
        tasks.snapshot_communities(community.enterprise_id, "2026-04-01")
        tasks.snapshot_communities_today(community.enterprise_id)

    assert woken == [
        ("members.snapshot_communities", community.enterprise_id, "2026-04-01"),
        ("members.snapshot_communities_today", community.enterprise_id, community.pk),
    ]


def test_the_command_remakes_a_range_and_refuses_days_to_come(community, capsys):
    settle(community, 1, joined=FIRST)
    measure(community, FIRST, LAST)

    call_command("snapshot_communities", "--from=2026-03-01", "--to=2026-03-05", "--json")
    said = capsys.readouterr().out
    assert '"days": 5' in said
    call_command("snapshot_communities", "--from=2026-03-01", "--to=2026-03-05")
    assert "1 个社群" in capsys.readouterr().out

    with pytest.raises(CommandError, match="昨天"):
        call_command("snapshot_communities", "--to=2099-01-01")
    with pytest.raises(CommandError, match="nowhere"):
        call_command("snapshot_communities", "--community=nowhere")


def test_days_are_those_of_the_enterprises_zone(db):
    community = CommunityFactory(enterprise__time_zone="America/New_York")
    member = MemberFactory(enterprise=community.enterprise)
    MembershipFactory(
        community=community, member=member, joined_at=datetime(2026, 3, 2, 3, tzinfo=UTC)
    )
    ActivityCoverage.objects.create(
        community=community,
        source="app",
        covered_from=datetime(2026, 3, 8, 5, tzinfo=UTC),
        covered_to=datetime(2026, 3, 9, 3, 59, tzinfo=UTC),
    )

    snapshot_days(community, first=FIRST, last=date(2026, 3, 10))

    assert the_day(community, FIRST).joined_count == 1
    measured = CommunityDay.objects.filter(is_measured=True)
    assert [row.day for row in measured] == [date(2026, 3, 8)]
