"""The owners of one chat, in their order, while something new is learnt about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from communities.models import GroupChat, OwnerChange, OwnershipPeriod
from communities.rules.ownership import Span, splits, starts
from communities.rules.transfers import OwnershipCause, OwnershipConfidence
from scrm.shared.rows import insert_rows, write_rows

EXACT, INFERRED = OwnershipConfidence.EXACT, OwnershipConfidence.INFERRED
#: These begin where a reading says so, the others where a person did.
SHOWN = frozenset({OwnershipCause.FIRST_SEEN, OwnershipCause.OBSERVED, OwnershipCause.TRANSFER})
CHANGED = (
    "staff",
    "userid",
    "began_at",
    "began_confidence",
    "first_seen_at",
    "seen_at",
    "ended_at",
    "cause",
)
INSERTED = ("enterprise", "chat", *CHANGED, "transfer_item")


class ChatHistory:
    """``rows`` are the periods of ``chat``, which is locked; ``told`` the instants at which events
    said that its owner changed."""

    def __init__(
        self, chat: GroupChat, rows: Sequence[OwnershipPeriod], told: Iterable[datetime]
    ) -> None:
        self.chat = chat
        self.rows = list(rows)
        self.told = set(told)

    @property
    def last(self) -> OwnershipPeriod:
        return self.rows[-1]

    def show(self, *, read_at: datetime, formerly_read: datetime | None) -> None:
        """The owner that stands in the chat was read at ``read_at``."""
        last = self.last
        if last.ended_at is not None and read_at >= last.ended_at:
            return
        if len(self.rows) == 1:
            self._reach_back(last, read_at)
        if last.cause == OwnershipCause.UNREAD or self._is_of(last):
            self._recognise(last, read_at)
        else:
            if last.seen_at is not None:
                last.seen_at = max(formerly_read or last.seen_at, last.seen_at)
            self._succeed(last, read_at)
        self.settle()

    def settle(self) -> None:
        """Place the boundaries by all that is known."""
        first = self.rows[0]
        if first.cause == OwnershipCause.FIRST_SEEN and splits(_span(first), self.told):
            self.rows.insert(0, self._unknown_before(first))
        begun = starts([_span(row) for row in self.rows], self.told)
        for row, start in zip(self.rows, begun, strict=True):
            row.began_at = start.at
            row.began_confidence = EXACT if start.is_exact else INFERRED
        for row, following in zip(self.rows, self.rows[1:], strict=False):
            row.ended_at = following.began_at

    def name(self, *, at: datetime) -> None:
        """A person has written the owner that stands in the chat."""
        last = self.last
        if last.cause == OwnershipCause.UNREAD:
            last.staff_id, last.cause = self.chat.owner_id, OwnershipCause.REGISTERED
        elif last.staff_id != self.chat.owner_id and last.ended_at is None:
            last.ended_at = max(at, last.began_at)
            self._add(last.ended_at, OwnershipCause.REGISTERED, seen_at=None)

    def end(self, *, at: datetime) -> None:
        """The chat is over."""
        last = self.last
        if len(self.rows) == 1 and last.seen_at is None:
            last.began_at = min(last.began_at, at)
        last.ended_at = max(at, last.began_at)
        if last.seen_at is not None and self.chat.read_at is not None:
            last.seen_at = max(last.seen_at, self.chat.read_at)

    def _is_of(self, row: OwnershipPeriod) -> bool:
        """Whether the chat's owner is the one of this period; the platform does not tell capitals
        from small letters in an account."""
        if row.staff_id is not None and self.chat.owner_id is not None:
            return row.staff_id == self.chat.owner_id
        same_account = row.userid.lower() == self.chat.owner_userid.lower()
        return same_account and (bool(row.userid) or row.staff_id == self.chat.owner_id)

    def _reach_back(self, first: OwnershipPeriod, read_at: datetime) -> None:
        """A chat's first owner is taken to have been so from its founding."""
        if self.chat.founded_at is not None and (
            first.seen_at is None or self.chat.founded_at < first.began_at
        ):
            first.began_at = self.chat.founded_at
        if first.seen_at is None:
            first.began_at = min(first.began_at, read_at)

    def _recognise(self, row: OwnershipPeriod, read_at: datetime) -> None:
        if row.cause == OwnershipCause.UNREAD and (self.chat.owner_id or self.chat.owner_userid):
            row.cause = OwnershipCause.FIRST_SEEN
        row.staff_id = self.chat.owner_id
        row.userid = self.chat.owner_userid or row.userid
        if row.cause != OwnershipCause.UNREAD:
            row.first_seen_at = row.first_seen_at or (read_at if row.seen_at is None else None)
            row.seen_at = max(row.seen_at or read_at, read_at)

    def _succeed(self, last: OwnershipPeriod, read_at: datetime) -> None:
        was_seen = last.seen_at is not None
        cause = OwnershipCause.OBSERVED if was_seen else OwnershipCause.FIRST_SEEN
        self._add(read_at, cause, seen_at=read_at, ended_at=last.ended_at)

    def _add(
        self,
        began_at: datetime,
        cause: OwnershipCause,
        *,
        seen_at: datetime | None,
        ended_at: datetime | None = None,
    ) -> None:
        self.rows.append(
            OwnershipPeriod(
                enterprise_id=self.chat.enterprise_id,
                chat=self.chat,
                staff_id=self.chat.owner_id,
                userid=self.chat.owner_userid,
                began_at=began_at,
                first_seen_at=seen_at,
                seen_at=seen_at,
                ended_at=ended_at,
                cause=cause,
            )
        )

    def _unknown_before(self, first: OwnershipPeriod) -> OwnershipPeriod:
        return OwnershipPeriod(
            enterprise_id=self.chat.enterprise_id,
            chat=self.chat,
            began_at=first.began_at,
            ended_at=first.began_at,
            cause=OwnershipCause.UNREAD,
        )


def _span(row: OwnershipPeriod) -> Span:
    return Span(
        began_at=row.began_at,
        ended_at=row.ended_at,
        first_seen_at=row.first_seen_at,
        seen_at=row.seen_at,
        was_shown=row.cause in SHOWN,
        is_exact=row.began_confidence == EXACT,
    )


def histories_of(chats: Sequence[GroupChat]) -> dict[int, ChatHistory]:
    """The histories of these locked chats, in two queries."""
    ids = [chat.pk for chat in chats]
    rows: defaultdict[int, list[OwnershipPeriod]] = defaultdict(list)
    periods = OwnershipPeriod.objects.filter(chat__in=ids).order_by("began_at", "ended_at", "pk")
    for row in periods:
        rows[row.chat_id].append(row)
    told: defaultdict[int, list[datetime]] = defaultdict(list)
    for chat_id, at in OwnerChange.objects.filter(chat__in=ids).values_list("chat", "at"):
        told[chat_id].append(at)
    return {chat.pk: ChatHistory(chat, rows[chat.pk], told[chat.pk]) for chat in chats}


def write_histories(histories: Iterable[ChatHistory]) -> list[OwnershipPeriod]:
    """Write what has changed; returns the periods that are new."""
    rows = [row for history in histories for row in history.rows]
    write_rows([row for row in rows if not row._state.adding], CHANGED)
    new = [row for row in rows if row._state.adding]
    insert_rows(new, INSERTED)
    return new
