"""Making days anew from events and orders. Where nothing is wrong, nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from django.db.models import Max, Min
from django.utils import timezone

from communities.models import Community
from members.models import ActivityCoverage, MemberDay, Purchase, PurchaseDay, StaffDay
from members.services.partitions import detached_before, month_after
from members.services.recounting import (
    MEMBERS,
    PURCHASES,
    STAFF,
    Range,
    Recount,
    recount,
)
from scrm.accounts.models import Enterprise

ONE_DAY = timedelta(days=1)
A_ZONE = timedelta(days=1)  # further than any two time zones are apart
BUSY = timedelta(days=2)  # who writes these days waits, so they are counted one by one


def rebuild_member_days(
    community: Community, *, first: date | None = None, last: date | None = None
) -> Recount:
    """Recount the days of a community's members and colleagues, by default all of them.

    Rows that events no longer support go, missing ones come, wrong ones are corrected. May run
    while events arrive. Days of months that were detached stay as they are. Needed after the
    enterprise's time zone has changed.
    """
    begin, end = days_of_community(community)
    total = Recount(0, 0)
    for since, until in pieces(community.enterprise, first or begin, last or end):
        within = Range(community.enterprise, since, until, community.pk)
        total += recount(MEMBERS, within)
        total += Recount(0, recount(STAFF, within).written)
    return total


def rebuild_purchase_days(
    enterprise: Enterprise, *, first: date | None = None, last: date | None = None
) -> Recount:
    """The same for what members of an enterprise have bought; orders are never detached."""
    begin, end = days_of_purchases(enterprise)
    total = Recount(0, 0)
    for since, until in months_within(first or begin, last or end):
        total += recount(PURCHASES, Range(enterprise, since, until))
    return total


def days_of_community(community: Community) -> tuple[date, date]:
    """From the first to the last day of which there may be anything, generously."""
    covered = ActivityCoverage.objects.filter(community=community).aggregate(
        first=Min("covered_from"), last=Max("covered_to")
    )
    days: list[date | None] = [
        moved for instant in covered.values() if instant for moved in _around(instant)
    ]
    for model in (MemberDay, StaffDay):
        rows = model.objects.filter(community=community)
        days += rows.aggregate(first=Min("day"), last=Max("day")).values()
    return _bounds(days)


def days_of_purchases(enterprise: Enterprise) -> tuple[date, date]:
    paid = Purchase.objects.filter(enterprise=enterprise).aggregate(
        first=Min("paid_at"), last=Max("paid_at")
    )
    days: list[date | None] = [
        moved for instant in paid.values() if instant for moved in _around(instant)
    ]
    kept = PurchaseDay.objects.filter(enterprise=enterprise)
    days += kept.aggregate(first=Min("day"), last=Max("day")).values()
    return _bounds(days)


def _around(instant: datetime) -> tuple[date, date]:
    return instant.date() - A_ZONE, instant.date() + A_ZONE


def _bounds(days: list[date | None]) -> tuple[date, date]:
    known = [day for day in days if day is not None]
    return (min(known), max(known)) if known else (date.max, date.min)


def pieces(enterprise: Enterprise, first: date, last: date) -> Iterator[tuple[date, date]]:
    """Spans that are counted in one transaction each: months of the past, and the days that people
    write in now one by one. What was detached is left out."""
    first = max(first, first_countable(enterprise))
    calm = timezone.now().astimezone(enterprise.zone).date() - BUSY
    yield from months_within(first, min(last, calm))
    day = max(first, calm + ONE_DAY)
    while day <= last:
        yield day, day
        day += ONE_DAY


def months_within(first: date, last: date) -> Iterator[tuple[date, date]]:
    while first <= last:
        end = min(month_after(first) - ONE_DAY, last)
        yield first, end
        first = end + ONE_DAY


def first_countable(enterprise: Enterprise) -> date:
    """The first local day all of whose events can be read."""
    since = detached_before()
    if since is None:
        return date.min
    local = since.astimezone(enterprise.zone)
    return local.date() if local.time() == time.min else local.date() + ONE_DAY
