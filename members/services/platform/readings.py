"""What a reading of chats on the platform says about who is in them, written down."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Case, FilteredRelation, Q, When

from communities.models import GroupChat
from communities.services.following import (
    STAFF,
    follow_chats,
    forget_version,
    known_chats,
    locked_chats,
    note_readings,
    shows_nothing_new,
    staff_by_userid,
)
from members.models import Stay
from members.models.member import IdentityKind
from members.rules.status import JoinScene
from members.rules.stay_rows import SAME_JOINING
from members.rules.stays import EXACT, LAG, Missing, Seen
from members.services.platform.people import Person, members_for
from members.services.platform.recording import OURS, Entry, Pair, Telling, Told, record
from scrm.accounts.models import Staff
from scrm.wecom.client.results import GroupDetail, GroupMember
from scrm.wecom.models import WecomConnection

LONGEST_STATE = 64
SCENES = {1: JoinScene.DIRECT, 2: JoinScene.LINK, 3: JoinScene.QR_CODE}


@dataclass(frozen=True, slots=True)
class HistoryCounts:
    """What a reading taught us. ``joined``, ``left`` and ``corrected`` are stays that events had
    not told rightly; ``unchanged`` are chats whose members need not be looked at."""

    chats: int = 0
    new_chats: int = 0
    unchanged: int = 0
    joined: int = 0
    left: int = 0
    corrected: int = 0


class Inside(NamedTuple):
    """An open stay, as far as a reading can say something new about it. ``userid`` is what the
    platform calls the member, where they are known by it and by name."""

    chat_id: int
    member_id: int
    joined_at: datetime
    join_confidence: str
    observed_by: str
    join_scene: str
    join_state: str
    inviter_id: int | None
    userid: str | None


@transaction.atomic
def record_chat_readings(
    connection: WecomConnection,
    readings: Sequence[GroupDetail],
    *,
    read_at: datetime,
    observed_by: str,
) -> HistoryCounts:
    """Bring chats, stays and memberships up to what was read at ``read_at``.

    A reading that is older than the last one of its chat is not looked at. Nobody is greeted for
    what the first reading of a chat finds: they were there before we looked.
    """
    by_id = {reading.chat_id: reading for reading in readings if reading.chat_id}
    known = known_chats(connection, by_id)
    steady = [chat for id_, chat in known.items() if shows_nothing_new(chat, by_id[id_])]
    if steady:
        note_readings(steady, read_at=read_at)
    moved = {*by_id} - {chat.external_id for chat in steady}
    counts = Counter(chats=len(by_id), new_chats=len(moved - known.keys()), unchanged=len(steady))
    if moved:
        chats = [
            chat
            for chat in locked_chats(connection, moved)
            if chat.read_at is None or chat.read_at <= read_at
        ]
        shown = {chat.external_id: by_id[chat.external_id] for chat in chats}
        counts += _record(connection, chats, shown, read_at=read_at, observed_by=observed_by)
    return HistoryCounts(**{name: counts[name] for name in HistoryCounts.__slots__})


def _record(
    connection: WecomConnection,
    chats: Sequence[GroupChat],
    shown: Mapping[str, GroupDetail],
    *,
    read_at: datetime,
    observed_by: str,
) -> Counter[str]:
    """What is written about the members of locked chats."""
    compared = [
        chat
        for chat in chats
        if not chat.member_version
        or chat.member_version != shown[chat.external_id].member_version
        or chat.is_dissolution_inferred
    ]
    former = {chat.pk: chat.read_at for chat in chats}
    follow_chats(connection, chats, shown, read_at=read_at)
    if not compared:
        return Counter(unchanged=len(chats))
    telling = Telling(
        enterprise_id=connection.enterprise_id,
        chats={chat.pk: chat for chat in compared},
        observed_by=observed_by,
        read_at=former,
        news_since={chat_id: at - LAG for chat_id, at in former.items() if at is not None},
    )
    inside = _inside(compared)
    told = _told(connection, compared, shown, inside, read_at=read_at)
    counts = record(told, telling) + Counter(unchanged=len(chats) - len(compared))
    forget_version(_awaiting(inside))
    return counts


def _told(
    connection: WecomConnection,
    chats: Sequence[GroupChat],
    shown: Mapping[str, GroupDetail],
    inside: Mapping[int, Mapping[int, Inside]],
    *,
    read_at: datetime,
) -> dict[Pair, Told]:
    """Facts about those of whom the reading says anything that is not on file."""
    present = {chat.pk: _outsiders(shown[chat.external_id]) for chat in chats}
    everybody = [member for members in present.values() for member in members]
    member_ids = {
        row.userid: row.member_id for rows in inside.values() for row in rows.values() if row.userid
    }
    member_ids |= members_for(
        connection,
        {
            each.id: Person(each.name, each.unionid)
            for each in everybody
            if each.id not in member_ids
        },
    )
    staff = staff_by_userid(connection.enterprise_id, {each.inviter for each in everybody})
    told: dict[Pair, Told] = {}
    for chat in chats:
        known = dict(inside[chat.pk])
        for member in present[chat.pk]:
            member_id = member_ids[member.id]
            row = known.pop(member_id, None)
            if row is None or _says_more(member, row, staff):
                told[chat.pk, member_id] = _seen(member, staff, read_at)
        for member_id in known:
            told[chat.pk, member_id] = Told([Missing(read_at)])
    return told


def _outsiders(reading: GroupDetail) -> list[GroupMember]:
    """Colleagues in the group are counted only. Nobody is in it twice."""
    return list({each.id: each for each in reading.members if each.type != STAFF}.values())


def _inside(chats: Iterable[GroupChat]) -> dict[int, dict[int, Inside]]:
    rows = (
        Stay.objects.open()
        .filter(chat__in=[chat.pk for chat in chats])
        .annotate(
            known=FilteredRelation(
                "member__identities",
                condition=Q(member__identities__kind=IdentityKind.EXTERNAL_USERID),
            ),
            userid=Case(When(~Q(member__nickname=""), then="known__value")),
        )
        .values_list(*Inside._fields)
    )
    inside: defaultdict[int, dict[int, Inside]] = defaultdict(dict)
    for row in map(Inside._make, rows):
        inside[row.chat_id][row.member_id] = row
    return inside


def _awaiting(inside: Mapping[int, Mapping[int, Inside]]) -> list[int]:
    """The chats in which places were promised: how long they hold is looked at in each reading,
    whether or not the platform has changed anything."""
    return [
        chat_id
        for chat_id, rows in inside.items()
        if any(row.observed_by in OURS for row in rows.values())
    ]


def _entry(member: GroupMember, staff: Mapping[str, Staff]) -> Entry:
    inviter = staff.get(member.inviter.lower()) if member.inviter else None
    return Entry(
        scene=SCENES.get(member.join_scene, JoinScene.UNKNOWN),
        state=member.state[:LONGEST_STATE],
        inviter_id=inviter.pk if inviter else None,
        was_read=True,
    )


def _says_more(member: GroupMember, row: Inside, staff: Mapping[str, Staff]) -> bool:
    if row.observed_by in OURS:
        return True
    if member.joined_at is None:
        return False
    if abs(row.joined_at - member.joined_at) > SAME_JOINING or row.join_confidence != EXACT:
        return True
    known = Entry(row.join_scene, row.join_state, row.inviter_id)
    return _entry(member, staff).added_to(known) != known


def _seen(member: GroupMember, staff: Mapping[str, Staff], read_at: datetime) -> Told:
    entries = {} if member.joined_at is None else {member.joined_at: _entry(member, staff)}
    return Told([Seen(read_at, member.joined_at)], entries)
