"""When a customer and a member of staff were contacts: what is special about them beside stays.

A customer who deletes a colleague stays in the colleague's list: only the event tells it, a reading
goes on showing them. A contact that only the customer has added is in no list at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
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
    return facts


def spans(facts: Iterable[Fact], *, halves: Collection[datetime]) -> list[Span]:
    """The periods, earliest first, whatever the order and repetition of the facts. ``halves`` are
    the joins that only the customer has made."""
    found = periods(_believable(list(facts)))
    made = [_span(period, is_half=period.joined_at in halves) for period in found]
    return [
        _ended_mutually(span) if _became_mutual(span, after) else span
        for span, after in zip(made, [*made[1:], None], strict=True)
    ]


def _believable(facts: list[Fact]) -> list[Fact]:
    """Without what only looks like a fact: the colleague clearing away a customer who had gone
    before, and the sight of one who has."""
    ended = [fact.at for fact in facts if _is_by_customer(fact)]
    joined = [fact.at for fact in facts if isinstance(fact, Joined)]
    joined += [fact.joined_at for fact in facts if isinstance(fact, Seen) and fact.joined_at]

    def gone_at(moment: datetime, *, since: datetime | None = None) -> bool:
        """The customer had left by then, and had not come back."""
        left = [at for at in ended if at <= moment and (since is None or at >= since)]
        return bool(left) and not any(max(left) < at <= moment for at in joined)

    kept: list[Fact] = []
    for fact in facts:
        match fact:
            case Left(at, reason) if reason != FollowEnd.BY_CUSTOMER and gone_at(at):
                continue
            case Seen(read_at, joined_at) if gone_at(read_at, since=joined_at):
                continue
        kept.append(fact)
    return kept


def _is_by_customer(fact: Fact) -> bool:
    return isinstance(fact, Left) and fact.reason == FollowEnd.BY_CUSTOMER


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


def _ended_mutually(span: Span) -> Span:
    return replace(span, end_reason=FollowEnd.MUTUAL, end_confidence=Confidence.EXACT)
