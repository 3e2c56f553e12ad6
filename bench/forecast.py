"""What a broadcast to everybody may bring and cost, with every guard, value and score at work.

limit   the recipients in cells, in hand-written SQL without guards; items are members
ours    the forecast: cells with the guards, and 500 draws for every way of choosing
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from bench.estimate import broadcast_of
from bench.harness import Case
from campaigns.models import Broadcast
from campaigns.rules.forecasts import Option
from campaigns.services.forecasting import figures_of
from members.models import ActivityCoverage, MemberValue

SIZE = 1_000_000

# Half were there within two weeks, a third bought something in the last four.
CREATE = """
INSERT INTO members_membervalue (
    member_id, enterprise_id, recency, frequency, monetary, segment, behaviour, purchase_days,
    last_purchase_on, spent_amount, spent_year_amount, clv_amount, clv_band, model_version,
    computed_on
)
SELECT id, enterprise_id, 1 + id %% 5, 1 + id %% 5, 1 + id %% 5,
       (ARRAY['champions', 'loyal', 'new', 'needs_attention', 'at_risk', 'hibernating'])
       [1 + id %% 6], 'talker', id %% 7,
       CASE WHEN id %% 3 = 0 THEN current_date - (id %% 28)::int END,
       10000, 10000, id %% 50000, 'medium', 'bench', current_date
FROM members_member WHERE enterprise_id = %(enterprise)s;

INSERT INTO members_churnscore (
    enterprise_id, community_id, member_id, probability, band, reasons, scored_on, model_version
)
SELECT enterprise_id, community_id, member_id, (member_id %% 100) / 100.0,
       (ARRAY['low', 'medium', 'high'])[1 + (member_id %% 100) / 34], '[]', current_date, 'bench'
FROM members_membership WHERE enterprise_id = %(enterprise)s;

INSERT INTO members_memberday (
    enterprise_id, member_id, community_id, day, message_count, post_count, comment_count,
    checkin_count, click_count, other_count, thread_count
)
SELECT enterprise_id, member_id, community_id, current_date - ago, 1, 0, 0, 0, 0, 0, 1
FROM members_membership, generate_series(1, 41, 4) ago
WHERE enterprise_id = %(enterprise)s AND (member_id %% 2 = 0 OR ago > 14);

INSERT INTO members_purchaseday (
    enterprise_id, member_id, day, currency, order_count, standing_count, net_amount
)
SELECT enterprise_id, member_id, last_purchase_on, 'CNY', 1, 1, 9900
FROM members_membervalue WHERE enterprise_id = %(enterprise)s AND last_purchase_on IS NOT NULL;
"""

BY_HAND = """
SELECT worth.segment, score.band, day.member_id IS NULL, count(*), sum(worth.clv_amount)
FROM (
    SELECT member_id, min(community_id) AS community_id FROM members_membership
    WHERE community_id = ANY(%(communities)s) AND left_at IS NULL GROUP BY member_id
) here
JOIN members_membervalue worth USING (member_id)
JOIN members_churnscore score USING (member_id, community_id)
LEFT JOIN (
    SELECT DISTINCT member_id FROM members_memberday
    WHERE community_id = ANY(%(communities)s) AND day >= current_date - 14
) day USING (member_id)
GROUP BY 1, 2, 3
"""


def world_of(size: int) -> Broadcast:
    broadcast = broadcast_of(size)
    values: dict[str, Any] = {"enterprise": broadcast.enterprise_id}
    if not MemberValue.objects.filter(enterprise=broadcast.enterprise_id).exists():
        with connection.cursor() as cursor:
            cursor.execute(CREATE, values)
            cursor.execute("VACUUM ANALYZE")
        now = timezone.now()
        ActivityCoverage.objects.bulk_create(
            ActivityCoverage(
                community=community,
                source="bench",
                covered_from=now - timedelta(days=60),
                covered_to=now,
            )
            for community in broadcast.communities.all()
        )
    return broadcast


class ByHand:
    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        communities = world_of(size).communities.values_list("pk", flat=True)
        self.values: dict[str, Any] = {"communities": list(communities)}
        self.run(size)

    def run(self, size: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(BY_HAND, self.values)
            self.rows = cursor.fetchall()
        return size

    def verify(self, size: int) -> None:
        assert sum(row[3] for row in self.rows) == size

    def clean(self) -> None:
        pass


class Forecast:
    name = "ours"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.broadcast = world_of(size)
        self.run(size)

    def run(self, size: int) -> int:
        self.figures = figures_of(self.broadcast, now=timezone.now())
        return size

    def verify(self, size: int) -> None:
        chosen = self.figures["options"][0]
        assert chosen["option"] == Option.CHOSEN
        assert 0.6 * size < chosen["people"] < 0.8 * size
        assert chosen["leaves"]["low"] <= chosen["leaves"]["mean"] <= chosen["leaves"]["high"]
        assert {one["is_dormant"] for one in self.figures["groups"]} == {True, False}

    def clean(self) -> None:
        pass


def cases() -> list[Case]:
    return [ByHand(), Forecast()]
