"""Callbacks about customer groups: the facts they carry, and what they ask to be read.

Newer payloads say who joined or left, and that is written down as told. Whatever else has changed,
and all of it where a payload says nothing, is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext as _

from communities.models import GroupChat
from communities.services.following import (
    LONGEST_ID,
    known_chats,
    locked_chats,
    staff_by_userid,
)
from communities.services.ownership.owning import note_owner_changes
from members.models import MemberIdentity
from members.models.member import IdentityKind
from members.rules.status import JoinScene, LeaveReason, ObservedBy
from members.rules.stays import Joined, Left
from members.services.platform.closing import end_chats
from members.services.platform.people import Person, members_for
from members.services.platform.recording import Entry, Pair, Telling, Told, record
from scrm.shared.crypto import lookup_digest
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.events import Event
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.reading import request_reads

CHAT_EVENT = "change_external_chat"
CHAT_CHANGES = ("create", "update", "dismiss")

ADDED, REMOVED, NEW_OWNER = "add_member", "del_member", "change_owner"
SCENES = {"0": JoinScene.INVITED, "3": JoinScene.QR_CODE}
REASONS = {"0": LeaveReason.SELF, "1": LeaveReason.REMOVED}
#: How ids of outsiders begin. It is looked at only where nothing else is known about one.
OUTSIDE = ("wm", "wo")
LONGEST_USERID = 64


class Move(NamedTuple):
    """One person in one event."""

    chat_id: str
    userid: str
    at: datetime
    event: Event


def take_chat_events(
    connection: WecomConnection, events: Sequence[Event]
) -> Mapping[int, str] | None:
    """Write down who joined and left and which chats ended, and have the chats read again."""
    useless = {
        event.row_id: _("没有有效的群编号。")
        for event in events
        if not 0 < len(event["ChatId"]) <= LONGEST_ID
    }
    events = [event for event in events if event.row_id not in useless]
    if not events:
        return useless
    chat_ids = {event["ChatId"] for event in events}
    _ask(connection, events)
    chats = {chat.external_id: chat for chat in locked_chats(connection, chat_ids)}
    ends = {
        event["ChatId"]: event.occurred_at
        for event in events
        if event.change_type == "dismiss" and event.occurred_at is not None
    }
    if ends:
        end_chats(connection, list(chats.values()), ends, exact=True)
    _note_owner_changes(chats, events)
    _record_moves(connection, chats, _moves(connection, events))
    return useless


# --- Who joined and left --------------------------------------------------------------------------


def _moves(connection: WecomConnection, events: Iterable[Event]) -> list[Move]:
    moves = [
        Move(event["ChatId"], userid, event.occurred_at, event)
        for event in events
        if event.change_type == "update" and event["UpdateDetail"] in {ADDED, REMOVED}
        for userid in event.members
        if event.occurred_at is not None and len(userid) <= LONGEST_USERID
    ]
    outside = _outsiders(connection, {move.userid for move in moves})
    return [move for move in moves if move.userid in outside]


def _outsiders(connection: WecomConnection, userids: set[str]) -> set[str]:
    """Without colleagues, whom the lists name as well, and without those who may be some: the next
    reading tells who they are."""
    staff = staff_by_userid(connection.enterprise_id, userids)
    likely = {each for each in userids if each.lower() not in staff}
    unsure = {each for each in likely if not each.startswith(OUTSIDE)}
    if not unsure:
        return likely
    digests = {
        lookup_digest(
            each,
            purpose=IdentityKind.EXTERNAL_USERID,
            enterprise_id=connection.enterprise_id,
        ): each
        for each in unsure
    }
    known = MemberIdentity.objects.filter(
        enterprise=connection.enterprise_id,
        kind=IdentityKind.EXTERNAL_USERID,
        digest__in=digests,
    ).values_list("digest", flat=True)
    return likely - unsure | {digests[digest] for digest in known}


def _record_moves(
    connection: WecomConnection, chats: Mapping[str, GroupChat], moves: Sequence[Move]
) -> None:
    if not moves:
        return
    members = members_for(connection, {move.userid: Person() for move in moves})
    told: dict[Pair, Told] = {}
    for move in moves:
        heard = told.setdefault((chats[move.chat_id].pk, members[move.userid]), Told())
        if move.event["UpdateDetail"] == ADDED:
            heard.facts.append(Joined(move.at))
            heard.entries[move.at] = Entry(SCENES.get(move.event["JoinScene"], ""))
        else:
            heard.facts.append(Left(move.at, _reason(move.event)))
    telling = Telling(
        enterprise_id=connection.enterprise_id,
        chats={chat.pk: chat for chat in chats.values()},
        observed_by=ObservedBy.EVENT,
        read_at={chat.pk: chat.read_at for chat in chats.values()},
        news_since=dict.fromkeys((chat_id for chat_id, _ in told), min(move.at for move in moves)),
    )
    record(told, telling)


def _reason(event: Event) -> LeaveReason:
    """When several left in one event, how each of them did is not told."""
    if len(event.members) != 1 or event["MemChangeCnt"] not in {"", "1"}:
        return LeaveReason.UNKNOWN
    return REASONS.get(event["QuitScene"], LeaveReason.UNKNOWN)


def _note_owner_changes(chats: Mapping[str, GroupChat], events: Iterable[Event]) -> None:
    """When, that is; to whom, a reading tells."""
    changes: dict[int, set[datetime]] = {}
    for event in events:
        if event["UpdateDetail"] == NEW_OWNER and event.occurred_at is not None:
            changes.setdefault(chats[event["ChatId"]].pk, set()).add(event.occurred_at)
    if changes:
        note_owner_changes(list(chats.values()), changes)


# --- What is to be read ---------------------------------------------------------------------------


def _ask(connection: WecomConnection, events: Sequence[Event]) -> None:
    """Before any chat is locked: a reading, too, has its request first. Of chats that have ended
    nothing can be read."""
    versions = {event["ChatId"]: event["CurMemVer"] for event in events}
    ended = {event["ChatId"] for event in events if event.change_type == "dismiss"}
    ended |= {
        chat.external_id
        for chat in known_chats(connection, versions).values()
        if chat.dissolved_at is not None and not chat.is_dissolution_inferred
    }
    request_reads(connection, ReadKind.CHAT, set(versions) - ended, versions=versions)
