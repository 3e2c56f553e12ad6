"""Valuing members: what they bought and did, scores, a model, and what they will buy.
Items are members; four in ten have bought, some of them often, and half have been active lately.

limit         hand-written SQL that computes the same facts and scores, without writing them
ours          the first night: facts, scores, model, expected amounts, bands and the matrix written
ours:again    the next night, in which little has changed
ours:fit      the model alone: the compressed table read and fitted
limit:predict the formulas alone, on arrays
ours:predict  expected amounts of that many buyers, days and amounts as they come from the database
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import connection

from bench.harness import Case
from members.models import MemberValue
from members.services.value_models import compressed_tables
from members.services.values import value_enterprise
from scrm.accounts.models import Enterprise

SIZE = 1_000_000
ON = date(2026, 6, 1)

CREATE_MEMBERS = """
INSERT INTO members_member (enterprise_id, external_id, nickname, phone)
SELECT %(enterprise)s, 'customer-' || n, '成员' || n, '' FROM generate_series(1, %(size)s) n
"""
# Rates are Gamma by a sum of exponentials; who has left buys no more.
CREATE_PURCHASES = """
INSERT INTO members_purchaseday (
    enterprise_id, member_id, day, currency, order_count, standing_count, net_amount
)
SELECT DISTINCT ON (member_id, day) enterprise_id, member_id, day, 'CNY', 1, 1, amount
FROM (
    SELECT enterprise_id, id AS member_id,
           DATE '2026-05-31' - (born * (1 - (n::float8 / most) ^ (0.5 + random())))::int AS day,
           (2000 + 20000 * usual * random())::bigint AS amount
    FROM (
        SELECT id, enterprise_id, 1 + (random() * 700)::int AS born,
               1 + (-2.2 * ln(1 - random()))::int AS most, random() * random() AS usual
        FROM members_member WHERE enterprise_id = %(enterprise)s AND id %% 5 < 2
    ) buyer CROSS JOIN LATERAL generate_series(0, most - 1) n
) bought ORDER BY member_id, day
"""
CREATE_DAYS = """
INSERT INTO members_memberday (
    enterprise_id, community_id, member_id, day, message_count, post_count, comment_count,
    checkin_count, click_count, other_count, thread_count
)
SELECT enterprise_id, %(community)s, id, DATE '2026-05-31' - n * 9, 1 + n, n %% 2, 0, 0, 1, 0, 1
FROM members_member CROSS JOIN generate_series(0, 9) n
WHERE enterprise_id = %(enterprise)s AND id %% 2 = 0
"""
CREATE_MEMBERSHIPS = """
INSERT INTO members_membership (
    enterprise_id, community_id, member_id, source, joined_at, leave_reason
)
SELECT enterprise_id, %(community)s, id, 'api', TIMESTAMPTZ '2024-01-01', ''
FROM members_member WHERE enterprise_id = %(enterprise)s
"""
BY_HAND = """
WITH bought AS (
    SELECT member_id, count(*) AS days, min(day) AS first, max(day) AS last,
           sum(net_amount) AS spent
    FROM members_purchaseday WHERE enterprise_id = %(enterprise)s GROUP BY member_id
), acted AS (
    SELECT member_id, max(day) AS last, count(*) AS days, sum(message_count) AS messages
    FROM members_memberday
    WHERE enterprise_id = %(enterprise)s AND day >= DATE '2026-06-01' - 90 GROUP BY member_id
), scored AS (
    SELECT member.id, ntile(5) OVER (ORDER BY bought.last) AS r,
           ntile(5) OVER (ORDER BY bought.spent) AS m, bought.days, acted.messages
    FROM members_member member
        LEFT JOIN bought ON bought.member_id = member.id
        LEFT JOIN acted ON acted.member_id = member.id
    WHERE member.enterprise_id = %(enterprise)s
)
SELECT count(*), sum(r + m + coalesce(days, 0) + coalesce(messages, 0)) FROM scored
"""
BUYERS = """
SELECT purchase_days - 1, last_purchase_on - first_purchase_on,
       DATE '2026-05-31' - first_purchase_on, repeat_amount
