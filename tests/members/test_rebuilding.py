import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from members.models import ActivityEvent, MemberDay
from members.rules.activity import RawEvent
from members.services.ingestion import ingest_activities
from members.services.partitions import ensure_partitions, ensure_partitions_ahead, month_after
from members.services.rebuilding import rebuild_member_days
from tests.communities.factories import CommunityFactory
from tests.members.factories import MemberDayFactory, MemberFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ingest(community, members, count, *, start=0, spread=60):
    rows = [
        RawEvent(
            members[n % len(members)].external_id,
            community.code,
            ("message", "like")[n % 2],
            (NOW - timedelta(hours=7 * n % (24 * spread))).isoformat(),
            f"k{n}",
            f"t{n % 3}",
        )
        for n in range(start, start + count)
    ]
    ingest_activities(community.enterprise, rows, source="app", now=NOW)


def days():
    return list(
        MemberDay.objects.order_by("community_id", "member_id", "day").values_list(
            "community_id", "member_id", "day", "message_count", "other_count", "thread_count"
        )
    )


@pytest.fixture
def community(db):
    return CommunityFactory()


@pytest.fixture
def members(community):
    return [MemberFactory(enterprise=community.enterprise) for _n in range(3)]


def test_rebuilt_days_equal_the_live_ones_and_nothing_is_written(community, members):
    ingest(community, members, 200)
    live = days()

    recount = rebuild_member_days(community)

    assert (recount.days, recount.written) == (len(live), 0)
    assert days() == live


def test_wrong_missing_and_unfounded_days_are_put_right(community, members):
    ingest(community, members, 200)
    live = days()
    wrong, missing = MemberDay.objects.order_by("pk")[:2]
    MemberDay.objects.filter(pk=wrong.pk).update(message_count=99)
    missing.delete()
    MemberDayFactory(community=community, member=members[0], day=date(2026, 1, 1))

    recount = rebuild_member_days(community)

    assert recount.written == 3
    assert days() == live


def test_only_the_days_asked_for_are_rebuilt(community, members):
    ingest(community, members, 50)
    MemberDay.objects.update(message_count=99)
    day = MemberDay.objects.order_by("day")[5].day

    rebuild_member_days(community, first=day, last=day)

    assert not MemberDay.objects.filter(day=day, message_count=99).exists()
    assert MemberDay.objects.exclude(day=day).filter(message_count=99).exists()


def test_days_follow_when_the_enterprise_changes_its_time_zone(community, members):
    ingest(community, members, 200)
    community.enterprise.time_zone = "America/Los_Angeles"
    community.enterprise.save(update_fields=["time_zone"])

    rebuild_member_days(community)

    for day in MemberDay.objects.all():
        assert (
            day.message_count + day.other_count
            == ActivityEvent.objects.filter(
                member=day.member_id,
                occurred_at__gte=datetime.combine(
                    day.day, datetime.min.time(), tzinfo=community.enterprise.zone
                ),
                occurred_at__lt=datetime.combine(
                    day.day + timedelta(days=1),
                    datetime.min.time(),
                    tzinfo=community.enterprise.zone,
                ),
            ).count()
        )


def test_a_community_without_activity_has_nothing_to_rebuild(community):
    assert rebuild_member_days(community).days == 0


@pytest.mark.django_db(transaction=True)
def test_days_rebuilt_while_events_arrive_end_equal_to_the_events():
    community = CommunityFactory()
    members = [MemberFactory(enterprise=community.enterprise) for _n in range(3)]
    ingest(community, members, 30, spread=4)

    def arrive():
        try:
            for start in range(30, 330, 10):
                ingest(community, members, 10, start=start, spread=4)
        finally:
            connections.close_all()

    def rebuild():
        try:
            for _n in range(15):
                MemberDay.objects.filter(member=members[0]).update(message_count=7)
                rebuild_member_days(community)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(arrive), pool.submit(rebuild)]:
            future.result()

    assert ActivityEvent.objects.count() == 330
    assert rebuild_member_days(community).written == 0


def test_the_command_tells_what_it_found(community, members):
    ingest(community, members, 20)
    MemberDay.objects.all().delete()
    output = StringIO()

    call_command("rebuild_member_days", community=community.code, json=True, stdout=output)

    told = json.loads(output.getvalue())
    assert told["written"] == told["days"] == MemberDay.objects.count() > 0
    with pytest.raises(CommandError, match="nowhere"):
        call_command("rebuild_member_days", community="nowhere")


# --- Partitions -----------------------------------------------------------------------------------


def partitions():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'members_activityevent'::regclass ORDER BY 1"
        )
        return [name.removeprefix("members_activityevent_") for (name,) in cursor.fetchall()]


def test_this_month_and_the_next_two_are_made_ready_once(db):
    before = set(partitions())

    made = ensure_partitions_ahead(datetime(2031, 11, 30, 23, tzinfo=UTC))

    assert made == 3
    assert ensure_partitions_ahead(datetime(2031, 11, 30, 23, tzinfo=UTC)) == 0
    assert set(partitions()) - before == {"203111", "203112", "203201"}


def test_a_partition_has_the_indexes_of_the_whole(db):
    ensure_partitions([date(2032, 5, 1)])

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_index"
            " WHERE indrelid = 'members_activityevent_203205'::regclass"
        )
        assert cursor.fetchone() == (2,)


def test_months_follow_one_another_over_the_year():
    assert month_after(date(2026, 12, 1)) == date(2027, 1, 1)
    assert month_after(date(2026, 1, 1)) == date(2026, 2, 1)
