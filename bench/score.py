"""The night's scores: everybody's history read, scored, written with reasons, alerts raised. Items
are members, each with fifty active days on average, lying as they came in: day by day.

limit      the same histories of everybody at once, aggregated and thrown away
ours       the first night: slices of members, scores, reasons, what is kept to be checked, alerts
ours:next  the night after, in which every score moves a little
peer:loop  one aggregate query and one upsert for each member, as one would write it first
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from math import exp, log1p
from typing import Any

from django.db import connection
from django.db.models import Count, F, Max, Min, Q, Sum

from bench.harness import Case
from campaigns.models import ChurnAlert
from campaigns.services.churn_alerts import open_churn_alerts
from communities.models import Community
from members.models import ActivityCoverage, ChurnForecast, ChurnScore, MemberDay
from members.rules.churn import SHIPPED_MODEL
from members.services.churn_histories import histories_query
from members.services.scoring import score_community
from scrm.accounts.models import Enterprise

SIZE = 1_000_000
ON = date(2026, 6, 1)  # a Monday: what is said is kept too
DAYS = 200

CREATE_MEMBERS = """
WITH made AS (
    INSERT INTO members_member (enterprise_id, external_id, nickname, phone)
    SELECT %(enterprise)s, 'customer-' || n, '成员' || n, '' FROM generate_series(1, %(size)s) n
    RETURNING id
), joined AS (
    INSERT INTO members_membership (
        enterprise_id, community_id, member_id, source, leave_reason, joined_at
    )
    SELECT %(enterprise)s, %(community)s, id, 'import', '', %(on)s::date - 300 FROM made ORDER BY id
)
INSERT INTO members_consent (member_id, purpose, decision, text_version, source)
SELECT id, 'profiling', 'granted', '1', 'form' FROM made ORDER BY id
"""
# Everybody has a rhythm of their own, from one day in twenty to nine in twenty, and one in eight
# stopped at some point of the last hundred days.
CREATE_DAY = """
INSERT INTO members_memberday (
    enterprise_id, member_id, community_id, day, message_count, post_count, comment_count,
    checkin_count, click_count, other_count, thread_count
)
SELECT enterprise_id, id, %(community)s, %(on)s::date - %(ago)s,
       1 + (id + %(ago)s) %% 7, id %% 2, 0, 0, 0, 0, 1 + (id + %(ago)s) %% 3
FROM members_member
WHERE enterprise_id = %(enterprise)s
  AND hashint8extended(id, %(ago)s) & 1023 < 51 + (id %% 17) * 25
  AND (id %% 8 <> 0 OR %(ago)s > (id / 8) %% 100)
