from datetime import date, timedelta

import pytest

from members.selectors.paths import conversion_paths
from members.selectors.retention import cohorts
from members.services.snapshots import snapshot_days
from tests.communities.factories import CommunityFactory
from tests.members.factories import ActivityEventFactory, MembershipFactory, PurchaseFactory
from tests.members.insight_worlds import at, be_active, measure, settle

DAY = timedelta(days=1)
MONDAY = date(2026, 2, 2)
SINCE, UNTIL = date(2026, 3, 1), date(2026, 3, 31)

pytestmark = pytest.mark.django_db


@pytest.fixture
def community():
    return CommunityFactory()


def test_a_cohort_is_followed_by_the_weeks_after_each_members_own_day(community):
    early, late = settle(community, 4, joined=MONDAY), settle(community, 1, joined=MONDAY + 6 * DAY)
    measure(community, MONDAY, MONDAY + 28 * DAY)
    be_active(community, early[:2], MONDAY, MONDAY + 1 * DAY, MONDAY + 7 * DAY)
    be_active(community, late, MONDAY + 13 * DAY)  # the first day of their second week
    snapshot_days(community, first=MONDAY, last=MONDAY + 28 * DAY)

    found = cohorts(community, until=MONDAY + 26 * DAY, weeks=4)

    assert [cohort.week for cohort in found] == [MONDAY + 7 * n * DAY for n in range(-1, 3)]
    cohort = found[1]
    assert (cohort.joined, cohort.active) == (5, [2, 3, 0, None])
    assert cohort.cells == [pytest.approx(0.4), pytest.approx(0.6), 0, None]
    assert found[2].joined == 0
    assert found[2].cells == [None] * 4


def test_a_week_that_was_not_measured_throughout_has_no_retention(community):
    members = settle(community, 2, joined=MONDAY)
    measure(community, MONDAY, MONDAY + 16 * DAY)
    measure(community, MONDAY + 20 * DAY, MONDAY + 60 * DAY)
    be_active(community, members, MONDAY, MONDAY + 14 * DAY, MONDAY + 29 * DAY)
    snapshot_days(community, first=MONDAY, last=MONDAY + 60 * DAY)

    [cohort, *_] = cohorts(community, until=MONDAY + 48 * DAY, weeks=7)

    assert cohort.week == MONDAY
    assert cohort.cells[:5] == [1, None, None, 0, 1]


def test_who_joins_again_stays_in_the_week_of_the_first_time(community):
    [member] = settle(community, 1, joined=MONDAY, left=MONDAY + 8 * DAY)
    MembershipFactory(community=community, member=member, joined_at=at(MONDAY + 14 * DAY))

    found = cohorts(community, until=MONDAY + 27 * DAY, weeks=4)

    assert [cohort.joined for cohort in found] == [1, 0, 0, 0]


def did(community, member, kind, day, hour=12):
    ActivityEventFactory(
        community=community,
        enterprise=community.enterprise,
        member=member,
        kind=kind,
        occurred_at=at(day, hour),
    )


def order(member, day, **changes):
    return PurchaseFactory(member=member, enterprise=member.enterprise, paid_at=at(day), **changes)


def test_a_path_is_each_step_once_by_its_first_time(community):
    newcomer, old, silent = (
        settle(community, 1, joined=joined)[0]
        for joined in (SINCE, date(2025, 6, 1), date(2025, 6, 1))
    )
    for member in (newcomer, old):
        did(community, member, "click", SINCE + 2 * DAY)
        did(community, member, "message", SINCE + 1 * DAY)
        did(community, member, "comment", SINCE + 3 * DAY)
    did(community, old, "checkin", SINCE - 40 * DAY)  # longer ago than 30 days
    did(community, old, "share", SINCE + 6 * DAY)  # after the order
    for member in (newcomer, old, silent):
        order(member, SINCE + 5 * DAY)

    found = conversion_paths(community, since=SINCE, until=UNTIL)

    assert {path.steps: path.buyers for path in found} == {
        ("joined", "spoke", "clicked"): 1,
        ("spoke", "clicked"): 1,
        (): 1,
    }
    assert sum(path.share for path in found) == pytest.approx(1)


def test_only_first_orders_that_stand_of_members_who_are_there_count(community):
    buyer, former, stranger, refunded = settle(community, 4, joined=date(2025, 6, 1))
    order(former, date(2025, 7, 1))
    order(refunded, SINCE, refunded_amount=10_000)
    order(refunded, SINCE + 2 * DAY)
    for member in (buyer, former):
        order(member, SINCE + DAY)
    order(buyer, SINCE + 3 * DAY)
    gone = settle(community, 1, joined=date(2025, 6, 1), left=date(2025, 12, 1))[0]
    order(gone, SINCE + DAY)
    order(stranger, SINCE + DAY, currency="USD")
    order(settle(CommunityFactory(), 1, joined=SINCE)[0], SINCE + DAY)

    [path] = conversion_paths(community, since=SINCE, until=UNTIL)

    assert (path.steps, path.buyers, path.share) == ((), 2, 1)


def test_the_most_frequent_paths_come_first_and_at_most_twenty(community):
    members = settle(community, 30, joined=date(2025, 6, 1))
    for number, member in enumerate(members):
        kinds = ("message", "click", "checkin", "share", "like")
        for place in range(5):
            if number >> place & 1:
                did(community, member, kinds[place], SINCE, hour=place + 8)
        order(member, SINCE + DAY)
    did(community, members[0], "message", SINCE)

    found = conversion_paths(community, since=SINCE, until=UNTIL)

    assert len(found) == 20
    assert (found[0].steps, found[0].buyers) == (("spoke",), 2)
