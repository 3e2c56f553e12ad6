from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from members.models import CommunityDay
from members.selectors.heat import heat_map, skipped_hours
from members.services.snapshots import snapshot_days
from tests.communities.factories import CommunityFactory
from tests.members.insight_worlds import be_active, measure, settle

DAY = timedelta(days=1)
SUNDAY = date(2026, 3, 29)

pytestmark = pytest.mark.django_db


def test_a_cell_is_the_mean_number_of_distinct_members_of_its_days():
    community = CommunityFactory()
    members = settle(community, 12, joined=date(2026, 2, 1))
    measure(community, date(2026, 2, 2), SUNDAY)
    be_active(community, members, SUNDAY, hours=(20, 21))
    be_active(community, members[:4], SUNDAY - 7 * DAY, hours=(20,))
    be_active(community, members[:4], SUNDAY - DAY, hours=(8,))
    snapshot_days(community, first=date(2026, 2, 2), last=SUNDAY)

    heat = heat_map(community, until=SUNDAY)

    assert (heat.since, heat.measured_days) == (date(2026, 2, 2), 56)
    assert heat.cells[6][20] == pytest.approx((12 + 4) / 8)
    assert heat.cells[6][21] == pytest.approx(12 / 8)
    assert heat.cells[5][8] is None  # never five at once
    assert heat.cells[0] == (None,) * 24


def test_days_that_nobody_measured_count_neither_as_silent_nor_as_days():
    community = CommunityFactory()
    members = settle(community, 6, joined=date(2026, 2, 1))
    measure(community, SUNDAY - 2 * DAY, SUNDAY)
    be_active(community, members, SUNDAY, hours=(20,))
    snapshot_days(community, first=date(2026, 2, 2), last=SUNDAY)

    heat = heat_map(community, until=SUNDAY)

    assert (heat.cells[6][20], heat.measured_days) == (6, 3)
    assert heat_map(community, until=SUNDAY - 7 * DAY).measured_days == 0


def test_an_hour_that_the_clock_skipped_is_no_silent_hour():
    community = CommunityFactory(enterprise__time_zone="Europe/Berlin")
    for weeks_ago in range(2):  # on the 29th there is no hour from two to three
        CommunityDay.objects.create(
            enterprise=community.enterprise,
            community=community,
            day=SUNDAY - 7 * weeks_ago * DAY,
            member_count_start=0,
            joined_count=0,
            left_count=0,
            member_count_end=0,
            is_measured=True,
            hour_actives=[0 if weeks_ago == 0 and hour == 2 else 8 for hour in range(24)],
        )

    heat = heat_map(community, until=SUNDAY, weeks=2)

    assert heat.cells[6] == (8,) * 24


def test_skipped_hours_are_those_over_which_the_clock_was_put_forward():
    berlin, lord_howe = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")

    assert skipped_hours(SUNDAY, berlin) == {2}
    assert skipped_hours(date(2026, 10, 25), berlin) == set()  # two o'clock comes twice
    assert skipped_hours(SUNDAY, ZoneInfo("Asia/Shanghai")) == set()
    assert skipped_hours(date(2026, 10, 4), lord_howe) == set()  # half an hour of it is left
