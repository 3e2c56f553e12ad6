"""Everybody's tiers in one night: three tiers over orders and activity days. Items are members.

limit        hand-written SQL that gives every member the same tier for the same reasons at once
ours         the first run, slice by slice: every member is measured and gets a period
limit:again  hand-written SQL that measures everybody and finds that no tier has to change
ours:again   the run of the next night, in which nothing changes
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from bench.harness import Case
from communities.models import Tier, TierScheme
from members.models import TierAssignment
from members.services.tiering_runs import begin_tiering, continue_tiering
from scrm.accounts.models import Enterprise

SIZE = 1_000_000
WINDOW = 90
SILVER = [("purchase_count", 2), ("active_days", 2)]
GOLD = [("purchase_count", 4), ("active_days", 5)]

# Three orders and ten active days a member on average, some with many and some with none. They
# lie as they came in: by time, so that those of one member are all over the table.
CREATE_MEMBERS = """
INSERT INTO members_member (enterprise_id, external_id, nickname, phone)
SELECT %(enterprise)s, 'customer-' || n, '成员' || n, '' FROM generate_series(1, %(size)s) n
"""
CREATE_PURCHASES = """
INSERT INTO members_purchase (
    enterprise_id, member_id, source, order_number, paid_amount, refunded_amount, currency, paid_at
)
SELECT member.enterprise_id, member.id, 'shop', member.id || '-' || n,
       1000 + (member.id * 7919 + n * 104729) %% 50000, 0, 'CNY',
       now() - make_interval(hours => ((member.id * 31 + n * 977) %% 4320)::int)
FROM members_member member, generate_series(1, (member.id %% 7)::int) n
WHERE member.enterprise_id = %(enterprise)s
ORDER BY 8
"""
CREATE_DAYS = """
INSERT INTO members_memberday (
    enterprise_id, member_id, community_id, day, message_count, post_count, comment_count,
    checkin_count, click_count, other_count, thread_count
)
SELECT member.enterprise_id, member.id, %(community)s,
       current_date - (n * 9 + member.id %% 9)::int,
       1 + member.id %% 5, member.id %% 3, 0, 0, 0, 0, 1
FROM members_member member, generate_series(0, (member.id * 13 %% 21)::int - 1) n
WHERE member.enterprise_id = %(enterprise)s
ORDER BY 4, hashint8(member.id)
"""
CLAUSE = """jsonb_build_object('path', '$.all[{index}]', 'metric', '{metric}', 'op', 'gte',
    'of', NULL, 'required', {value}, 'actual', {column}, 'window_days', {window},
    'negated', false, 'passed', true, 'missing', 0)"""
FACTS = """
    SELECT member.id, coalesce(orders.total, 0) AS bought, coalesce(days.total, 0) AS active
    FROM members_member member
    LEFT JOIN (
        SELECT member_id, count(*) AS total FROM members_purchase
        WHERE enterprise_id = %(enterprise)s AND currency = 'CNY'
          AND refunded_amount < paid_amount AND paid_at >= %(since)s AND paid_at <= now()
        GROUP BY member_id
    ) orders ON orders.member_id = member.id
    LEFT JOIN (
        SELECT member_id, count(DISTINCT day) AS total FROM members_memberday
        WHERE enterprise_id = %(enterprise)s AND day >= %(first)s AND day <= %(today)s
        GROUP BY member_id
    ) days ON days.member_id = member.id
    WHERE member.enterprise_id = %(enterprise)s
"""
EARNED = """CASE WHEN bought >= 4 AND active >= 5 THEN %(gold)s
    WHEN bought >= 2 AND active >= 2 THEN %(silver)s ELSE %(everybody)s END"""
FIRST_NIGHT = f"""
INSERT INTO members_tierassignment (
    member_id, scheme_id, tier_id, cause, clauses, started_at, is_locked, reason
)
SELECT id, %(scheme)s, {EARNED}, 'entered',
       CASE WHEN bought >= 4 AND active >= 5 THEN {{gold}}
            WHEN bought >= 2 AND active >= 2 THEN {{silver}} ELSE '[]' END,
       now(), false, ''
FROM ({FACTS}) facts
"""
NEXT_NIGHT = f"""
SELECT count(*), count(*) FILTER (WHERE held.tier_id <> {EARNED})
FROM ({FACTS}) facts JOIN members_tierassignment held
  ON held.member_id = facts.id AND held.scheme_id = %(scheme)s AND held.ended_at IS NULL
