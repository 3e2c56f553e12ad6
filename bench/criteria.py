"""A question about everybody: eight clauses over five metrics. Items are members.

limit         the same question in hand-written SQL, counted
ours          the criterion, estimated
limit:draw    the same question in hand-written SQL, its answer written as a list
ours:draw     the criterion, drawn up as the list of a segment
ours:check    the criterion, checked for one member after another; items are checks
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from bench.harness import Case
from campaigns.models import Segment, SegmentMember
from campaigns.services.segmenting import draw_asked_segment
from members.criteria import check_member
from members.models import Member
from members.selectors.estimates import estimate_criterion
from scrm.accounts.models import Enterprise, User
from scrm.shared.criteria import Criterion, parse_criterion

SIZE = 1_000_000
CHECKS = 200
COMMUNITIES = 20
ASKED = {
    "all": [
        {"metric": "purchase_count", "op": "gte", "value": 1, "window_days": 90},
        {"metric": "purchase_amount", "op": "gte", "value": 20_000, "window_days": 90},
        {"not": {"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 30}},
        {
            "any": [
                {"metric": "post_count", "op": "gte", "value": 3, "window_days": 90},
                {"metric": "active_days", "op": "gte", "value": 3, "window_days": 90},
            ]
        },
        {
            "any": [
                {"metric": "days_since_active", "op": "lte", "value": 14},
                {"metric": "post_count", "op": "gte", "value": 2, "window_days": 30},
                {"metric": "active_days", "op": "gte", "value": 2, "window_days": 30},
            ]
        },
    ]
}

# Three orders and ten active days a member on average, over a year, some with many and some with
# none. Rows lie in the order of their time, as they do when they come in day by day.
CREATE = """
INSERT INTO members_member (enterprise_id, external_id, nickname, phone)
SELECT %(enterprise)s, 'customer-' || n, '成员' || n, '' FROM generate_series(1, %(size)s) n;

INSERT INTO members_purchase (
    enterprise_id, member_id, source, order_number, paid_amount, refunded_amount, currency, paid_at
)
SELECT enterprise_id, id, 'shop', id || '-' || n, 1000 + (id * 7919 + n * 104729) %% 50000,
       CASE WHEN id %% 50 = 0 THEN 500 ELSE 0 END, 'CNY', now() - make_interval(hours => hours)
FROM (
    SELECT *, ((id * 31 + n * 1777) %% 8760)::int AS hours
    FROM members_member, generate_series(1, (id %% 7)::int) n WHERE enterprise_id = %(enterprise)s
) bought
ORDER BY hours DESC;

INSERT INTO members_memberday (
    enterprise_id, member_id, community_id, day, message_count, post_count, comment_count,
    checkin_count, click_count, other_count, thread_count
)
SELECT enterprise_id, id, (%(communities)s::bigint[])[1 + id %% array_length(%(communities)s, 1)],
       current_date - ago, 1 + id %% 5, (id + n) %% 3, 0, 0, 0, 0, 1
