"""On which days somebody listened to a community, whoever it was: elsewhere silence means nothing.

Sources add up: where one stops and another goes on, there is no gap.
"""

from __future__ import annotations

from datetime import date, timedelta

from communities.models import Community
from members.models import ActivityCoverage

GRACE = timedelta(days=3)  # a source is heard of when something happens, not every day

type Span = tuple[date, date]


def measured_spans(community: Community) -> list[Span]:
    """The first and the last day of every stretch that was measured, in order."""
    zone = community.enterprise.zone
    periods = ActivityCoverage.objects.filter(community=community).order_by("covered_from")
    spans: list[Span] = []
    for since, until in periods.values_list("covered_from", "covered_to"):
        first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
        if spans and first <= spans[-1][1] + GRACE:
            spans[-1] = (spans[-1][0], max(spans[-1][1], last))
        else:
            spans.append((first, last))
    return spans


def is_measured(spans: list[Span], since: date, until: date) -> bool:
    """Whether somebody listened from the first day to the day before ``until``."""
    return any(first <= since and last + GRACE >= until for first, last in spans)
