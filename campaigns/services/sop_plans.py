"""Writing a plan for group chats and approving it: its messages are approved with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.channels.registry import channel_for, sending_kinds
from campaigns.errors import (
    BadSopStep,
    BelongsElsewhere,
    CannotApprove,
    CannotEdit,
    CannotMoveSop,
    ChannelCannotSend,
    ChannelIsOff,
    ContentBlocked,
    ContentNotUsable,
    ReasonMissing,
    SopNeedsSteps,
)
from campaigns.models import ContentVersion, SopEnrolment, SopPlan, SopStep
from campaigns.rules.contents import USABLE_CONTENT
from campaigns.rules.guarding import Severity
from campaigns.rules.lexicon import Finding
from campaigns.rules.sop import (
    ITEM_LENGTH,
    ITEM_LIMIT,
    SOP_MOVES,
    SopStatus,
    StepKind,
)
from campaigns.rules.status import BroadcastTarget
from campaigns.rules.templates import VARIABLES_OF, clean_text, refuse_differing
from campaigns.selectors.lexicon import lexicon_of
from campaigns.services.sop_enrolling import end_enrolments
from communities.rules.kinds import ContentCategory
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services.audit import record_audit
from scrm.shared.clock import database_now
from scrm.shared.errors import InvalidInput
from scrm.wecom.models import ChannelAccount

STEP_LIMIT = 100
LAST_DAY = 365
STEP_FIELDS = (
    "day_offset",
    "local_time",
    "kind",
    "title",
    "category",
    "body",
    "content_version",
    "items",
)


class StepDraft(TypedDict, total=False):
    """One step as it is written. A content version without a text brings its own."""

    day_offset: int
    local_time: time
    kind: str
    title: str
    category: str
    body: str
    content_version: ContentVersion | None
    items: list[str]


class PlanDraft(TypedDict, total=False):
    name: str
    channel_account: ChannelAccount
    steps: Sequence[StepDraft]


@transaction.atomic
def create_sop_plan(*, actor: User, **draft: Unpack[PlanDraft]) -> SopPlan:
    steps = draft.pop("steps", ())
    plan = SopPlan(enterprise_id=actor.enterprise_id, author=actor)
    _write(plan, draft)
    plan.save(force_insert=True)
    _write_steps(plan, steps)
    record_audit(actor, verb="create_sop_plan", subject=plan, after=picture(plan))
    return plan


@transaction.atomic
def edit_sop_plan(plan_id: int, *, actor: User, **draft: Unpack[PlanDraft]) -> SopPlan:
    """Only a draft can be edited. Whoever changed it last counts as its author, because nobody
    approves what they wrote. ``steps`` replaces all of them."""
    plan = _locked(plan_id, actor)
    if plan.status != SopStatus.DRAFT:
        raise CannotEdit(
            _("“%(status)s”的 SOP 不能修改，请先退回草稿。") % {"status": plan.get_status_display()}
        )
    before = picture(plan)
    steps = draft.pop("steps", None)
    _write(plan, draft)
    plan.author = actor
    plan.save(update_fields=["name", "channel_account", "author"])
    if steps is not None:
        plan.steps.all().delete()
        _write_steps(plan, steps)
    else:
        _refuse_steps(plan, list(plan.steps.all()))
    record_audit(actor, verb="edit_sop_plan", subject=plan, before=before, after=picture(plan))
    return plan


@transaction.atomic
def submit_sop_plan(plan_id: int, *, actor: User) -> SopPlan:
    """Ask somebody else to approve it. Forbidden words in a message are refused here."""
    plan = _locked(plan_id, actor)
    _refuse_move(plan, "submit_sop_plan")
    steps = list(plan.steps.select_related("content_version__content"))
    if not steps:
        raise SopNeedsSteps(_("还没有步骤，请至少写一步。"))
    _refuse_steps(plan, steps)
    _refuse_words(plan, steps)
    return _move(plan, "submit_sop_plan", actor=actor)


@transaction.atomic
def approve_sop_plan(plan_id: int, *, actor: User) -> SopPlan:
    """By somebody who did not write it: from now on its messages are sent as they stand."""
    plan = _locked(plan_id, actor)
    if not actor.can(Capability.APPROVE_CAMPAIGNS):
        raise CannotApprove(_("没有审批群发的权限。"))
    if actor.pk == plan.author_id:
        raise CannotApprove(_("作者不能审批自己的 SOP，请让另一位同事审批。"))
    _refuse_move(plan, "approve_sop_plan")
    steps = list(plan.steps.select_related("content_version__content"))
    _refuse_steps(plan, steps)
    _refuse_words(plan, steps)
    plan.approved_by, plan.approved_at = actor, database_now()
    plan.save(update_fields=["approved_by", "approved_at"])
    return _move(plan, "approve_sop_plan", actor=actor)


@transaction.atomic
def return_sop_plan(plan_id: int, *, actor: User, reason: str) -> SopPlan:
    if not reason.strip():
        raise ReasonMissing(_("请写明为什么退回。"))
    return _move(_locked(plan_id, actor), "return_sop_plan", actor=actor, reason=reason.strip())


@transaction.atomic
def retire_sop_plan(plan_id: int, *, actor: User) -> SopPlan:
    """Final: what is not due yet will not happen, and no chat follows it any more."""
    plan = _move(_locked(plan_id, actor), "retire_sop_plan", actor=actor)
    end_enrolments(SopEnrolment.objects.filter(plan=plan), reason=_("SOP 已停用"))
    return plan


def picture(plan: SopPlan) -> dict[str, Any]:
    """What the audit keeps of a plan."""
    steps = plan.steps.order_by("day_offset", "local_time", "pk").values(*STEP_FIELDS)
    return {
        "name": plan.name,
        "channel_account": plan.channel_account_id,
        "steps": [
            {**step, "local_time": step["local_time"].isoformat(timespec="minutes")}
            for step in steps
        ],
    }


def _locked(plan_id: int, actor: User) -> SopPlan:
    plans = SopPlan.objects.visible_to(actor).select_for_update(no_key=True)
    return plans.get(pk=plan_id)


def _move(plan: SopPlan, verb: str, *, actor: User, reason: str = "") -> SopPlan:
    _refuse_move(plan, verb)
    before = {"status": plan.status}
    plan.status = SOP_MOVES[verb][1]
    plan.save(update_fields=["status"])
    after = {"status": plan.status} | ({"reason": reason} if reason else {})
    record_audit(actor, verb=verb, subject=plan, before=before, after=after)
    return plan


def _refuse_move(plan: SopPlan, verb: str) -> None:
    begins, becomes = SOP_MOVES[verb]
    if plan.status not in begins:
        raise CannotMoveSop(
            _("“%(current)s”的 SOP 不能变为“%(target)s”。")
            % {"current": plan.get_status_display(), "target": becomes.label}
        )


# --- What it says -------------------------------------------------------------------------------


def _write(plan: SopPlan, draft: Mapping[str, Any]) -> None:
    for name, value in draft.items():
        setattr(plan, name, value)
    account = plan.channel_account
    if account.enterprise_id != plan.enterprise_id:
        raise BelongsElsewhere(_("渠道账号属于另一家企业。"))
    if not account.is_active:
        raise ChannelIsOff(_("渠道账号“%(name)s”已停用。") % {"name": account.name})
    if account.kind not in sending_kinds():
        raise ChannelCannotSend(_("这个渠道不能由系统直接发送，请另选渠道。"))


def _write_steps(plan: SopPlan, drafts: Sequence[StepDraft]) -> None:
    if len(drafts) > STEP_LIMIT:
        raise BadSopStep(_("最多 %(limit)d 步。") % {"limit": STEP_LIMIT})
    steps = [SopStep(plan=plan, **_filled(draft)) for draft in drafts]
    _refuse_steps(plan, steps)
    SopStep.objects.bulk_create(steps)


def _filled(draft: StepDraft) -> dict[str, Any]:
    step: dict[str, Any] = {"category": ContentCategory.SERVICE, "body": "", "items": [], **draft}
    version = step.get("content_version")
    if version is not None and not step["body"].strip():
        step["body"] = version.body
    return step


def _refuse_steps(plan: SopPlan, steps: Sequence[SopStep]) -> None:
    """Refuse what could not be sent or done, and put texts and lists into their kept form."""
    for number, step in enumerate(steps, start=1):
        try:
            _refuse_step(plan, step)
        except InvalidInput as refusal:
            raise BadSopStep(
                _("第 %(number)d 步“%(title)s”：%(words)s")
                % {"number": number, "title": step.title, "words": refusal.message},
                details={"step": number, "code": refusal.code},
            ) from refusal


def _refuse_step(plan: SopPlan, step: SopStep) -> None:
    step.title = step.title.strip()
    if not step.title:
        raise BadSopStep(_("请写标题。"))
    if step.day_offset > LAST_DAY:
        raise BadSopStep(_("最多到第 365 天。"))
    if step.kind == StepKind.CHECKLIST:
        step.items = clean_items(step.items)
        step.body, step.content_version = "", None
        return
    step.items = []
    step.body = clean_text(step.body, allowed=VARIABLES_OF[BroadcastTarget.CHATS])
    if channel_for(plan.channel_account.kind).one_text:
        refuse_differing(step.body, target=BroadcastTarget.CHATS, is_one_community=False)
    _refuse_version(plan, step)


def _refuse_version(plan: SopPlan, step: SopStep) -> None:
    version = step.content_version
    if version is None:
        return
    if version.content.enterprise_id != plan.enterprise_id:
        raise BelongsElsewhere(_("这份内容属于另一家企业。"))
    if version.published_at is None or version.content.status not in USABLE_CONTENT:
        raise ContentNotUsable(_("这个版本还没有发布或已停用，请选已发布的版本。"))
    if version.body != step.body:
        step.content_version = None


def clean_items(items: Sequence[str]) -> list[str]:
    cleaned = [str(item).strip() for item in items if str(item).strip()]
    if not cleaned:
        raise BadSopStep(_("请写清单，一行一件要做的事。"))
    if len(cleaned) > ITEM_LIMIT or any(len(item) > ITEM_LENGTH for item in cleaned):
        raise BadSopStep(
            _("清单最多 %(limit)d 件，每件最多 %(length)d 个字。")
            % {"limit": ITEM_LIMIT, "length": ITEM_LENGTH}
        )
    return cleaned


@dataclass(frozen=True, slots=True)
class Forbidden:
    step: SopStep
    finding: Finding


def forbidden_words(steps: Sequence[SopStep], *, enterprise_id: int) -> list[Forbidden]:
    """What the ad law, or the enterprise's own lexicon, blocks in these messages now."""
    lexicon = lexicon_of(enterprise_id)
    return [
        Forbidden(step, finding)
        for step in steps
        for finding in lexicon.find(step.body)
        if finding.term.severity is Severity.BLOCK
    ]


def _refuse_words(plan: SopPlan, steps: Sequence[SopStep]) -> None:
    """A plan is sent again and again: what the ad law forbids has no override here."""
    forbidden = forbidden_words(steps, enterprise_id=plan.enterprise_id)
    if not forbidden:
        return
    step, finding = forbidden[0].step, forbidden[0].finding
    raise ContentBlocked(
        _("“%(title)s”里有“%(quote)s”（%(article)s），请修改。")
        % {
            "title": step.title,
            "quote": finding.quote,
            "article": finding.term.article or finding.term.kind.label,
        },
        details=[{"step": one.step.pk, "term": one.finding.term.text} for one in forbidden],
    )
