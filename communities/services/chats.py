"""Group chats: the carriers of communities."""

from __future__ import annotations

from typing import TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.utils.translation import gettext as _

from communities.errors import (
    CapacityTooSmall,
    ChatIsDissolved,
    ChatIsOccupied,
    ChatTaken,
    CommunityIsOver,
    InvalidJoinUrl,
    OwnerIsOnPlatform,
)
from communities.models import Community, GroupChat
from communities.rules.status import ChatState
from communities.services.belonging import refuse_strangers
from communities.services.gatekeeping import OVER
from communities.services.ownership.owning import name_owner, own_new_chats
from communities.signals import chat_assigned
from scrm.accounts.models import Staff, User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing
from scrm.wecom.models import ChannelAccount

IS_WEB_ADDRESS = URLValidator(schemes=["http", "https"])


class ChatFields(TypedDict, total=False):
    name: str
    owner: Staff | None
    capacity: int
    join_url: str


@transaction.atomic
def register_group_chat(
    *,
    channel_account: ChannelAccount,
    external_id: str,
    actor: User,
    community: Community | None = None,
    **fields: Unpack[ChatFields],
) -> GroupChat:
    """Make a chat of the platform known; it may carry a community from the start."""
    chat = GroupChat(
        enterprise=actor.enterprise,
        channel_account=channel_account,
        external_id=external_id,
        community=community,
        **fields,
    )
    refuse_strangers(actor.enterprise_id, [channel_account, community, chat.owner])
    _refuse_bad_address(chat.join_url)
    if community is not None:
        _refuse_over(_locked(community))
    taken = ChatTaken(_("平台群编号 %(id)s 已登记。") % {"id": external_id})
    with refusing(taken, constraint="group_chat_external_id_is_unique"):
        chat.save(force_insert=True)
    own_new_chats([chat])
    record_audit(
        actor,
        verb="register_group_chat",
        subject=chat,
        after=snapshot(chat, ["external_id", "community", *fields]),
    )
    return chat


@transaction.atomic
def edit_group_chat(chat_id: int, *, actor: User, **changes: Unpack[ChatFields]) -> GroupChat:
    """Change what describes a chat. A changed capacity may fill it or give it room. Who owns a chat
    that the platform shows is changed there, or by a hand-over."""
    chat = GroupChat.objects.select_for_update(no_key=True).get(pk=chat_id)
    _refuse_other_owner(chat, changes)
    before = snapshot(chat, [*changes, "state"])
    for name, value in changes.items():
        setattr(chat, name, value)
    refuse_strangers(chat.enterprise_id, [chat.owner])
    _refuse_bad_address(chat.join_url)
    if chat.capacity < max(chat.member_count, 1):
        raise CapacityTooSmall(
            _("群里已有 %(count)d 人，容量不能小于它，也不能为 0。") % {"count": chat.member_count}
        )
    if chat.state in {ChatState.ACTIVE, ChatState.FULL}:
        is_full = chat.member_count >= chat.capacity
        chat.state = ChatState.FULL if is_full else ChatState.ACTIVE
    chat.save(update_fields=[*changes, "state"])
    if "owner" in changes:
        name_owner(chat)
    record_audit(
        actor,
        verb="edit_group_chat",
        subject=chat,
        before=before,
        after=snapshot(chat, [*changes, "state"]),
    )
    return chat


@transaction.atomic
def assign_chat(chat_id: int, *, community: Community | None, actor: User) -> GroupChat:
    """Let a chat carry a community, or none. One that carries a community with members in it stays
    where it is: they joined that community. Who is in a chat without one joins with it."""
    if community is not None:
        _refuse_over(_locked(community))
    chat = GroupChat.objects.select_for_update(no_key=True).get(pk=chat_id)
    refuse_strangers(chat.enterprise_id, [community])
    if chat.state == ChatState.DISSOLVED:
        raise ChatIsDissolved(_("客户群已解散，不能再承载社群。"))
    target_id = None if community is None else community.pk
    if chat.community_id == target_id:
        return chat
    if chat.community_id is not None and chat.member_count:
        raise ChatIsOccupied(
            _("群里还有 %(count)d 位“%(community)s”的成员，请先让他们离开再改归属。")
            % {"count": chat.member_count, "community": chat.community}
        )
    before = snapshot(chat, ["community"])
    chat.community = community
    chat.save(update_fields=["community"])
    record_audit(
        actor,
        verb="assign_chat",
        subject=chat,
        before=before,
        after=snapshot(chat, ["community"]),
    )
    if target_id is not None:
        chat_assigned.send(sender=GroupChat, chat_id=chat.pk, community_id=target_id)
    return chat


def _refuse_other_owner(chat: GroupChat, changes: ChatFields) -> None:
    owner_id = None if (owner := changes.get("owner")) is None else owner.pk
    if chat.read_at is not None and "owner" in changes and owner_id != chat.owner_id:
        raise OwnerIsOnPlatform(
            _("群主以平台为准，不能在这里改。请用“转让群主”，或在企业微信里更换后同步。")
        )


def _refuse_bad_address(url: str) -> None:
    """People are sent there, so it has to be an address on the web."""
    try:
        if url:
            IS_WEB_ADDRESS(url)
    except ValidationError as invalid:
        raise InvalidJoinUrl(
            _("入群链接要以 http:// 或 https:// 开头，请从平台复制完整地址。")
        ) from invalid


def _locked(community: Community) -> Community:
    """The queue for places is locked before any chat, by everybody."""
    return Community.objects.select_for_update(no_key=True).get(pk=community.pk)


def _refuse_over(community: Community) -> None:
    if community.status in OVER:
        raise CommunityIsOver(_("社群已结束，不能再分配客户群。"))
