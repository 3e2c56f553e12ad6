from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from members.errors import BadSource
from members.models import (
    ActivityCoverage,
    ActivityEvent,
    ActivityKey,
    Member,
    MemberDay,
    StaffDay,
)
from members.rules.activity import COUNTERS, ActivityKind, RawEvent
from members.rules.status import Confidence
from members.services.ingestion import ingest_activities
from scrm.accounts.rules.roles import DataScope
from tests.accounts.factories import EnterpriseFactory, StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import FollowFactory, MemberFactory, MembershipFactory, StayFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def event(member, community, at=NOW, *, key="k1", kind="message", thread=""):
    return RawEvent(
        getattr(member, "external_id", member),
        getattr(community, "code", community),
        kind,
        at if isinstance(at, str) else at.isoformat(),
        key,
        thread,
    )


def ingest(enterprise, *rows, source="app", **options):
    return ingest_activities(enterprise, rows, source=source, now=NOW, **options)


@pytest.fixture
def community(db):
    return CommunityFactory()


@pytest.fixture
def member(community):
    return MemberFactory(enterprise=community.enterprise)


def codes(result):
    return [(reject.index, reject.code) for reject in result.rejects]


def test_ingest_stores_the_event_and_counts_the_local_day(community, member):
    late_evening_utc = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)  # 00:30 of the 21st in Shanghai

    result = ingest(
        community.enterprise,
        event(member, community, late_evening_utc, kind="post", thread="t1"),
    )

    assert (result.accepted, result.duplicates, result.rejects) == (1, 0, [])
    stored = ActivityEvent.objects.get()
    assert stored.member == member
    assert stored.occurred_at == late_evening_utc
    day = MemberDay.objects.get()
    assert (str(day.day), day.post_count, day.message_count, day.thread_count) == (
        "2026-11-21",
        1,
        0,
        1,
    )


def test_ingest_counts_every_kind_once(community, member):
    rows = [
        event(member, community, key=f"{kind}", kind=kind, thread=kind[0])
        for kind in ActivityKind.values
    ]

    ingest(community.enterprise, *rows)

    day = MemberDay.objects.get()
    assert {name: getattr(day, name) for name in COUNTERS} == dict.fromkeys(COUNTERS, 1)
    assert day.other_count == len(ActivityKind.values) - len(COUNTERS)
    assert day.thread_count == len({kind[0] for kind in ActivityKind.values})


def test_events_without_a_thread_are_one_thread_together(community, member):
    ingest(
        community.enterprise,
        event(member, community, key="a"),
        event(member, community, key="b"),
        event(member, community, key="c", thread="x"),
    )

    assert MemberDay.objects.get().thread_count == 2


def test_the_same_batch_again_changes_nothing(community, member):
    rows = [event(member, community, key=f"k{n}") for n in range(3)]
    ingest(community.enterprise, *rows)
    before = MemberDay.objects.values().get()

    again = ingest(community.enterprise, *rows)

    assert (again.accepted, again.duplicates) == (0, 3)
    assert MemberDay.objects.values().get() == before
    assert ActivityEvent.objects.count() == 3


def test_a_key_twice_in_one_batch_counts_once(community, member):
    result = ingest(
        community.enterprise, event(member, community), event(member, community, kind="like")
    )

    assert (result.accepted, result.duplicates) == (1, 1)
    assert ActivityEvent.objects.get().kind == "message"


def test_a_key_counts_once_even_when_reported_in_another_month(community, member):
    ingest(community.enterprise, event(member, community, NOW))

    result = ingest(community.enterprise, event(member, community, NOW - timedelta(days=90)))

    assert (result.accepted, result.duplicates) == (0, 1)
    assert MemberDay.objects.count() == 1


def test_the_same_key_of_another_source_or_enterprise_is_another_event(community, member):
    other = CommunityFactory()
    stranger = MemberFactory(enterprise=other.enterprise)
    ingest(community.enterprise, event(member, community))

    second = ingest(community.enterprise, event(member, community), source="crm")
    third = ingest(other.enterprise, event(stranger, other))

    assert (second.accepted, third.accepted) == (1, 1)
    assert ActivityKey.objects.count() == 3