FROM members_membervalue WHERE purchase_days > 0 ORDER BY member_id LIMIT 100000
"""


def populate(size: int) -> Enterprise:
    from communities.models import Community
    from members.models import ActivityCoverage

    Enterprise.objects.filter(slug="bench-clv").update(
        slug=f"bench-clv-{Enterprise.objects.count()}"
    )
    enterprise = Enterprise.objects.create(
        slug="bench-clv", name="性能", profiling_needs_consent=False
    )
    community = Community.objects.create(enterprise=enterprise, name="社群", code="bench")
    ActivityCoverage.objects.create(
        community=community, source="app", covered_from="2025-01-01T00:00Z",
        covered_to="2026-06-01T00:00Z",
    )  # fmt: skip
    known = {"enterprise": enterprise.pk, "community": community.pk, "size": size}
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        for statement in (CREATE_MEMBERS, CREATE_PURCHASES, CREATE_DAYS, CREATE_MEMBERSHIPS):
            cursor.execute(statement, known)
        cursor.execute(
            "VACUUM ANALYZE members_member, members_purchaseday, members_memberday,"
            " members_membership"
        )
    return enterprise


worlds: dict[int, Enterprise] = {}


def world_of(size: int) -> Enterprise:
    if size not in worlds:
        worlds[size] = populate(size)
    return worlds[size]


class ByHand:
    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.enterprise = world_of(size)

    def run(self, size: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(BY_HAND, {"enterprise": self.enterprise.pk})
            return int(cursor.fetchone()[0])

    def verify(self, size: int) -> None:
        pass

    def clean(self) -> None:
        pass


class Night(ByHand):
    name = "ours"

    def prepare(self, size: int) -> None:
        self.enterprise = world_of(size)
        with connection.cursor() as cursor:
            cursor.execute(
                "TRUNCATE members_membervalue, members_pastvalue, members_valuecell,"
                " members_predictionmodel"
            )

    def run(self, size: int) -> int:
        self.result = value_enterprise(self.enterprise, on=ON)
        return self.result.valued

    def verify(self, size: int) -> None:
        values = MemberValue.objects.filter(enterprise=self.enterprise)
        assert self.result.model is not None
        assert values.filter(purchase_days__gt=0, clv_amount=None).count() == 0
        assert values.exclude(segment="").count() == values.filter(purchase_days__gt=0).count()


class NextNight(Night):
    name = "ours:again"

    def prepare(self, size: int) -> None:
        self.enterprise = world_of(size)


class Fit(NextNight):
    name = "ours:fit"

    def run(self, size: int) -> int:
        from members.rules.clv_fitting import fit_clv

        buyers = MemberValue.objects.filter(enterprise=self.enterprise, purchase_days__gt=0).count()
        customers, amounts = compressed_tables(self.enterprise, on=ON, buyers=buyers)
        self.fit = fit_clv(customers, amounts, mean_amount=10_000.0)
        return size

    def verify(self, size: int) -> None:
        assert self.fit.buyer_count > size / 3


class PredictByHand(NextNight):
    name = "limit:predict"

    def prepare(self, size: int) -> None:
        import numpy as np

        from members.rules.clv_fitting import default_params

        self.enterprise = world_of(size)
        with connection.cursor() as cursor:
            cursor.execute(BUYERS)
            kinds = np.array(cursor.fetchall(), dtype=np.int64)
        self.params = default_params(10_000.0)
        chosen = np.random.default_rng(1).integers(0, len(kinds), size)
        self.columns: Any = kinds[chosen].T

    def run(self, size: int) -> int:
        from members.rules.clv import expectation

        x, last, age, money = self.columns
        self.found = expectation(self.params, x, last / 7, age / 7, money / (x + (x == 0)))
        return len(self.found.amount)

    def verify(self, size: int) -> None:
        assert (self.found.amount >= 0).all()


class Predict(PredictByHand):
    name = "ours:predict"

    def run(self, size: int) -> int:
        from members.rules.clv import expectation_of_days

        done = 0
        for start in range(0, size, 50_000):
            part = [column[start : start + 50_000].tolist() for column in self.columns]
            self.found = expectation_of_days(self.params, *part)
            done += len(self.found.amount)
        return done


def cases() -> list[Case]:
    return [ByHand(), Night(), NextNight(), Fit(), PredictByHand(), Predict()]
