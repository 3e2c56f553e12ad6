"""Writing a broadcast, as long as it is a draft."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.channels.registry import sending_kinds
from campaigns.errors import (
    BelongsElsewhere,
    CannotEdit,
    ChannelCannotSend,
    ChannelIsOff,
    CriterionNeedsMembers,
    NoCommunity,
)
from campaigns.models import Broadcast
from campaigns.rules.status import BroadcastStatus, BroadcastTarget
from campaigns.rules.templates import VARIABLES_OF, clean_text
from campaigns.services.moving import locked_broadcast
from communities.models import Community, SplitBranch
from communities.services.gatekeeping import refuse_unknown_references
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.criteria import Criterion, parse_criterion
from scrm.wecom.models import ChannelAccount

FIELDS = (
    "name",
    "category",
    "body",
    "target",
    "criterion",
    "channel_account",
    "misfire_policy",
    "misfire_grace_minutes",
)


class Draft(TypedDict, total=False):
    """What can be written about a broadcast while it is a draft."""

    name: str
    category: str
    body: str
    target: str
    communities: Iterable[Community]
    criterion: Criterion | dict[str, Any]
    channel_account: ChannelAccount
    misfire_policy: str
    misfire_grace_minutes: int
    split_branch: SplitBranch


@transaction.atomic
def create_broadcast(*, actor: User, **draft: Unpack[Draft]) -> Broadcast:
    communities = list(draft.pop("communities", ()))
    broadcast = Broadcast(enterprise_id=actor.enterprise_id, author=actor, last_editor=actor)
    write(broadcast, draft)
    refuse_what_cannot_be_sent(broadcast, communities)
    broadcast.save(force_insert=True)
    broadcast.communities.set(communities)
    record_audit(
        actor, verb="create_broadcast", subject=broadcast, after=picture(broadcast, communities)
    )
    return broadcast


@transaction.atomic
def edit_broadcast(broadcast_id: int, *, actor: User, **draft: Unpack[Draft]) -> Broadcast:
    """Only a draft can be edited: what was approved is what is sent."""
    broadcast = locked_broadcast(broadcast_id)
    if broadcast.status != BroadcastStatus.DRAFT:
        raise CannotEdit(
            _("“%(status)s”的群发不能修改，请先退回草稿。")
            % {"status": broadcast.get_status_display()}
        )
    current = list(broadcast.communities.order_by("pk"))
    before = picture(broadcast, current)
    communities = list(draft.pop("communities", current))
    write(broadcast, draft)
    broadcast.last_editor = actor
    refuse_what_cannot_be_sent(broadcast, communities)
    broadcast.save(update_fields=[*draft, "last_editor"])
    broadcast.communities.set(communities)
    after = picture(broadcast, communities)
    record_audit(actor, verb="edit_broadcast", subject=broadcast, before=before, after=after)
    return broadcast


def write(broadcast: Broadcast, draft: Draft) -> None:
    for name, value in draft.items():
        setattr(broadcast, name, value.as_json() if isinstance(value, Criterion) else value)


def refuse_what_cannot_be_sent(broadcast: Broadcast, communities: list[Community]) -> None:
    broadcast.body = clean_text(broadcast.body, allowed=VARIABLES_OF[broadcast.target])
    if not communities:
        raise NoCommunity(_("请至少选择一个社群。"))
    account = broadcast.channel_account
    owners = {account.enterprise_id, *(community.enterprise_id for community in communities)}
    if owners != {broadcast.enterprise_id}:
        raise BelongsElsewhere(_("社群和渠道账号必须属于同一家企业。"))
    if not account.is_active:
        raise ChannelIsOff(_("渠道账号“%(name)s”已停用。") % {"name": account.name})
    if account.kind not in sending_kinds():
        raise ChannelCannotSend(_("这个渠道不能由系统直接发送，请选沙盒或 Webhook 渠道。"))
    criterion = parse_criterion(broadcast.criterion)
    if broadcast.target == BroadcastTarget.CHATS and not criterion.is_empty:
        raise CriterionNeedsMembers(_("人群条件只能用于发给成员的群发。"))
    refuse_unknown_references(criterion, enterprise_id=broadcast.enterprise_id)


def picture(broadcast: Broadcast, communities: list[Community]) -> dict[str, Any]:
    """What the audit keeps of a draft."""
    return {
        **snapshot(broadcast, FIELDS),
        "communities": [community.pk for community in communities],
    }
