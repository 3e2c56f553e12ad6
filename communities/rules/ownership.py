"""When one owner of a chat gave way to the next, from what readings showed and what events told.

A reading tells who owns a chat at its instant. An event tells that the owner changed, not to whom:
it places the boundary between two readings with different owners, whichever came first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from communities.rules.transfers import BrokenRule, ItemState

#: How far a reading may be behind what has happened.
LAG = timedelta(seconds=10)
#: How far our clock may be behind the platform's.
SKEW = timedelta(seconds=3)

#: What the directory says of who has left, and of who cannot log in.
GONE = frozenset({"left"})
NOT_READY = frozenset({"not_activated", "disabled"})
#: These end once the owner is somebody who may own the chat; the others are about how it was done.
ABOUT_THE_OWNER = frozenset(
    {
        BrokenRule.STRANGER,
        BrokenRule.INACTIVE,
        BrokenRule.NOT_ALLOWED,
        BrokenRule.NOT_ACTIVATED,
        BrokenRule.OVER_MAXIMUM,
    }
)


@dataclass(frozen=True, slots=True)
class Span:
    """One owner's time as it is on file. From ``first_seen_at`` until ``seen_at`` readings showed
    this owner. ``was_shown``: a reading, not somebody's word, said that it had begun."""

    began_at: datetime
    ended_at: datetime | None
    first_seen_at: datetime | None
    seen_at: datetime | None
    was_shown: bool
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Start:
    at: datetime
    is_exact: bool


def starts(spans: Sequence[Span], told: Collection[datetime]) -> list[Start]:
    """When each of these, one after the other, began. The first one and what was said by hand stay
    as they are."""
    gaps = [_gap(spans, place) for place in range(len(spans))]
    taken = {at for at in told if any(gap and gap[0] < at <= gap[1] for gap in gaps)}
    found: list[Start] = []
    for place, (span, gap) in enumerate(zip(spans, gaps, strict=True)):
        if gap is None:
            start = Start(span.began_at, span.is_exact)
        else:
            former = (spans[place - 1], found[-1].at)
            start = _start(span, gap, former, taken, {*told} - taken)
        if found and start.at < found[-1].at:
            start = Start(found[-1].at, start.is_exact)
        found.append(start)
    return found


def splits(first: Span, told: Collection[datetime]) -> bool:
    """Whether somebody whom no reading has shown owned the chat before its first known owner."""
    return first.first_seen_at is not None and any(
        first.began_at < at <= first.first_seen_at for at in told
    )


type Gap = tuple[datetime, datetime]
"""After the first instant, and at the latest at the second."""


def _gap(spans: Sequence[Span], place: int) -> Gap | None:
    span = spans[place]
    if place == 0 or not span.was_shown or span.first_seen_at is None:
        return None
    former = spans[place - 1]
    return (former.seen_at or former.began_at, span.first_seen_at)


def _start(
    span: Span,
    gap: Gap,
    former: tuple[Span, datetime],
    taken: Collection[datetime],
    free: Collection[datetime],
) -> Start:
    after, until = gap
    inside = [at for at in taken if after < at <= until]
    if inside:
        return _by_the_end(span, Start(max(inside), is_exact=True))
    before, began_at = former
    lagging = [
        at
        for at in free
        if after - LAG < at <= after and at > max(began_at, before.first_seen_at or began_at)
    ]
    if lagging:
        return _by_the_end(span, Start(max(lagging), is_exact=True))
    ahead = any(until < at <= until + SKEW for at in free)
    return _by_the_end(span, Start(until, is_exact=ahead))


def _by_the_end(span: Span, start: Start) -> Start:
    if span.ended_at is None or start.at <= span.ended_at:
        return start
    return Start(span.ended_at, start.is_exact)


@dataclass(frozen=True, slots=True)
class Owner:
    """What is known of whom the platform shows as the owner. ``is_known``: as a colleague of ours.
    ``platform_status`` is empty where the directory was never read; ``chats`` is how many they own.
    """

    is_known: bool
    is_active: bool = True
    platform_status: str = ""
    may_own: bool = True
    chats: int = 0


def broken_by(owner: Owner, *, maximum: int | None) -> list[BrokenRule]:
    """Why somebody may not own a chat."""
    if not owner.is_known:
        return [BrokenRule.STRANGER]
    if not owner.is_active or owner.platform_status in GONE:
        return [BrokenRule.INACTIVE]
    broken: list[BrokenRule] = []
    if owner.platform_status in NOT_READY:
        broken.append(BrokenRule.NOT_ACTIVATED)
    if owner.platform_status and not owner.may_own:
        broken.append(BrokenRule.NOT_ALLOWED)
    if maximum is not None and owner.chats > maximum:
        broken.append(BrokenRule.OVER_MAXIMUM)
    return broken


def broken_by_the_way(
    *, hand_over: ItemState | None, is_its_receiver: bool, needs_approval: bool
) -> list[BrokenRule]:
    """What was wrong with how the owner changed. ``hand_over``: the state of the hand-over of ours
    that holds the chat; ``needs_approval``: a policy says so of this chat."""
    if hand_over is not None and not is_its_receiver:
        return [BrokenRule.NOT_THE_RECEIVER]
    if hand_over == ItemState.PENDING or (hand_over is None and needs_approval):
        return [BrokenRule.WITHOUT_APPROVAL]
    return []
