"""What stands for and against a broadcast, before anybody approves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from campaigns.channels.registry import channel_for
from campaigns.errors import VariableNotForChannel
from campaigns.models import Broadcast, ContentVersion, MediaAsset, Run
from campaigns.rules.attachments import kinds_of_assets
from campaigns.rules.contents import USABLE_CONTENT
from campaigns.rules.full_blast import REPEATED_WITHIN, approvals_needed
from campaigns.rules.guarding import Severity
from campaigns.rules.guards import advert_would_be_too_much
from campaigns.rules.reach import REHEARSAL
from campaigns.rules.reasons import reason_words
from campaigns.rules.status import BroadcastTarget
from campaigns.rules.templates import MAX_BYTES, Variable, parse_template, refuse_differing
from campaigns.selectors.estimates import Estimate
from campaigns.selectors.experiment_concerns import concerns_of
from campaigns.selectors.guards import Guards, policy_of, posts_of
from campaigns.selectors.texts import Judged, Text, judged, texts_in
from communities.models import Community, GroupChat
from communities.rules.kinds import ContentCategory
from members.models import Member
from scrm.shared.clock import database_now


class Level(StrEnum):
    OK = "ok"
    HINT = "hint"
    BLOCK = "block"


#: Blocks that an author may answer with a reason, for the approver to accept by an explicit word.
OVERRIDABLE = frozenset({"ad_law", "repeated_full_blast"})


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer. ``words`` say what was found and what to do about it."""

    code: str
    level: Level
    title: str
    words: str
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def is_overridable(self) -> bool:
        return self.level is Level.BLOCK and self.code in OVERRIDABLE


def checks_of(
    broadcast: Broadcast,
    *,
    communities: Sequence[Community],
    estimate: Estimate | None = None,
) -> list[Check]:
    """Every check, also those that pass. Works for a broadcast that is not saved yet.

    What an ``estimate`` would tell is left out without one.
    """
    now = database_now()
    checks = [
        *_ad_law(broadcast),
        *_text(broadcast, communities),
        *_channel(broadcast),
        *_attachments(broadcast),
        *_guards(broadcast, communities, now=now),
        *_library(broadcast),
        *_experiment(broadcast, estimate),
    ]
    if estimate is not None:
        checks += [*_audience(estimate), *_full_blast(broadcast, estimate, now=now)]
    return checks


def needs_override(checks: Sequence[Check]) -> bool:
    return any(check.is_overridable for check in checks)


def standing_blocks(checks: Sequence[Check]) -> list[Check]:
    """What no reason and no approver lets pass."""
    return [check for check in checks if check.level is Level.BLOCK and not check.is_overridable]


# --- What it says -------------------------------------------------------------------------------


def _ad_law(broadcast: Broadcast) -> Iterator[Check]:
    found = judged(texts_in(broadcast), enterprise_id=broadcast.enterprise_id)
    if not found:
        yield Check("ad_law", Level.OK, _("广告法用语"), _("没有发现违禁词。"))
    for one in found:
        yield _ad_law_check(one)
    if broadcast.override_reason:
        yield Check(
            "override",
            Level.HINT,
            _("坚持使用的理由"),
            _("%(reason)s（由审批人决定）") % {"reason": broadcast.override_reason},
        )


def _ad_law_check(one: Judged) -> Check:
    term, finding = one.finding.term, one.finding
    is_block = term.severity is Severity.BLOCK
    parts = [f"{one.text.label}：“{finding.quote}”", str(term.kind.label), str(term.article)]
    if term.suggestion:
        parts.append(_("建议：%(suggestion)s") % {"suggestion": term.suggestion})
    return Check(
        "ad_law",
        Level.BLOCK if is_block else Level.HINT,
        _("广告法用语：%(term)s") % {"term": term.text},
        "；".join(part for part in parts if part),
        {
            "term": term.text,
            "quote": finding.quote,
            "place": one.text.place,
            "start": finding.start,
            "end": finding.end,
            "kind": term.kind.value,
            "article": str(term.article),
            "suggestion": str(term.suggestion),
        },
    )