def test_a_key_cannot_reach_into_another_source(community, member):
    """Source and key are joined before they are digested; no key may imitate the border."""
    ingest(community.enterprise, event(member, community, key="b:c"), source="a")

    with pytest.raises(BadSource):
        ingest(community.enterprise, event(member, community, key="c"), source="a:b")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"member": "nobody"}, "unknown_member"),
        ({"member": ""}, "missing_value"),
        ({"member": 7}, "not_text"),
        ({"member": "x" * 129}, "too_long"),
        ({"community": "nowhere"}, "unknown_community"),
        ({"kind": "dance"}, "unknown_kind"),
        ({"kind": ["message"]}, "unknown_kind"),
        ({"kind": None}, "unknown_kind"),
        ({"occurred_at": "2026-11-22T09:30:00"}, "naive_time"),
        ({"occurred_at": "2026-11-22"}, "naive_time"),
        ({"occurred_at": "yesterday"}, "bad_time"),
        ({"occurred_at": 1700000000}, "bad_time"),
        ({"occurred_at": "2026-11-22T12:05:01+00:00"}, "future_time"),
        ({"occurred_at": "2016-01-01T00:00:00+00:00"}, "too_old"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "too_old"),
        ({"occurred_at": "9999-12-31T23:59:59-12:00"}, "future_time"),
        ({"dedupe_key": "k" * 129}, "too_long"),
        ({"dedupe_key": "  "}, "missing_value"),
        ({"dedupe_key": "a\x00b"}, "control_character"),
        ({"dedupe_key": "a\tb"}, "control_character"),
        ({"dedupe_key": "\ud800"}, "control_character"),
        ({"thread": "t" * 129}, "too_long"),
        ({"thread": {}}, "not_text"),
    ],
)
def test_a_bad_row_is_refused_with_its_code_and_the_good_ones_are_kept(
    community, member, changes, code
):
    good = event(member, community, key="good")
    bad = event(member, community, key="bad")._replace(**changes)

    result = ingest(community.enterprise, bad, good)

    assert codes(result) == [(0, code)]
    assert result.rejects[0].message
    assert result.accepted == 1
    assert ActivityEvent.objects.get().dedupe_key == "good"


def test_rejects_come_in_the_order_of_the_batch(community, member):
    result = ingest(
        community.enterprise,
        event("nobody", community, key="a"),
        event(member, community, key="b", kind="dance"),
        event(member, "nowhere", key="c"),
    )

    assert codes(result) == [
        (0, "unknown_member"),
        (1, "unknown_kind"),
        (2, "unknown_community"),
    ]


def test_a_little_ahead_of_our_clock_is_accepted(community, member):
    result = ingest(community.enterprise, event(member, community, NOW + timedelta(minutes=5)))

    assert result.accepted == 1


def test_a_member_or_community_of_another_enterprise_is_unknown(community, member):
    stranger = MemberFactory()
    elsewhere = CommunityFactory()

    result = ingest(
        community.enterprise,
        event(stranger, community, key="a"),
        event(member, elsewhere, key="b"),
    )

    assert codes(result) == [(0, "unknown_member"), (1, "unknown_community")]
    assert not ActivityEvent.objects.exists()


def test_a_narrow_scope_reaches_only_its_own_communities(community, member):
    staff = StaffFactory(enterprise=community.enterprise)
    mine = CommunityFactory(enterprise=community.enterprise, owner=staff)
    user = UserFactory(
        enterprise=community.enterprise, staff=staff, data_scope=DataScope.OWN_COMMUNITIES
    )

    result = ingest(
        community.enterprise,
        event(member, community, key="a"),
        event(member, mine, key="b"),
        visible_to=user,
    )

    assert codes(result) == [(0, "unknown_community")]
    assert result.accepted == 1


def test_unknown_members_are_put_on_file_only_when_asked(community):
    result = ingest(community.enterprise, event("new-1", community), create_members=True)

    assert result.accepted == 1
    created = Member.objects.get(enterprise=community.enterprise, external_id="new-1")
    assert created.nickname == "new-1"


def test_backslashes_and_quotes_are_kept_as_they_are(community, member):
    odd = "a\\b\\N\"'；\\."

    ingest(community.enterprise, event(member, community, key=odd, thread="\\N"))

    stored = ActivityEvent.objects.get()
    assert (stored.dedupe_key, stored.thread) == (odd, "\\N")


def test_coverage_grows_with_the_events_of_a_source_and_leaves_gaps(community, member):
    days_ago = {n: NOW - timedelta(days=n) for n in (0, 1, 3, 40)}  # at full hours
    ingest(community.enterprise, event(member, community, days_ago[1], key="a"))
    ingest(
        community.enterprise,
        event(member, community, days_ago[40], key="b"),
        event(member, community, days_ago[3], key="c"),
    )
    later = NOW + timedelta(minutes=4)  # only the hour counts
    ingest(community.enterprise, event(member, community, later, key="d"), source="crm")

    assert list(
        ActivityCoverage.objects.order_by("source", "covered_from").values_list(
            "source", "covered_from", "covered_to"
        )
    ) == [
        ("app", days_ago[40], days_ago[40]),
        ("app", days_ago[3], days_ago[1]),
        ("crm", NOW, NOW),
    ]


