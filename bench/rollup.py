"""Days of members from events. Items are events, which are in their table already.

limit           one GROUP BY of all of them by member, community and day, of which nothing is kept
ours            added as the ingestion adds them: batches of 1,000 through COPY, a transaction each
ours:rebuild    all days made anew from the events, while nothing is there
peer:upsert     one upsert and one commit an event, as it is usually done (counts only)
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from itertools import batched
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from bench.harness import Case
from communities.models import Community
from members.models import MemberDay
from members.services.partitions import ensure_partitions, month_of, months_before
from members.services.rebuilding import rebuild_member_days
from members.services.recounting import MEMBERS, Range, compare
from members.services.rollup import ADD_DAYS
from members.services.staging import copy_lines, temporary_table
from scrm.accounts.models import Enterprise

SIZE = 10_000_000
BATCH = 1_000
DAYS = 30
EVENTS_A_DAY = 17  # of a member who does anything on a day
PEER_MOST = 20_000

# In the order of time, from people who are active on one day in five, half of it in threads.
CREATE_EVENTS = """
INSERT INTO members_activityevent (
    enterprise_id, community_id, member_id, kind, source, dedupe_key, thread, occurred_at
)
SELECT %(enterprise)s, %(community)s,
       1 + (n * %(days)s / %(size)s * 7919 + (n * 104729) %% %(actives)s) %% (%(actives)s * 5),
       (ARRAY['message', 'message', 'message', 'comment', 'like', 'click'])[1 + n %% 6],
       'app', n::text, CASE WHEN n %% 2 = 0 THEN '' ELSE 't' || n %% 20 END,
       %(since)s + make_interval(secs => n * %(seconds)s / %(size)s::float8)
FROM generate_series(0::bigint, %(size)s - 1) n
"""
GROUP_BY = """
SELECT count(*), sum(events) FROM (
    SELECT member_id, community_id, (occurred_at AT TIME ZONE %(zone)s)::date AS day,
           count(*) AS events, count(*) FILTER (WHERE kind = 'message') AS messages,
           count(DISTINCT thread) AS threads
    FROM members_activityevent WHERE community_id = %(community)s
    GROUP BY 1, 2, 3
) days
"""
READ = """
COPY (
    SELECT community_id, member_id, NULL, occurred_at, kind, thread
    FROM members_activityevent WHERE community_id = {community} ORDER BY occurred_at LIMIT {size}
) TO STDOUT
"""
STAGE = """community_id bigint, member_id bigint, staff_id bigint, occurred_at timestamptz,
    kind text, thread text"""
ADD = f"WITH stored AS (SELECT * FROM rollup_stage){ADD_DAYS} SELECT count(*) FROM stored"
UPSERT = """
INSERT INTO members_memberday AS kept (
    enterprise_id, community_id, member_id, day, message_count, post_count, comment_count,
    checkin_count, click_count, other_count, thread_count
)
VALUES (%(enterprise)s, %(community)s, %(member)s,
        (%(at)s::timestamptz AT TIME ZONE 'Asia/Shanghai')::date, %(message)s, 0, %(comment)s, 0,
        %(click)s, %(other)s, 0)
ON CONFLICT (member_id, community_id, day) DO UPDATE
SET message_count = kept.message_count + EXCLUDED.message_count,
    comment_count = kept.comment_count + EXCLUDED.comment_count,
    click_count = kept.click_count + EXCLUDED.click_count,
    other_count = kept.other_count + EXCLUDED.other_count
