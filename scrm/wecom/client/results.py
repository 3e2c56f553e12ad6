"""What the platform answers, read. Instants are aware and in UTC; ids are opaque text.

Numbers stand as the platform gives them, because it adds new ones without notice; a field that an
answer lacks is empty, 0 or ``None``.
"""

# ruff: noqa: RUF009 - wire() returns a dataclasses.field

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scrm.wecom.client.parsing import (
    each_in,
    flag,
    inside,
    instant,
    integer,
    integers,
    many,
    mapping,
    mappings,
    split,
    text,
    texts,
    wire,
)


@dataclass(frozen=True, slots=True)
class Page[T]:
    """``next_cursor`` is empty on the last page. ``left_out`` are those asked for about whom the
    platform says nothing (staff without a licence): not to be taken for empty."""

    items: tuple[T, ...]
    next_cursor: str = ""
    left_out: tuple[str, ...] = ()


# --- Staff and departments ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Department:
    """``order``: larger first. Department 1 is the root."""

    id: int = wire("id", integer)
    name: str = wire("name", text)
    parent_id: int = wire("parentid", integer)
    order: int = wire("order", integer)
    leaders: tuple[str, ...] = wire("department_leader", texts)


@dataclass(frozen=True, slots=True)
class StaffDetail:
    """``status``: 1 active, 2 disabled, 4 not activated, 5 left, 0 not told. The platform hides
    phone, e-mail and avatar from apps like ours, so they are not read."""

    userid: str = wire("userid", text)
    name: str = wire("name", text)
    department_ids: tuple[int, ...] = wire("department", integers)
    main_department: int = wire("main_department", integer)
    status: int = wire("status", integer)
    position: str = wire("position", text)
    alias: str = wire("alias", text)
    is_leader_in: tuple[int, ...] = wire("is_leader_in_dept", integers)  # parallel to the ids
    direct_leaders: tuple[str, ...] = wire("direct_leader", texts)
    external_position: str = wire("external_position", text)


# --- Customers ------------------------------------------------------------------------------------


def _tag_ids(follow: Any) -> tuple[str, ...]:
    """One endpoint lists tags as objects, the other as ids; personal tags have no id."""
    return texts(follow.get("tag_id")) or each_in("tag_id", text)(follow.get("tags"))


@dataclass(frozen=True, slots=True)
class FollowInfo:
    """How one staff member knows a customer. ``oper_userid`` is who began: staff or customer."""

    userid: str = wire("userid", text)
    remark: str = wire("remark", text)
    description: str = wire("description", text)
    created_at: datetime | None = wire("createtime", instant)
    add_way: int = wire("add_way", integer)
    state: str = wire("state", text)
    oper_userid: str = wire("oper_userid", text)
    tag_ids: tuple[str, ...] = wire("", _tag_ids)
    remark_company: str = wire("remark_corp_name", text)
    remark_mobiles: tuple[str, ...] = wire("remark_mobiles", texts)


@dataclass(frozen=True, slots=True)
class CustomerDetail:
    """``type``: 1 WeChat user, 2 WeCom user of another company. ``gender``: 0 unknown, 1 male,
    2 female. Only WeChat users have a ``unionid``, and only with a bound developer account."""

    external_userid: str = wire("external_userid", text)
    name: str = wire("name", text)
    type: int = wire("type", integer)
    avatar: str = wire("avatar", text)
    gender: int = wire("gender", integer)
    unionid: str = wire("unionid", text)
    corp_name: str = wire("corp_name", text)
    position: str = wire("position", text)
    follows: tuple[FollowInfo, ...] = wire("follow_user", many(FollowInfo))


@dataclass(frozen=True, slots=True)
class CustomerTag:
    id: str = wire("id", text)
    name: str = wire("name", text)
    created_at: datetime | None = wire("create_time", instant)
    order: int = wire("order", integer)
    deleted: bool = wire("deleted", flag)


@dataclass(frozen=True, slots=True)
class TagGroup:
    id: str = wire("group_id", text)
    name: str = wire("group_name", text)
    created_at: datetime | None = wire("create_time", instant)
    order: int = wire("order", integer)
    deleted: bool = wire("deleted", flag)
    tags: tuple[CustomerTag, ...] = wire("tag", many(CustomerTag))


# --- Customer groups ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GroupListing:
    """``status``: 0 normal, 1 owner resigned, 2 being inherited, 3 inherited."""

    chat_id: str = wire("chat_id", text)
    status: int = wire("status", integer)


@dataclass(frozen=True, slots=True)
class GroupMember:
    """``id`` is a userid (``type`` 1) or an external_userid (``type`` 2). ``join_scene``:
    1 invited, 2 invitation link, 3 QR. ``inviter`` is told only if it is staff of the company;
    ``state`` is the join way's."""

    id: str = wire("userid", text)
    type: int = wire("type", integer)
    joined_at: datetime | None = wire("join_time", instant)
    join_scene: int = wire("join_scene", integer)
    inviter: str = wire("invitor", inside("userid", text))
    name: str = wire("name", text)
    group_nickname: str = wire("group_nickname", text)
    unionid: str = wire("unionid", text)
    state: str = wire("state", text)


