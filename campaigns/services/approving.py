"""From the draft to the approval: submitting, approving, sending back, and what makes it void."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import (
    AlreadyApproved,
    CannotApprove,
    CannotMove,
    ContentBlocked,
    ContentsChanged,
    OverrideNotAccepted,
)
from campaigns.models import Approval, Broadcast
from campaigns.rules.full_blast import approvals_needed
from campaigns.rules.guarding import Decision
from campaigns.rules.status import VERB_BEGINS, BroadcastStatus, FreezeAt
from campaigns.selectors.approvals import ENDS_A_ROUND
from campaigns.selectors.checks import (
    Check,
    Level,
    checks_of,
    needs_override,
    standing_blocks,
)
from campaigns.selectors.contents import digest_of, facts_of, is_as_approved
from campaigns.selectors.estimates import Estimate, estimate_audience
from campaigns.selectors.lexicon import lexicon_of
from campaigns.services.composing import refuse_what_cannot_be_sent, sets_of
from campaigns.services.freezing import cancel_early, freeze_early
from campaigns.services.moving import locked_broadcast, move_broadcast
from campaigns.services.schedules import refuse_misfit
from scrm.accounts.models import User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services.audit import record_audit
from scrm.accounts.services.operator_tasks import open_task, settle_task
from scrm.shared.clock import database_now


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to say of a broadcast at one moment, and of what contents it is said."""

    digest: str
    estimate: Estimate
    checks: list[Check]
    lexicon: str

    @classmethod
    def at(cls, broadcast: Broadcast) -> Look:
        communities = list(broadcast.communities.order_by("pk"))
        estimate = estimate_audience(broadcast, as_of=database_now(), communities=communities)
        return cls(
            digest_of(broadcast),
            estimate,
            checks_of(broadcast, communities=communities, estimate=estimate),
            lexicon_of(broadcast.enterprise_id).version,
        )

    @property
    def required(self) -> int:
        return approvals_needed(is_full_blast=self.estimate.is_full_blast)

    def as_json(self) -> dict[str, Any]:
        return {
            "recipient_count": self.estimate.recipient_count,
            "will_send_count": self.estimate.will_send_count,
            "eligible_count": self.estimate.eligible_count,
            "share": round(self.estimate.share, 4),
            "is_full_blast": self.estimate.is_full_blast,
            "lexicon": self.lexicon,
            "checks": [
                {
                    "code": check.code,
                    "level": check.level.value,
                    "words": check.words,
                    "term": check.details.get("term", ""),
                }
                for check in self.checks
                if check.level is not Level.OK
            ],
        }


@transaction.atomic
def submit_broadcast(broadcast_id: int, *, actor: User) -> Broadcast:
    """Ask for approval. What no approver could let pass is refused here; what one could needs the
    author's reason."""
    broadcast = locked_broadcast(broadcast_id)
    _refuse_unless_it_may(broadcast, "submit_broadcast", BroadcastStatus.IN_REVIEW)
    refuse_what_cannot_be_sent(broadcast, **sets_of(broadcast))
    refuse_misfit(broadcast)
    look = Look.at(broadcast)
    _refuse_blocks(broadcast, look)
    broadcast.required_approvals = look.required
    broadcast.content_digest = look.digest
    broadcast.save(update_fields=["required_approvals", "content_digest"])
    submitted = move_broadcast(
        broadcast, BroadcastStatus.IN_REVIEW, verb="submit_broadcast", actor=actor
    )
    settle_task(TaskKind.BROADCAST_MISSED, subject=submitted)
    _ask_for_approval(submitted, look, given=0)
    return submitted