FROM (
    SELECT *, ((n * 17 + id * 7) %% 365)::int AS ago
    FROM members_member, generate_series(0, (id * 13 %% 21)::int - 1) n
    WHERE enterprise_id = %(enterprise)s
) active
ORDER BY ago DESC, id
"""

BY_HAND = """
FROM (
    SELECT member_id
    FROM members_purchase
    WHERE enterprise_id = %(enterprise)s AND currency = 'CNY' AND refunded_amount < paid_amount
      AND paid_at >= %(orders)s AND paid_at <= %(now)s
    GROUP BY member_id
    HAVING count(*) >= 1 AND sum(paid_amount - refunded_amount) >= 20000
       AND NOT count(*) FILTER (WHERE paid_at >= %(month)s) >= 3
) orders
JOIN (
    SELECT member_id
    FROM members_memberday
    WHERE enterprise_id = %(enterprise)s AND day >= %(quarter)s AND day <= %(today)s
    GROUP BY member_id
    HAVING (sum(post_count) >= 3 OR count(DISTINCT day) >= 3)
       AND (
           max(day) >= %(fortnight)s
           OR sum(post_count) FILTER (WHERE day >= %(month_day)s) >= 2
           OR count(DISTINCT day) FILTER (WHERE day >= %(month_day)s) >= 2
       )
) days ON days.member_id = orders.member_id
"""


def enterprise_of(size: int) -> Enterprise:
    """With so many members and what they did; made once per size."""
    slug = f"criteria-{size}"
    enterprise, is_new = Enterprise.objects.get_or_create(slug=slug, defaults={"name": slug})
    if not is_new:
        return enterprise
    communities = [
        enterprise.communities.create(code=f"{slug}-{n}", name=slug).pk for n in range(COMMUNITIES)
    ]
    values: dict[str, Any] = {
        "enterprise": enterprise.pk,
        "size": size,
        "communities": communities,
    }
    with connection.cursor() as cursor:
        for statement in CREATE.split(";"):
            cursor.execute(statement, values)
        cursor.execute("VACUUM ANALYZE members_member, members_purchase, members_memberday")
    return enterprise


def criterion() -> Criterion:
    return parse_criterion(ASKED)


def values_by_hand(enterprise: Enterprise) -> dict[str, Any]:
    now = timezone.now()
    today = now.astimezone(enterprise.zone).date()

    def start(days: int) -> datetime:
        return datetime.combine(today - timedelta(days=days - 1), time.min, enterprise.zone)

    return {
        "enterprise": enterprise.pk,
        "now": now,
        "today": today,
        "orders": start(90),
        "month": start(30),
        "quarter": today - timedelta(days=89),
        "month_day": today - timedelta(days=29),
        "fortnight": today - timedelta(days=14),
    }


found: dict[int, int] = {}  # how many the limit found, by size


class CountByHand:
    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.enterprise = enterprise_of(size)
        self.values = values_by_hand(self.enterprise)
        self.count()

    def count(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) {BY_HAND}", self.values)
            (self.counted,) = cursor.fetchone()

    def run(self, size: int) -> int:
        self.count()
        return size

    def verify(self, size: int) -> None:
        assert 0 < self.counted < size
        found[size] = self.counted

    def clean(self) -> None:
        pass


class Estimated:
    name = "ours"
    most: int | None = None

    def prepare(self, size: int) -> None:
        enterprise = enterprise_of(size)
        self.user, _ = User.objects.get_or_create(username=enterprise.slug, enterprise=enterprise)
        self.estimate()

    def estimate(self) -> None:
        self.estimated = estimate_criterion(criterion(), user=self.user, now=timezone.now())

    def run(self, size: int) -> int:
        self.estimate()
        return size

    def verify(self, size: int) -> None:
        assert (self.estimated.count, self.estimated.total) == (found[size], size)

    def clean(self) -> None:
        pass


class DrawnByHand:
    name = "limit:draw"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.enterprise = enterprise_of(size)
        self.segment = empty_segment(self.enterprise)

    def run(self, size: int) -> int:
        statement = (
            "INSERT INTO campaigns_segmentmember (segment_id, member_id)"
            f" SELECT %(segment)s, orders.member_id {BY_HAND}"
        )
        values = values_by_hand(self.enterprise) | {"segment": self.segment.pk}
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
        return size

    def verify(self, size: int) -> None:
        assert SegmentMember.objects.filter(segment=self.segment).count() == found[size]

    def clean(self) -> None:
        pass


class Drawn:
    name = "ours:draw"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.segment = empty_segment(enterprise_of(size))
        Segment.objects.filter(pk=self.segment.pk).update(draw_asked_at=timezone.now())

    def run(self, size: int) -> int:
        draw_asked_segment(self.segment.pk)
        return size

    def verify(self, size: int) -> None:
        self.segment.refresh_from_db()
        drawn = SegmentMember.objects.filter(segment=self.segment).count()
        assert drawn == self.segment.member_count == found[size]

    def clean(self) -> None:
        pass


class Checked:
    name = "ours:check"
    most: int | None = CHECKS

    def prepare(self, size: int) -> None:
        enterprise = Enterprise.objects.filter(slug__startswith="criteria-").latest("pk")
        members = Member.objects.filter(enterprise=enterprise).order_by("pk")
        step = max(members.count() // size, 1)
        first = members.values_list("pk", flat=True)[0]
        ids = range(first, first + step * size, step)
        self.members = list(members.filter(pk__in=ids).select_related("enterprise"))
        self.check()

    def check(self) -> None:
        for member in self.members:
            check_member(criterion(), member, now=timezone.now())

    def run(self, size: int) -> int:
        self.check()
        return len(self.members)

    def verify(self, size: int) -> None:
        pass

    def clean(self) -> None:
        pass


def empty_segment(enterprise: Enterprise) -> Segment:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE campaigns_segmentmember")
    segment, _ = Segment.objects.update_or_create(
        enterprise=enterprise, code="bench", defaults={"name": "bench", "criterion": ASKED}
    )
    return segment


def cases() -> list[Case]:
    return [CountByHand(), Estimated(), DrawnByHand(), Drawn(), Checked()]