ORDER BY hashint8(id)
"""


def community_of(size: int) -> Community:
    """A community with so many members and their days; made once per size."""
    slug = f"score-{size}"
    enterprise, is_new = Enterprise.objects.get_or_create(slug=slug, defaults={"name": slug})
    if not is_new:
        return Community.objects.select_related("enterprise").get(enterprise=enterprise)
    community = enterprise.communities.create(code=slug, name=slug)
    values: dict[str, int | date] = {
        "enterprise": enterprise.pk,
        "community": community.pk,
        "size": size,
        "on": ON,
    }
    with connection.cursor() as cursor:
        cursor.execute(CREATE_MEMBERS, values)
        for ago in range(DAYS, 0, -1):
            cursor.execute(CREATE_DAY, {**values, "ago": ago})
        cursor.execute("VACUUM ANALYZE members_member, members_membership, members_memberday")
        cursor.execute("VACUUM ANALYZE members_consent")
    midnight = datetime.combine(ON, time.min, tzinfo=enterprise.zone)
    ActivityCoverage.objects.create(
        community=community,
        source="bench",
        covered_from=midnight - timedelta(days=DAYS),
        covered_to=midnight + timedelta(days=1),
    )
    return community


def forget_scores() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'campaigns_winback%%'")
        dependent = "".join(f", {name}" for (name,) in cursor.fetchall())
        cursor.execute(
            "TRUNCATE members_churnscore, members_churnforecast, members_dailyrun,"
            f" campaigns_churnalert{dependent}"
        )
        cursor.execute("VACUUM ANALYZE members_churnscore, members_churnforecast")


class Aggregate:
    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.community = community_of(size)

    def run(self, size: int) -> int:
        query = histories_query(self.community.enterprise, [self.community.pk], cutoff=ON)
        with connection.cursor() as cursor:
            columns = "count(history.*), sum(length(history::text))"  # every column is computed
            cursor.execute(f"SELECT {columns} FROM ({query.text}) history", query.params)
            self.found, _length = cursor.fetchone()
        return size

    def verify(self, size: int) -> None:
        assert self.found > 0.99 * size, self.found

    def clean(self) -> None:
        pass


class Night:
    name = "ours"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.community = community_of(size)
        forget_scores()

    def run(self, size: int) -> int:
        self.result = score_community(self.community.pk, on=ON)
        self.alerts = open_churn_alerts(self.community.pk, ON)
        return size

    def verify(self, size: int) -> None:
        scores = ChurnScore.objects.filter(community=self.community, scored_on=ON)
        assert scores.count() == self.result.scored > 0.99 * size
        assert self.result.unconsented == 0
        assert ChurnForecast.objects.filter(cut=ON).count() > 0.8 * size
        assert 0 < self.alerts == ChurnAlert.objects.filter(opened_on=ON).count() < 0.5 * size

    def clean(self) -> None:
        pass


class NextNight(Night):
    name = "ours:next"

    def prepare(self, size: int) -> None:
        self.community = community_of(size)
        if not ChurnScore.objects.filter(community=self.community).exists():
            score_community(self.community.pk, on=ON)

    def run(self, size: int) -> int:
        self.result = score_community(self.community.pk, on=ON + timedelta(days=1))
        open_churn_alerts(self.community.pk, ON + timedelta(days=1))
        return size

    def verify(self, size: int) -> None:
        scores = ChurnScore.objects.filter(scored_on=ON + timedelta(days=1))
        assert scores.count() == self.result.scored > 0.99 * size


class Loop:
    name = "peer:loop"
    most: int | None = 2_000

    def prepare(self, size: int) -> None:
        self.community = community_of(size)
        forget_scores()

    def run(self, size: int) -> int:
        members = self.community.memberships.filter(left_at=None).order_by("pk")
        for member_id in members.values_list("member_id", flat=True)[:size]:
            self.score(member_id)
        return size

    def score(self, member_id: int) -> None:
        signs = sum(
            (F(f"{kind}_count") for kind in ("post", "comment", "checkin", "click", "other")),
            start=F("message_count"),
        )
        days = MemberDay.objects.filter(community=self.community, member=member_id, day__lt=ON)
        windows = {ago: Q(day__gte=ON - timedelta(days=ago)) for ago in (14, 28, 56, 112)}
        earlier = windows[56] & ~windows[28]
        known = days.aggregate(
            first=Min("day"),
            last=Max("day"),
            days=Count("pk"),
            total=Sum(signs),
            days_14=Count("pk", filter=windows[14]),
            days_28=Count("pk", filter=windows[28]),
            days_112=Count("pk", filter=windows[112]),
            total_28=Sum(signs, filter=windows[28], default=0),
            earlier=Sum(signs, filter=earlier, default=0),
            threads=Sum("thread_count", filter=windows[28], default=0),
        )
        if known["days"] < 2:
            return
        probability = chance(known)
        ChurnScore.objects.update_or_create(
            community=self.community,
            member_id=member_id,
            defaults={
                "enterprise_id": self.community.enterprise_id,
                "probability": probability,
                "band": "low" if probability < 0.33 else "medium",
                "last_active_on": known["last"],
                "scored_on": ON,
                "model_version": SHIPPED_MODEL.version,
            },
        )

    def verify(self, size: int) -> None:
        assert ChurnScore.objects.filter(community=self.community).count() > 0.9 * size

    def clean(self) -> None:
        pass


def chance(known: dict[str, Any]) -> float:
    gap = (known["last"] - known["first"]).days / (known["days"] - 1)
    values = (
        log1p((ON - known["last"]).days - 0.8),
        log1p(known["days"]),
        log1p(known["total"]),
        log1p((ON - known["first"]).days),
        known["days_14"],
        known["days_28"],
        known["days_112"],
        log1p(known["total_28"]) - log1p(known["earlier"]),
        log1p(gap),
        log1p(known["threads"]),
    )
    log_odds = SHIPPED_MODEL.intercept + sum(
        term.coefficient * (value - term.mean) / term.sd
        for term, value in zip(SHIPPED_MODEL.terms, values, strict=True)
    )
    return 1 / (1 + exp(-log_odds))


def cases() -> list[Case]:
    return [Aggregate(), Night(), NextNight(), Loop()]