@transaction.atomic
def approve_broadcast(
    broadcast_id: int,
    *,
    actor: User,
    digest: str = "",
    accepts_override: bool = False,
    note: str = "",
) -> Broadcast:
    """By somebody who neither wrote nor last changed it; a full blast by two of them.

    ``digest`` is that of what the approver was shown ("" = not told): contents that changed under
    their eyes are refused. ``accepts_override`` is their word that the author's reason for what is
    blocked is good enough.
    """
    broadcast = locked_broadcast(broadcast_id)
    _refuse_approver(broadcast, actor)
    _refuse_unless_it_may(broadcast, "approve_broadcast", BroadcastStatus.APPROVED)
    look = Look.at(broadcast)
    _refuse_other_contents(broadcast, look, shown=digest)
    _refuse_blocks(broadcast, look)
    if not accepts_override:
        _refuse_override(broadcast, look)
    broadcast.content_digest = look.digest
    broadcast.required_approvals = max(broadcast.required_approvals, look.required)
    broadcast.save(update_fields=["content_digest", "required_approvals"])
    given = _note_approval(broadcast, look, actor=actor, accepts=accepts_override, note=note)
    if given < broadcast.required_approvals:
        _await_another(broadcast, look, actor=actor, given=given)
        return broadcast
    approved = move_broadcast(
        broadcast,
        BroadcastStatus.APPROVED,
        verb="approve_broadcast",
        actor=actor,
        approved_by=actor,
        approved_at=database_now(),
    )
    settle_task(TaskKind.BROADCAST_APPROVAL, subject=approved)
    if approved.freeze_at == FreezeAt.APPROVAL:
        freeze_early(approved)
    return approved


@transaction.atomic
def return_broadcast_to_draft(broadcast_id: int, *, actor: User, reason: str = "") -> Broadcast:
    """For changes; an approval given before is void."""
    broadcast = locked_broadcast(broadcast_id)
    was_approved = broadcast.status == BroadcastStatus.APPROVED
    decision = Decision.VOID if was_approved else Decision.REJECTED
    return _send_back(
        broadcast, verb="return_broadcast_to_draft", decision=decision, actor=actor, reason=reason
    )


def void_approval(broadcast: Broadcast, *, reason: str) -> Broadcast:
    """What was approved is no longer what would be sent: back to draft, in the caller's
    transaction, on a locked broadcast. The approvals stay, and a row says why they count no more.
    """
    return _send_back(
        broadcast, verb="void_approval", decision=Decision.VOID, actor=None, reason=reason
    )


def void_if_changed(broadcast: Broadcast) -> bool:
    """Of a locked broadcast whose time has come: one that is not what was approved does not begin,
    goes back to draft, and somebody is told."""
    if broadcast.status != BroadcastStatus.SCHEDULED or is_as_approved(broadcast):
        return False
    void_approval(broadcast, reason=_("批准之后内容、人群或违禁词有变，到时间没有发送。"))
    open_task(
        TaskKind.BROADCAST_MISSED,
        subject=broadcast,
        title=_("群发“%(name)s”没有发送：批准之后有变，请重新送审") % {"name": broadcast.name},
    )
    return True


def refuse_changed(broadcast: Broadcast) -> None:
    """The same said to somebody who is just about to give it a time."""
    if not is_as_approved(broadcast):
        raise ContentsChanged(_("批准之后内容、人群或违禁词有变，请退回草稿，重新送审。"))


def settle_tasks_of(broadcast_id: int) -> None:
    """It was taken back: nobody has to look at it any more."""
    broadcast = Broadcast.objects.get(pk=broadcast_id)
    if broadcast.status != BroadcastStatus.IN_REVIEW:
        settle_task(TaskKind.BROADCAST_APPROVAL, subject=broadcast)
    if broadcast.status == BroadcastStatus.CANCELLED:
        settle_task(TaskKind.BROADCAST_MISSED, subject=broadcast)


# --- Refusals -----------------------------------------------------------------------------------


def _refuse_approver(broadcast: Broadcast, actor: User) -> None:
    if not actor.can(Capability.APPROVE_CAMPAIGNS):
        raise CannotApprove(_("没有审批群发的权限。"))
    if actor.pk in {broadcast.author_id, broadcast.last_editor_id}:
        raise CannotApprove(_("作者和最后修改人不能审批这条群发，请让另一位同事审批。"))


def _refuse_unless_it_may(broadcast: Broadcast, verb: str, to: BroadcastStatus) -> None:
    """Before anything is counted: the same refusal as the move itself gives."""
    if broadcast.status not in VERB_BEGINS[verb]:
        raise CannotMove(
            _("“%(current)s”的群发不能变为“%(target)s”。")
            % {"current": broadcast.get_status_display(), "target": to.label}
        )