# --- What colleagues do -------------------------------------------------------------------------


@pytest.fixture
def colleague(community):
    return StaffFactory(enterprise=community.enterprise, external_id="li.lei")


def of_staff(community, *, staff="li.lei", member="", **changes):
    return event(member, community, **changes)._replace(staff=staff)


def test_what_a_colleague_does_is_counted_apart_from_members(community, colleague):
    result = ingest(
        community.enterprise,
        of_staff(community, key="a"),
        of_staff(community, key="b", kind="like", member=None),
        of_staff(community, key="a"),
    )

    assert (result.accepted, result.duplicates, result.rejects) == (2, 1, [])
    assert set(ActivityEvent.objects.values_list("staff", "member")) == {(colleague.pk, None)}
    day = StaffDay.objects.get()
    assert (day.message_count, day.other_count) == (1, 1)
    assert not MemberDay.objects.exists()


def test_an_event_is_of_one_known_person(community, member, colleague):
    StaffFactory(external_id="stranger")

    result = ingest(
        community.enterprise,
        of_staff(community, key="a", member=member.external_id),
        of_staff(community, key="b", staff="stranger"),
        of_staff(community, key="c", staff=7),
        of_staff(community, key="d", staff=""),
    )

    assert codes(result) == [
        (0, "two_people"),
        (1, "unknown_staff"),
        (2, "not_text"),
        (3, "missing_value"),
    ]


# --- Before the member was ------------------------------------------------------------------------

JOINED = NOW - timedelta(days=10)


def test_nothing_is_said_against_the_history_of_a_member_newly_put_on_file(community, member):
    result = ingest(community.enterprise, event(member, community, NOW - timedelta(days=400)))

    assert (result.accepted, result.rejects) == (1, [])


@pytest.mark.parametrize("known", [FollowFactory, StayFactory, MembershipFactory])
def test_an_event_before_all_that_is_known_of_a_member_is_refused(community, member, known):
    began = "began_at" if known is FollowFactory else "joined_at"
    known(member=member, **{began: JOINED})

    result = ingest(
        community.enterprise,
        event(member, community, JOINED - timedelta(days=1, seconds=1), key="a"),
        event(member, community, JOINED - timedelta(days=1), key="b"),
        event(member, community, JOINED, key="c"),
    )

    assert codes(result) == [(0, "before_member")]
    assert "2026-11-11" in result.rejects[0].message
    assert result.accepted == 2


def test_an_inferred_beginning_refuses_nothing(community, member):
    StayFactory(member=member, joined_at=JOINED, join_confidence=Confidence.INFERRED)

    assert ingest(
        community.enterprise, event(member, community, JOINED - timedelta(days=9))
    ).accepted


def test_a_member_on_file_for_long_may_have_been_active_before_joining(community, member):
    FollowFactory(member=member, began_at=JOINED)
    Member.objects.update(created_at=JOINED - timedelta(days=90))

    assert ingest(
        community.enterprise, event(member, community, JOINED - timedelta(days=9))
    ).accepted


def test_a_batch_makes_the_months_it_needs(community, member):
    ingest(
        community.enterprise,
        event(member, community, datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), key="a"),
        event(member, community, datetime(2024, 3, 1, tzinfo=UTC), key="b"),
    )

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_char(occurred_at AT TIME ZONE 'UTC', 'YYYYMM'), tableoid::regclass::text"
            " FROM members_activityevent ORDER BY 1"
        )
        assert cursor.fetchall() == [
            ("202402", "members_activityevent_202402"),
            ("202403", "members_activityevent_202403"),
        ]


def test_the_number_of_queries_does_not_depend_on_the_batch(
    community, member, django_assert_max_num_queries
):
    ingest(community.enterprise, event(member, community))

    for size in (1, 300):
        rows = [event(member, community, key=f"{size}-{n}") for n in range(size)]
        with django_assert_max_num_queries(16):
            ingest(community.enterprise, *rows)


# --- The roll-up always equals a recount ------------------------------------------------------