def _text(broadcast: Broadcast, communities: Sequence[Community]) -> Iterator[Check]:
    """Whether it could become nothing, or more than the platform takes, for some recipients."""
    longest = {
        Variable.NICKNAME: "字" * (Member._meta.get_field("nickname").max_length or 0),
        Variable.CHAT: "字" * (GroupChat._meta.get_field("name").max_length or 0),
        Variable.COMMUNITY: max((one.name for one in communities), key=_size, default=""),
    }
    for text in texts_in(broadcast):
        if text.place == "attachments":
            continue
        yield from _differing(broadcast, text, is_one_community=len(communities) == 1)
        template = parse_template(text.words, allowed=tuple(Variable))
        names = {str(variable) for variable in template.variables}
        if names and not "".join(template.pieces[0::2]).strip():
            yield Check(
                "text",
                Level.HINT,
                _("文案"),
                _("%(text)s只有变量：没有名字的收件人不会收到，请加上文字。")
                % {"text": text.label},
            )
        pieces = list(template.pieces)
        pieces[1::2] = [longest[variable] for variable in template.variables]
        if _size("".join(pieces)) > MAX_BYTES:
            yield Check(
                "text",
                Level.HINT,
                _("文案"),
                _("%(text)s加上很长的名字会超过平台的 %(limit)d 字节，这些收件人不会收到。")
                % {"text": text.label, "limit": MAX_BYTES},
            )


def _differing(broadcast: Broadcast, text: Text, *, is_one_community: bool) -> Iterator[Check]:
    if not channel_for(broadcast.channel_account.kind).one_text:
        return
    try:
        refuse_differing(text.words, target=broadcast.target, is_one_community=is_one_community)
    except VariableNotForChannel as refusal:
        yield Check("variables", Level.BLOCK, text.label, refusal.message)


def _size(text: str) -> int:
    return len(text.encode())


def _library(broadcast: Broadcast) -> Iterator[Check]:
    version = broadcast.content_version
    if version is None:
        return
    newer = ContentVersion.objects.filter(
        content=version.content_id, number__gt=version.number, published_at__isnull=False
    )
    if newer.exists():
        yield Check(
            "library", Level.HINT, _("内容库"), _("这份内容已有更新的版本，请确认用哪一版。")
        )
    if version.content.status not in USABLE_CONTENT:
        words = _("这份内容在内容库里是“%(status)s”，请换一份。")
        status = version.content.get_status_display()
        yield Check("library", Level.BLOCK, _("内容库"), words % {"status": status})


# --- How it goes out ----------------------------------------------------------------------------


def _channel(broadcast: Broadcast) -> Iterator[Check]:
    account = broadcast.channel_account
    channel = channel_for(account.kind)
    title = _("渠道")
    if not account.is_active:
        words = _("渠道账号“%(name)s”已停用，请启用或换一个。") % {"name": account.name}
        yield Check("channel", Level.BLOCK, title, words)
    elif channel.confirms:
        words = _("经“%(name)s”提交后，要群主或员工在企业微信里确认才会发出。")
        yield Check("channel", Level.HINT, title, words % {"name": account.name})
    else:
        words = _("经“%(name)s”发送。") % {"name": account.name}
        yield Check("channel", Level.OK, title, words)


def _attachments(broadcast: Broadcast) -> Iterator[Check]:
    wanted = kinds_of_assets(broadcast.attachments)
    if not wanted:
        return
    held = MediaAsset.objects.filter(enterprise=broadcast.enterprise_id, pk__in=wanted)
    missing = wanted.keys() - set(held.values_list("pk", flat=True))
    if missing:
        words = _("有 %(count)d 个素材找不到了，请重新选择。") % {"count": len(missing)}
        yield Check("attachments", Level.BLOCK, _("附件"), words)


def _guards(
    broadcast: Broadcast, communities: Sequence[Community], *, now: datetime
) -> Iterator[Check]:
    at = max(broadcast.scheduled_at or now, now)
    guards = Guards.of(broadcast, now=at, communities=[one.pk for one in communities])
    names = {community.pk: community.name for community in communities}
    for reason, count in Counter(guards.refused.values()).items():
        refused = [pk for pk, code in guards.refused.items() if code == reason]
        is_everywhere = len(guards.refused) == len(communities)
        yield Check(
            reason,
            Level.BLOCK if is_everywhere else Level.HINT,
            _("社群规则"),
            _("%(count)d 个社群不会收到：%(reason)s（%(names)s）")
            % {
                "count": count,
                "reason": reason_words(reason),
                "names": "、".join(names[pk] for pk in refused[:5]),
            },
            {"communities": refused},
        )
    yield from _advert_share(broadcast, communities, refused=set(guards.refused), now=at)
    if not guards.refused:
        words = _("这些社群都允许这类内容，广告占比没有超过上限。")
        yield Check("communities", Level.OK, _("社群规则"), words)
    if guards.hold_until is not None:
        until = guards.hold_until.astimezone(broadcast.enterprise.zone)
        words = _("那时是免打扰时间，会等到 %(until)s 再发。")
        yield Check(
            "quiet_hours",
            Level.HINT,
            _("免打扰"),
            words % {"until": until.strftime("%m-%d %H:%M")},
            {"until": until.isoformat()},
        )


