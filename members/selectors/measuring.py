"""On which days somebody listened to a community, whoever it was: elsewhere silence means nothing.

Sources add up: where one stops and another goes on, there is no gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from zoneinfo import ZoneInfo

from communities.models import Community
from members.models import ActivityCoverage
from scrm.accounts.models import Enterprise

GRACE = timedelta(days=3)  # a source is heard of when something happens, not every day

type Span = tuple[date, date]


def measured_spans(community: Community) -> list[Span]:
    """The first and the last day of every stretch that was measured, in order."""
    periods = ActivityCoverage.objects.filter(community=community).order_by("covered_from")
    known = periods.values_list("covered_from", "covered_to")
    return _joined(known, zone=community.enterprise.zone)


def measured_communities(enterprise: Enterprise, since: date, until: date) -> list[int]:
    """Where somebody listened from the first day to the day before ``until``, in one query."""
    periods = ActivityCoverage.objects.filter(community__enterprise=enterprise)
    rows = periods.order_by("community_id", "covered_from").values_list(
        "community_id", "covered_from", "covered_to"
    )
    return [
        community_id
        for community_id, own in groupby(rows.iterator(), key=itemgetter(0))
        if is_measured(_joined((row[1:] for row in own), zone=enterprise.zone), since, until)
    ]


def _joined(periods: Iterable[tuple[datetime, datetime]], *, zone: ZoneInfo) -> list[Span]:
    spans: list[Span] = []
    for since, until in periods:
        first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
        if spans and first <= spans[-1][1] + GRACE:
            spans[-1] = (spans[-1][0], max(spans[-1][1], last))
        else:
            spans.append((first, last))
    return spans


def is_measured(spans: list[Span], since: date, until: date) -> bool:
    """Whether somebody listened from the first day to the day before ``until``."""
    return any(first <= since and last + GRACE >= until for first, last in spans)
