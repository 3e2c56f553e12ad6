"""Writing a broadcast, as long as it is a draft."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, Unpack, cast

from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from campaigns.channels.registry import channel_for, sending_kinds
from campaigns.errors import (
    AttachmentsNotForChannel,
    BadAttachment,
    BadChats,
    BelongsElsewhere,
    CannotEdit,
    ChannelCannotSend,
    ChannelIsOff,
    ContentNotUsable,
    NoCommunity,
    SegmentOfOthers,
)
from campaigns.models import Broadcast, ContentVersion, MediaAsset, Segment
from campaigns.rules.attachments import clean_attachments, kinds_of_assets
from campaigns.rules.contents import USABLE_CONTENT
from campaigns.rules.reminders import clean_hours
from campaigns.rules.status import BroadcastStatus, BroadcastTarget
from campaigns.rules.templates import VARIABLES_OF, clean_text, refuse_differing
from campaigns.selectors.audience import registry_of
from campaigns.services.moving import locked_broadcast
from communities.models import Community, GroupChat, SplitBranch
from communities.services.gatekeeping import refuse_unknown_references
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.criteria import Criterion, parse_criterion
from scrm.wecom.models import ChannelAccount

FIELDS = (
    "name",
    "category",
    "body",
    "attachments",
    "content_version",
    "target",
    "criterion",
    "freeze_at",
    "channel_account",
    "cost_amount",
    "remind_after_hours",
    "error_budget_percent",
    "override_reason",
    "misfire_policy",
    "misfire_grace_minutes",
)

#: What a broadcast has many of, kept beside its row.
SETS = ("communities", "chats", "segments", "excluded_segments")

type Sets = dict[str, list[Any]]


class Draft(TypedDict, total=False):
    """What can be written about a broadcast while it is a draft. A content version without a text
    brings its own, and its attachments."""

    name: str
    category: str
    body: str
    attachments: list[dict[str, Any]]
    content_version: ContentVersion | None
    target: str
    communities: Iterable[Community]
    chats: Iterable[GroupChat]
    criterion: Criterion | dict[str, Any]
    segments: Iterable[Segment]
    excluded_segments: Iterable[Segment]
    freeze_at: str
    channel_account: ChannelAccount
    cost_amount: int
    remind_after_hours: list[int]
    error_budget_percent: int
    override_reason: str
    misfire_policy: str
    misfire_grace_minutes: int
    split_branch: SplitBranch


@transaction.atomic
def create_broadcast(*, actor: User, **draft: Unpack[Draft]) -> Broadcast:
    sets = _taken_out(draft, {name: [] for name in SETS})
    broadcast = Broadcast(enterprise_id=actor.enterprise_id, author=actor, last_editor=actor)
    write(broadcast, draft)
    refuse_what_cannot_be_sent(broadcast, **sets)
    broadcast.save(force_insert=True)
    _keep(broadcast, sets)
    record_audit(actor, verb="create_broadcast", subject=broadcast, after=picture(broadcast, sets))
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
    current = sets_of(broadcast)
    before = picture(broadcast, current)
    sets = _taken_out(draft, current)
    write(broadcast, draft)
    broadcast.last_editor = actor
    refuse_what_cannot_be_sent(broadcast, **sets)
    broadcast.save(update_fields=[*FIELDS, "last_editor"])
    _keep(broadcast, sets)
    after = picture(broadcast, sets)
    record_audit(actor, verb="edit_broadcast", subject=broadcast, before=before, after=after)
    return broadcast


def write(broadcast: Broadcast, draft: Draft) -> None:
    for name, value in draft.items():
        setattr(broadcast, name, value.as_json() if isinstance(value, Criterion) else value)
    version = draft.get("content_version")
    if version is not None and "body" not in draft:
        broadcast.body = version.body
        if "attachments" not in draft:
            broadcast.attachments = version.attachments


def sets_of(broadcast: Broadcast) -> Sets:
    return {name: list(getattr(broadcast, name).order_by("pk")) for name in SETS}


def refuse_what_cannot_be_sent(
    broadcast: Broadcast,
    communities: list[Community],
    chats: Iterable[GroupChat] = (),
    segments: Iterable[Segment] = (),
    excluded_segments: Iterable[Segment] = (),
) -> None:
    """Raises what is wrong with a draft, and puts its text and attachments into their kept form."""
    broadcast.body = clean_text(broadcast.body, allowed=VARIABLES_OF[broadcast.target])
    broadcast.attachments = clean_attachments(broadcast.attachments)
    broadcast.remind_after_hours = clean_hours(broadcast.remind_after_hours)
    _leave_a_version_that_it_is_not(broadcast)
    if not communities:
        raise NoCommunity(_("请至少选择一个社群。"))
    _refuse_strangers(broadcast, [*communities, *chats, *segments, *excluded_segments])
    _refuse_channel(broadcast, communities)
    _refuse_files(broadcast)
    _refuse_version(broadcast)
    _refuse_chats(broadcast, list(chats), communities)
    _refuse_segments(broadcast, [*segments, *excluded_segments])
    criterion = parse_criterion(broadcast.criterion, registry=registry_of(broadcast.target))
    refuse_unknown_references(criterion, enterprise_id=broadcast.enterprise_id)


def picture(broadcast: Broadcast, sets: Mapping[str, list[Model]]) -> dict[str, Any]:
    """What the audit keeps of a draft."""
    chosen = {name: [row.pk for row in rows] for name, rows in sets.items()}
    return {**snapshot(broadcast, FIELDS), **{name: pks for name, pks in chosen.items() if pks}}


def _taken_out(draft: Draft, current: Sets) -> Sets:
    """The sets of a draft, which are no fields; those it does not name stay."""
    values = cast(dict[str, Any], draft)
    return {name: list(values.pop(name, rows)) for name, rows in current.items()}


def _keep(broadcast: Broadcast, sets: Sets) -> None:
    for name, rows in sets.items():
        getattr(broadcast, name).set(rows)


# --- What is refused ----------------------------------------------------------------------------


def _refuse_strangers(broadcast: Broadcast, rows: Iterable[Any]) -> None:
    owners = {broadcast.channel_account.enterprise_id, *(row.enterprise_id for row in rows)}
    if owners != {broadcast.enterprise_id}:
        raise BelongsElsewhere(_("社群、群、人群包和渠道账号必须属于同一家企业。"))


def _refuse_channel(broadcast: Broadcast, communities: list[Community]) -> None:
    account = broadcast.channel_account
    if not account.is_active:
        raise ChannelIsOff(_("渠道账号“%(name)s”已停用。") % {"name": account.name})
    if account.kind not in sending_kinds():
        raise ChannelCannotSend(_("这个渠道不能由系统直接发送，请另选渠道。"))
    channel = channel_for(account.kind)
    if broadcast.attachments and not channel.carries_attachments:
        raise AttachmentsNotForChannel(_("这个渠道只能发文字，请去掉附件或另选渠道。"))
    if channel.one_text:
        refuse_differing(
            broadcast.body, target=broadcast.target, is_one_community=len(communities) == 1
        )


def _refuse_files(broadcast: Broadcast) -> None:
    wanted = kinds_of_assets(broadcast.attachments)
    held = MediaAsset.objects.filter(enterprise=broadcast.enterprise_id, pk__in=wanted)
    kinds = dict(held.values_list("pk", "kind"))
    for asset, needed in wanted.items():
        if asset not in kinds:
            raise BadAttachment(_("素材 #%(asset)d 不存在，请重新选择。") % {"asset": asset})
        if needed != {kinds[asset]}:
            raise BadAttachment(_("素材 #%(asset)d 不是所需的类型。") % {"asset": asset})


def _refuse_version(broadcast: Broadcast) -> None:
    version = broadcast.content_version
    if version is None:
        return
    content = version.content
    if content.enterprise_id != broadcast.enterprise_id:
        raise BelongsElsewhere(_("这份内容属于另一家企业。"))
    if version.published_at is None or content.status not in USABLE_CONTENT:
        raise ContentNotUsable(_("这个版本还没有发布或已停用，请选已发布的版本。"))


def _refuse_chats(
    broadcast: Broadcast, chats: list[GroupChat], communities: list[Community]
) -> None:
    if chats and broadcast.target != BroadcastTarget.CHATS:
        raise BadChats(_("发给成员的群发不能指定群，请去掉，或改为发到客户群。"))
    homes = {community.pk for community in communities}
    outside = [chat.name for chat in chats if chat.community_id not in homes]
    if outside:
        raise BadChats(
            _("群“%(name)s”不在所选的社群里，请去掉，或加上它的社群。") % {"name": outside[0]}
        )


def _refuse_segments(broadcast: Broadcast, segments: list[Segment]) -> None:
    others = [segment.name for segment in segments if segment.target != broadcast.target]
    if others:
        raise SegmentOfOthers(
            _("人群包“%(name)s”挑的不是这次的收件人，请另选。") % {"name": others[0]}
        )


def _leave_a_version_that_it_is_not(broadcast: Broadcast) -> None:
    """A version of the library stands for a broadcast only while its text and attachments are
    those of the version: what is measured belongs to them."""
    version = broadcast.content_version
    said = (broadcast.body, broadcast.attachments)
    if version is not None and said != (version.body, version.attachments):
        broadcast.content_version = None
