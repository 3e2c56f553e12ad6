"""What may be handed over, to whom, and which way: facts in, the code of a reason or "" out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from communities.rules.status import ChatPlatformStatus, ChatState
from communities.rules.transfers import Route, Subject
from scrm.accounts.models import StaffPlatformStatus
from scrm.wecom.rules.limits import HAND_OVERS, INHERITABLE_DAYS
from scrm.wecom.rules.status import ConnectionState

#: What the directory says about somebody who cannot receive. Real name and last login are known
#: to the platform only (WeCom, page 95703).
RECEIVER_FAULTS: dict[str, str] = {
    "": "no_connection",
    StaffPlatformStatus.LEFT: "receiver_inactive",
    StaffPlatformStatus.MISSING: "receiver_elsewhere",
    StaffPlatformStatus.DISABLED: "receiver_not_activated",
    StaffPlatformStatus.NOT_ACTIVATED: "receiver_not_activated",
}


@dataclass(frozen=True, slots=True)
class Colleague:
    """``left_at``: when they left, as far as known."""

    staff_id: int
    userid: str
    is_active: bool
    platform_status: str
    can_use_customer_group: bool
    department_id: int | None = None
    left_at: datetime | None = None

    @property
    def has_left_the_platform(self) -> bool:
        """Seen to have left; or gone from the directory, and for us too."""
        is_missing = self.platform_status == StaffPlatformStatus.MISSING
        has_left = self.platform_status == StaffPlatformStatus.LEFT
        return has_left or (is_missing and not self.is_active)


def receiver_refusal(colleague: Colleague, subject: str) -> str:
    """Why this colleague may not receive anything of this subject."""
    if not colleague.is_active:
        return "receiver_inactive"
    if subject == Subject.COMMUNITY:
        return ""
    if not colleague.userid:
        return "no_connection"
    if fault := RECEIVER_FAULTS.get(colleague.platform_status, ""):
        return fault
    return "" if colleague.can_use_customer_group else "receiver_not_allowed"


def route_of(subject: str, giver: Colleague, chat_status: str = "") -> Route:
    """Which way an item goes, as far as we know; the platform has the last word."""
    if subject == Subject.COMMUNITY:
        return Route.INTERNAL
    if giver.has_left_the_platform or chat_status == ChatPlatformStatus.OWNER_RESIGNED:
        return Route.RESIGNED
    return Route.ON_JOB


@dataclass(frozen=True, slots=True)
class Standing:
    """How one thing stands. ``owner_ids`` are those from whom it can be taken; ``hand_overs`` is
    how often it was handed over within the platform's 90 days. The connection's state is None
    where the thing's account has no connection."""

    subject: str
    route: str
    owner_ids: frozenset[int | None]
    chat_state: str = ""
    connection_state: str | None = None
    is_held_elsewhere: bool = False
    hand_overs: int = 0


def thing_refusal(thing: Standing, giver: Colleague, *, now: datetime) -> str:
    """Why this thing cannot be handed over by this giver now, whoever receives it."""
    if thing.chat_state == ChatState.DISSOLVED:
        return "chat_dissolved"
    if thing.is_held_elsewhere:
        return "in_transfer"
    if giver.staff_id not in thing.owner_ids:
        return "no_owner" if thing.owner_ids == {None} else "owner_changed"
    if thing.route == Route.INTERNAL:
        return ""
    if thing.connection_state is None:
        return "no_connection"
    if thing.connection_state == ConnectionState.PAUSED:
        return "connection_paused"
    return _giver_refusal(thing, giver, now)


def _giver_refusal(thing: Standing, giver: Colleague, now: datetime) -> str:
    if not giver.userid:
        return "giver_is_elsewhere"
    if thing.route == Route.RESIGNED:
        until = None if giver.left_at is None else giver.left_at + timedelta(days=INHERITABLE_DAYS)
        return "inheritance_over" if until is not None and until < now else ""
    if giver.platform_status == StaffPlatformStatus.MISSING:
        return "giver_is_elsewhere"
    return "handed_over_too_often" if thing.hand_overs >= HAND_OVERS else ""
