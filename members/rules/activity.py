"""What counts as a sign of life, and how one is read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members.rules.rows import BadRow, Period, read_instant, read_optional_text, read_text, shown

OLDEST_DAYS = 3653  # each month of history is a partition, so history has an end
MEMBER_LIMIT = 128
COMMUNITY_LIMIT = 60
KEY_LIMIT = 128
STAFF_LIMIT = 64
COVERAGE_GAP = timedelta(days=3)  # what lies further apart was not listened to in between


class ActivityKind(TextChoices):
    MESSAGE = "message", gettext_lazy("发言")
    POST = "post", gettext_lazy("发帖")
    COMMENT = "comment", gettext_lazy("评论")
    LIKE = "like", gettext_lazy("点赞")
    SHARE = "share", gettext_lazy("转发")
    CLICK = "click", gettext_lazy("点击")
    CHECKIN = "checkin", gettext_lazy("打卡")
    SUBMISSION = "submission", gettext_lazy("提交作业")
    REVIEW = "review", gettext_lazy("点评")
    ATTENDANCE = "attendance", gettext_lazy("参加活动")
    RED_PACKET = "red_packet", gettext_lazy("领红包")


#: The kinds that a member's day counts one by one; every other kind is in ``other_count``.
COUNTERS: dict[str, str] = {
    "message_count": ActivityKind.MESSAGE.value,
    "post_count": ActivityKind.POST.value,
    "comment_count": ActivityKind.COMMENT.value,
    "checkin_count": ActivityKind.CHECKIN.value,
    "click_count": ActivityKind.CLICK.value,
}
KINDS = frozenset(ActivityKind.values)


class RawEvent(NamedTuple):
    """An event as it was reported: nothing about its values is known yet."""

    member: object
    community: object
    kind: object
    occurred_at: object
    dedupe_key: object
    thread: object = ""
    staff: object = ""


class Event(NamedTuple):
    """A well-formed event of a member or of a colleague: one of the two is named, the other is
    empty. Whether they and the community exist is another question. The instant is in UTC."""

    member: str
    staff: str
    community: str
    kind: str
    occurred_at: datetime
    dedupe_key: str
    thread: str


def read_event(raw: RawEvent, *, within: Period) -> Event:
    """The event, or ``BadRow``."""
    member, community, kind, occurred_at, dedupe_key, thread, staff = raw
    if not isinstance(kind, str) or kind not in KINDS:
        words = {"value": shown(kind), "kinds": "、".join(ActivityKind.values)}
        raise BadRow("unknown_kind", _("未知的 kind “%(value)s”，可用：%(kinds)s。") % words)
    instant = read_instant(occurred_at, "occurred_at", within=within)
    is_of_staff = staff is not None and staff != ""
    if not is_of_staff and _are_plain(member, community, dedupe_key, thread):
        return Event(member, "", community, kind, instant, dedupe_key, thread or "")  # type: ignore[arg-type]
    if is_of_staff:
        staff = read_text(staff, "staff", limit=STAFF_LIMIT)
        if read_optional_text(member, "member", limit=MEMBER_LIMIT):
            raise BadRow("two_people", _("member 和 staff 只能写一个：一条活跃只属于一个人。"))
        member = ""
    else:
        member, staff = read_text(member, "member", limit=MEMBER_LIMIT), ""
    return Event(
        member,
        staff,
        read_text(community, "community", limit=COMMUNITY_LIMIT),
        kind,
        instant,
        read_text(dedupe_key, "dedupe_key", limit=KEY_LIMIT),
        read_optional_text(thread, "thread", limit=KEY_LIMIT),
    )


def _are_plain(member: object, community: object, dedupe_key: object, thread: object) -> bool:
    """Whether these are texts as they should be, at a glance; of nearly every event they are."""
    thread = "" if thread is None else thread
    if not (type(member) is type(community) is type(dedupe_key) is type(thread) is str):
        return False
    together = f"{member}{community}{dedupe_key}{thread}"
    return (
        bool(member and community and dedupe_key)
        and len(community) <= COMMUNITY_LIMIT
        and len(together) <= KEY_LIMIT
        and together.isprintable()
        and " " not in together
    )


def periods_of(instants: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """The periods that single instants make together: those closer than the gap grow together."""
    periods: list[tuple[datetime, datetime]] = []
    for instant in sorted(instants):
        if periods and instant - periods[-1][1] <= COVERAGE_GAP:
            periods[-1] = periods[-1][0], instant
        else:
            periods.append((instant, instant))
    return periods