"""


def community_of(size: int) -> Community:
    """A community with so many events over a month that is over; made once per size."""
    slug = f"rollup-{size}"
    found = Community.objects.select_related("enterprise").filter(code=slug).first()
    if found is not None:
        return found
    enterprise = Enterprise.objects.create(slug=slug, name=slug)
    community = enterprise.communities.create(code=slug, name=slug)
    first, last = span()
    ensure_partitions([months_before(first, 1), first, last.replace(day=1)])
    values: dict[str, Any] = {
        "enterprise": enterprise.pk,
        "community": community.pk,
        "size": size,
        "days": DAYS,
        "actives": max(1, size // DAYS // EVENTS_A_DAY),
        "since": datetime.combine(first, time.min, tzinfo=enterprise.zone),
        "seconds": DAYS * 86_400 - 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(CREATE_EVENTS, values)
        cursor.execute("VACUUM ANALYZE members_activityevent")
    return community


def span() -> tuple[date, date]:
    """A whole month ago, so that all of it is in the past."""
    first = month_of(datetime.now().astimezone() - timedelta(days=75))
    return first, first + timedelta(days=DAYS - 1)


def whole(community: Community) -> Range:
    return Range(community.enterprise, *span(), community.pk)


def forget_days() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE members_memberday, members_staleday")
        cursor.execute("CHECKPOINT")


def file_of(community: Community, size: int) -> Path:
    """The events as lines of COPY. In a file, for a reader of the table would keep the versions of
    rows that are dead from being reused, which no client of the product does."""
    path = Path(os.environ["SCRM_DATA_DIR"]) / f"{community.code}-{size}.lines"
    if not path.exists():
        statement = READ.format(community=community.pk, size=size)
        with connection.cursor() as cursor, path.open("wb") as file:
            raw: Any = cursor.cursor  # psycopg's own cursor
            with raw.copy(statement) as copy:
                for data in copy:
                    file.write(data)
    return path


class OneGroupBy:
    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.community = community_of(size)
        forget_days()

    def run(self, size: int) -> int:
        enterprise = self.community.enterprise
        with connection.cursor() as cursor:
            cursor.execute(GROUP_BY, {"community": self.community.pk, "zone": enterprise.time_zone})
            _days, events = cursor.fetchone()
        return int(events)

    def verify(self, size: int) -> None:
        pass

    def clean(self) -> None:
        pass


class Added(OneGroupBy):
    name = "ours"

    def prepare(self, size: int) -> None:
        super().prepare(size)
        self.path = file_of(self.community, size)

    def run(self, size: int) -> int:
        with self.path.open() as lines:
            return self.add(lines)

    def add(self, lines: Iterable[str]) -> int:
        enterprise = self.community.enterprise
        values: dict[str, Any] = {"enterprise": enterprise.pk, "zone": enterprise.time_zone}
        done = 0
        for batch in batched(lines, BATCH):
            with transaction.atomic(), connection.cursor() as cursor:
                temporary_table(cursor, "rollup_stage", STAGE)
                copy_lines(cursor, "rollup_stage", batch)
                cursor.execute(ADD, values)
                done += cursor.fetchone()[0]
        return done

    def verify(self, size: int) -> None:
        found = compare(MEMBERS, whole(self.community))
        if found.wrong or not found.days:
            raise RuntimeError(f"{found.wrong} of {found.days} days are not what the events say.")


class Rebuilt(Added):
    name = "ours:rebuild"

    def run(self, size: int) -> int:
        first, last = span()
        rebuild_member_days(self.community, first=first, last=last)
        return size


class OneByOne(OneGroupBy):
    name = "peer:upsert"
    most: int | None = PEER_MOST

    def prepare(self, size: int) -> None:
        super().prepare(size)
        with file_of(self.community, size).open() as lines:
            self.lines = [line.rstrip("\n").split("\t") for line in lines]

    def run(self, size: int) -> int:
        enterprise_id = self.community.enterprise_id
        with connection.cursor() as cursor:
            for community, member, _staff, at, kind, _thread in self.lines:
                counts = {name: int(kind == name) for name in ("message", "comment", "click")}
                values: dict[str, Any] = {
                    "enterprise": enterprise_id,
                    "community": community,
                    "member": member,
                    "at": at,
                    "other": 1 - sum(counts.values()),
                    **counts,
                }
                cursor.execute(UPSERT, values)
        return len(self.lines)

    def verify(self, size: int) -> None:
        kept = MemberDay.objects.values_list("message_count", "other_count")
        if not kept:
            raise RuntimeError("Nothing was counted.")


def cases() -> list[Case]:
    return [OneGroupBy(), Added(), Rebuilt(), OneByOne()]
