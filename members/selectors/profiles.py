"""What is known of one member's behaviour: worth, risk, and a strip of active days."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import F, Sum

from members.models import (
    ActivityCoverage,
    ChurnScore,
    Member,
    MemberDay,
    Membership,
    MemberValue,
)
from members.selectors.profiling import may_be_profiled
from scrm.accounts.models import User
from scrm.shared.sql import sql

STRIP_WEEKS = 12
SCORES_SHOWN = 10

INTERACTIONS = (
    F("message_count")
    + F("post_count")
    + F("comment_count")
    + F("checkin_count")
    + F("click_count")
    + F("other_count")
)


@dataclass(frozen=True)
class StripDay:
    """``count`` is None where nobody knows: no source measured a community the member was in."""

    day: date
    count: int | None


@dataclass(frozen=True)
class Profile:
    """``value`` and ``scores`` are of last night; without ``is_allowed`` there are none."""

    is_allowed: bool
    value: MemberValue | None
    scores: list[ChurnScore]
    strip: list[StripDay]


def profile_of(member: Member, *, user: User, today: date) -> Profile:
    """As ``user`` may see it. ``today`` is a local day of the enterprise; the strip ends with it
    and begins on a Monday."""
    scores = ChurnScore.objects.visible_to(user).filter(member=member)
    return Profile(
        is_allowed=is_allowed(member),
        value=MemberValue.objects.visible_to(user).filter(member=member).first(),
        scores=list(scores.select_related("community").order_by("-probability")[:SCORES_SHOWN]),
        strip=strip_of(member, user=user, today=today),
    )


def is_allowed(member: Member) -> bool:
    """Whether a profile of the member may be made."""
    allowed = may_be_profiled(member.enterprise, "member.id")
    statement = sql("SELECT {} FROM members_member member WHERE id = {}", allowed, member.pk)
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        row = cursor.fetchone()
    return bool(row and row[0])


def strip_of(member: Member, *, user: User, today: date) -> list[StripDay]:
    first = today - timedelta(days=today.weekday() + 7 * (STRIP_WEEKS - 1))
    rows = MemberDay.objects.visible_to(user).filter(member=member, day__gte=first, day__lte=today)
    counts = dict(rows.values_list("day").annotate(count=Sum(INTERACTIONS)).order_by("day"))
    measured = measured_days(member, user=user, first=first, last=today)
    days = [first + timedelta(days=ahead) for ahead in range((today - first).days + 1)]
    return [StripDay(day, counts.get(day, 0 if day in measured else None)) for day in days]


def measured_days(member: Member, *, user: User, first: date, last: date) -> set[date]:
    """The local days on which some source measured a community while the member was in it."""
    stays = Membership.objects.visible_to(user).filter(member=member)
    periods: dict[int, list[tuple[datetime, datetime | None]]] = defaultdict(list)
    for community_id, joined_at, left_at in stays.values_list(
        "community_id", "joined_at", "left_at"
    ):
        periods[community_id].append((joined_at, left_at))
    zone = member.enterprise.zone
    measured: set[date] = set()
    covered = ActivityCoverage.objects.filter(community__in=periods)
    for community_id, since, until in covered.values_list(
        "community_id", "covered_from", "covered_to"
    ):
        for joined_at, left_at in periods[community_id]:
            begin, end = max(since, joined_at), min(until, left_at or until)
            measured |= days_between(begin, end, zone=zone, first=first, last=last)
    return measured


def days_between(
    begin: datetime, end: datetime, *, zone: ZoneInfo, first: date, last: date
) -> set[date]:
    """The local days that a period touches, of those from ``first`` to ``last``."""
    if end < begin:
        return set()
    one = max(begin.astimezone(zone).date(), first)
    other = min(end.astimezone(zone).date(), last)
    return {one + timedelta(days=ahead) for ahead in range((other - one).days + 1)}
