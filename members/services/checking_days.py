"""Proving that days are what events and orders say, month by month, while both go on arriving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.db.models import Max, Min
from django.db.models.functions import Now
from django.utils.translation import gettext_noop

from communities.models import Community
from members.models import ActivityEvent, DayCheck, MemberDay, StaffDay
from members.services.rebuilding import (
    A_ZONE,
    days_of_community,
    days_of_purchases,
    first_countable,
    months_within,
    rebuild_member_days,
    rebuild_purchase_days,
)
from members.services.recounting import MEMBERS, PURCHASES, STAFF, Comparison, Range, compare
from scrm.accounts.models import Enterprise

LEDGERS = (
    ("member_days", gettext_noop("成员日活跃"), MEMBERS),
    ("staff_days", gettext_noop("员工日活跃"), STAFF),
    ("purchase_days", gettext_noop("成员日消费"), PURCHASES),
)


@dataclass(frozen=True)
class Checked:
    """What was found in one table over all months."""

    name: str
    title: str
    found: Comparison


def check_days(enterprise: Enterprise, *, community: Community | None = None) -> list[Checked]:
    """Compare every kept day with a count. What a check of the whole enterprise found is kept.

    Days of detached months are left out. Purchases belong to no community: with ``community`` they
    are not looked at.
    """
    checked = []
    for name, title, ledger in LEDGERS:
        if community is not None and not ledger.has_communities:
            continue
        found = Comparison(0, 0)
        for first, last in _months(enterprise, community, has_events=ledger.has_communities):
            pk = community.pk if community else None
            found += compare(ledger, Range(enterprise, first, last, pk))
        checked.append(Checked(name, title, found))
    if community is None:
        remember(enterprise, checked)
    return checked


def repair_days(enterprise: Enterprise, *, community: Community | None = None) -> int:
    """Make the days anew from events and orders. Returns how many rows were put right."""
    communities = [community] if community else enterprise.communities.order_by("pk")
    written = sum(rebuild_member_days(one).written for one in communities)
    if community is None:
        written += rebuild_purchase_days(enterprise).written
    return written


def remember(enterprise: Enterprise, checked: list[Checked]) -> None:
    DayCheck.objects.update_or_create(
        enterprise=enterprise,
        defaults={
            "checked_at": Now(),
            "day_count": sum(one.found.days for one in checked),
            "wrong_count": sum(one.found.wrong for one in checked),
        },
    )


def _months(
    enterprise: Enterprise, community: Community | None, *, has_events: bool
) -> Iterator[tuple[date, date]]:
    if not has_events:
        return months_within(*days_of_purchases(enterprise))
    first, last = days_of_community(community) if community else _days_of_all(enterprise)
    return months_within(max(first, first_countable(enterprise)), last)


def _days_of_all(enterprise: Enterprise) -> tuple[date, date]:
    events = ActivityEvent.objects.filter(enterprise=enterprise).aggregate(
        first=Min("occurred_at"), last=Max("occurred_at")
    )
    days = [
        MemberDay.objects.filter(enterprise=enterprise),
        StaffDay.objects.filter(enterprise=enterprise),
    ]
    known = [
        day
        for rows in days
        for day in rows.aggregate(first=Min("day"), last=Max("day")).values()
        if day is not None
    ]
    if events["first"] is not None:
        known += [events["first"].date() - A_ZONE, events["last"].date() + A_ZONE]
    return (min(known), max(known)) if known else (date.max, date.min)
