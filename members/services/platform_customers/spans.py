"""Follow rows brought up to what was told: the difference is written, and no row is removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from members.models import Follow, Member
from members.rules.follows import Span, assigned, facts_of, spans
from members.rules.stays import Fact
from scrm.shared.rows import write_rows
from scrm.wecom.models import WecomConnection

SPAN = (
    "began_at",
    "began_confidence",
    "is_mutual",
    "seen_at",
    "ended_at",
    "end_reason",
    "end_confidence",
    "cleared_at",
)
NOTES = ("remark", "add_way", "state")

type Pair = tuple[int, int]  # staff, member


@dataclass(frozen=True, slots=True)
class Notes:
    """What is written on one contact; None where nothing was told."""

    remark: str | None = None
    add_way: int | None = None
    state: str | None = None


@dataclass(slots=True)
class Told:
    """What was heard or read about one colleague and one customer. ``halves`` are the joins that
    only the customer has made; ``notes`` are those of the contact that began then."""

    external_userid: str = ""
    facts: list[Fact] = field(default_factory=list)
    halves: set[datetime] = field(default_factory=set)
    notes: dict[datetime, Notes] = field(default_factory=dict)


def lock_members(member_ids: Sequence[int]) -> dict[int, Member]:
    """In one order, so that those who write about the same customers wait for each other."""
    rows = Member.objects.filter(pk__in=member_ids).select_for_update(no_key=True)
    return {row.pk: row for row in rows.order_by("pk")}


def record_follows(
    connection: WecomConnection, told: Mapping[Pair, Told]
) -> tuple[Counter[str], dict[Pair, list[Follow]]]:
    """Write what was told, in the caller's transaction, which holds the members' locks. Returns
    ``added``, ``changed`` and ``closed``, and the rows by pair, earliest first."""
    stored = _stored(connection, told)
    new: list[Follow] = []
    changed: list[Follow] = []
    seen: dict[datetime, list[int]] = {}
    counts: Counter[str] = Counter(added=0, changed=0, closed=0)
    for pair, each in told.items():
        rows = stored.setdefault(pair, [])
        begins = [row.began_at for row in rows]
        for place, span in assigned(begins, _spans(rows, each)):
            if place is None:
                rows.append(_new(connection, pair, each))
                _write(rows[-1], span, each.notes.get(span.began_at))
                new.append(rows[-1])
                counts["added"] += 1
                continue
            row = rows[place]
            was_open = row.ended_at is None
            names = _write(row, span, each.notes.get(span.began_at))
            if names == {"seen_at"} and row.seen_at is not None:
                seen.setdefault(row.seen_at, []).append(row.pk)
            elif names:
                changed.append(row)
                counts["closed" if was_open and row.ended_at else "changed"] += 1
        rows.sort(key=lambda row: row.began_at)
    _save(new, changed, seen)
    return counts, stored


def _stored(connection: WecomConnection, told: Mapping[Pair, Told]) -> dict[Pair, list[Follow]]:
    rows = Follow.objects.filter(
        Q(staff__in={staff for staff, _ in told}) & Q(member__in={member for _, member in told}),
        channel_account=connection.account_id,
    )
    stored: dict[Pair, list[Follow]] = {}
    for row in rows.order_by("began_at", "pk"):
        stored.setdefault((row.staff_id, row.member_id), []).append(row)
    return stored


def span_of(row: Follow) -> Span:
    return Span(**{name: getattr(row, name) for name in SPAN})


def _spans(rows: Sequence[Follow], each: Told) -> list[Span]:
    known = [span_of(row) for row in rows]
    halves = each.halves | {span.began_at for span in known if not span.is_mutual}
    facts = [fact for span in known for fact in facts_of(span)]
    return spans([*facts, *each.facts], halves=halves)


def _new(connection: WecomConnection, pair: Pair, each: Told) -> Follow:
    staff_id, member_id = pair
    return Follow(
        enterprise_id=connection.enterprise_id,
        channel_account_id=connection.account_id,
        staff_id=staff_id,
        member_id=member_id,
        external_userid=each.external_userid,
    )


def _write(row: Follow, span: Span, notes: Notes | None) -> set[str]:
    """Put it on the row; returns the names of what is different now."""
    values: dict[str, object] = {name: getattr(span, name) for name in SPAN}
    for name in NOTES:
        if notes is not None and (value := getattr(notes, name)) is not None:
            values[name] = value
    different = {name for name, value in values.items() if getattr(row, name) != value}
    for name in different:
        setattr(row, name, values[name])
    return different


def _save(
    new: Sequence[Follow], changed: Sequence[Follow], seen: Mapping[datetime, Sequence[int]]
) -> None:
    """Ends first: of two periods only one may be open."""
    for seen_at, ids in seen.items():
        Follow.objects.filter(pk__in=ids).update(seen_at=seen_at)
    fields = [*SPAN, *NOTES]
    ended = [row for row in changed if row.ended_at is not None]
    write_rows(ended, fields)
    write_rows([row for row in changed if row.ended_at is None], fields)
    Follow.objects.bulk_create(new, batch_size=1000)
