"""When a customer and a member of staff were contacts: what is special about them beside stays.

A customer who deletes a colleague stays in the colleague's list: only the event tells it, a reading
goes on showing them. A contact that only the customer has added is in no list at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from members.rules.status import Confidence, FollowEnd
from members.rules.stays import LAG, Fact, Joined, Left, Missing, Period, Seen, periods


@dataclass(frozen=True, slots=True)
class Span:
    """One period as a contact, as it is stored."""

    began_at: datetime
    began_confidence: str = Confidence.EXACT
    is_mutual: bool = True
    seen_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str = ""
    end_confidence: str = ""
    cleared_at: datetime | None = None  # when the colleague let go of a customer who had gone


def facts_of(span: Span) -> list[Fact]:
    """What a stored period was made of."""
    facts: list[Fact] = []
    is_exact = span.began_confidence == Confidence.EXACT
    if is_exact:
        facts.append(Joined(span.began_at))
    if span.seen_at is not None:
        read_at = span.seen_at + LAG  # of which the lag was taken off
        facts.append(Seen(read_at, span.began_at if is_exact else None))
    if span.ended_at is None or span.end_reason == FollowEnd.MUTUAL:
        return facts
    if span.end_confidence == Confidence.EXACT:
        facts.append(Left(span.ended_at, span.end_reason))
    else:
        facts.append(Missing(span.ended_at))
    if span.cleared_at is not None:
        facts.append(Left(span.cleared_at, FollowEnd.BY_STAFF))
    return facts


def spans(facts: Iterable[Fact], *, halves: Collection[datetime]) -> list[Span]:
    """The periods, earliest first, whatever the order and repetition of the facts. ``halves`` are
    the joins that only the customer has made."""
    believed, cleared = _believable(list(facts), halves)
    found = periods(believed)
    made = [_span(period, is_half=period.joined_at in halves) for period in found]
    return [
        _completed(span, after, cleared)
        for span, after in zip(made, [*made[1:], None], strict=False)
    ]


def _believable(
    facts: list[Fact], halves: Collection[datetime]
) -> tuple[list[Fact], list[datetime]]:
    """Without what only looks like a fact: the sight of a customer who has gone, and the absence of
    one who is in no list. And apart from them when a colleague let go of one who had gone."""
    joined = {fact.at for fact in facts if isinstance(fact, Joined)}
    joined |= {fact.joined_at for fact in facts if isinstance(fact, Seen) and fact.joined_at}
    gone, cleared = _customers_leaves({f for f in facts if isinstance(f, Left)}, joined)
    kept: list[Fact] = []
    for fact in facts:
        match fact:
            case Left(at) if at in cleared:
                pass
            case Seen(read_at, joined_at) if _is_within(gone, read_at, since=joined_at):
                kept += [Joined(joined_at)] if joined_at else []
            case Missing(read_at) if max(filter(read_at.__ge__, joined), default=None) in halves:
                pass
            case _:
                kept.append(fact)
    return kept, cleared


type _Times = list[tuple[datetime, datetime | None]]


def _customers_leaves(
    leaves: set[Left], joined: Collection[datetime]
) -> tuple[_Times, list[datetime]]:
    """The times in which a customer had gone and nothing had come of it yet, and those that ended
    because the colleague let go of them."""
    gone: _Times = []
    cleared: list[datetime] = []
    since: datetime | None = None
    moves = [(at, "") for at in joined] + [(fact.at, fact.reason) for fact in leaves]
    for at, reason in sorted(moves):
        if since is not None:
            gone.append((since, at))
            if reason == FollowEnd.BY_STAFF:
                cleared.append(at)
        since = at if reason == FollowEnd.BY_CUSTOMER else None
    if since is not None:
        gone.append((since, None))
    return gone, cleared


def _is_within(gone: _Times, read_at: datetime, *, since: datetime | None) -> bool:
    return any(
        began <= read_at and (ended is None or read_at < ended)
        for began, ended in gone
        if since is None or began >= since
    )


def _span(period: Period, *, is_half: bool) -> Span:
    ended = period.left_at is not None
    return Span(
        began_at=period.joined_at,
        began_confidence=period.join_confidence,
        is_mutual=not is_half,
        seen_at=period.seen_at,
        ended_at=period.left_at,
        end_reason=(period.reason or FollowEnd.UNKNOWN) if ended else "",
        end_confidence=period.leave_confidence if ended else "",
    )


def _became_mutual(span: Span, after: Span | None) -> bool:
    return (
        after is not None
        and not span.is_mutual
        and after.is_mutual
        and span.ended_at == after.began_at
        and span.end_confidence == Confidence.INFERRED
    )


def _completed(span: Span, after: Span | None, cleared: Sequence[datetime]) -> Span:
    """With what only shows beside the next period. That it became mutual then is the latest that it
    can have been: an addition between may have been lost."""
    if _became_mutual(span, after):
        return replace(span, end_reason=FollowEnd.MUTUAL)
    if span.ended_at is None or span.end_reason != FollowEnd.BY_CUSTOMER:
        return span
    until = after.began_at if after is not None else None
    let_go = [at for at in cleared if at >= span.ended_at and (until is None or at < until)]
    return replace(span, cleared_at=min(let_go, default=None))


def assigned(begins: Sequence[datetime], found: Sequence[Span]) -> list[tuple[int | None, Span]]:
    """Which stored period, by its place, each one is: the one that began then, or else the first
    that is left; None for a new one. A stored one that is left over stays as it is, because its
    facts may still find their place."""
    places = {began: place for place, began in enumerate(begins)}
    exact = {span.began_at: places[span.began_at] for span in found if span.began_at in places}
    rest = iter([place for place in range(len(begins)) if place not in exact.values()])
    return [
        (exact[span.began_at] if span.began_at in exact else next(rest, None), span)
        for span in found
    ]
