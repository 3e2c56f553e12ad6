"""What was told of people in chats, written into their stays and memberships, set by set.

The rules say what the stays are; here the rows are loaded, told again, and what differs is written.
The chats are locked by the caller, and so are the communities that they carry.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count

from communities.models import GroupChat, JoinWay
from communities.services.following import recount_chats
from members.models import Stay
from members.rules.status import JoinScene, ObservedBy
from members.rules.stay_rows import PROMISE_HOLDS, SAME_JOINING, Kept, Row, retold
from members.rules.stays import EXACT, LAG, Dissolved, Fact, Period
from members.services.platform.belonging import rewrite_memberships
from members.services.platform.changes import Change
from scrm.shared.rows import insert_rows, write_rows

#: Written by us, so a promise until the platform shows it to be kept, and how long it holds.
OURS: dict[str, timedelta] = {ObservedBy.PRODUCT: PROMISE_HOLDS, ObservedBy.IMPORT: LAG}

TOLD_BY_FACTS = (
    "joined_at",
    "join_confidence",
    "seen_at",
    "left_at",
    "leave_reason",
    "leave_confidence",
)
WRITTEN = (
    *TOLD_BY_FACTS,
    "membership",
    "observed_by",
    "join_way",
    "join_scene",
    "join_state",
    "inviter",
)

type Pair = tuple[int, int]  # chat, member


@dataclass(frozen=True, slots=True)
class Entry:
    """How somebody came in. A reading tells it more finely than an event."""

    scene: str = JoinScene.UNKNOWN
    state: str = ""
    inviter_id: int | None = None
    was_read: bool = False

    def added_to(self, known: Entry) -> Entry:
        """With what was known before where this says less."""
        finer = self.scene and (self.was_read or not known.scene)
        return Entry(
            scene=self.scene if finer else known.scene,
            state=self.state or known.state,
            inviter_id=self.inviter_id or known.inviter_id,
        )


@dataclass(slots=True)
class Told:
    """What is told of one person in one chat: facts, and how they came in at which instant."""

    facts: list[Fact] = field(default_factory=list)
    entries: dict[datetime, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Telling:
    """``read_at``: when each chat was read before. ``news_since``: whoever joined a chat from then
    on is new; in chats that it leaves out nobody is."""

    enterprise_id: int
    chats: Mapping[int, GroupChat]
    observed_by: str
    read_at: Mapping[int, datetime | None]
    news_since: Mapping[int, datetime]


def record(told: Mapping[Pair, Told], telling: Telling) -> Counter[str]:
    """Write what is told. Counted are stays that are new (``joined``), have ended (``left``) or
    were otherwise not as we thought (``corrected``)."""
    changes = _changes(told, telling)
    if not changes:
        return Counter()
    rewritten = rewrite_memberships(changes, telling.chats)
    _write(changes)
    rewritten.move_stays()
    _recount({change.stay.chat_id for change in changes if change.moves_somebody})
    rewritten.announce(telling.news_since)
    return Counter(change.kind for change in changes)


def kept_row(stay: Stay) -> Kept:
    """A stay on file as the rules see it."""
    period = Period(
        joined_at=stay.joined_at,
        join_confidence=stay.join_confidence,
        seen_at=stay.seen_at,
        left_at=stay.left_at,
        reason=stay.leave_reason,
        leave_confidence=stay.leave_confidence,
    )
    ours = stay.observed_by in OURS
    return Kept(stay.pk, period, promised=ours, holds=OURS.get(stay.observed_by, LAG))


# --- What differs ---------------------------------------------------------------------------------


def _changes(told: Mapping[Pair, Told], telling: Telling) -> list[Change]:
    stays = _stays_of(told)
    ways = _join_ways(told.values(), telling.enterprise_id)
    changes: list[Change] = []
    for pair, heard in told.items():
        found = _retold(pair, heard, stays.get(pair, []), telling)
        for change in found.values():
            change.is_written |= _enter(change.stay, heard, ways)
        changes += [change for change in found.values() if change.is_written]
    return changes


def _retold(pair: Pair, heard: Told, stays: Sequence[Stay], telling: Telling) -> dict[int, Change]:
    """All stays of one person in one chat, those that say something else now marked as such."""
    chat = telling.chats[pair[0]]
    kept = {stay.pk: kept_row(stay) for stay in stays}
    changes = {stay.pk: Change(stay, kept[stay.pk]) for stay in stays}
    facts = [*heard.facts, *_end_of(chat)]
    rows = retold(list(kept.values()), facts, read_at=telling.read_at.get(chat.pk))
    for number, row in enumerate(rows):
        if row.key is None:
            change = changes[-1 - number] = Change(_new_stay(pair, telling), None)
        else:
            change = changes[row.key]
        _rewrite(change.stay, row, telling.observed_by)
        change.is_written = True
    return changes


def _end_of(chat: GroupChat) -> Iterator[Fact]:
    if chat.dissolved_at is not None:
        yield Dissolved(chat.dissolved_at, exact=not chat.is_dissolution_inferred)


def _new_stay(pair: Pair, telling: Telling) -> Stay:
    chat_id, member_id = pair
    return Stay(
        enterprise_id=telling.enterprise_id,
        chat=telling.chats[chat_id],
        member_id=member_id,
        observed_by=telling.observed_by,
    )


def _rewrite(stay: Stay, row: Row, observed_by: str) -> None:
    period = row.period
    stay.joined_at, stay.join_confidence = period.joined_at, period.join_confidence
    stay.seen_at = period.seen_at
    stay.left_at, stay.leave_reason = period.left_at, period.reason
    stay.leave_confidence = period.leave_confidence
    if row.shown and stay.observed_by in OURS:
        stay.observed_by = observed_by


def _enter(stay: Stay, heard: Told, ways: Mapping[str, int]) -> bool:
    """Write how they came in; whether that is new."""
    told = _entry_of(stay, heard)
    if told is None:
        return False
    known = Entry(stay.join_scene, stay.join_state, stay.inviter_id)
    entry = told.added_to(known)
    stay.join_scene, stay.join_state, stay.inviter_id = entry.scene, entry.state, entry.inviter_id
    stay.join_way_id = ways.get(entry.state, stay.join_way_id)
    return entry != known


def _entry_of(stay: Stay, heard: Told) -> Entry | None:
    if stay.join_confidence != EXACT:
        return None
    near = (each for at, each in heard.entries.items() if abs(at - stay.joined_at) <= SAME_JOINING)
    return heard.entries.get(stay.joined_at) or next(near, None)


# --- Rows -----------------------------------------------------------------------------------------


def _stays_of(pairs: Collection[Pair]) -> dict[Pair, list[Stay]]:
    stays: defaultdict[Pair, list[Stay]] = defaultdict(list)
    rows = Stay.objects.filter(
        chat__in={chat_id for chat_id, _ in pairs},
        member__in={member_id for _, member_id in pairs},
    )
    for stay in rows.select_related("membership").order_by("pk"):
        stays[stay.chat_id, stay.member_id].append(stay)
    return stays


def _join_ways(told: Iterable[Told], enterprise_id: int) -> dict[str, int]:
    states = {entry.state for heard in told for entry in heard.entries.values() if entry.state}
    if not states:
        return {}
    ways = JoinWay.objects.filter(enterprise=enterprise_id, code__in=states)
    return dict(ways.values_list("code", "pk"))


def _write(changes: Sequence[Change]) -> None:
    """What ends is written before what begins: nobody is in a chat twice at any moment."""
    known = [change.stay for change in changes if not change.is_new]
    for stays in (
        [stay for stay in known if stay.left_at is not None],
        [stay for stay in known if stay.left_at is None],
    ):
        write_rows(stays, WRITTEN)
    new = [change.stay for change in changes if change.is_new]
    insert_rows(new, ("enterprise", "member", "chat", *WRITTEN))


def _recount(chat_ids: Collection[int]) -> None:
    if chat_ids:
        people = dict.fromkeys(sorted(chat_ids), 0)
        inside = Stay.objects.open().filter(chat__in=chat_ids).order_by()
        people.update(inside.values_list("chat").annotate(people=Count("pk")))
        recount_chats(people)