ZONES = ("Asia/Shanghai", "America/Sao_Paulo", "Asia/Beirut", "America/New_York", "Asia/Kathmandu")
# Instants around the moments that decide the day: midnights, and clocks put forward at midnight.
BORDERS = [
    datetime(2018, 11, 4, 3, tzinfo=UTC),  # São Paulo skips 00:00
    datetime(2018, 2, 18, 2, tzinfo=UTC),  # São Paulo repeats 23:00
    datetime(2021, 3, 27, 22, tzinfo=UTC),  # Beirut skips 00:00
    datetime(2026, 3, 8, 5, tzinfo=UTC),
    datetime(2026, 10, 31, 16, tzinfo=UTC),
    datetime(2026, 11, 1, 0, tzinfo=UTC),
    datetime(2026, 11, 10, 18, 15, tzinfo=UTC),
]
MOMENTS = st.builds(
    lambda border, seconds: border + timedelta(seconds=seconds),
    st.sampled_from(BORDERS),
    st.sampled_from([-7200, -3601, -3600, -1, 0, 1, 1800, 3599, 3600, 7200, 90000]),
)
EVENTS = st.tuples(
    st.integers(0, 2),  # member
    st.integers(0, 1),  # community
    st.sampled_from(["message", "post", "click", "like", "red_packet"]),
    MOMENTS,
    st.integers(0, 25),  # key: small, so that keys repeat
    st.sampled_from(["", "t1", "t2"]),
)


def recounted(first_of_each_key, zone):
    days = defaultdict(lambda: [defaultdict(int), set()])
    for member, community, kind, at, _key, thread in first_of_each_key:
        counts, threads = days[community, member, at.astimezone(zone).date()]
        counts[kind] += 1
        threads.add(thread)
    return {
        place: (
            counts["message"],
            counts["post"],
            counts["click"],
            counts["like"] + counts["red_packet"],
            len(threads),
        )
        for place, (counts, threads) in days.items()
    }


def rolled_up(enterprise):
    return {
        (day.community.code, day.member.external_id, day.day): (
            day.message_count,
            day.post_count,
            day.click_count,
            day.other_count,
            day.thread_count,
        )
        for day in MemberDay.objects.filter(enterprise=enterprise).select_related(
            "community", "member"
        )
    }


@pytest.mark.django_db
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    zone=st.sampled_from(ZONES),
    batches=st.lists(st.lists(EVENTS, min_size=1, max_size=12), min_size=1, max_size=5),
    replayed=st.lists(st.integers(0, 4), max_size=4),
)
def test_days_equal_a_recount_after_any_order_and_repetition(zone, batches, replayed):
    enterprise = EnterpriseFactory(time_zone=zone)
    members = [MemberFactory(enterprise=enterprise).external_id for _n in range(3)]
    codes_of = [CommunityFactory(enterprise=enterprise).code for _n in range(2)]
    named = [
        [
            (members[m], codes_of[c], kind, at, f"k{key}", thread)
            for m, c, kind, at, key, thread in b
        ]
        for b in batches
    ]
    sent = named + [named[n] for n in replayed if n < len(named)]

    first_of_each_key = {}
    for batch in sent:
        for row in batch:
            first_of_each_key.setdefault(row[4], row)
        ingest(
            enterprise,
            *[RawEvent(m, c, kind, at.isoformat(), key, th) for m, c, kind, at, key, th in batch],
        )

    assert rolled_up(enterprise) == recounted(first_of_each_key.values(), ZoneInfo(zone))


@pytest.mark.django_db(transaction=True)
def test_overlapping_batches_at_the_same_time_count_every_event_once():
    community = CommunityFactory()
    enterprise = community.enterprise
    members = [MemberFactory(enterprise=enterprise) for _n in range(4)]
    rows = [
        event(
            members[n % 4], community, NOW - timedelta(hours=n % 48), key=f"k{n}", thread=f"{n % 5}"
        )
        for n in range(400)
    ]
    together = Barrier(4, timeout=20)

    def work(number):
        try:
            accepted = 0
            together.wait()
            for start in range(0, 400, 50):
                turned = rows[start:] + rows[:start] if number % 2 else rows[::-1]
                accepted += ingest(enterprise, *turned[: 100 + 30 * number]).accepted
            accepted += ingest(enterprise, *rows).accepted
            return accepted
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        accepted = list(pool.map(work, range(4)))

    assert sum(accepted) == 400 == ActivityEvent.objects.count()
    assert rolled_up(enterprise) == recounted(
        [
            (
                r.member,
                r.community,
                r.kind,
                datetime.fromisoformat(r.occurred_at),
                r.dedupe_key,
                r.thread,
            )
            for r in rows
        ],
        enterprise.zone,
    )


@pytest.mark.django_db(transaction=True)
def test_different_events_of_one_day_at_the_same_time_are_all_counted():
    """The day of each batch is counted while another batch with the same day is not yet visible."""
    community = CommunityFactory()
    member = MemberFactory(enterprise=community.enterprise)
    together = Barrier(2, timeout=20)

    def work(number):
        try:
            for n in range(25):
                together.wait()
                at = NOW - timedelta(days=n)
                ingest(community.enterprise, event(member, community, at, key=f"{number}-{n}"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))

    assert set(MemberDay.objects.values_list("message_count", flat=True)) == {2}
    assert MemberDay.objects.count() == 25
