"""The heat map of a community over eight weeks of activity. Items are events.

limit       the 56 rows of the days are read, and nothing is done with them
ours        the heat map from the days of the community
peer:raw    distinct members by weekday and hour, counted from the events
limit:days  the members' days counted by day and hour, and nothing written
ours:days   all 56 days of the community made from the members' days, with their windows
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.db import connection

from bench.harness import Case
from communities.models import Community
from members.models import ActivityCoverage, CommunityDay
from members.selectors.heat import HeatMap, heat_map
from members.services.partitions import ensure_partitions, month_after, month_of
from members.services.rollup import MEMBER_KEY, MEMBER_VALUES, member_days_of
from members.services.snapshots import snapshot_days
from scrm.accounts.models import Enterprise

SIZE = 10_000_000
EVENTS_PER_MEMBER = 250
LAST = date(2026, 6, 28)  # a Sunday
FIRST = LAST - timedelta(days=55)
SECONDS = 56 * 86_400
ZONE = "Asia/Shanghai"

# Spread over days and hours by multiplication with primes; nights are quieter than evenings.
CREATE_EVENTS = """
INSERT INTO members_activityevent (
    enterprise_id, community_id, member_id, kind, source, dedupe_key, thread, occurred_at
)
SELECT %(enterprise)s, %(community)s, 1 + (n * 7919 %% %(members)s), 'message', 'bench', n::text,
       't' || n %% 5000,
       %(begins)s + make_interval(days => day::int, secs => second - second / 3)
FROM (
    SELECT n, (n + n / %(members)s) %% 56 AS day, n * 104729 %% 86400 AS second
    FROM generate_series(1::bigint, %(size)s) n
) drawn
"""
RAW = """
SELECT weekday, hour, avg(people) FROM (
    SELECT extract(isodow FROM local)::int AS weekday, extract(hour FROM local)::int AS hour,
           local::date AS day, count(DISTINCT member_id) AS people
    FROM (
        SELECT member_id, occurred_at AT TIME ZONE %(zone)s AS local FROM members_activityevent
        WHERE community_id = %(community)s
          AND occurred_at >= %(begins)s AND occurred_at < %(ends)s
    ) event
    GROUP BY 1, 2, 3
) counted GROUP BY 1, 2
"""
BY_HOUR = """
SELECT day, hour, count(*) FROM members_memberday, generate_series(0, 23) hour
WHERE community_id = %(community)s AND day >= %(first)s AND day <= %(last)s
  AND (hours >> hour) & 1 = 1
GROUP BY day, hour
"""


def community_of(size: int) -> Community:
    """A community with so many events, their days and its own; made once per size."""
    slug = f"heatmap-{size}"
    enterprise, is_new = Enterprise.objects.get_or_create(
        slug=slug, defaults={"name": slug, "time_zone": ZONE}
    )
    communities = Community.objects.select_related("enterprise")
    if not is_new:
        return communities.get(enterprise=enterprise)
    community = communities.get(pk=enterprise.communities.create(code=slug, name=slug).pk)
    months = [month_of(datetime.combine(FIRST, datetime.min.time(), tzinfo=UTC))]
    while months[-1] <= LAST:
        months.append(month_after(months[-1]))
    ensure_partitions([month_of(begins()), *months])
    values = values_of(community, size)
    ActivityCoverage.objects.create(
        community=community, source="bench", covered_from=begins(), covered_to=ends()
    )
    days = member_days_of("members_activityevent", only=f" AND community_id = {community.pk}")
    with connection.cursor() as cursor:
        cursor.execute(CREATE_EVENTS, values)
        cursor.execute(
            f"INSERT INTO members_memberday (enterprise_id, {MEMBER_KEY}, {MEMBER_VALUES})"
            f" SELECT %(enterprise)s, counted.* FROM ({days}) counted",
            values,
        )
        cursor.execute("VACUUM ANALYZE members_activityevent, members_memberday")
    snapshot_days(community, first=FIRST, last=LAST)
    return community


def begins() -> datetime:
    return datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) - timedelta(hours=8)


def ends() -> datetime:
    return begins() + timedelta(seconds=SECONDS)


def values_of(community: Community, size: int) -> dict[str, int | str | date]:
    return {
        "enterprise": community.enterprise_id,
        "community": community.pk,
        "members": max(size // EVENTS_PER_MEMBER, 1),
        "size": size,
        "zone": ZONE,
        "begins": begins(),
        "ends": ends(),
        "first": FIRST,
        "last": LAST,
    }


class JustRead:
    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.community = community_of(size)

    def run(self, size: int) -> int:
        days = CommunityDay.objects.filter(community=self.community, day__gte=FIRST)
        self.found = len(days.values_list("day", "hour_actives"))
        return size

    def verify(self, size: int) -> None:
        assert self.found == 56

    def clean(self) -> None:
        pass


class FromDays(JustRead):
    name = "ours"

    def run(self, size: int) -> int:
        self.heat = heat_map(self.community, until=LAST)
        return size

    def verify(self, size: int) -> None:
        assert self.heat.measured_days == 56
        assert sum(cell is not None for row in self.heat.cells for cell in row) > 0


class FromEvents(JustRead):
    name = "peer:raw"

    def run(self, size: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(RAW, values_of(self.community, size))
            self.cells = {(day, hour): float(mean) for day, hour, mean in cursor.fetchall()}
        return size

    def verify(self, size: int) -> None:
        same(heat_map(self.community, until=LAST), self.cells)


def same(heat: HeatMap, cells: dict[tuple[int, int], float]) -> None:
    for weekday, row in enumerate(heat.cells, start=1):
        for hour, mean in enumerate(row):
            assert mean is None or abs(mean - cells[weekday, hour]) < 1e-9


class JustCount(JustRead):
    name = "limit:days"

    def run(self, size: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(BY_HOUR, values_of(self.community, size))
            self.found = len({day for day, _, _ in cursor.fetchall()})
        return size


class MakeDays(JustRead):
    name = "ours:days"

    def prepare(self, size: int) -> None:
        super().prepare(size)
        CommunityDay.objects.filter(community=self.community).delete()

    def run(self, size: int) -> int:
        self.found = snapshot_days(self.community, first=FIRST, last=LAST)
        return size


def cases() -> list[Case]:
    return [JustRead(), FromDays(), FromEvents(), JustCount(), MakeDays()]
