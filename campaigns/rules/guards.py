"""What restrains us: quiet hours, caps and the share of adverts, as plain decisions."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from campaigns.rules.guarding import CAP_DAYS, CapWindow
from communities.rules.kinds import ContentCategory


def is_free(category: str) -> bool:
    """Service messages are free of quiet hours, caps, advert share and a required consent."""
    return category == ContentCategory.SERVICE


def is_over(part: int, whole: int, percent: int) -> bool:
    """Whether a share is greater than a limit: 60 of 100 is not over 60 %, 61 is."""
    return part * 100 > whole * percent


def advert_would_be_too_much(
    *, adverts: int, posts: int, limit_percent: int, minimum_posts: int
) -> bool:
    """Whether one more advert would bring the share over the limit. ``posts`` counts the adverts,
    too; with fewer than the minimum, that one included, a share says nothing."""
    posts += 1
    return posts >= minimum_posts and is_over(adverts + 1, posts, limit_percent)


def quiet_until(
    now: datetime, *, quiet_from: time | None, quiet_until: time | None, zone: ZoneInfo
) -> datetime | None:
    """When the quiet hours end in which ``now`` lies, or None outside them.

    From 22:00 until 8:00 goes over midnight; from and until the same time there are none. What a
    change of time makes of a clock time: one that is skipped comes right after the gap, one that
    comes twice is taken where it comes first for the beginning, and where it comes last for the
    end.
    """
    if quiet_from is None or quiet_until is None or quiet_from == quiet_until:
        return None
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        last = day if quiet_from < quiet_until else day + timedelta(days=1)
        begins = _instant(datetime.combine(day, quiet_from), zone, fold=0)
        ends = _instant(datetime.combine(last, quiet_until), zone, fold=1)
        if begins <= now < ends:
            return ends
    return None


def window_begins(window: str, now: datetime, *, zone: ZoneInfo) -> datetime:
    """The first instant of a window of calendar days that ends with today."""
    days = CAP_DAYS[CapWindow(window)]
    first = now.astimezone(zone).date() - timedelta(days=days - 1)
    return _instant(datetime.combine(first, time.min), zone, fold=0)


def _instant(local: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    """A clock time as an instant; in the gap of a time change, the end of the gap."""
    utc = ZoneInfo("UTC")
    there = local.replace(tzinfo=zone, fold=fold)
    instant = there.astimezone(utc)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    before, after = (local.replace(tzinfo=zone, fold=f) for f in (0, 1))
    gap = before.astimezone(utc), after.astimezone(utc)
    low, high = min(gap), max(gap)
    offset_before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == offset_before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
