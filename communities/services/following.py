"""Group chats as the platform shows them.

The platform decides about a chat's name, owner, notice and end; which community it carries is ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from django.db import connection as database
from django.db.models import QuerySet
from django.db.models.functions import Lower

from communities.models import Community, GroupChat
from communities.rules.status import ChatPlatformStatus, ChatState
from communities.services.ownership.owning import end_ownership, follow_owners, own_new_chats
from communities.services.seating import CHANGED_BY_US
from scrm.accounts.models import Staff
from scrm.accounts.services.audit import record_audit
from scrm.shared.rows import write_rows
from scrm.wecom.client.results import GroupDetail
from scrm.wecom.models import WecomConnection

STAFF = 1  # the type of a member of the company
LONGEST_NAME, LONGEST_ID = 120, 128
#: Ended by a reading that shows another owner; the list of groups tells these only now and then.
LEFT_BEHIND = frozenset({ChatPlatformStatus.OWNER_RESIGNED, ChatPlatformStatus.INHERITING})
SHOWN = (
    "name",
    "owner",
    "owner_userid",
    "notice",
    "founded_at",
    "staff_count",
    "member_version",
    "read_at",
    "state",
    "dissolved_at",
    "is_dissolution_inferred",
    "platform_status",
)

# A chat that holds somebody has a place for them, whatever capacity was written down.
RECOUNT = """
UPDATE communities_groupchat chat SET
    member_count = counted.people,
    capacity = greatest(chat.capacity, counted.people + chat.staff_count),
    state = CASE
        WHEN chat.state NOT IN ('active', 'full') THEN chat.state
        WHEN counted.people + chat.staff_count >= greatest(chat.capacity, 1) THEN 'full'
        ELSE 'active'
    END
