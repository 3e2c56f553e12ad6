"""Where a scan of a join way leads. The random number is given, so every answer can be repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from communities.rules.status import OPEN_FOR_ENTRY, CommunityStatus, JoinWayState

ENDING = frozenset(
    {
        CommunityStatus.CLOSING,
        CommunityStatus.DISSOLVED,
        CommunityStatus.ARCHIVED,
        CommunityStatus.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chat that a way may lead to.

    ``regions`` are the codes of its region and of all below it; empty, it serves everybody.
    """

    chat_id: int
    room: int
    weight: int = 1
    regions: frozenset[str] = frozenset()
    url: str = ""


class NoEntry(Enum):
    """Why a scan leads nowhere."""

    PAUSED = "paused"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """All that is needed to answer a scan of one way, as it was at one moment."""

    way_id: int
    state: str
    community_status: str
    is_ungated: bool  # anybody may enter, so a scan may lead straight into a chat
    join_page: str  # where one applies or queues
    time_zone: str
    candidates: tuple[Candidate, ...] = ()


def choose_chat(
    candidates: Iterable[Candidate], *, number: float, region: str = ""
) -> Candidate | None:
    """The chat for one scan: by weight, among those with room that serve the region asked for,
    else those that serve everybody, else any. None when no chat has room.

    ``number`` is from [0, 1). A chat of weight 0 comes in when it has no weightier companion.
    """
    with_room = [each for each in candidates if each.room > 0]
    of_region = [each for each in with_room if region and region in each.regions]
    for_everybody = [each for each in with_room if not each.regions]
    pool = of_region or for_everybody or with_room
    return _by_weight(pool, number) if pool else None


def _by_weight(pool: Sequence[Candidate], number: float) -> Candidate:
    total = sum(each.weight for each in pool)
    if total == 0:
        return pool[int(number * len(pool))]
    point = number * total
    for each in pool:
        point -= each.weight
        if point < 0:
            return each
    return pool[-1]


def destination(table: RoutingTable, *, number: float, region: str = "") -> str | NoEntry:
    """The address that a scan leads to. Who has to be admitted first, or has to wait for a place,
    is led to the join page."""
    if table.state == JoinWayState.CLOSED or table.community_status in ENDING:
        return NoEntry.CLOSED
    if table.state != JoinWayState.ACTIVE or table.community_status not in OPEN_FOR_ENTRY:
        return NoEntry.PAUSED
    if not table.is_ungated:
        return table.join_page
    chat = choose_chat(table.candidates, number=number, region=region)
    return chat.url if chat is not None and chat.url else table.join_page
