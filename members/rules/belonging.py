"""When somebody belonged to a community, and how a row that says so is read."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext as _

from members.rules.rows import (
    BadRow,
    Period,
    read_instant,
    read_optional_text,
    read_text,
    shown,
)
from members.rules.status import LeaveReason

OLDEST_DAYS = 30 * 366


class RawBelonging(NamedTuple):
    """A time in a community as it was reported: nothing about its values is known yet."""

    external_id: object
    community: object
    joined_at: object
    nickname: object = ""
    left_at: object = ""
    leave_reason: object = ""


class Belonging(NamedTuple):
    """A well-formed time in a community, by the names that its source gives. ``left_at`` is None
    for who is still there."""

    external_id: str
    nickname: str
    community: str
    joined_at: datetime
    left_at: datetime | None
    leave_reason: str


type Time = tuple[datetime, datetime | None]


def overlap(one: Time, other: Time) -> bool:
    """Whether two times of one person in one community cannot both be; one may begin when the
    other ends."""
    (joined, left), (other_joined, other_left) = one, other
    if joined == other_joined:
        return True
    begins_before = other_left is None or joined < other_left
    return begins_before and (left is None or other_joined < left)


def read_belonging(raw: RawBelonging, *, within: Period) -> Belonging:
    """The time, or ``BadRow``."""
    external_id = read_text(raw.external_id, "external_id", limit=128)
    nickname = read_optional_text(raw.nickname, "nickname", limit=120)
    community = read_text(raw.community, "community", limit=64)
    joined_at = read_instant(raw.joined_at, "joined_at", within=within)
    left_at = None
    if raw.left_at is not None and str(raw.left_at).strip():
        left_at = read_instant(raw.left_at, "left_at", within=within)
        if left_at < joined_at:
            words = {"joined": shown(raw.joined_at), "left": shown(raw.left_at)}
            raise BadRow(
                "left_before_joined",
                _("left_at “%(left)s” 早于 joined_at “%(joined)s”。") % words,
            )
    reason = read_reason(raw.leave_reason, has_left=left_at is not None)
    return Belonging(external_id, nickname, community, joined_at, left_at, reason)


def read_reason(value: object, *, has_left: bool) -> str:
    """Why somebody left: unknown where nobody says."""
    text = read_optional_text(value, "leave_reason", limit=20)
    if not text:
        return LeaveReason.UNKNOWN if has_left else ""
    if not has_left:
        raise BadRow("still_there", _("有 leave_reason 就要有 left_at；还在群里的两个都不填。"))
    if text not in LeaveReason.values:
        words = {"value": shown(text), "known": "、".join(LeaveReason.values)}
        raise BadRow(
            "unknown_leave_reason",
            _("leave_reason “%(value)s” 不认识，可用：%(known)s。") % words,
        )
    return text