def _advert_share(
    broadcast: Broadcast, communities: Sequence[Community], *, refused: set[int], now: datetime
) -> Iterator[Check]:
    """Communities in which adverts become too many, though not so many that one is refused."""
    if broadcast.category != ContentCategory.ADVERT:
        return
    policy = policy_of(broadcast.enterprise_id)
    posts = posts_of(broadcast, policy, [one.pk for one in communities], now=now)
    warned = [
        one
        for one in communities
        if one.pk not in refused
        and advert_would_be_too_much(
            adverts=posts.get(one.pk, (0, 0))[0],
            posts=posts.get(one.pk, (0, 0))[1],
            limit_percent=policy.advert_warn_percent,
            minimum_posts=policy.advert_minimum_posts,
        )
    ]
    if warned:
        yield Check(
            "advert_share_near",
            Level.HINT,
            _("广告占比"),
            _("%(count)d 个社群近 %(days)d 天的广告会超过 %(percent)d%%（%(names)s）")
            % {
                "count": len(warned),
                "days": policy.advert_window_days,
                "percent": policy.advert_warn_percent,
                "names": "、".join(one.name for one in warned[:5]),
            },
            {"communities": [one.pk for one in warned]},
        )


# --- To whom ------------------------------------------------------------------------------------


def _experiment(broadcast: Broadcast, estimate: Estimate | None) -> Iterator[Check]:
    count = None if estimate is None else estimate.recipient_count
    for concern in concerns_of(broadcast, recipient_count=count):
        yield Check("experiment", Level(concern.level), _("实验"), concern.words)


def _audience(estimate: Estimate) -> Iterator[Check]:
    left_out = [
        {"reason": one.reason, "words": reason_words(one.reason), "count": one.count}
        for one in estimate.excluded
    ]
    details = {
        "recipient_count": estimate.recipient_count,
        "will_send_count": estimate.will_send_count,
        "excluded": left_out,
    }
    title = _("收件人")
    if not estimate.will_send_count:
        words = _("按现在的数据没有人会收到，请检查社群、人群条件和发送规则。")
        yield Check("audience", Level.HINT, title, words, details)
        return
    words = _("按现在的数据会发给 %(count)d 个。") % {"count": estimate.will_send_count}
    yield Check("audience", Level.OK, title, words, details)


def _full_blast(broadcast: Broadcast, estimate: Estimate, *, now: datetime) -> Iterator[Check]:
    title = _("全员群发")
    details = {
        "share": estimate.share,
        "eligible_count": estimate.eligible_count,
        "required_approvals": approvals_needed(is_full_blast=estimate.is_full_blast),
    }
    if not estimate.is_full_blast:
        words = _("占可触达对象的 %(percent)d%%。") % {"percent": estimate.share * 100}
        yield Check("full_blast", Level.OK, title, words, details)
        return
    words = _("收件人是可触达对象的 %(percent)d%%，又没有任何筛选：要两位审批人。")
    yield Check("full_blast", Level.HINT, title, words % {"percent": estimate.share * 100}, details)
    earlier = _earlier_blast(broadcast, now=now)
    if earlier is not None:
        words = _("%(days)d 天内已全员群发过“%(name)s”；确要再发，请写明理由，由审批人决定。")
        yield Check(
            "repeated_full_blast",
            Level.BLOCK,
            title,
            words % {"days": REPEATED_WITHIN.days, "name": earlier.broadcast.name},
            {"run": earlier.pk, "broadcast": earlier.broadcast_id},
        )


def _earlier_blast(broadcast: Broadcast, *, now: datetime) -> Run | None:
    """A run of the last days that needed two approvers; rehearsals disturb nobody."""
    runs = Run.objects.filter(
        broadcast__enterprise=broadcast.enterprise_id,
        broadcast__target=BroadcastTarget(broadcast.target),
        broadcast__required_approvals__gt=approvals_needed(is_full_blast=False),
        started_at__gt=now - REPEATED_WITHIN,
        recipient_count__gt=0,
    ).select_related("broadcast")
    if broadcast.channel_account.kind != REHEARSAL:
        runs = runs.exclude(broadcast__channel_account__kind=REHEARSAL)
    if not broadcast._state.adding:
        runs = runs.exclude(broadcast=broadcast.pk)
    return runs.order_by("-started_at").first()