FROM unnest(%(chats)s::bigint[], %(people)s::int[]) AS counted (chat_id, people)
WHERE chat.id = counted.chat_id
"""


def known_chats(connection: WecomConnection, external_ids: Collection[str]) -> dict[str, GroupChat]:
    chats = GroupChat.objects.filter(
        channel_account=connection.account_id, external_id__in=external_ids
    )
    return {chat.external_id: chat for chat in chats}


def shows_nothing_new(chat: GroupChat, reading: GroupDetail) -> bool:
    """Whether a reading says exactly what the one before it said, members included."""
    return (
        bool(reading.member_version)
        and chat.member_version == reading.member_version
        and chat.name == (reading.name[:LONGEST_NAME] or chat.name)
        and chat.owner_userid == reading.owner
        and (chat.owner_id is not None or not reading.owner)
        and chat.notice == reading.notice
        and chat.dissolved_at is None
    )


def note_readings(chats: Iterable[GroupChat], *, read_at: datetime) -> int:
    """These chats were read and showed nothing new."""
    versions = {chat.pk: chat.member_version for chat in chats}
    return GroupChat.objects.filter(
        pk__in=versions, member_version__in=set(versions.values()), read_at__lt=read_at
    ).update(read_at=read_at)


def locked_chats(connection: WecomConnection, external_ids: Collection[str]) -> list[GroupChat]:
    """These chats, locked; unknown ones are made known. The communities that they carry are locked
    before them: everybody who moves people locks them in this order."""
    chats = GroupChat.objects.filter(
        channel_account=connection.account_id, external_id__in=external_ids
    )
    carried = chats.exclude(community=None).values("community")
    list(Community.objects.select_for_update(no_key=True).filter(pk__in=carried).order_by("pk"))
    found = _locked(chats)
    unknown = {*external_ids} - {chat.external_id for chat in found}
    if not unknown:
        return found
    GroupChat.objects.bulk_create(
        (
            GroupChat(
                enterprise_id=connection.enterprise_id,
                channel_account_id=connection.account_id,
                external_id=external_id,
                name="",
            )
            for external_id in sorted(unknown)
            if len(external_id) <= LONGEST_ID
        ),
        ignore_conflicts=True,
    )
    found = _locked(chats)
    own_new_chats([chat for chat in found if chat.external_id in unknown])
    return found


def follow_chats(
    connection: WecomConnection,
    chats: Sequence[GroupChat],
    readings: Mapping[str, GroupDetail],
    *,
    read_at: datetime,
) -> None:
    """Bring locked chats up to what was read of them."""
    staff = staff_by_userid(
        connection.enterprise_id, (reading.owner for reading in readings.values())
    )
    formerly_read = {chat.pk: chat.read_at for chat in chats}
    owned_before = {chat.pk: _ownership(chat) for chat in chats}
    for chat in chats:
        reading = readings[chat.external_id]
        former = chat.owner_userid
        _show(chat, reading, staff, read_at=read_at)
        if former and former.lower() != chat.owner_userid.lower():
            record_audit(
                None,
                verb="follow_owner_change",
                subject=chat,
                before={"owner": former},
                after={"owner": chat.owner or chat.owner_userid},
            )
    write_rows(chats, SHOWN)
    news = [
        chat
        for chat in chats
        if formerly_read[chat.pk] is None or _ownership(chat) != owned_before[chat.pk]
    ]
    follow_owners(news, read_at=read_at, formerly_read=formerly_read)


def dissolve_followed_chat(chat: GroupChat, *, at: datetime, exact: bool) -> bool:
    """The chat ended on the platform, ``at`` that instant or at the latest then. False if that is
    known already. Call it with the chat locked."""
    if chat.dissolved_at is not None and (not exact or not chat.is_dissolution_inferred):
        return False
    before = {"state": chat.state, "dissolved_at": chat.dissolved_at}
    chat.state = ChatState.DISSOLVED
    chat.dissolved_at, chat.is_dissolution_inferred = at, not exact
    chat.save(update_fields=["state", "dissolved_at", "is_dissolution_inferred"])
    end_ownership(chat, at=at)
    record_audit(
        None,
        verb="follow_dissolution",
        subject=chat,
        before=before,
        after={"state": chat.state, "dissolved_at": at, "is_dissolution_inferred": not exact},
    )
    return True


def recount_chats(people: Mapping[int, int]) -> None:
    """Write how many are in each of these chats; what holds them has room for them."""
    if people:
        with database.cursor() as cursor:
            cursor.execute(RECOUNT, {"chats": list(people), "people": list(people.values())})


def forget_version(chat_ids: Collection[int]) -> None:
    """Have the next reading of these chats compared member by member."""
    if chat_ids:
        GroupChat.objects.filter(pk__in=chat_ids).update(member_version=CHANGED_BY_US)


def staff_by_userid(enterprise_id: int, userids: Iterable[str]) -> dict[str, Staff]:
    """Colleagues by their account on the platform in small letters: it does not tell them apart."""
    wanted = {userid.lower() for userid in userids if userid}
    if not wanted:
        return {}
    staff = Staff.objects.filter(enterprise_id=enterprise_id).annotate(userid=Lower("external_id"))
    return {each.external_id.lower(): each for each in staff.filter(userid__in=wanted)}


def _locked(chats: QuerySet[GroupChat]) -> list[GroupChat]:
    return list(chats.select_for_update(no_key=True, of=("self",)).order_by("pk"))


def _ownership(chat: GroupChat) -> tuple[object, ...]:
    """What a reading can say that its periods of ownership have to follow."""
    return (chat.owner_id, chat.owner_userid.lower(), chat.founded_at, chat.state)


def _show(
    chat: GroupChat, reading: GroupDetail, staff: Mapping[str, Staff], *, read_at: datetime
) -> None:
    chat.name = reading.name[:LONGEST_NAME] or chat.name
    is_same = reading.owner.lower() == chat.owner_userid.lower()
    chat.owner = staff.get(reading.owner.lower(), chat.owner if is_same else None)
    if not is_same and chat.platform_status in LEFT_BEHIND:
        chat.platform_status = ChatPlatformStatus.INHERITED
    chat.owner_userid = reading.owner
    chat.notice = reading.notice
    chat.founded_at = reading.created_at or chat.founded_at
    chat.staff_count = sum(member.type == STAFF for member in reading.members)
    chat.member_version = reading.member_version
    chat.read_at = read_at
    if chat.is_dissolution_inferred:  # it had only been out of sight
        chat.state = ChatState.ACTIVE
        chat.dissolved_at, chat.is_dissolution_inferred = None, False
