"""Figures of a community that its daily snapshots hold: size, activity, who talks, what is sold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from communities.models import Community
from members.models import CommunityDay, StaffDay
from members.rules.insight import (
    NO_SNAPSHOT,
    NO_STAFF_EVENTS,
    NOBODY,
    NOBODY_SPOKE,
    UNMEASURED,
    noted,
    partly_measured,
    share_of,
    small_number,
)
from scrm.shared.figures import NO_NOTE, Figure

WINDOW = 28


def last_days(community: Community, on: date) -> list[CommunityDay]:
    """The snapshots of the 28 days that end with ``on``, the oldest first."""
    first = on - timedelta(days=WINDOW - 1)
    days = CommunityDay.objects.filter(community=community, day__gte=first, day__lte=on)
    return list(days.defer("figures", "hour_actives").order_by("day"))


def size_figures(community: Community, on: date) -> list[Figure]:
    days = last_days(community, on)
    if not days or days[-1].day != on:
        names = ("member_count", "joined_count", "left_count", "leave_rate")
        return [Figure(name, None, note=NO_SNAPSHOT) for name in names]
    joined = sum(day.joined_count for day in days)
    left = sum(day.left_count for day in days)
    known = days[0].member_count_start + joined
    return [
        Figure("member_count", days[-1].member_count_end),
        Figure("joined_count", joined),
        Figure("left_count", left),
        Figure(
            "leave_rate",
            share_of(left, known),
            note=small_number(known) if known else NOBODY,
            n=known,
        ),
    ]


def activity_figures(community: Community, on: date) -> list[Figure]:
    """Distinct active members of one, seven and 28 days, and how often they come back."""
    days = last_days(community, on)
    measured = [day for day in days if day.active_count is not None]
    last = days[-1] if days else None
    if last is None or last.day != on or last.active_count is None:
        names = ("dau", "wau", "mau", "stickiness", "wau_mau", "speaker_coverage")
        return [Figure(name, None, note=UNMEASURED) for name in names]
    partly = partly_measured(len(measured), WINDOW)
    partly_7 = partly_measured(sum(day.day > on - timedelta(days=7) for day in measured), 7)
    weekly, monthly = last.active_count_7 or 0, last.active_count_28 or 0
    daily_mean = sum(day.active_count or 0 for day in measured) / len(measured)
    speakers, members = last.speaker_count_7 or 0, last.member_count_end
    few = small_number(monthly)
    return [
        Figure("dau", last.active_count),
        Figure("wau", weekly, note=partly_7),
        Figure("mau", monthly, note=partly),
        noted(Figure("stickiness", share_of(daily_mean, monthly), n=monthly), partly, few),
        noted(Figure("wau_mau", share_of(weekly, monthly), n=monthly), partly, few),
        noted(
            Figure("speaker_coverage", share_of(speakers, members), n=members),
            NO_NOTE if members else NOBODY,
            partly_7,
            small_number(members),
        ),
    ]


def talk_figures(community: Community, on: date) -> list[Figure]:
    """How much of what is said comes from colleagues, and on how many days from nobody else.

    Without a single report of a colleague the answer is not 0: nobody listened to them.
    """
    names = ("owner_talk_share", "owner_only_days", "silent_days")
    measured = [day for day in last_days(community, on) if day.message_count is not None]
    if not measured:
        return [Figure(name, None, note=UNMEASURED) for name in names]
    partly = partly_measured(len(measured), WINDOW)
    silent = sum(not day.message_count and not day.staff_message_count for day in measured)
    quiet = Figure("silent_days", silent, note=partly, n=len(measured))
    if not StaffDay.objects.filter(community=community).exists():
        return [*(Figure(name, None, note=NO_STAFF_EVENTS) for name in names[:2]), quiet]
    ours = sum(day.staff_message_count or 0 for day in measured)
    spoken = ours + sum(day.message_count or 0 for day in measured)
    alone = sum(bool(day.staff_message_count) and not day.message_count for day in measured)
    return [
        noted(
            Figure("owner_talk_share", share_of(ours, spoken), n=spoken),
            NO_NOTE if spoken else NOBODY_SPOKE,
            partly,
            small_number(spoken),
        ),
        Figure("owner_only_days", alone, note=partly, n=len(measured)),
        quiet,
    ]


def sales_figures(community: Community, on: date) -> list[Figure]:
    """Net purchases of 28 days by who was in the community on the day."""
    days = last_days(community, on)
    note = NO_NOTE if days else NO_SNAPSHOT
    return [
        Figure("gmv", _sum(days, "net_amount"), note=note),
        Figure("orders", _sum(days, "order_count"), note=note),
    ]


def _sum(days: Sequence[CommunityDay], name: str) -> int | None:
    return sum(int(getattr(day, name)) for day in days) if days else None