"""


def scheme_of(size: int) -> TierScheme:
    """An enterprise with so many members, their facts and three tiers; made once per size."""
    slug = f"tiers-{size}"
    enterprise, is_new = Enterprise.objects.get_or_create(slug=slug, defaults={"name": slug})
    if not is_new:
        return TierScheme.objects.select_related("enterprise").get(enterprise=enterprise)
    community = enterprise.communities.create(code=slug, name=slug)
    values = {"enterprise": enterprise.pk, "community": community.pk, "size": size}
    with connection.cursor() as cursor:
        for statement in (CREATE_MEMBERS, CREATE_PURCHASES, CREATE_DAYS):
            cursor.execute(statement, values)
        cursor.execute("VACUUM ANALYZE members_member, members_purchase, members_memberday")
    scheme = TierScheme.objects.create(enterprise=enterprise, code="loyalty", name="会员")
    Tier.objects.create(scheme=scheme, rank=1, name="普通")
    for rank, asked in ((2, SILVER), (3, GOLD)):
        parts = [
            {"metric": metric, "op": "gte", "value": value, "window_days": WINDOW}
            for metric, value in asked
        ]
        Tier.objects.create(scheme=scheme, rank=rank, name=str(rank), criterion={"all": parts})
    return scheme


def forget_tiers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE members_tierassignment, members_tieringrun")
        cursor.execute("VACUUM ANALYZE members_tierassignment")


def clauses_by_hand(asked: list[tuple[str, int]]) -> str:
    columns = {"purchase_count": "bought", "active_days": "active"}
    parts = [
        CLAUSE.format(
            index=index, metric=metric, value=value, column=columns[metric], window=WINDOW
        )
        for index, (metric, value) in enumerate(asked)
    ]
    return f"jsonb_build_array({', '.join(parts)})"


def by_tier(scheme: TierScheme) -> dict[int, int]:
    held = TierAssignment.objects.current().filter(scheme=scheme)
    counts: dict[int, int] = {}
    for rank in held.values_list("tier__rank", flat=True).iterator():
        counts[rank] = counts.get(rank, 0) + 1
    return counts


counted: dict[int, dict[int, int]] = {}  # what the limit found, by size


class ByHand:
    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.scheme = scheme_of(size)
        forget_tiers()

    def values(self) -> dict[str, Any]:
        zone = self.scheme.enterprise.zone
        today = timezone.now().astimezone(zone).date()
        first = today - timedelta(days=WINDOW - 1)
        tiers = dict(self.scheme.tiers.values_list("rank", "pk"))
        return {
            "enterprise": self.scheme.enterprise_id,
            "scheme": self.scheme.pk,
            "everybody": tiers[1],
            "silver": tiers[2],
            "gold": tiers[3],
            "today": today,
            "first": first,
            "since": datetime.combine(first, time.min, tzinfo=zone),
        }

    def run(self, size: int) -> int:
        statement = FIRST_NIGHT.format(silver=clauses_by_hand(SILVER), gold=clauses_by_hand(GOLD))
        with connection.cursor() as cursor:
            cursor.execute(statement, self.values())
            return int(cursor.rowcount)

    def verify(self, size: int) -> None:
        counted[size] = by_tier(self.scheme)
        assert len(counted[size]) == 3
        assert sum(counted[size].values()) == size

    def clean(self) -> None:
        pass


class Night(ByHand):
    name = "ours"

    def run(self, size: int) -> int:
        run = begin_tiering(self.scheme.pk)
        assert continue_tiering(self.scheme.pk, day=run.day, budget=float("inf"))
        run.refresh_from_db()
        self.written = run.promoted_count + run.demoted_count
        return run.member_count

    def verify(self, size: int) -> None:
        assert self.written == size
        assert by_tier(self.scheme) == counted[size]
        held = TierAssignment.objects.filter(scheme=self.scheme, tier__rank=3)[0]
        assert [clause["metric"] for clause in held.clauses] == [metric for metric, _ in GOLD]


class NextNightByHand(ByHand):
    name = "limit:again"

    def prepare(self, size: int) -> None:
        """After the first night, with everybody's tier in the table."""
        self.scheme = scheme_of(size)

    def run(self, size: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(NEXT_NIGHT, self.values())
            measured, self.changed = cursor.fetchone()
        return int(measured)

    def verify(self, size: int) -> None:
        assert self.changed == 0


class NextNight(Night):
    name = "ours:again"

    def prepare(self, size: int) -> None:
        """After the first night."""
        self.scheme = scheme_of(size)

    def verify(self, size: int) -> None:
        assert self.written == 0
        assert TierAssignment.objects.count() == size


def cases() -> list[Case]:
    return [ByHand(), Night(), NextNightByHand(), NextNight()]