@dataclass(frozen=True, slots=True)
class GroupDetail:
    """``name`` is empty when nobody named the group. ``member_version`` changes with every change
    of members; older servers do not give it."""

    chat_id: str = wire("chat_id", text)
    name: str = wire("name", text)
    owner: str = wire("owner", text)
    created_at: datetime | None = wire("create_time", instant)
    notice: str = wire("notice", text)
    members: tuple[GroupMember, ...] = wire("member_list", many(GroupMember))
    admins: tuple[str, ...] = wire("admin_list", each_in("userid", text))
    member_version: str = wire("member_version", text)


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """Of one owner, or of one day over all owners: the other one is empty."""

    owner: str = wire("owner", text)
    day: datetime | None = wire("stat_time", instant)
    new_chats: int = wire("data", inside("new_chat_cnt", integer))
    chats: int = wire("data", inside("chat_total", integer))
    chats_with_messages: int = wire("data", inside("chat_has_msg", integer))
    new_members: int = wire("data", inside("new_member_cnt", integer))
    members: int = wire("data", inside("member_total", integer))
    members_who_wrote: int = wire("data", inside("member_has_msg", integer))
    messages: int = wire("data", inside("msg_total", integer))


# --- Hand-over ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TransferItem:
    """What became of one group or customer: accepted means begun, not done.

    ``code`` may be one that no table lists: show it with its ``message``.
    """

    id: str
    accepted: bool
    code: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class TransferResult:
    """``status``: 1 done, 2 waiting, 3 refused by the customer, 4 the taker is full, 5 no record.
    While waiting, ``takeover_at`` lies in the future."""

    external_userid: str = wire("external_userid", text)
    status: int = wire("status", integer)
    takeover_at: datetime | None = wire("takeover_time", instant)


@dataclass(frozen=True, slots=True)
class UnassignedCustomer:
    """A customer whose staff member has resigned."""

    external_userid: str = wire("external_userid", text)
    handover_userid: str = wire("handover_userid", text)
    resigned_at: datetime | None = wire("dimission_time", instant)


# --- Messages -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreatedMassMessage:
    """Created, not sent: each staff member has to confirm. ``unreachable`` are receivers that the
    platform refused."""

    msgid: str = wire("msgid", text)
    unreachable: tuple[str, ...] = wire("fail_list", texts)


@dataclass(frozen=True, slots=True)
class MassMessage:
    """``create_type``: 0 by the company, 1 by a person. Those made through the API have no
    ``creator``."""

    msgid: str = wire("msgid", text)
    creator: str = wire("creator", text)
    created_at: datetime | None = wire("create_time", instant)
    create_type: int = wire("create_type", integer)
    text: str = wire("text", inside("content", text))
    attachments: tuple[dict[str, Any], ...] = wire("attachments", mappings)


@dataclass(frozen=True, slots=True)
class MassMessageTask:
    """One staff member's part. Any ``status`` but 0 means sent."""

    userid: str = wire("userid", text)
    status: int = wire("status", integer)
    sent_at: datetime | None = wire("send_time", instant)


@dataclass(frozen=True, slots=True)
class MassMessageResult:
    """One receiver: a customer or a group. ``status``: 0 not sent, 1 sent, 2 no contact any more,
    3 has had too many already."""

    userid: str = wire("userid", text)
    external_userid: str = wire("external_userid", text)
    chat_id: str = wire("chat_id", text)
    status: int = wire("status", integer)
    sent_at: datetime | None = wire("send_time", instant)


def _shown_attachment(document: Any) -> dict[str, Any] | None:
    for kind in ("image", "link", "miniprogram", "file", "video"):
        if found := mapping(document.get(kind)):
            return {"msgtype": kind, kind: found}
    return None


@dataclass(frozen=True, slots=True)
class WelcomeTemplate:
    """``attachment`` is the one that members are shown, as ``{"msgtype": "image", "image": …}``."""

    text: str = wire("text", inside("content", text))
    attachment: dict[str, Any] | None = wire("", _shown_attachment)


@dataclass(frozen=True, slots=True)
class AppMessage:
    """A message to staff. ``invalid_users`` come back in lower case."""

    msgid: str = wire("msgid", text)
    invalid_users: tuple[str, ...] = wire("invaliduser", split)
    invalid_parties: tuple[str, ...] = wire("invalidparty", split)
    invalid_tags: tuple[str, ...] = wire("invalidtag", split)
    unlicensed_users: tuple[str, ...] = wire("unlicenseduser", split)


# --- Join ways, media, sensitive words ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JoinWayConfig:
    """A QR code that leads into groups. ``scene``: 1 mini-program, 2 QR."""

    config_id: str = wire("config_id", text)
    scene: int = wire("scene", integer)
    remark: str = wire("remark", text)
    creates_rooms: bool = wire("auto_create_room", flag)
    room_base_name: str = wire("room_base_name", text)
    room_base_id: int = wire("room_base_id", integer)
    chat_ids: tuple[str, ...] = wire("chat_id_list", texts)
    qr_code: str = wire("qr_code", text)
    state: str = wire("state", text)


@dataclass(frozen=True, slots=True)
class Media:
    """A temporary file of the company: good for three days."""

    media_id: str = wire("media_id", text)
    type: str = wire("type", text)
    created_at: datetime | None = wire("created_at", instant)


@dataclass(frozen=True, slots=True)
class InterceptRuleListing:
    rule_id: str = wire("rule_id", text)
    name: str = wire("rule_name", text)
    created_at: datetime | None = wire("create_time", instant)


@dataclass(frozen=True, slots=True)
class InterceptRule:
    """Words that staff may not send. ``semantics``: 1 phone number, 2 e-mail, 3 red packet.
    ``intercept_type``: 1 warn and block, 2 warn only."""

    rule_id: str = wire("rule_id", text)
    name: str = wire("rule_name", text)
    words: tuple[str, ...] = wire("word_list", texts)
    semantics: tuple[int, ...] = wire("extra_rule", inside("semantics_list", integers))
    intercept_type: int = wire("intercept_type", integer)
    userids: tuple[str, ...] = wire("applicable_range", inside("user_list", texts))
    department_ids: tuple[int, ...] = wire("applicable_range", inside("department_list", integers))
