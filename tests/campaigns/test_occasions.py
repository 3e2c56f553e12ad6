"""Broadcasts that facts about members begin: birthdays, tiers that are reached, silence."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import Broadcast, Occasion
from campaigns.rules.schedules import ScheduleKind
from campaigns.rules.status import BroadcastStatus, RunStatus
from campaigns.services.occasions import birthdays_on, days_to_look_at, note_tiers_reached
from campaigns.services.scheduling import start_due_broadcasts
from members.models import Member, Membership
from members.rules.standing import TierCause
from members.signals import tiers_changed
from tests.campaigns.broadcasts import drain, states_of
from tests.campaigns.schedules import recurring_broadcast
from tests.communities.factories import CommunityFactory, TierFactory
from tests.members.factories import (
    ActivityCoverageFactory,
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
    TierAssignmentFactory,
)

pytestmark = pytest.mark.django_db

N = 30


def today():
    """In Shanghai."""
    return (timezone.now().astimezone(UTC) + timedelta(hours=8)).date()


def broadcast_on(kind, **values):
    """Looks for its facts a moment ago, to a community that has nobody yet."""
    now = timezone.now().replace(microsecond=0)
    rule = {
        "kind": kind,
        "local_time": (now.astimezone(UTC) + timedelta(hours=8)).time(),
        **values,
    }
    return recurring_broadcast(scheduled_at=now, rule=rule, members=0)


def member_of(broadcast, *, joined=None, **values):
    community = broadcast.communities.get()
    membership = MembershipFactory(
        community=community, **{f"member__{name}": value for name, value in values.items()}
    )
    if joined is not None:
        at = datetime.combine(joined, time(4), UTC)
        Membership.objects.filter(pk=membership.pk).update(joined_at=at)
    return membership.member


def look_again(broadcast, *, days_ago=1):
    """As if the last look was so long ago, and the next were due now."""
    now = timezone.now().replace(microsecond=0)
    broadcast.refresh_from_db()
    broadcast.schedule.looked_through = now - timedelta(days=days_ago)
    broadcast.schedule.save(update_fields=["looked_through"])
    broadcast.scheduled_at = now
    broadcast.save(update_fields=["scheduled_at"])
    broadcast.runs.update(planned_for=F("planned_for") - timedelta(days=days_ago))


def reached():
    """Whom the run that has just begun is about."""
    start_due_broadcasts()
    return {occasion.member for occasion in Occasion.objects.exclude(run=None)}


def day_number(day):
    return day.month * 100 + day.day


# birthdays


def test_whose_birthday_it_is_gets_the_message_and_nobody_else(channel):
    broadcast = broadcast_on(ScheduleKind.BIRTHDAY)
    celebrated = member_of(broadcast, birthday=day_number(today()))
    member_of(broadcast, birthday=day_number(today() - timedelta(days=40)))
    member_of(broadcast)
    MemberFactory(enterprise=broadcast.enterprise, birthday=day_number(today()))  # in no community

    start_due_broadcasts()
    drain()

    run = broadcast.runs.get()
    assert run.status == RunStatus.FINISHED
    assert states_of(run) == {celebrated.pk: ("delivered", "")}
    assert Occasion.objects.get().fact == f"birthday:{today().year}"
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.SCHEDULED  # tomorrow somebody else has one


def test_a_birthday_is_told_once_however_often_it_is_looked_for(channel):
    broadcast = broadcast_on(ScheduleKind.BIRTHDAY)
    member_of(broadcast, birthday=day_number(today()))
    start_due_broadcasts()
    drain()
    look_again(broadcast)

    assert start_due_broadcasts() == []

    assert broadcast.runs.count() == Occasion.objects.count() == 1


def test_where_nobody_has_a_birthday_no_run_begins_and_none_is_counted():
    broadcast = broadcast_on(ScheduleKind.BIRTHDAY, max_count=3)
    member_of(broadcast)

    assert start_due_broadcasts() == []

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.SCHEDULED
    assert broadcast.scheduled_at > timezone.now()
    assert broadcast.schedule.occurrence_count == 0


def test_the_day_before_a_birthday_is_the_day_to_send():
    broadcast = broadcast_on(ScheduleKind.BIRTHDAY, day_offset=-1)
    tomorrow = member_of(broadcast, birthday=day_number(today() + timedelta(days=1)))
    member_of(broadcast, birthday=day_number(today()))

    assert reached() == {tomorrow}


def test_birthdays_of_days_without_a_look_are_made_up_for_a_week():
    broadcast = broadcast_on(ScheduleKind.BIRTHDAY)
    lately = member_of(broadcast, birthday=day_number(today() - timedelta(days=6)))
    member_of(broadcast, birthday=day_number(today() - timedelta(days=7)))
    look_again(broadcast, days_ago=30)

    assert reached() == {lately}


def test_an_erased_member_has_no_birthday():
    broadcast = broadcast_on(ScheduleKind.BIRTHDAY)
    member = member_of(broadcast, birthday=day_number(today()))
    Member.objects.filter(pk=member.pk).update(erased_at=timezone.now())

    assert reached() == set()


@pytest.mark.parametrize(
    ("day", "numbers"),
    [
        (date(2026, 3, 8), [308]),
        (date(2026, 2, 28), [228, 229]),
        (date(2028, 2, 28), [228]),
        (date(2028, 2, 29), [229]),
    ],
)
def test_who_was_born_on_a_leap_day_has_a_birthday_every_year(day, numbers):
    assert birthdays_on(day) == numbers


@pytest.mark.parametrize(
    ("looked", "first"), [(None, 20), (date(2026, 3, 20), 21), (date(2026, 3, 1), 14)]
)
def test_days_are_looked_at_once_and_for_a_week_at_most(looked, first):
    days = days_to_look_at(date(2026, 3, 20), looked)

    assert [day.day for day in days] == list(range(first, 21))


# tiers


def test_who_reaches_a_tier_is_told_at_the_next_look(channel):
    broadcast = broadcast_on(ScheduleKind.SILENT, silent_days=N)
    tier = TierFactory(scheme__enterprise=broadcast.enterprise)
    schedule = broadcast.schedule
    schedule.kind, schedule.tier = ScheduleKind.TIER_REACHED, tier
    schedule.save()
    promoted = member_of(broadcast)
    demoted = member_of(broadcast)
    outside = MemberFactory(enterprise=broadcast.enterprise)
    periods = [
        assignment(promoted, tier, TierCause.PROMOTED),
        assignment(demoted, tier, TierCause.DEMOTED),
        assignment(outside, tier, TierCause.ENTERED),
        assignment(member_of(broadcast), TierFactory(scheme=tier.scheme), TierCause.ENTERED),
    ]

    for _ in range(2):
        tiers_changed.send(sender=None, scheme_id=tier.scheme_id, assignment_ids=periods)
    start_due_broadcasts()
    drain()

    assert states_of(broadcast.runs.get()) == {promoted.pk: ("delivered", "")}


def assignment(member, tier, cause):
    return TierAssignmentFactory(member=member, scheme=tier.scheme, tier=tier, cause=cause).pk


def test_tiers_cost_next_to_nothing_where_no_broadcast_waits_for_them():
    with CaptureQueriesContext(connection) as queries:
        note_tiers_reached(list(range(1000)))

    assert len(queries) == 1


@pytest.mark.parametrize("status", ["draft", "approved", "completed", "cancelled"])
def test_a_broadcast_that_is_not_on_its_way_hears_of_no_tier(status):
    broadcast = broadcast_on(ScheduleKind.SILENT, silent_days=N)
    tier = TierFactory(scheme__enterprise=broadcast.enterprise)
    schedule = broadcast.schedule
    schedule.kind, schedule.tier = ScheduleKind.TIER_REACHED, tier
    schedule.save()
    Broadcast.objects.filter(pk=broadcast.pk).update(status=status)

    note_tiers_reached([assignment(member_of(broadcast), tier, TierCause.PROMOTED)])

    assert not Occasion.objects.exists()


def test_a_fact_that_nobody_told_for_a_week_is_told_no_more():
    broadcast = broadcast_on(ScheduleKind.BIRTHDAY)
    stale = Occasion.objects.create(
        broadcast=broadcast,
        member=member_of(broadcast),
        fact="birthday:2020",
        noted_at=timezone.now() - timedelta(days=8),
    )

    assert start_due_broadcasts() == []

    stale.refresh_from_db()
    assert stale.run is None


# silence


@pytest.fixture
def silent():
    """Looks for who has been silent for thirty days, where everything was measured."""
    broadcast = broadcast_on(ScheduleKind.SILENT, silent_days=N)
    cover(broadcast.communities.get())
    return broadcast


def cover(community, *, days=400, until=None):
    return ActivityCoverageFactory(
        community=community,
        covered_from=timezone.now() - timedelta(days=days),
        covered_to=until or timezone.now(),
    )


def ago(days):
    return today() - timedelta(days=days)


def lived(member, *days, community):
    for day in days:
        MemberDayFactory(member=member, community=community, day=ago(day))


def test_who_has_given_no_sign_of_life_for_so_many_days_is_silent(silent):
    community = silent.communities.get()
    quiet, talking, long_gone = (member_of(silent, joined=ago(200)) for _ in range(3))
    lived(quiet, 60, N, community=community)
    lived(talking, N, 3, community=community)
    lived(long_gone, 90, community=community)  # it was silent for thirty days two months ago

    assert reached() == {quiet}
    assert Occasion.objects.get().fact == f"silent:{ago(N)}"


def test_who_joined_and_never_said_a_word_is_silent_since_joining(silent):
    mute = member_of(silent, joined=ago(N))
    member_of(silent, joined=ago(N - 1))

    assert reached() == {mute}


def test_a_sign_of_life_in_another_community_is_one(silent):
    community = silent.communities.get()
    elsewhere = CommunityFactory(enterprise=silent.enterprise)
    member = member_of(silent, joined=ago(200))
    lived(member, N, community=community)
    lived(member, 5, community=elsewhere)
    newcomer = member_of(silent, joined=ago(200))
    lived(newcomer, N, community=community)
    MembershipFactory(community=elsewhere, member=newcomer)  # joined today

    assert reached() == set()


@pytest.mark.parametrize(
    ("days", "until"),
    [
        (None, None),  # never measured
        (N - 3, None),  # measured from after the last sign of life
        (400, timedelta(days=5)),  # not any more
    ],
)
def test_where_it_was_not_measured_nobody_is_silent(days, until):
    broadcast = broadcast_on(ScheduleKind.SILENT, silent_days=N)
    community = broadcast.communities.get()
    if days is not None:
        cover(community, days=days, until=until and timezone.now() - until)
    lived(member_of(broadcast, joined=ago(200)), N, community=community)

    assert reached() == set()


def test_silence_is_told_once_and_again_after_the_next_sign_of_life(silent, channel):
    community = silent.communities.get()
    member = member_of(silent, joined=ago(200))
    lived(member, N, community=community)
    start_due_broadcasts()
    drain()
    look_again(silent)
    assert start_due_broadcasts() == []

    lived(member, N - 1, community=community)
    look_again(silent)
    Occasion.objects.filter(run=None).delete()
    silent.schedule.silent_days = N - 1
    silent.schedule.save()

    assert len(start_due_broadcasts()) == 1


def test_silence_of_days_without_a_look_is_made_up_for(silent):
    member = member_of(silent, joined=ago(200))
    lived(member, N + 2, community=silent.communities.get())
    look_again(silent, days_ago=4)

    assert reached() == {member}


def test_facts_are_noted_in_one_statement_however_many_they_are(silent):
    for _ in range(6):
        lived(member_of(silent, joined=ago(200)), N, community=silent.communities.get())

    with CaptureQueriesContext(connection) as queries:
        start_due_broadcasts()

    about = [query for query in queries if "campaigns_occasion" in query["sql"]]
    assert Occasion.objects.count() == 6
    assert len(about) == 3  # noted, is anybody waiting, taken
