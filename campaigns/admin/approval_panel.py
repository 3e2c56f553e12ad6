"""What an approver is shown: what changed since the last approval, and who has said what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.experiment_words import design_in_words
from campaigns.models import Approval, Broadcast
from campaigns.rules.guarding import Decision
from campaigns.rules.status import BroadcastStatus, BroadcastTarget, FreezeAt
from campaigns.selectors.approvals import approvals_of, standing
from campaigns.selectors.choices import is_available
from campaigns.selectors.contents import digest_of, facts_of
from communities.models import Community
from communities.rules.kinds import ContentCategory
from scrm.accounts.models import User
from scrm.shared.criteria import CHAT_METRICS, METRICS
from scrm.shared.criterion_words import describe_stored
from scrm.wecom.models import ChannelAccount

SHOWN_NAMES = 10
WORDS: dict[str, Any] = {
    "body": gettext_lazy("内容"),
    "attachments": gettext_lazy("附件"),
    "category": gettext_lazy("内容类别"),
    "target": gettext_lazy("发给"),
    "channel_account": gettext_lazy("渠道账号"),
    "communities": gettext_lazy("社群"),
    "chats": gettext_lazy("指定的群"),
    "criterion": gettext_lazy("人群条件"),
    "segments": gettext_lazy("人群包"),
    "excluded_segments": gettext_lazy("排除的人群包"),
    "named": gettext_lazy("人群包的条件"),
    "freeze_at": gettext_lazy("锁定名单"),
    "schedule": gettext_lazy("排期"),
    "experiment": gettext_lazy("实验"),
}


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was when somebody last approved it."""

    label: str
    before: str
    now: str


@dataclass(frozen=True)
class Word:
    """What somebody decided, and what they were shown then."""

    who: str
    decision: str
    tone: str
    note: str
    when: Any
    figures: str
    counts: bool


TONES = {Decision.APPROVED: "good", Decision.REJECTED: "danger", Decision.VOID: "hint"}


def approval_context(broadcast: Broadcast, *, user: User) -> dict[str, Any]:
    """For a broadcast that is or was looked at by approvers; empty for a new draft."""
    words = list(approvals_of(broadcast)[:20])
    counting = set(
        standing(Approval.objects.filter(broadcast=broadcast)).values_list("pk", flat=True)
    )
    is_waiting = broadcast.status == BroadcastStatus.IN_REVIEW
    if not words and not is_waiting:
        return {}
    approved_by = [one.user_id for one in words if one.pk in counting and one.user_id]
    return {
        "broadcast": broadcast,
        "given": len(counting),
        "required": broadcast.required_approvals,
        "words": [word_of(one, counts=one.pk in counting) for one in words],
        "is_waiting": is_waiting,
        "changes": changes_since(last_approved(words), broadcast) if is_waiting else [],
        "has_earlier": last_approved(words) is not None,
        "may_approve": is_available("approve", broadcast, user, approved_by=approved_by),
        "digest": digest_of(broadcast) if is_waiting else "",
    }


def word_of(approval: Approval, *, counts: bool) -> Word:
    shown = approval.shown
    figures = ""
    if "recipient_count" in shown:
        figures = _("当时 %(count)d 个收件人，占 %(percent)s%%") % {
            "count": shown["recipient_count"],
            "percent": round(100 * shown.get("share", 0), 1),
        }
    return Word(
        who=approval.user.username if approval.user else _("系统"),
        decision=str(Decision(approval.decision).label),
        tone=TONES[Decision(approval.decision)],
        note=approval.note,
        when=approval.decided_at,
        figures=figures,
        counts=counts,
    )


def last_approved(words: Iterable[Approval]) -> Mapping[str, Any] | None:
    """The contents that were last approved, as they were kept then."""
    for approval in words:
        if approval.decision == Decision.APPROVED and "contents" in approval.shown:
            contents: Mapping[str, Any] = approval.shown["contents"]
            return contents
    return None


def changes_since(before: Mapping[str, Any] | None, broadcast: Broadcast) -> list[Change]:
    """Nothing when it was never approved, or is as it was."""
    if before is None:
        return []
    facts = json.loads(json.dumps(facts_of(broadcast), default=str))
    return [
        Change(
            str(WORDS.get(name, name)),
            in_words(name, before.get(name), before),
            in_words(name, facts.get(name), facts),
        )
        for name in facts
        if facts.get(name) != before.get(name)
    ]


def in_words(name: str, value: Any, facts: Mapping[str, Any]) -> str:
    """One fact as people read it."""
    registry = CHAT_METRICS if facts.get("target") == BroadcastTarget.CHATS else METRICS
    match name:
        case "category":
            return str(ContentCategory(value).label)
        case "target":
            return str(BroadcastTarget(value).label)
        case "freeze_at":
            return str(FreezeAt(value).label)
        case "communities":
            return named(Community, value)
        case "channel_account":
            return named(ChannelAccount, [value])
        case "chats":
            return _("%(count)d 个") % {"count": len(value)} if value else _("全部")
        case "criterion":
            return describe_stored(value, registry=registry) if value else _("所有人")
        case "named":
            return "；".join(
                f"{code}：{describe_stored(one, registry=registry) if one else _('全部')}"
                for code, one in (value or {}).items()
            )
        case "attachments":
            return "、".join(str(one.get("title") or one.get("kind")) for one in value or [])
        case "experiment":
            return design_in_words(value)
        case "schedule":
            return "；".join(f"{key} {one}" for key, one in (value or {}).items() if one)
    if isinstance(value, list):
        return "、".join(map(str, value)) or "—"
    return str(value or "—")


def named(model: Any, ids: list[int]) -> str:
    names = model.objects.filter(pk__in=ids).order_by("pk").values_list("name", flat=True)
    shown = list(names[:SHOWN_NAMES])
    more = len(ids) - len(shown)
    words = "、".join(shown)
    return words + (_(" 等 %(count)d 个") % {"count": len(ids)} if more > 0 and shown else "")
