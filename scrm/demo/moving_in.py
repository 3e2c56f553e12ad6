"""The made-up customer as a company on the simulated WeCom.

What the earlier steps wrote is told to the simulator, down to the second, and written again as if
the platform had told it to us: so the first sync finds everything as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from django.conf import settings
from django.db import connection
from django.db.models import F, OuterRef, Subquery

from communities.models import GroupChat, OwnershipPeriod
from members.models import Follow, Member, MemberIdentity, Membership, Stay
from members.models.member import IdentityKind
from scrm.accounts.models import Department, Staff
from scrm.demo.founding import Founded
from scrm.shared.crypto import lookup_digest
from scrm.wecom.services.connections import callback_url
from scrm.wecom.services.inbox import Signed, verify_address
from scrm.wecom.simulator.callbacks import url_check
from scrm.wecom.simulator.corp import Corp

BATCH = 2000
GROUP_CAPACITY = 500
ADDED_BY_QR = 1
SCENES = {"direct": 1, "link": 2, "qr_code": 3}
NOTICE = "欢迎来到{}！改群名片（城市+宠物名），文明发言，广告会被移出。"

# As the platform tells it: to the second, how they came, and exactly.
STAYS_TOLD = """
UPDATE members_stay stay SET
    joined_at = date_trunc('second', stay.joined_at),
    left_at = date_trunc('second', stay.left_at),
    observed_by = CASE stay.observed_by WHEN 'sync' THEN 'sync' ELSE 'event' END,
    join_scene = CASE
        WHEN stay.join_way_id IS NOT NULL OR stay.id %% 10 < 6 THEN 'qr_code'
        WHEN stay.id %% 10 < 8 THEN 'link'
        ELSE 'direct'
    END,
    join_state = coalesce(way.code, ''),
    inviter_id = CASE
        WHEN stay.join_way_id IS NULL AND stay.id %% 10 >= 8 THEN chat.owner_id
    END,
    leave_confidence = CASE WHEN stay.left_at IS NULL THEN '' ELSE 'exact' END