def _refuse_other_contents(broadcast: Broadcast, look: Look, *, shown: str) -> None:
    """A segment or a schedule may have changed since the approver looked, or since another one
    approved."""
    is_other = bool(shown) and shown != look.digest
    if not is_other and broadcast.content_digest != look.digest:
        is_other = _approvals_of_this_round(broadcast) > 0
    if is_other:
        raise ContentsChanged(
            _("内容在你查看之后变了，请重新查看；已有别人批准的，请先退回再送审。"),
            details={"digest": look.digest},
        )


def _refuse_blocks(broadcast: Broadcast, look: Look) -> None:
    standing = standing_blocks(look.checks)
    if standing:
        raise ContentBlocked(standing[0].words, details=_blocks(look.checks))
    if needs_override(look.checks) and not broadcast.override_reason.strip():
        first = next(check for check in look.checks if check.is_overridable)
        raise ContentBlocked(
            _("%(finding)s。请修改，或写明坚持使用的理由，由审批人决定。")
            % {"finding": first.words.rstrip("。")},
            details=_blocks(look.checks),
        )


def _refuse_override(broadcast: Broadcast, look: Look) -> None:
    if needs_override(look.checks):
        raise OverrideNotAccepted(
            _("有拦截项，作者的理由是“%(reason)s”。认可的话请明确勾选，否则请退回。")
            % {"reason": broadcast.override_reason},
            details=_blocks(look.checks),
        )


def _blocks(checks: list[Check]) -> list[dict[str, Any]]:
    return [
        {"code": check.code, "title": check.title, "words": check.words, **check.details}
        for check in checks
        if check.level is Level.BLOCK
    ]


# --- What is kept -------------------------------------------------------------------------------


def _round_of(broadcast: Broadcast) -> int:
    return 1 + broadcast.approvals.filter(decision__in=ENDS_A_ROUND).count()


def _approvals_of_this_round(broadcast: Broadcast) -> int:
    return broadcast.approvals.filter(
        decision=Decision.APPROVED, round=_round_of(broadcast)
    ).count()


def _note_approval(
    broadcast: Broadcast, look: Look, *, actor: User, accepts: bool, note: str
) -> int:
    """Keep one person's word; returns how many have given theirs in this round."""
    this_round = _round_of(broadcast)
    given = broadcast.approvals.filter(decision=Decision.APPROVED, round=this_round)
    if given.filter(user=actor).exists():
        raise AlreadyApproved(_("你已经批准过，还要另一位同事批准。"))
    shown = look.as_json() | {"contents": facts_of(broadcast)}
    if needs_override(look.checks):
        shown |= {"override_reason": broadcast.override_reason, "accepts_override": accepts}
    Approval.objects.create(
        broadcast=broadcast,
        round=this_round,
        user=actor,
        decision=Decision.APPROVED,
        content_digest=look.digest,
        shown=shown,
        note=note.strip()[:300],
    )
    return given.count()


def _await_another(broadcast: Broadcast, look: Look, *, actor: User, given: int) -> None:
    record_audit(
        actor,
        verb="approve_broadcast",
        subject=broadcast,
        after={"approvals": given, "required_approvals": broadcast.required_approvals},
    )
    _ask_for_approval(broadcast, look, given=given)


def _ask_for_approval(broadcast: Broadcast, look: Look, *, given: int) -> None:
    open_task(
        TaskKind.BROADCAST_APPROVAL,
        subject=broadcast,
        title=_("审批群发“%(name)s”：%(count)d 个收件人，还需 %(needed)d 人批准")
        % {
            "name": broadcast.name,
            "count": look.estimate.recipient_count,
            "needed": broadcast.required_approvals - given,
        },
        details={"count": look.estimate.recipient_count},
    )


def _send_back(
    broadcast: Broadcast, *, verb: str, decision: Decision, actor: User | None, reason: str
) -> Broadcast:
    digest = broadcast.content_digest
    back = move_broadcast(
        broadcast,
        BroadcastStatus.DRAFT,
        verb=verb,
        actor=actor,
        status_reason=reason[:300],
        scheduled_at=None,
        approved_by=None,
        approved_at=None,
        content_digest="",
    )
    Approval.objects.create(
        broadcast=back,
        round=_round_of(back),
        user=actor,
        decision=decision,
        content_digest=digest,
        note=reason.strip()[:300],
    )
    cancel_early(back)
    settle_task(TaskKind.BROADCAST_APPROVAL, subject=back)
    return back