FROM communities_groupchat chat, members_stay same
LEFT JOIN communities_joinway way ON way.id = same.join_way_id
WHERE chat.id = stay.chat_id AND same.id = stay.id AND chat.channel_account_id = %(account)s
"""


def move_in(founded: Founded, corp: Corp) -> tuple[int, int]:
    """How many customers and groups the company has on the platform."""
    tell_stays(founded)
    contacts = make_contacts(founded)
    tell_chats(founded)
    corp.settings.group_capacity = GROUP_CAPACITY
    corp.load(
        {
            "departments": list(departments(founded)),
            "staff": list(staff(founded)),
            "customers": list(customers(founded)),
            "groups": list(groups(founded)),
        }
    )
    for chat in GroupChat.objects.filter(channel_account=founded.carrier):
        corp.set_notice(chat.external_id, chat.notice)
    return contacts, len(corp.groups)


def listen(founded: Founded, corp: Corp) -> None:
    """From now on the platform tells us what happens."""
    kept = founded.connection
    url = callback_url(kept)
    corp.set_callback(url, kept.callback_token, kept.callback_aes_key, verify=False)
    assert corp.receiver is not None
    query, _ = url_check(corp.receiver)  # no web server runs yet: what it would have been asked
    signed = Signed(query["msg_signature"], query["timestamp"], query["nonce"])
    verify_address(kept.callback_key, signed, query["echostr"])


# --- What we know, as the platform would have told it ---------------------------------------------


def tell_stays(founded: Founded) -> None:
    with connection.cursor() as cursor:
        cursor.execute(STAYS_TOLD, {"account": founded.carrier.pk})


def tell_chats(founded: Founded) -> None:
    chats = list(
        GroupChat.objects.filter(channel_account=founded.carrier).select_related(
            "community", "owner"
        )
    )
    for chat in chats:
        assert chat.community is not None
        assert chat.owner is not None
        chat.owner_userid = chat.owner.external_id
        chat.staff_count = 1
        chat.founded_at = whole(chat.community.created_at)
        chat.notice = NOTICE.format(chat.community.name)
        chat.join_url = scan_address(chat.external_id)
    GroupChat.objects.bulk_update(
        chats, ["owner_userid", "staff_count", "founded_at", "notice", "join_url"]
    )
    told = GroupChat.objects.filter(pk=OuterRef("chat"))
    OwnershipPeriod.objects.filter(chat__in=chats).update(
        began_at=Subquery(told.values("founded_at")), userid=Subquery(told.values("owner_userid"))
    )


def make_contacts(founded: Founded) -> int:
    """Everybody who was in a chat has an id there, and is a contact of the colleague who runs the
    community that they joined first."""
    members = Member.objects.filter(enterprise=founded.enterprise, stays__isnull=False).distinct()
    known = {member.pk: userid_of(member) for member in members}
    enterprise = founded.enterprise
    MemberIdentity.objects.bulk_create(
        (
            MemberIdentity(
                enterprise=enterprise,
                member_id=pk,
                kind=IdentityKind.EXTERNAL_USERID,
                digest=lookup_digest(
                    userid, purpose=IdentityKind.EXTERNAL_USERID, enterprise_id=enterprise.pk
                ),
                value=userid,
            )
            for pk, userid in known.items()
        ),
        batch_size=BATCH,
    )
    first = Membership.objects.filter(member__in=known).order_by("member", "-joined_at", "pk")
    owners = {
        member_id: (owner_id, joined_at)
        for member_id, owner_id, joined_at in first.values_list(
            "member_id", "community__owner_id", "joined_at"
        )
    }
    Follow.objects.bulk_create(
        (
            Follow(
                enterprise=enterprise,
                channel_account=founded.carrier,
                member_id=member_id,
                staff_id=owner_id,
                external_userid=known[member_id],
                add_way=ADDED_BY_QR,
                began_at=whole(joined_at),
            )
            for member_id, (owner_id, joined_at) in owners.items()
        ),
        batch_size=BATCH,
    )
    return len(owners)


def userid_of(member: Member) -> str:
    return "wm" + sha256(f"zhuazhua {member.external_id}".encode()).hexdigest()[:30]


def chat_id_of(code: str, number: int) -> str:
    return "wr" + sha256(f"zhuazhua {code} {number}".encode()).hexdigest()[:30]


def scan_address(chat_id: str) -> str:
    return f"{settings.WECOM_SIMULATOR_URL}/_sim/scan/{chat_id}"


def whole(instant: datetime) -> datetime:
    """The platform counts in seconds."""
    return instant.replace(microsecond=0)


# --- What the platform knows ----------------------------------------------------------------------


def departments(founded: Founded) -> Iterator[tuple[int, str, int]]:
    rows = Department.objects.filter(enterprise=founded.enterprise).select_related("parent")
    for row in rows.order_by("pk"):
        yield int(row.external_id), row.name, int(row.parent.external_id) if row.parent else 0


def staff(founded: Founded) -> Iterator[tuple[str, str, int]]:
    rows = Staff.objects.filter(enterprise=founded.enterprise).select_related("department")
    for row in rows.order_by("pk"):
        assert row.department is not None
        yield row.external_id, row.name, int(row.department.external_id)


def customers(founded: Founded) -> Iterator[tuple[str, str, str, int]]:
    follows = Follow.objects.filter(channel_account=founded.carrier).order_by("pk")
    for userid, name, colleague, began_at in follows.values_list(
        "external_userid", "member__nickname", "staff__external_id", "began_at"
    ):
        yield userid, name, colleague, int(began_at.timestamp())


type Row = tuple[str, int, int, str, str]


def groups(founded: Founded) -> Iterator[tuple[str, str, str, int, list[Row]]]:
    inside: dict[int, list[Row]] = {}
    stays = Stay.objects.open().filter(chat__channel_account=founded.carrier)
    named = stays.filter(member__identities__kind=IdentityKind.EXTERNAL_USERID)
    for chat_id, userid, joined_at, scene, inviter, state in named.values_list(
        "chat_id",
        F("member__identities__value"),
        "joined_at",
        "join_scene",
        "inviter__external_id",
        "join_state",
    ).order_by("chat_id", "joined_at", "pk"):
        row = (userid, int(joined_at.timestamp()), SCENES[scene], inviter or "", state)
        inside.setdefault(chat_id, []).append(row)
    for chat in GroupChat.objects.filter(channel_account=founded.carrier).order_by("pk"):
        assert chat.founded_at is not None
        founded_at = int(chat.founded_at.timestamp())
        yield (
            chat.external_id, chat.name, chat.owner_userid, founded_at, inside.get(chat.pk, []),
        )  # fmt: skip
